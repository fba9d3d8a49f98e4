// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

/// Reads one mapping of a config. Asking for an option declares it: its type, range, default and meaning, the resolved
/// config, the detection of unknown keys, `list` and the docs all come from that one call.
public final class Options {
  enum Resolved {
    case scalar(String)
    /// A path, as a scalar.
    case file(String)
    case section(Options)
    case list([Options])
  }

  let source: ConfigSource?
  let path: String
  /// nil while describing, where every option gives its default or example.
  let node: Node?
  public private(set) var declarations: [Declaration] = []
  var resolved: [(key: String, value: Resolved)] = []
  /// Old names that are still read.
  var oldNames: [String] = []
  /// Keys that say how something is done, and not what comes out: no identity has them.
  var practical: Set<String> = []

  init(_ node: Node?, path: String, source: ConfigSource?) {
    self.node = node
    self.path = path
    self.source = source
  }

  /// Options without a config: for `list`.
  public static func describing() -> Options { Options(nil, path: "", source: nil) }

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
    guard let value = Self.number(text) else {
      throw wrong(key, "'\(text)' is not a finite number; allowed: \(range.text)")
    }
    guard range.contains(value) else { throw wrong(key, "is \(text); allowed: \(range.text)") }
    return keep(key, value)
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
    guard let value = Self.number(text) else {
      throw wrong(key, "'\(text)' is not a finite number; allowed: \(allowed)")
    }
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
    guard let value = Self.integer(text) else {
      throw wrong(key, "'\(text)' is not a whole number; allowed: \(allowed)")
    }
    guard value >= low, value <= high ?? 1_000_000_000_000 else {
      throw wrong(key, "is \(text); allowed: \(allowed)")
    }
    return keep(key, value)
  }

  public func flag(_ key: String, default defaultValue: Bool, _ about: String) throws -> Bool {
    declare(key, "true or false", String(defaultValue), "true, false", about)
    let text = try scalar(key, "true or false", required: false) ?? String(defaultValue)
    guard let value = Bool(text) else { throw wrong(key, "'\(text)' is neither true nor false") }
    resolved.append((key, .scalar(text)))
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
    resolved.append((key, .scalar(quoted(value))))
    return value
  }

  /// A text that may be missing; `none` in the listing.
  public func optionalText(_ key: String, allowed: String = "text", _ about: String) throws -> String? {
    declare(key, "text", "none", allowed, about)
    guard let value = try scalar(key, "text", required: false, plainOnly: false) else { return nil }
    resolved.append((key, .scalar(quoted(value))))
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
    return keep(file: key, try scalar(key, "text", required: true, plainOnly: false) ?? example)
  }

  /// A path that may be missing; `none` in the listing.
  public func optionalFile(_ key: String, allowed: String = "a file", _ about: String) throws -> String? {
    declare(key, "text", "none", allowed, about)
    return try scalar(key, "text", required: false, plainOnly: false).map { keep(file: key, $0) }
  }

  private func keep(file key: String, _ path: String) -> String {
    resolved.append((key, .file(quoted(path))))
    return source?.resolve(path) ?? path
  }

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
    guard let value = Int(text), values.contains(value) else { throw unknownName(key, text, names) }
    resolved.append((key, .scalar(text)))
    return value
  }

  // MARK: Old names

  /// Says that an option had another name, which is still read for one release.
  /// - Parameter replacement: what to write instead, for the warning.
  /// - Returns: whether the config has the old name, and then not the new one.
  public func isRenamed(_ old: String, to key: String, write replacement: String? = nil) throws -> Bool {
    oldNames.append(old)
    guard has(old) else { return false }
    if has(key) { throw wrong(old, "is the old name of \(key), which is there too; allowed: \(key)") }
    source?.warnings.add("\(location(old, node?.mapping?[Node(old)])): is an old name; write \(replacement ?? key)")
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
    let names = declarations.map(\.key) + known
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
    InputError(message, at: location(key, at ?? node?.mapping?[Node(key)] ?? node))
  }

  func unknownName(_ key: String, _ text: String, _ names: [String]) -> InputError {
    let hint = nearest(to: text, among: names).map { "did you mean '\($0)'? " } ?? ""
    return wrong(key, "unknown name '\(text)'; \(hint)allowed: \(names.joined(separator: ", "))")
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
    guard let found = node.mapping?[Node(key)] else {
      if required { throw missing(key, node) }
      return nil
    }
    return found
  }

  /// A missing key is often there with a slip in it.
  private func missing(_ key: String, _ node: Node) -> InputError {
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
      throw wrong(key, "is the text '\(scalar.string)'; expected \(expected)")
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

  private static func isDecimal(_ text: String) -> Bool {
    text.allSatisfy { $0.isASCII && ($0.isNumber || "+-.eE".contains($0)) }
  }

  static func number(_ text: String) -> Double? {
    guard isDecimal(text), let value = Double(text), value.isFinite else { return nil }
    return value
  }

  /// Also `1e4`, which people write for counts.
  static func integer(_ text: String) -> Int? {
    if let value = Int(text) { return value }
    guard let value = number(text), value == value.rounded(), abs(value) < 1e15 else { return nil }
    return Int(value)
  }

  func quoted(_ text: String) -> String {
    let plain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./+".contains($0)) }
    return plain && text.first?.isLetter == true
      ? text : "\"" + text.replacing("\\", with: "\\\\").replacing("\"", with: "\\\"") + "\""
  }

  // MARK: The resolved config

  /// This mapping with every default written out, as YAML.
  /// - Parameters:
  ///   - keys: those to write; nil: all.
  ///   - omittingFiles: leaves out paths of files.
  ///   - omittingPractical: leaves out what no identity has.
  public func resolvedYAML(
    indent: Int = 0, only keys: [String]? = nil, omittingFiles: Bool = false, omittingPractical: Bool = false
  ) -> String {
    let space = String(repeating: "  ", count: indent)
    func body(_ options: Options, _ indent: Int) -> String {
      options.resolvedYAML(indent: indent, omittingFiles: omittingFiles, omittingPractical: omittingPractical)
    }
    var text = ""
    for (key, value) in resolved where keys?.contains(key) ?? true && !(omittingPractical && practical.contains(key)) {
      switch value {
      case .file where omittingFiles: break
      case .scalar(let scalar), .file(let scalar): text += "\(space)\(key): \(scalar)\n"
      case .section(let options):
        text += options.resolved.isEmpty ? "\(space)\(key): {}\n" : "\(space)\(key):\n" + body(options, indent + 1)
      case .list(let elements):
        text += elements.isEmpty ? "\(space)\(key): []\n" : "\(space)\(key):\n"
        for element in elements { text += "\(space)  - " + body(element, indent + 2).dropFirst(2 * (indent + 2)) }
      }
    }
    return text
  }
}
