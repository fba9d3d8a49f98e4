// SPDX-License-Identifier: GPL-3.0-or-later
import CYaml
import Core

/// How many nodes a YAML text stands for, counted from the parser's events before anything is built of them.
///
/// Yams makes a tree of a text and compares the keys of its mappings. Aliases make small texts stand for huge trees
/// ("billion laughs": nine lines of ten aliases each are a billion nodes), and a key that is such a tree would be
/// walked through before anyone could count. The events are those of libyaml, which Yams has in its module CYaml.
struct AliasCount {
  /// Nodes that may still come.
  private var left: Int
  private let location: String
  /// How many nodes each complete anchor stands for.
  private var sizes: [String: Int] = [:]
  /// Collections that are open: their anchors, and how many nodes came before each.
  private var open: [(anchor: String?, before: Int)] = []
  private var count = 0

  /// - Throws: `InputError` with the line for a text that stands for more than `limit` nodes, or is nested too deep.
  ///   What is no YAML is left to the parser that says so.
  static func check(_ text: String, limit: Int, deepest: Int, _ location: String) throws {
    var counter = AliasCount(left: limit, location: location)
    var parser = yaml_parser_t()
    guard yaml_parser_initialize(&parser) == 1 else { return }
    defer { yaml_parser_delete(&parser) }
    var text = text
    try text.withUTF8 { bytes in
      yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING)
      yaml_parser_set_input_string(&parser, bytes.baseAddress, bytes.count)
      var isOver = false
      while !isOver {
        var event = yaml_event_t()
        guard yaml_parser_parse(&parser, &event) == 1 else { return }
        defer { yaml_event_delete(&event) }
        isOver = event.type == YAML_STREAM_END_EVENT
        try counter.take(event, deepest: deepest)
      }
    }
  }

  private init(left: Int, location: String) { (self.left, self.location) = (left, location) }

  private static func name(_ text: UnsafeMutablePointer<yaml_char_t>?) -> String? {
    text.map { String(cString: $0) }
  }

  private mutating func take(_ event: yaml_event_t, deepest: Int) throws {
    let line = event.start_mark.line + 1
    switch event.type {
    case YAML_ALIAS_EVENT:
      try add(Self.name(event.data.alias.anchor).flatMap { sizes[$0] } ?? 1, line)
    case YAML_SCALAR_EVENT:
      try add(1, line)
      if let anchor = Self.name(event.data.scalar.anchor) { sizes[anchor] = 1 }
    case YAML_SEQUENCE_START_EVENT: try begin(Self.name(event.data.sequence_start.anchor), line, deepest)
    case YAML_MAPPING_START_EVENT: try begin(Self.name(event.data.mapping_start.anchor), line, deepest)
    case YAML_SEQUENCE_END_EVENT, YAML_MAPPING_END_EVENT:
      guard let last = open.popLast() else { return }
      if let anchor = last.anchor { sizes[anchor] = count - last.before }
    default: break
    }
  }

  private mutating func begin(_ anchor: String?, _ line: Int, _ deepest: Int) throws {
    guard open.count <= deepest else {
      throw InputError("is nested more than \(deepest) deep; allowed: less", at: "\(location):\(line)")
    }
    open.append((anchor, count))
    try add(1, line)
  }

  private mutating func add(_ nodes: Int, _ line: Int) throws {
    count += nodes
    left -= nodes
    guard left >= 0 else {
      throw InputError(
        "aliases stand for more than ten times the text; allowed: fewer", at: "\(location):\(line)")
    }
  }
}
