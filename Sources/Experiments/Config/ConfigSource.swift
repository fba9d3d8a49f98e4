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
  /// `key.path=value` texts, as they were given.
  let overrides: [String]

  /// - Parameters:
  ///   - path: the file.
  ///   - overrides: `key.path=value` texts; a number picks an element of a list, counted from 0.
  public init(path: String, overrides: [String] = []) throws {
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
    try self.init(text: text, path: path, overrides: overrides)
  }

  /// Reads a config from a text.
  /// - Parameters:
  ///   - text: YAML, a mapping.
  ///   - path: what messages call it.
  ///   - overrides: `KEY=VALUE` each, as `--set` takes them.
  /// - Throws: `InputError` with line and key.
  public init(text: String, path: String, overrides: [String] = []) throws {
    self.path = path
    guard var root = try ConfigTree.compose(text, path) else {
      throw InputError("is empty; expected a mapping", at: path)
    }
    guard root.mapping != nil else {
      throw InputError("is not a mapping of keys such as 'name:', 'data:', 'process:'", at: path)
    }
    self.overrides = overrides
    for override in overrides {
      let location = "--set \(ConfigTree.oneLine(override))"
      guard let equals = override.firstIndex(of: "="), equals != override.startIndex else {
        throw InputError("expected key.path=value", at: location)
      }
      let keys = override[..<equals].split(separator: ".", omittingEmptySubsequences: false).map(String.init)
      guard keys.count <= ConfigTree.deepest else {
        throw InputError("a key of \(keys.count) parts; allowed: up to \(ConfigTree.deepest)", at: "--set \(keys[0])…")
      }
      let text = String(override[override.index(after: equals)...])
      let value = try ConfigTree.compose(text, location) ?? Node("", Tag(.null))
      root = try Self.replacing(keys[...], in: root, by: value, at: location)
    }
    self.root = root
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
      guard let index = Int(key), sequence.indices.contains(index) else {
        throw InputError("'\(key)' is not the index of one of \(sequence.count) elements", at: location)
      }
      sequence[index] = try replacing(keys.dropFirst(), in: sequence[index], by: value, at: location)
      return .sequence(sequence)
    default:
      throw InputError("'\(key)' would lie inside a single value", at: location)
    }
  }

  /// `file:line: key`, or the override that set the key.
  func location(of keyPath: String, _ node: Node?) -> String {
    for override in overrides {
      let key = override.prefix { $0 != "=" }
      if keyPath == key || keyPath.hasPrefix(key + ".") {
        return "--set \(ConfigTree.oneLine(override)): \(ConfigTree.oneLine(keyPath))"
      }
    }
    let file = node?.mark.map { "\(path):\($0.line)" } ?? path
    return keyPath.isEmpty ? file : "\(file): \(ConfigTree.oneLine(keyPath))"
  }

  /// A path in the config, which is relative to the config's folder.
  func resolve(_ file: String) -> String {
    file.hasPrefix("/") ? file : (path as NSString).deletingLastPathComponent.appendingPathSegment(file)
  }

  /// The same path from the root of the file system, so that it means the same file in a config of any folder.
  func absolute(_ file: String) -> String {
    let path = resolve(file)
    let whole = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath.appendingPathSegment(path)
    // ".." stays: behind a link it is not the folder that the path names before it.
    return "/" + whole.split(separator: "/").filter { $0 != "." }.joined(separator: "/")
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
