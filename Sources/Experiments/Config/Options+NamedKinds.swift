// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

extension Options {
  /// A list of options that are each of a kind and have a name of their own: names of kinds, or mappings with `kind`, its
  /// options, and `name` where it is to be another than the kind's. By default a word that says which are meant.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - kinds: those that may be named.
  ///   - word: stands for a missing option, and may be written.
  ///   - usual: the names that it stands for.
  ///   - catalogue: what kinds are decoded with.
  ///   - about: what the option means, for the listing and the docs.
  /// - Throws: `InputError` with the place of an unknown kind, of an option that is wrong, and of a name that stands
  ///   twice or is none.
  func namedKinds<Value>(
    _ key: String, of kinds: Kinds<Value>, or word: String, usual: [String], in catalogue: Catalogue, _ about: String
  ) throws -> [(name: String, value: Value)] {
    declare(key, "list of kinds", word, "\(word), or a list of \(kinds.names.joined(separator: ", "))", about)
    if isDescribing { return [] }
    var elements = usual.map { Node($0) }
    let found = try child(key, required: false)
    let isUsual = found == nil || found?.scalar?.string == word
    if let found, !isUsual {
      guard let sequence = found.sequence else {
        throw wrong(key, "is not a list; allowed: \(word), or a list of names, or of mappings with kind")
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
    resolved.append((key, isUsual ? .scalar(word) : .list(sections)))
    return values
  }
}
