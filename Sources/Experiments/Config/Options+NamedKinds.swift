// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

extension Options {
  /// A list of options that are each of a kind and have a name of their own: names of kinds, or mappings with `kind`, its
  /// options, and `name` where it is to be another than the kind's.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - kinds: those that may be named.
  ///   - defaultNames: what a missing option stands for.
  ///   - catalogue: what kinds are decoded with.
  ///   - about: what the option means, for the listing and the docs.
  /// - Throws: `InputError` with the place of an unknown kind, of an option that is wrong, and of a name that stands
  ///   twice or is none.
  func namedKinds<Value>(
    _ key: String, of kinds: Kinds<Value>, default defaultNames: [String], in catalogue: Catalogue, _ about: String
  ) throws -> [(name: String, value: Value)] {
    let allowed = kinds.names.joined(separator: ", ")
    declare(key, "list of kinds", "[\(defaultNames.joined(separator: ", "))]", allowed, about)
    if isDescribing { return [] }
    var elements = defaultNames.map { Node($0) }
    if let found = try child(key, required: false) {
      guard let sequence = found.sequence else {
        throw wrong(key, "is not a list; allowed: a list of names, or of mappings with kind")
      }
      elements = Array(sequence)
    }
    var values: [(name: String, value: Value)] = []
    var sections: [Options] = []
    for (index, element) in elements.enumerated() {
      let place = "\(key).\(index)"
      guard element.mapping != nil || element.scalar != nil else {
        throw wrong(place, "is a list; allowed: a name, or a mapping with kind", element)
      }
      let mapping = element.mapping == nil ? Node.mapping(Node.Mapping([(Node("kind"), element)])) : element
      let options = Options(mapping, path: join(place), source: source)
      let value = try options.kind(of: kinds, in: catalogue)
      let rule = "letters, digits, - and _ after a letter, at most 60"
      let name = try options.text("name", default: options.kindName, allowed: rule, "names the column")
      guard let first = name.first, first.isASCII, first.isLetter, name.count <= 60,
        name.allSatisfy({ $0.isASCII && ($0.isLetter || $0.isNumber || $0 == "-" || $0 == "_") })
      else { throw options.wrong("name", "is '\(ConfigTree.oneLine(name))'; allowed: \(rule)") }
      guard !values.contains(where: { $0.name == name }) else {
        throw options.wrong("name", "names '\(name)' twice; allowed: a `name` of its own for each")
      }
      try options.finish(also: ["kind"])
      values.append((name, value))
      sections.append(options)
    }
    resolved.append((key, .list(sections)))
    return values
  }
}
