// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

// Options that are mappings themselves: sections, lists of them, and kinds from the catalogue.
extension Options {
  /// Whether an option is given. `null` is not.
  public func has(_ key: String) -> Bool { value(of: key) != nil }

  /// A nested mapping; an empty one where it is missing and not required.
  public func section(_ key: String, required: Bool = false, _ about: String) throws -> Options {
    declare(key, "section", required ? nil : "{}", "a mapping", about)
    let found = try child(key, required: required)
    if let found, found.mapping == nil { throw wrong(key, "is not a mapping of options") }
    let options = Options(
      isDescribing ? nil : found ?? Node.mapping(Node.Mapping([])), path: join(key), source: source)
    resolved.append((key, .section(options)))
    return options
  }

  /// A nested mapping that may be missing; `null` in the listing.
  public func optionalSection(_ key: String, _ about: String) throws -> Options? {
    declare(key, "section", "null", "a mapping", about)
    guard !isDescribing else {
      let options = Options(nil, path: join(key), source: source)
      resolved.append((key, .section(options)))
      return options
    }
    guard let found = try child(key, required: false) else { return absent(key) }
    guard found.mapping != nil else { throw wrong(key, "is not a mapping of options") }
    let options = Options(found, path: join(key), source: source)
    resolved.append((key, .section(options)))
    return options
  }

  /// As above; a number or a text in its place is the value of one of its keys.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - first: the key whose value a number or a text is.
  ///   - about: what the option means.
  public func optionalSection(_ key: String, shortFor first: String, _ about: String) throws -> Options? {
    guard !isDescribing, let found = value(of: key), found.scalar != nil else {
      return try optionalSection(key, about)
    }
    declare(key, "section", "null", "a mapping", about)
    let options = Options(.mapping(Node.Mapping([(Node(first), found)])), path: join(key), source: source)
    resolved.append((key, .section(options)))
    return options
  }

  /// A nested mapping, or one of some words in its place.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - words: the first stands for a missing option.
  ///   - allowed: what may be written, for people.
  ///   - about: what the option means.
  /// - Returns: the word, or the mapping; both while options are only listed.
  public func section(
    _ key: String, orOneOf words: [String], allowed: String, _ about: String
  ) throws -> (word: String?, section: Options?) {
    declare(key, "section", words.first, allowed, about)
    if isDescribing {
      let options = Options(nil, path: join(key), source: source)
      resolved.append((key, .section(options)))
      return (words.first, options)
    }
    let found = try child(key, required: false)
    if let mapping = found, mapping.mapping != nil {
      let options = Options(mapping, path: join(key), source: source)
      resolved.append((key, .section(options)))
      return (nil, options)
    }
    guard let word = found == nil ? words.first : found?.scalar?.string, words.contains(word) else {
      throw wrong(key, "is '\(found?.scalar?.string ?? "a list")'; allowed: \(allowed)")
    }
    resolved.append((key, .scalar(word)))
    return (word, nil)
  }

  /// A list of mappings.
  public func sections(_ key: String, required: Bool, _ about: String) throws -> [Options] {
    declare(key, "list of sections", required ? nil : "[]", "mappings", about)
    guard let found = try child(key, required: required) else {
      resolved.append((key, .list([])))
      return []
    }
    guard let sequence = found.sequence else { throw wrong(key, "is not a list") }
    let list = try sequence.enumerated().map { index, element in
      guard element.mapping != nil else { throw wrong("\(key).\(index)", "is not a mapping of options", element) }
      return Options(element, path: join("\(key).\(index)"), source: source)
    }
    resolved.append((key, .list(list)))
    return list
  }

  /// A list of names, each at most once.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for.
  ///   - names: the names allowed.
  ///   - about: what the option means, for the listing and the docs.
  public func names(_ key: String, default defaultValue: [String], among names: [String], _ about: String) throws
    -> [String]
  {
    declare(
      key, "list of names", "[\(defaultValue.joined(separator: ", "))]", names.joined(separator: ", "), about)
    var values = defaultValue
    if let found = try child(key, required: false) {
      guard let sequence = found.sequence else { throw wrong(key, "is not a list of names") }
      values = try sequence.map { element in
        let text = element.scalar?.string ?? "a list"
        guard names.contains(text) else { throw unknownName(key, text, names) }
        return text
      }
      if let twice = Dictionary(grouping: values, by: { $0 }).first(where: { $0.value.count > 1 }) {
        throw wrong(key, "names '\(twice.key)' twice")
      }
    }
    resolved.append((key, .scalar("[\(values.joined(separator: ", "))]")))
    return values
  }

  /// What the mapping's `kind` names.
  public func kind<Value>(of kinds: Kinds<Value>, in catalogue: Catalogue) throws -> Value {
    // While options are only listed, the first kind stands for all.
    let text = try scalar("kind", "a name", required: true, plainOnly: false) ?? kinds.names.first ?? ""
    guard let kind = kinds[text] else { throw unknownName("kind", text, kinds.names) }
    resolved.append(("kind", .scalar(text)))
    return try kind.decode(self, catalogue)
  }

  /// An option that is itself of a kind: a mapping with `kind`, or the bare name of one without options.
  public func kind<Value>(
    _ key: String, of kinds: Kinds<Value>, default defaultValue: String, in catalogue: Catalogue, _ about: String
  ) throws -> Value {
    declare(
      key, "one of \(kinds.names.joined(separator: ", "))", defaultValue, kinds.names.joined(separator: ", "), about)
    return try kind(key, try child(key, required: false), of: kinds, defaultValue, in: catalogue)
  }

  /// As above, for a kind whose options once stood beside it.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - kinds: what it may name.
  ///   - defaultValue: the kind that a missing option stands for.
  ///   - catalogue: all kinds, for options of the kind that name others.
  ///   - moved: the names of these options, with the defaults that older programs wrote out for every kind.
  ///   - about: what the option means.
  public func kind<Value>(
    _ key: String, of kinds: Kinds<Value>, default defaultValue: String, in catalogue: Catalogue,
    moved: [(name: String, default: String)], _ about: String
  ) throws -> Value {
    let names = kinds.names.joined(separator: ", ")
    declare(key, "one of \(names)", defaultValue, names, about)
    oldNames += moved.map(\.name)
    let found = try child(key, required: false)
    var mapping = found?.mapping ?? Node.Mapping([(Node("kind"), found ?? Node(defaultValue))])
    for (name, usual) in moved {
      guard let value = value(of: name), value.scalar?.string != usual else { continue }
      if mapping[Node(name)] != nil { throw wrong(name, "is the old place of \(key).\(name), which is there too") }
      mapping[Node(name)] = value
      source?.warnings.add("\(location(name, value)): has moved; write \(key): {kind: …, \(name): …}")
    }
    return try kind(key, .mapping(mapping), of: kinds, defaultValue, in: catalogue)
  }

  /// As above, or by default a word that says where it comes from instead: nil.
  public func kind<Value>(
    _ key: String, of kinds: Kinds<Value>, or word: String, in catalogue: Catalogue, _ about: String
  ) throws -> Value? {
    let names = ([word] + kinds.names.filter { $0 != word }).joined(separator: ", ")
    declare(key, "one of \(names)", word, names, about)
    guard let found = try child(key, required: false), found.scalar?.string != word else {
      resolved.append((key, .scalar(word)))
      return nil
    }
    return try kind(key, found, of: kinds, word, in: catalogue)
  }

  func kind<Value>(
    _ key: String, _ found: Node?, of kinds: Kinds<Value>, _ defaultValue: String, in catalogue: Catalogue
  ) throws -> Value {
    let found = found ?? Node(defaultValue)
    let mapping = found.mapping == nil ? Node.mapping(Node.Mapping([(Node("kind"), found)])) : found
    let options = Options(
      isDescribing ? Node.mapping(Node.Mapping([(Node("kind"), Node(defaultValue))])) : mapping, path: join(key),
      source: source)
    resolved.append((key, .section(options)))
    let value = try options.kind(of: kinds, in: catalogue)
    try options.finish(also: ["kind"])
    return value
  }

  /// A section of a kind: its value, and the kind's name.
  func namedKind<Value>(
    _ key: String, of kinds: Kinds<Value>, in catalogue: Catalogue, _ about: String
  ) throws -> (value: Value, name: String) {
    let section = try section(key, required: true, about)
    let value = try section.kind(of: kinds, in: catalogue)
    try section.finish(also: ["kind"])
    return (value, section.kindName)
  }

  /// The kind that a section will be of, by what is written there; empty where nothing is.
  func kindName(of key: String) -> String {
    let found = value(of: key)
    return (found?.mapping?["kind"] ?? found)?.scalar?.string ?? ""
  }

  /// The `kind` that was read.
  var kindName: String {
    for case (key: "kind", value: .scalar(let name)) in resolved { return name }
    return ""
  }
}
