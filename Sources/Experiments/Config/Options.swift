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

  /// The path of a key; of the mapping itself for an empty one.
  func join(_ key: String) -> String { path.isEmpty ? key : key.isEmpty ? path : "\(path).\(key)" }

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
}
