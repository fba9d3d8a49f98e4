// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// Recursive descent: definitions, then comparison → sum → product → sign → power → atom with places in brackets.
struct FormulaParser: FormulaScanner {
  /// What a part of a formula is: one node, or a list of them.
  struct Value {
    var nodes: [Int]
    var isList: Bool

    init(_ node: Int) { (nodes, isList) = ([node], false) }
    init(list nodes: [Int]) { (self.nodes, isList) = (nodes, true) }
  }

  let characters: [Character]
  let variables: [Formula.Variable]
  let parameters: [String: Double]
  var graph: FormulaGraph
  var used: Set<Int> = []
  /// What `name = …;` has given names to.
  var defined: [String: Value] = [:]
  var place = 0
  private var nesting = 0

  init(
    _ text: String, _ variables: [Formula.Variable], _ parameters: [String: Double], _ graph: FormulaGraph
  ) {
    characters = Array(text)
    (self.variables, self.parameters, self.graph) = (variables, parameters, graph)
  }

  private static let longest = 100_000
  private static let deepest = 100

  mutating func parse() throws -> Value {
    guard characters.count <= Self.longest else {
      throw InputError("a formula of \(characters.count) characters; allowed: up to \(Self.longest)")
    }
    while let (name, start) = definition() {
      let value = try comparison()
      guard take(";") else {
        throw wrong("\(next.map { "'\($0)'" } ?? "the end"); expected ';' after what '\(name)' is")
      }
      guard !isKnown(name) else { throw wrong("'\(name)' has a meaning already", at: start) }
      defined[name] = value
    }
    let value = try comparison()
    if let found = next { throw wrong("'\(found)'; expected an operator or the end") }
    return value
  }

  /// Whether a name means something already.
  func isKnown(_ name: String) -> Bool {
    if defined[name] != nil || parameters[name] != nil || Formula.reserved.contains(name) { return true }
    return variables.contains { $0.hasValue(named: name) }
  }

  /// The name of a definition `name = …`, which is taken with its sign; nil where none begins here.
  mutating func definition() -> (name: String, start: Int)? {
    guard let first = next, isLetter(first) else { return nil }
    let start = place
    let name = takeName()
    guard take("=") else {
      place = start
      return nil
    }
    return (name, start)
  }

  mutating func nested<Result>(_ body: (inout FormulaParser) throws -> Result) throws -> Result {
    nesting += 1
    defer { nesting -= 1 }
    guard nesting <= Self.deepest else { throw wrong("nested too deeply; allowed: \(Self.deepest) levels") }
    return try body(&self)
  }

  /// An operation value by value; `at` is where its sign or name stands.
  mutating func apply(_ operation: FormulaOperation, _ operands: [Value], at place: Int) throws -> Value {
    let lists = operands.filter(\.isList)
    let count = lists.first?.nodes.count ?? 1
    if let other = lists.first(where: { $0.nodes.count != count }) {
      throw wrong(
        "lists of \(count) and \(other.nodes.count) values; allowed: lists of one length, or one value", at: place)
    }
    var nodes: [Int] = []
    for i in 0..<count {
      let o = operands.map { $0.isList ? $0.nodes[i] : $0.nodes[0] }
      nodes.append(graph.apply(operation, o[0], o.count > 1 ? o[1] : 0, o.count > 2 ? o[2] : 0))
    }
    guard graph.nodes.count <= FormulaGraph.most else {
      throw wrong("a formula of more than \(FormulaGraph.most) operations on single values", at: place)
    }
    return lists.isEmpty ? Value(nodes[0]) : Value(list: nodes)
  }

  // MARK: Operators

  mutating func comparison() throws -> Value {
    try nested { parser in
      var left = try parser.sum()
      while let sign = parser.next, sign == "<" || sign == ">" {
        let start = parser.place
        parser.place += 1
        // No blank between.
        let orEqual = parser.place < parser.characters.count && parser.characters[parser.place] == "="
        if orEqual { parser.place += 1 }
        let right = try parser.sum()
        left = try parser.apply(
          orEqual ? CK_LESS_EQUAL : CK_LESS, sign == "<" ? [left, right] : [right, left], at: start)
      }
      if parser.next == "=" { throw parser.wrong("'='; expected <, <=, > or >=, or the end") }
      return left
    }
  }

  mutating func sum() throws -> Value {
    var left = try product()
    while let sign = next, sign == "+" || sign == "-" {
      let start = place
      place += 1
      let right = try product()
      left = try apply(sign == "+" ? CK_ADD : CK_SUBTRACT, [left, right], at: start)
    }
    return left
  }

  mutating func product() throws -> Value {
    var left = try signed()
    while let sign = next, sign == "*" || sign == "/" {
      let start = place
      place += 1
      if take("*") { throw wrong("'**'; a power is written '^'", at: start) }
      let right = try signed()
      left = try apply(sign == "*" ? CK_MULTIPLY : CK_DIVIDE, [left, right], at: start)
    }
    return left
  }

  mutating func signed() throws -> Value {
    if take("+") { return try nested { try $0.signed() } }
    guard take("-") else { return try power() }
    let start = place - 1
    let value = try nested { try $0.signed() }
    return try apply(CK_NEGATE, [value], at: start)
  }

  mutating func power() throws -> Value {
    let base = try indexed()
    guard take("^") else { return base }
    let start = place - 1
    let exponent = try nested { try $0.signed() }
    return try apply(CK_POWER, [base, exponent], at: start)
  }

  // MARK: Functions

  mutating func call(_ name: String, at start: Int) throws -> Value {
    if let operation = FormulaFunction.one[name] {
      return try apply(operation, arguments(of: name, 1...1, "\(name)(a)"), at: start)
    }
    if let operation = FormulaFunction.two[name] {
      return try apply(operation, arguments(of: name, 2...2, "\(name)(a, b)"), at: start)
    }
    guard let function = FormulaFunction.Other(rawValue: name) else {
      let hint = nearest(to: name, among: Formula.functions).map { "did you mean '\($0)'? " } ?? ""
      throw wrong(
        "'\(name)' is no function; \(hint)allowed: \(Formula.functions.joined(separator: ", "))", at: start)
    }
    return try apply(function, arguments(of: name, function.arguments, function.usage), at: start)
  }

  mutating func arguments(of name: String, _ allowed: ClosedRange<Int>, _ usage: String) throws -> [Value] {
    try expect("(", "after \(name)")
    var values: [Value] = []
    repeat {
      guard values.count < allowed.upperBound else { throw wrong("one argument too many; allowed: \(usage)") }
      values.append(try comparison())
    } while take(",")
    guard values.count >= allowed.lowerBound else {
      throw wrong("\(next.map { "'\($0)'" } ?? "the end"); expected ',' as in \(usage)")
    }
    try expect(")", "as in \(usage)")
    return values
  }
}
