// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

/// Reads one mapping of a config. Asking for an option declares it: its type, range, default and meaning, the resolved
/// config, the detection of unknown keys, `list` and the docs all come from that one call.
public final class Options {
  enum Resolved {
    case scalar(String)
    /// A path as it is written.
    case file(String)
    case section(Options)
    case list([Options])
    /// An option that is not given, and has no default but that.
    case absent
  }

  let source: ConfigSource?
  let path: String
  /// nil while describing, where every option gives its default or example.
  let node: Node?
  /// The options asked for so far.
  public internal(set) var declarations: [Declaration] = []
  var resolved: [(key: String, value: Resolved)] = []
  /// Old names that are still read.
  var oldNames: [String] = []
  /// Every key that was asked for: a test compares it with what is declared.
  private(set) var asked: Set<String> = []
  /// What the mapping has under each key.
  private let entries: [String: Node]
  /// Keys that say how something is done, and not what comes out: no identity has them.
  var practical: Set<String> = []

  init(_ node: Node?, path: String, source: ConfigSource?) {
    self.node = node
    self.path = path
    self.source = source
    var entries: [String: Node] = [:]
    if let mapping = node?.mapping { for (key, value) in mapping { entries[key.scalar?.string ?? "?"] = value } }
    self.entries = entries
  }

  /// The value of a key; nil where it is missing, or `null`, which says the same.
  func value(of key: String) -> Node? {
    asked.insert(key)
    return entries[key].flatMap { ConfigTree.isNull($0) ? nil : $0 }
  }

  /// Options without a config: for `list`.
  public static func describing() -> Options { Options(nil, path: "", source: nil) }

  /// Whether there is no config, so that every option gives its default or an example.
  public var isDescribing: Bool { node == nil }

  // MARK: Scalars

  /// A finite number.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for; nil: the option is required.
  ///   - example: the value of a required option while options are only listed.
  ///   - range: which numbers are allowed.
  ///   - about: what the option means, for the listing and the docs.
  /// - Throws: `InputError` with the place of a value that is no number or not allowed.
  public func number(
    _ key: String, default defaultValue: Double? = nil, example: Double = 1, in range: NumberRange = .any,
    _ about: String
  ) throws -> Double {
    declare(key, "number", defaultValue.map(written), range.text, about)
    guard let text = try scalar(key, "a number", required: defaultValue == nil) else {
      if let defaultValue, !isDescribing, !range.contains(defaultValue) {
        throw wrong(key, "is \(written(defaultValue)) by default; allowed: \(range.text)")
      }
      return keep(key, defaultValue ?? example)
    }
    guard let value = Spelling.number(text) else { throw noNumber(key, text, range.text) }
    guard range.contains(value) else { throw wrong(key, "is \(text); allowed: \(range.text)") }
    return keep(key, value)
  }

  private func noNumber(_ key: String, _ text: String, _ allowed: String) -> InputError {
    let text = ConfigTree.oneLine(text)
    return wrong(key, (Spelling.complaint(text) ?? "'\(text)' is not a finite number") + "; allowed: \(allowed)")
  }

  /// A number, or by default a word that says where it comes from instead: nil.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - word: the default, which may be written too.
  ///   - range: which numbers are allowed.
  ///   - about: what the option means, for the listing and the docs.
  public func number(_ key: String, or word: String, in range: NumberRange = .any, _ about: String) throws -> Double? {
    let allowed = "\(range.text), or \(word)"
    declare(key, "number", word, allowed, about)
    guard let text = try scalar(key, "a number", required: false, plainOnly: false), text != word else {
      resolved.append((key, .scalar(word)))
      return nil
    }
    guard let value = Spelling.number(text) else { throw noNumber(key, text, allowed) }
    guard range.contains(value) else { throw wrong(key, "is \(text); allowed: \(allowed)") }
    return keep(key, value)
  }

  /// A whole number.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for; nil: the option is required.
  ///   - example: the value of a required option while options are only listed.
  ///   - low: the smallest number allowed.
  ///   - high: the largest number allowed; nil: 10¹².
  ///   - about: what the option means, for the listing and the docs.
  public func integer(
    _ key: String, default defaultValue: Int? = nil, example: Int = 1, atLeast low: Int, atMost high: Int? = nil,
    _ about: String
  ) throws -> Int {
    let allowed = "a whole number of \(low) or more" + (high.map { ", at most \($0)" } ?? "")
    declare(key, "integer", defaultValue.map(String.init), allowed, about)
    guard let text = try scalar(key, "a whole number", required: defaultValue == nil) else {
      return keep(key, defaultValue ?? example)
    }
    guard let value = Spelling.integer(text) else {
      let text = ConfigTree.oneLine(text)
      if let large = Spelling.number(text), large == large.rounded() {
        throw wrong(
          key, "is \(text); allowed: \(large < 0 || high != nil ? allowed : "\(allowed), at most \(Self.largest)")")
      }
      throw wrong(key, (Spelling.complaint(text) ?? "'\(text)' is not a whole number") + "; allowed: \(allowed)")
    }
    guard value >= low, value <= high ?? Self.largest else {
      throw wrong(
        key, "is \(text); allowed: \(value < low || high != nil ? allowed : "\(allowed), at most \(Self.largest)")")
    }
    return keep(key, value)
  }

  /// The largest whole number that options without a bound of their own take.
  private static let largest = 1_000_000_000_000

  /// True or false.
  public func flag(_ key: String, default defaultValue: Bool, _ about: String) throws -> Bool {
    declare(key, "true or false", String(defaultValue), "true, false", about)
    let text = try scalar(key, "true or false", required: false) ?? String(defaultValue)
    guard let value = Spelling.flag(text) else {
      throw wrong(key, "'\(ConfigTree.oneLine(text))' is neither true nor false; allowed: true, false")
    }
    resolved.append((key, .scalar(String(value))))
    return value
  }

  /// A text.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for; nil: the option is required.
  ///   - example: the value of a required option while options are only listed.
  ///   - allowed: what may be written, for people; the caller checks it.
  ///   - about: what the option means, for the listing and the docs.
  public func text(
    _ key: String, default defaultValue: String? = nil, example: String = "", allowed: String = "text", _ about: String
  ) throws -> String {
    declare(key, "text", defaultValue, allowed, about)
    let value = try scalar(key, "text", required: defaultValue == nil, plainOnly: false) ?? defaultValue ?? example
    resolved.append((key, .scalar(Self.quoted(value))))
    return value
  }

  /// A text that may be missing; `null` in the listing.
  public func optionalText(_ key: String, allowed: String = "text", _ about: String) throws -> String? {
    declare(key, "text", "null", allowed, about)
    guard let value = try scalar(key, "text", required: false, plainOnly: false) else { return absent(key) }
    resolved.append((key, .scalar(Self.quoted(value))))
    return value
  }

  /// A path, which is relative to the config's folder.
  /// - Parameters:
  ///   - key: the option's name; it is required.
  ///   - example: the value while options are only listed.
  ///   - allowed: which files may be named, for people; the caller checks it.
  ///   - about: what the option means, for the listing and the docs.
  public func file(
    _ key: String, example: String = "x", allowed: String = "a file", _ about: String
  ) throws -> String {
    declare(key, "text", nil, allowed, about)
    return try keep(file: key, scalar(key, "text", required: true, plainOnly: false) ?? example)
  }

  /// A path that may be missing; `null` in the listing.
  public func optionalFile(_ key: String, allowed: String = "a file", _ about: String) throws -> String? {
    declare(key, "text", "null", allowed, about)
    return try scalar(key, "text", required: false, plainOnly: false).map { try keep(file: key, $0) } ?? absent(key)
  }

  private func keep(file key: String, _ path: String) throws -> String {
    // The system ends a path there, and would open another file.
    guard !path.unicodeScalars.contains("\0") else { throw wrong(key, "holds the character of code 0; allowed: none") }
    resolved.append((key, .file(path)))
    return source?.resolve(path, of: join(key)) ?? path
  }

  /// Keeps that an option is not given.
  func absent<Value>(_ key: String) -> Value? {
    resolved.append((key, .absent))
    return nil
  }

  /// One of the words that a type's cases have.
  public func choice<Value: RawRepresentable & CaseIterable>(
    _ key: String, default defaultValue: Value, _ about: String
  ) throws -> Value where Value.RawValue == String {
    let names = Value.allCases.map(\.rawValue)
    declare(key, "one of \(names.joined(separator: ", "))", defaultValue.rawValue, names.joined(separator: ", "), about)
    let text = try scalar(key, "a name", required: false, plainOnly: false) ?? defaultValue.rawValue
    guard let value = Value(rawValue: text) else { throw unknownName(key, text, names) }
    resolved.append((key, .scalar(text)))
    return value
  }

  /// One of a few whole numbers.
  /// - Parameters:
  ///   - key: the option's name.
  ///   - defaultValue: what a missing option stands for.
  ///   - values: the numbers allowed.
  ///   - about: what the option means, for the listing and the docs.
  public func choice(_ key: String, default defaultValue: Int, among values: [Int], _ about: String) throws -> Int {
    let names = values.map(String.init)
    declare(
      key, "one of \(names.joined(separator: ", "))", String(defaultValue), names.joined(separator: ", "), about)
    let text = try scalar(key, "a number", required: false, plainOnly: false) ?? String(defaultValue)
    guard let value = Spelling.integer(text), values.contains(value) else { throw unknownName(key, text, names) }
    resolved.append((key, .scalar(String(value))))
    return value
  }

  // MARK: Old names

  /// Says that an option had another name, which is still read for one release.
  /// - Parameters:
  ///   - old: the old name.
  ///   - key: the new name.
  ///   - replacement: what to write instead, for the warning.
  /// - Returns: whether the config has the old name, and then not the new one.
  public func isRenamed(_ old: String, to key: String, write replacement: String? = nil) throws -> Bool {
    oldNames.append(old)
    guard has(old) else { return false }
    if has(key) { throw wrong(old, "is the old name of \(key), which is there too; allowed: \(key)") }
    source?.warnings.add("\(location(old, value(of: old))): is an old name; write \(replacement ?? key)")
    return true
  }

  /// Writes the option that was read last as one of a section, where it has its place now.
  func moveLast(under key: String) {
    guard let last = resolved.popLast() else { return }
    let section = Options(node, path: join(key), source: source)
    section.resolved = [last]
    resolved.append((key, .section(section)))
  }

  /// Runs `body`, whose complaints get the place of an option.
  func located<Value>(_ key: String, prefix: String = "", _ body: () throws -> Value) throws -> Value {
    do {
      return try body()
    } catch let error as InputError where error.location.isEmpty {
      throw wrong(key, prefix + error.message)
    }
  }

  /// Refuses keys that nobody asked for.
  public func finish(also known: [String] = []) throws {
    guard let mapping = node?.mapping else { return }
    var names = known
    for name in declarations.map(\.key) where !names.contains(name) { names.append(name) }
    for (key, _) in mapping {
      let text = key.scalar?.string ?? "?"
      if !names.contains(text) && !oldNames.contains(text) {
        let hint = nearest(to: text, among: names).map { "did you mean '\($0)'? " } ?? ""
        throw InputError(
          "unknown key; \(hint)allowed: \(names.joined(separator: ", "))", at: location(text, key))
      }
    }
  }

  /// An error about one of the options.
  public func wrong(_ key: String, _ message: String) -> InputError { wrong(key, message, nil) }

  func wrong(_ key: String, _ message: String, _ at: Node?) -> InputError {
    InputError(message, at: location(key, at ?? entries[key] ?? node))
  }

  func unknownName(_ key: String, _ text: String, _ names: [String]) -> InputError {
    let hint = nearest(to: text, among: names).map { "did you mean '\($0)'? " } ?? ""
    return wrong(key, "unknown name '\(ConfigTree.oneLine(text))'; \(hint)allowed: \(names.joined(separator: ", "))")
  }

  // MARK: Reading nodes

  func join(_ key: String) -> String { path.isEmpty ? key : "\(path).\(key)" }

  func location(_ key: String, _ node: Node?) -> String {
    source?.location(of: join(key), node) ?? join(key)
  }

  func declare(_ key: String, _ type: String, _ defaultText: String?, _ allowed: String, _ about: String) {
    declarations.append(Declaration(key: key, type: type, defaultText: defaultText, allowed: allowed, about: about))
  }

  func child(_ key: String, required: Bool) throws -> Node? {
    guard let node else { return nil }
    if let found = value(of: key) { return found }
    if required { throw missing(key, node) }
    return nil
  }

  /// A missing key is often there with a slip in it.
  private func missing(_ key: String, _ node: Node) -> InputError {
    if let null = entries[key] { return wrong(key, "is null; it must be given", null) }
    let others = (node.mapping.map { $0.compactMap { $0.key.scalar?.string } } ?? []).filter { name in
      name != "kind" && !declarations.contains { $0.key == name }
    }
    if let slip = nearest(to: key, among: others), slip.count > 2, slip.hasPrefix(String(key.prefix(1))) {
      return InputError("unknown key; did you mean '\(key)', which is missing?", at: location(slip, node))
    }
    return InputError("is missing", at: location(key, node))
  }

  func scalar(_ key: String, _ expected: String, required: Bool, plainOnly: Bool = true) throws -> String? {
    guard let found = try child(key, required: required) else { return nil }
    guard let scalar = found.scalar else {
      throw wrong(key, "is a \(found.mapping != nil ? "mapping" : "list"); expected \(expected)")
    }
    guard !plainOnly || scalar.style == .plain || scalar.style == .any else {
      throw wrong(key, "is the text '\(ConfigTree.oneLine(scalar.string))'; expected \(expected)")
    }
    guard !scalar.string.isEmpty else { throw wrong(key, "is empty; expected \(expected)") }
    return scalar.string
  }

  private func keep(_ key: String, _ value: Double) -> Double {
    resolved.append((key, .scalar(written(value))))
    return value
  }

  private func keep(_ key: String, _ value: Int) -> Int {
    resolved.append((key, .scalar(String(value))))
    return value
  }

  /// A text as a scalar that every reader of YAML takes for this very text.
  static func quoted(_ text: String) -> String {
    let plain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./+".contains($0)) }
    if plain && text.first?.isLetter == true && !Spelling.isWord(text) { return text }
    let escaped = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\\", "\"": return "\\\(scalar)"
      case "\n": return "\\n"
      case "\t": return "\\t"
      default:
        let kind = scalar.properties.generalCategory
        let isPlain =
          scalar == " "
          || ![.control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned]
            .contains(kind)
        if isPlain { return String(scalar) }
        let digits = String(scalar.value, radix: 16)
        return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
      }
    }
    return "\"" + escaped.joined() + "\""
  }

  // MARK: The resolved config

  /// What a text of the resolved config is for.
  public enum Purpose: Sendable {
    /// A config that says the same from any folder: paths begin at the root, and options that are not given are null.
    case config
    /// What a trained network depends on. Paths are as they are written, or left out where checksums stand for them;
    /// practical options are left out.
    case identity(omittingFiles: Bool)

    var isIdentity: Bool { if case .identity = self { true } else { false } }
  }

  /// This mapping with every default written out, as YAML.
  /// - Parameters:
  ///   - indent: how many blanks each line begins with.
  ///   - keys: those to write; nil: all.
  ///   - purpose: how paths and missing options are written.
  public func resolvedYAML(indent: Int = 0, only keys: [String]? = nil, for purpose: Purpose = .config) -> String {
    let space = String(repeating: "  ", count: indent)
    func body(_ options: Options, _ indent: Int) -> String { options.resolvedYAML(indent: indent, for: purpose) }
    var text = ""
    for (key, value) in resolved where keys?.contains(key) ?? true && !(purpose.isIdentity && practical.contains(key)) {
      switch (value, purpose) {
      case (.file, .identity(omittingFiles: true)), (.absent, .identity): break
      case (.absent, .config): text += "\(space)\(key): null\n"
      case (.scalar(let scalar), _): text += "\(space)\(key): \(scalar)\n"
      case (.file(let path), .identity): text += "\(space)\(key): \(Self.quoted(path))\n"
      case (.file(let path), .config):
        text += "\(space)\(key): \(Self.quoted(source?.absolute(path, of: join(key)) ?? path))\n"
      case (.section(let options), _):
        text += options.resolved.isEmpty ? "\(space)\(key): {}\n" : "\(space)\(key):\n" + body(options, indent + 1)
      case (.list(let elements), _):
        text += elements.isEmpty ? "\(space)\(key): []\n" : "\(space)\(key):\n"
        for element in elements { text += "\(space)  - " + body(element, indent + 2).dropFirst(2 * (indent + 2)) }
      }
    }
    return text
  }
}
