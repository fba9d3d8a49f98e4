// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Synchronization
import Yams

/// A config file as Yams' nodes, with `--set` overrides applied; knows where every key stands.
public struct ConfigSource {
  /// The file's path, for messages.
  public let path: String
  /// What a reader of the config should know, though it is right: old names of options.
  public let warnings = ConfigWarnings()
  /// What was taken from files of other programs: right, and nothing to mend.
  public let notes = ConfigWarnings()
  let root: Node
  /// The file alone.
  let file: Node
  let places: KeyPlaces
  /// What a sweep decides of this config; nil where it is no run of one.
  let share: SweepShare?
  /// Where relative paths begin, if the config itself does not say it.
  private let base: String?
  /// What another program says that changed the config; nil where this one read it.
  private var told: String?

  /// - Parameters:
  ///   - path: the file.
  ///   - overrides: `key.path=value` texts; a number picks an element of a list, counted from 0, and so does its name.
  public init(path: String, overrides: [String] = []) throws {
    try self.init(text: try Self.text(ofFile: path), path: path, overrides: overrides)
  }

  /// The text of a config.
  /// - Throws: `InputError` for what cannot be read.
  static func text(ofFile path: String) throws -> String {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw InputError("no such file", at: path)
    }
    let attributes = try? FileManager.default.attributesOfItem(
      atPath: URL(fileURLWithPath: path).resolvingSymlinksInPath().path)
    if let size = attributes?[.size] as? Int, size > ConfigTree.largestText {
      throw InputError("\(size) bytes; allowed: \(ConfigTree.largestText) of a config", at: path)
    }
    let isDevice = attributes?[.type] as? FileAttributeType == .typeCharacterSpecial
    guard !isFolder.boolValue, !isDevice, let data = FileManager.default.contents(atPath: path) else {
      throw InputError("is not a readable file", at: path)
    }
    guard let text = String(data: data, encoding: .utf8) else { throw InputError("is not UTF-8 text", at: path) }
    return text
  }

  /// Reads a config from a text.
  /// - Parameters:
  ///   - text: YAML, a mapping.
  ///   - path: what messages call it.
  ///   - overrides: `KEY=VALUE` each, as `--set` takes them.
  ///   - folder: where relative paths begin, whatever the config says; nil: as it says, else its own folder.
  /// - Throws: `InputError` with line and key.
  public init(text: String, path: String, overrides: [String] = [], folder: String? = nil) throws {
    self.path = path
    base = folder
    guard let file = try ConfigTree.compose(text, path) else {
      throw InputError("is empty; expected a mapping", at: path)
    }
    guard file.mapping != nil else {
      throw InputError("is not a mapping of keys such as 'name:', 'data:', 'process:'", at: path)
    }
    self.file = file
    share = nil
    var (root, places) = (file, KeyPlaces(path: path))
    for override in overrides {
      places.add(override, Self.numbered(Self.keys(of: override), in: root))
      root = try Self.overriding(root, override)
    }
    (self.root, self.places) = (root, places)
  }

  /// The config of a run that another program has decoded already.
  /// - Parameters:
  ///   - text: with every default written out.
  ///   - path: what messages call it.
  ///   - settings: what changed it there, as `settings` was.
  init(resolved text: String, path: String, settings: String) throws {
    try self.init(text: text, path: path)
    told = settings
  }

  /// `KEY=VALUE` for everything that changed the config: the `--set` texts as they were given, and what a sweep set.
  var settings: [String] {
    if let told { return told.isEmpty ? [] : [told] }
    guard let share else { return places.overrides.map(\.text) }
    let given = share.base.overrides.filter { $0.keyPath != "sweep" && !$0.keyPath.hasPrefix("sweep.") }
    return given.map(\.text) + share.settings.map { "\($0.setting.key)=\(FlowText($0.setting.value).text)" }
  }

  /// The config of one run of a sweep: a file, or the sweep's own, with what the sweep decides in it.
  init(_ base: ConfigSource, file other: ConfigSource?, settings: [SweepSetting]) throws {
    path = other?.path ?? base.path
    self.base = other == nil ? base.base : other?.base
    places = other?.places ?? base.places
    file = other?.file ?? base.file
    var root = other?.root ?? base.root
    var inherited: Set<String> = []
    if other != nil {
      for (key, value) in base.file.mapping ?? Node.Mapping([]) {
        let name = key.scalar?.string ?? ""
        guard name != "sweep", name != "name" else { continue }
        inherited.insert(name)
        root = try Self.replacing([name], in: root, by: value, at: base.path)
      }
      for override in base.places.overrides.map(\.text) {
        let first = Self.keys(of: override).first ?? ""
        guard first != "sweep", first != "name" else { continue }
        root = try Self.overriding(root, override)
      }
    }
    if case .mapping(var mapping) = root {
      mapping[Node("sweep")] = nil
      root = .mapping(mapping)
    }
    var numbered: [String] = []
    for setting in settings {
      let place = base.places.location(of: "\(setting.prefix).\(setting.key)", setting.value)
      numbered.append(Self.numbered(setting.keys, in: root).joined(separator: "."))
      root = try Self.replacing(setting.keys[...], in: root, by: setting.value, at: place)
    }
    share = SweepShare(
      base: base.places, folder: base.folder, settings: Array(zip(numbered, settings)),
      inherited: other == nil ? nil : inherited)
    self.root = root
  }

  /// The keys before an override's equals sign. What a sweep varies has dots in its name.
  private static func keys(of override: String) -> [String] {
    let keys = override.prefix { $0 != "=" }.split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard keys.first == "sweep", keys.count > 2 else { return keys }
    var rest = keys.dropFirst()
    var whole = ["sweep"]
    while let first = rest.first, ["zip", "cases", "configs"].contains(first) || Int(first) != nil {
      whole.append(first)
      rest = rest.dropFirst()
    }
    return rest.isEmpty ? whole : whole + [rest.joined(separator: ".")]
  }

  private static func overriding(_ root: Node, _ override: String) throws -> Node {
    let location = "--set \(ConfigTree.oneLine(override))"
    guard let equals = override.firstIndex(of: "="), equals != override.startIndex else {
      throw InputError("expected key.path=value", at: location)
    }
    let keys = keys(of: override)
    guard keys.count <= ConfigTree.deepest else {
      throw InputError("a key of \(keys.count) parts; allowed: up to \(ConfigTree.deepest)", at: "--set \(keys[0])…")
    }
    let text = String(override[override.index(after: equals)...])
    let value = try ConfigTree.compose(text, location) ?? Node("", Tag(.null))
    return try replacing(keys[...], in: root, by: value, at: location)
  }

  private static func replacing(_ keys: ArraySlice<String>, in node: Node, by value: Node, at location: String) throws
    -> Node
  {
    guard let key = keys.first else { return value }
    guard !key.isEmpty else { throw InputError("an empty key", at: location) }
    switch node {
    case .mapping(var mapping):
      let found = mapping[Node(key)].flatMap { ConfigTree.isNull($0) && keys.count > 1 ? nil : $0 }
      let child = found ?? Node.mapping(Node.Mapping([]))
      mapping[Node(key)] = try replacing(keys.dropFirst(), in: child, by: value, at: location)
      return .mapping(mapping)
    case .sequence(var sequence):
      guard let index = index(of: key, in: sequence) else {
        throw InputError(
          "'\(ConfigTree.oneLine(key))' is neither the index nor the name of one of \(sequence.count) elements",
          at: location)
      }
      sequence[index] = try replacing(keys.dropFirst(), in: sequence[index], by: value, at: location)
      return .sequence(sequence)
    default:
      throw InputError("'\(key)' would lie inside a single value", at: location)
    }
  }

  /// An element of a list, counted from 0, or the one that has a name.
  private static func index(of key: String, in sequence: Node.Sequence) -> Int? {
    let index = Int(key) ?? sequence.firstIndex { $0.mapping?[Node("name")]?.scalar?.string == key }
    return index.flatMap { sequence.indices.contains($0) ? $0 : nil }
  }

  /// Keys with the number of an element in place of its name.
  static func numbered(_ keys: [String], in root: Node) -> [String] {
    var node: Node? = root
    return keys.map { key in
      if let sequence = node?.sequence, let index = index(of: key, in: sequence) {
        node = sequence[index]
        return String(index)
      }
      node = node?.mapping?[Node(key)]
      return key
    }
  }

  /// `file:line: key`, or the override or the sweep that set the key.
  func location(of keyPath: String, _ node: Node?) -> String {
    share?.location(of: keyPath, node) ?? places.location(of: keyPath, node)
  }

  /// The key `sweep`; nil where the config has none.
  var sweep: Node? { root.mapping?[Node("sweep")].flatMap { ConfigTree.isNull($0) ? nil : $0 } }

  /// Whether the config stands for many.
  public var isSweep: Bool { sweep != nil }

  /// The folder where relative paths begin: the config's, or what its sweep says.
  var folder: String {
    base ?? sweep?.mapping?[Node("paths")]?.scalar?.string ?? parentFolder(of: path)
  }

  /// A path in the config, which is relative to the config's folder.
  /// - Parameter keyPath: the key that has it.
  func resolve(_ file: String, of keyPath: String) -> String {
    file.hasPrefix("/") ? file : (share?.folder(of: keyPath) ?? folder).appendingPathSegment(file)
  }

  /// The same path from the root of the file system, so that it means the same file in a config of any folder.
  func absolute(_ file: String, of keyPath: String) -> String { Self.absolute(resolve(file, of: keyPath)) }

  static func absolute(_ path: String) -> String {
    let whole = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath.appendingPathSegment(path)
    // ".." stays: behind a link it is not the folder that the path names before it.
    return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
  }
}

/// Where keys stand: in a file, or in an override.
struct KeyPlaces: Sendable {
  let path: String
  /// Each with the path of its key, in which elements of lists are numbers.
  private(set) var overrides: [(text: String, keyPath: String)] = []

  init(path: String) { self.path = path }

  fileprivate mutating func add(_ override: String, _ keys: [String]) {
    overrides.append((override, keys.joined(separator: ".")))
  }

  /// The override that set a key; nil where none did.
  func override(of keyPath: String) -> String? {
    overrides.first { keyPath == $0.keyPath || keyPath.hasPrefix($0.keyPath + ".") }?.text
  }

  /// `file:line: key`, or the override that set the key.
  func location(of keyPath: String, _ node: Node?) -> String {
    if let override = override(of: keyPath) {
      return "--set \(ConfigTree.oneLine(override)): \(ConfigTree.oneLine(keyPath))"
    }
    let file = node?.mark.map { "\(path):\($0.line)" } ?? path
    return keyPath.isEmpty ? file : "\(file): \(ConfigTree.oneLine(keyPath))"
  }
}

/// One line for each warning, in the order in which the options were read.
public final class ConfigWarnings: Sendable {
  private let lines = Mutex<[String]>([])

  /// The lines, each once.
  public var all: [String] { lines.withLock { $0 } }

  func add(_ line: String) { lines.withLock { if !$0.contains(line) { $0.append(line) } } }
}

extension String {
  func appendingPathSegment(_ segment: String) -> String { isEmpty ? segment : "\(self)/\(segment)" }
}
