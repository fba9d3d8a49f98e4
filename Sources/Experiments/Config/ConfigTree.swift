// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Yams

/// YAML text as a tree of mappings, lists and scalars: merge keys are replaced by what they stand for, and keys are
/// texts. Every node keeps the line it was written at, also where an alias or a merge key brings it elsewhere.
///
/// Text can be hostile: nesting is bounded, and aliases may not stand for much more than was written ("billion laughs":
/// nine lines of ten aliases each are a billion nodes).
enum ConfigTree {
  static let deepest = 64
  static let largestText = 64 << 20

  /// - Returns: nil for a text that holds nothing.
  /// - Throws: `InputError` with the line.
  static func compose(_ text: String, _ location: String) throws -> Node? {
    // A byte order mark is no part of the text.
    let text = text.unicodeScalars.first == "\u{FEFF}" ? String(text.unicodeScalars.dropFirst()) : text
    guard text.utf8.count <= largestText else {
      throw InputError("\(text.utf8.count) bytes; allowed: \(largestText) of a config", at: location)
    }
    let limit = 10_000 + 10 * text.utf8.count
    try AliasCount.check(text, limit: limit, deepest: deepest, location)
    guard let node = try parsed(text, location) else { return nil }
    var reader = Reader(location: location, left: limit)
    return try reader.read(node, depth: 0)
  }

  private static func parsed(_ text: String, _ location: String) throws -> Node? {
    do {
      return try Yams.compose(yaml: text)
    } catch let error as YamlError {
      switch error {
      case .scanner(_, let problem, let mark, _), .parser(_, let problem, let mark, _),
        .composer(_, let problem, let mark, _):
        throw InputError("not YAML: \(problem)", at: "\(location):\(mark.line)")
      case .duplicatedKeysInMapping(let duplicates, let context):
        throw InputError(
          "key '\(oneLine(duplicates.first ?? "?"))' appears twice in a mapping", at: "\(location):\(context.mark.line)"
        )
      case .reader(let problem, let offset, _, _):
        let line = offset.map { offset in
          1 + text.utf8.prefix(offset).reduce(0) { $0 + ($1 == UInt8(ascii: "\n") ? 1 : 0) }
        }
        throw InputError("not YAML: \(problem)", at: line.map { "\(location):\($0)" } ?? location)
      default:
        throw InputError("not YAML", at: location)
      }
    }
  }

  /// Whether a value says nothing, as `null` and `~` do. What is empty says nothing, too, but is rather a slip.
  static func isNull(_ node: Node) -> Bool {
    guard let scalar = node.scalar, scalar.style == .plain else { return false }
    return nulls.contains(scalar.string)
  }

  private static let nulls: Set = ["~", "null", "Null", "NULL"]

  /// A text in one line of a message, cut where it is long.
  static func oneLine(_ text: String) -> String {
    let line = String(text.unicodeScalars.map { $0.properties.generalCategory == .control ? " " : Character($0) })
    return line.count > 80 ? "\(line.prefix(77))…" : line
  }

  private struct Reader {
    let location: String
    /// How many nodes may still come.
    var left: Int

    private func wrong(_ message: String, _ node: Node) -> InputError {
      InputError(message, at: node.mark.map { "\(location):\($0.line)" } ?? location)
    }

    mutating func read(_ node: Node, depth: Int) throws -> Node {
      left -= 1
      guard left >= 0 else {
        throw wrong("aliases stand for more than ten times the text; allowed: fewer", node)
      }
      guard depth <= ConfigTree.deepest else {
        throw wrong("is nested more than \(ConfigTree.deepest) deep; allowed: less", node)
      }
      switch node {
      case .scalar(let scalar): return .scalar(try tagged(scalar, node))
      case .sequence(let sequence):
        try requireKnown(sequence.tag, node)
        var elements: [Node] = []
        for element in sequence { elements.append(try read(element, depth: depth + 1)) }
        return .sequence(Node.Sequence(elements, .implicit, sequence.style, sequence.mark))
      case .mapping(let mapping):
        try requireKnown(mapping.tag, node)
        return try merged(mapping, depth: depth)
      case .alias: throw wrong("an alias of nothing", node)
      }
    }

    /// A mapping with what its merge keys stand for: its own keys win, then earlier ones of a list.
    private mutating func merged(_ mapping: Node.Mapping, depth: Int) throws -> Node {
      var pairs: [(Node, Node)] = []
      var names: Set<String> = []
      var others: [Node.Mapping] = []
      for (key, value) in mapping {
        guard let name = key.scalar else { throw wrong("a key that is no text", key) }
        if name.string == "<<" && name.style == .plain {
          others += try sources(value, key, depth: depth)
          continue
        }
        guard names.insert(name.string).inserted else {
          throw wrong("key '\(ConfigTree.oneLine(name.string))' appears twice in a mapping", key)
        }
        pairs.append((.scalar(Node.Scalar(name.string, .implicit, .any, name.mark)), try read(value, depth: depth + 1)))
      }
      for other in others {
        for (key, value) in other where names.insert(key.scalar?.string ?? "").inserted { pairs.append((key, value)) }
      }
      return .mapping(Node.Mapping(pairs, .implicit, mapping.style, mapping.mark))
    }

    private mutating func sources(_ value: Node, _ key: Node, depth: Int) throws -> [Node.Mapping] {
      var list = [value]
      if let sequence = value.sequence { list = Array(sequence) }
      return try list.map { source in
        guard source.mapping != nil, let mapping = try read(source, depth: depth + 1).mapping else {
          throw wrong("'<<' merges mappings; allowed: an alias of one, as *name, or a list of them", key)
        }
        return mapping
      }
    }

    /// A scalar whose style says whether it is a text, as its tag may.
    private func tagged(_ scalar: Node.Scalar, _ node: Node) throws -> Node.Scalar {
      try requireKnown(scalar.tag, node)
      var style = scalar.style
      switch scalar.tag.rawValue {
      case Tag.Name.str.rawValue where style == .plain: style = .doubleQuoted
      case Tag.Name.int.rawValue, Tag.Name.float.rawValue, Tag.Name.bool.rawValue: style = .plain
      default: break
      }
      return Node.Scalar(scalar.string, .implicit, style, scalar.mark)
    }

    private func requireKnown(_ tag: Tag, _ node: Node) throws {
      guard Self.known.contains(tag.rawValue) else {
        throw wrong("has the tag \(ConfigTree.oneLine(tag.rawValue)); allowed: none", node)
      }
    }

    private static let known = Set(
      ([.implicit, .nonSpecific, .str, .seq, .map, .bool, .float, .null, .int, .merge, .timestamp, .value]
        as [Tag.Name]).map(\.rawValue))
  }
}
