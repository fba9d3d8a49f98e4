// SPDX-License-Identifier: GPL-3.0-or-later
import Yams

/// What is different between two resolved configs.
enum ConfigChanges {
  /// Every key whose value is another, sorted, with a line `key.path old → new`. Elements of a list that have a `name`
  /// are found by it, others by their number.
  /// - Returns: nil where a text is no config.
  static func found(from old: String, to new: String) -> [(key: String, line: String)]? {
    guard old != new else { return [] }
    guard let before = values(old), let now = values(new) else { return nil }
    return Set(before.keys).union(now.keys).sorted().compactMap { key in
      guard before[key] != now[key] else { return nil }
      return (key, "\(key) \(before[key] ?? "(none)") → \(now[key] ?? "(none)")")
    }
  }

  private static func values(_ text: String) -> [String: String]? {
    guard let root = try? Yams.compose(yaml: text), root.mapping != nil else { return nil }
    var values: [String: String] = [:]
    func add(_ node: Node, _ path: String) {
      if let mapping = node.mapping {
        for (key, value) in mapping {
          let name = key.scalar?.string ?? "?"
          add(value, path.isEmpty ? name : "\(path).\(name)")
        }
      } else if let sequence = node.sequence {
        for (index, element) in sequence.enumerated() {
          add(element, "\(path).\(element.mapping?["name"]?.scalar?.string ?? String(index))")
        }
      } else {
        values[path] = node.scalar?.string ?? ""
      }
    }
    add(root, "")
    return values
  }
}
