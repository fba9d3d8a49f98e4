// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

// Options whose values depend on files that other programs wrote.
extension Options {
  /// Says what was taken from the files that an option names. It is right, and no warning.
  func note(_ key: String, _ line: String) {
    source?.notes.add("\(location(key, value(of: key))): \(line)")
  }

  /// Gives an option that was not written the value that something else decides, in place of its default.
  func settle(_ key: String, _ value: String) {
    guard let place = resolved.lastIndex(where: { $0.key == key }) else { return }
    resolved[place].value = .scalar(value)
  }

  /// Whether nothing but the kind of a section is written.
  func hasKindAlone(_ key: String) -> Bool { value(of: key)?.mapping?.count ?? 1 == 1 }

  /// Leaves of a section's resolved text its kind alone, as nothing else of it has an effect.
  func settleKindAlone(_ key: String) {
    for case (key: key, value: .section(let section)) in resolved { section.resolved.removeAll { $0.key != "kind" } }
  }

  /// The text that a section has when nothing but its kind is written.
  static func defaults<Value>(
    ofKind kind: String, _ key: String, _ kinds: Kinds<Value>, _ catalogue: Catalogue
  ) throws -> String {
    let root = Options(
      .mapping(Node.Mapping([(Node(key), .mapping(Node.Mapping([(Node("kind"), Node(kind))])))])), path: "",
      source: nil)
    _ = try root.namedKind(key, of: kinds, in: catalogue, "")
    return root.resolvedYAML(only: [key])
  }
}
