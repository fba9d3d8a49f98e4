// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc

/// Recursive descent: comparison → sum → product → sign → power → atom with places in brackets.
struct FormulaParser {
  /// What a part of a formula is: one node, or a list of them.
  struct Value {
    var nodes: [Int]
    var isList: Bool

    init(_ node: Int) { (nodes, isList) = ([node], false) }
    init(list nodes: [Int]) { (self.nodes, isList) = (nodes, true) }
  }

  private let characters: [Character]
  let variables: [Formula.Variable]
  private let parameters: [String: Double]
  var graph: FormulaGraph
  private(set) var used: Set<Int> = []
  private var place = 0
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
    let value = try comparison()
    if let found = next { throw wrong("'\(found)'; expected an operator or the end") }
    return value
  }

  func wrong(_ message: String, at place: Int? = nil) -> InputError {
    InputError("character \((place ?? self.place) + 1): \(message)")
  }

  /// The next character that is not blank.
  private var next: Character? {
    mutating get {
      while place < characters.count, characters[place].isWhitespace { place += 1 }
      return place < characters.count ? characters[place] : nil
    }
  }

  private mutating func take(_ character: Character) -> Bool {
    guard next == character else { return false }
    place += 1
    return true
  }

  private mutating func expect(_ character: Character, _ about: String) throws {
    guard take(character) else {
      throw wrong("\(next.map { "'\($0)'" } ?? "the end"); expected '\(character)' \(about)")
    }
  }

  private mutating func nested<Result>(_ body: (inout FormulaParser) throws -> Result) throws -> Result {
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

  private mutating func comparison() throws -> Value {
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

  private mutating func sum() throws -> Value {
    var left = try product()
    while let sign = next, sign == "+" || sign == "-" {
      let start = place
      place += 1
      let right = try product()
      left = try apply(sign == "+" ? CK_ADD : CK_SUBTRACT, [left, right], at: start)
    }
    return left
  }

  private mutating func product() throws -> Value {
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

  private mutating func signed() throws -> Value {
    if take("+") { return try nested { try $0.signed() } }
    guard take("-") else { return try power() }
    let start = place - 1
    let value = try nested { try $0.signed() }
    return try apply(CK_NEGATE, [value], at: start)
  }

  private mutating func power() throws -> Value {
    let base = try indexed()
    guard take("^") else { return base }
    let start = place - 1
    let exponent = try nested { try $0.signed() }
    return try apply(CK_POWER, [base, exponent], at: start)
  }

  // MARK: Atoms

  private mutating func indexed() throws -> Value {
    var value = try atom()
    while next == "[" {
      let start = place
      place += 1
      guard value.isList else { throw wrong("'['; a single value has no places", at: start) }
      let count = value.nodes.count
      func isPlace(_ i: Int) -> Bool { i >= 1 && i <= count }
      let first = try wholeNumber()
      var last = first
      let isRange = take(":")
      if isRange { last = try wholeNumber() }
      try expect("]", "for the '[' of character \(start + 1)")
      guard isPlace(first), isPlace(last), first <= last else {
        let text = isRange ? "\(first):\(last)" : "\(first)"
        throw wrong("place \(text) of a list of \(count); allowed: 1 to \(count)", at: start + 1)
      }
      let nodes = value.nodes[first - 1..<last]
      value = isRange ? Value(list: Array(nodes)) : Value(nodes[nodes.startIndex])
    }
    return value
  }

  private mutating func wholeNumber() throws -> Int {
    guard let first = next, isDigit(first) else {
      throw wrong("\(next.map { "'\($0)'" } ?? "the end"); expected a place, as 1")
    }
    let start = place
    while place < characters.count, isDigit(characters[place]) { place += 1 }
    guard let value = Int(String(characters[start..<place])) else {
      throw wrong("'\(String(characters[start..<place]))' is no place", at: start)
    }
    return value
  }

  private mutating func atom() throws -> Value {
    guard let first = next else { throw wrong("the end; expected a number, a name, '(' or '['") }
    let opened = place
    if take("(") {
      let value = try comparison()
      try expect(")", "for the '(' of character \(opened + 1)")
      return value
    }
    if take("[") {
      var nodes: [Int] = []
      repeat { nodes += try comparison().nodes } while take(",")
      try expect("]", "for the '[' of character \(opened + 1)")
      return Value(list: nodes)
    }
    if isDigit(first) || first == "." { return try number() }
    if isLetter(first) { return try name() }
    throw wrong("'\(first)'; expected a number, a name, '(' or '['")
  }

  private func isDigit(_ c: Character) -> Bool { c >= "0" && c <= "9" && c.isASCII }
  private func isLetter(_ c: Character) -> Bool { c.isASCII && c.isLetter || c == "_" }

  private mutating func number() throws -> Value {
    let start = place
    func character(_ place: Int) -> Character? { place < characters.count ? characters[place] : nil }
    while let c = character(place), isDigit(c) || c == "." { place += 1 }
    // An exponent, if digits follow: `2e` is a number and a name.
    if let c = character(place), c == "e" || c == "E" {
      let sign = character(place + 1).map { $0 == "+" || $0 == "-" } ?? false
      if let digit = character(place + (sign ? 2 : 1)), isDigit(digit) {
        place += sign ? 2 : 1
        while let c = character(place), isDigit(c) { place += 1 }
      }
    }
    let text = String(characters[start..<place])
    guard let value = Double(text), value.isFinite else { throw wrong("'\(text)' is not a finite number", at: start) }
    return Value(graph.constant(value))
  }

  private mutating func name() throws -> Value {
    let start = place
    while place < characters.count, isLetter(characters[place]) || isDigit(characters[place]) { place += 1 }
    let text = String(characters[start..<place])
    if next == "(" { return try call(text, at: start) }
    switch text {
    case "pi": return Value(graph.constant(.pi))
    case "inf": return Value(graph.constant(.infinity))
    default: break
    }
    if let value = parameters[text] { return Value(graph.constant(value)) }
    if let value = variable(text) { return value }
    if Formula.functions.contains(text) { throw wrong("'\(text)' is a function; expected '(' after it", at: start) }
    for variable in variables where text.hasPrefix(variable.name) {
      let digits = text.dropFirst(variable.name.count)
      guard !digits.isEmpty, digits.allSatisfy(isDigit) else { continue }
      let last = variable.count == 1 ? "" : " to \(variable.name)\(variable.count)"
      throw wrong("'\(text)' is not known; allowed: \(variable.name)1\(last)", at: start)
    }
    let names =
      variables.flatMap { [$0.name, "\($0.name)1 to \($0.name)\($0.count)"] } + ["pi", "inf"]
      + parameters.keys.sorted() + variables.flatMap { $0.columns.keys.sorted() }
    let candidates = variables.flatMap { v in [v.name] + v.columns.keys } + parameters.keys
    let hint = nearest(to: text, among: candidates.sorted()).map { "did you mean '\($0)'? " } ?? ""
    throw wrong("'\(text)' is not known; \(hint)allowed: \(names.prefix(40).joined(separator: ", "))", at: start)
  }

  /// A variable, one of its values by number, or by a column's name.
  private mutating func variable(_ text: String) -> Value? {
    for (i, variable) in variables.enumerated() {
      if text == variable.name {
        used.insert(i)
        return Value(list: (0..<variable.count).map { graph.variable(i, $0) })
      }
      if text.hasPrefix(variable.name), let number = Int(text.dropFirst(variable.name.count)),
        number >= 1, number <= variable.count, text == "\(variable.name)\(number)"
      {
        used.insert(i)
        return Value(graph.variable(i, number - 1))
      }
    }
    for (i, variable) in variables.enumerated() {
      guard let column = variable.columns[text] else { continue }
      used.insert(i)
      return Value(graph.variable(i, column))
    }
    return nil
  }

  // MARK: Functions

  private mutating func call(_ name: String, at start: Int) throws -> Value {
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

  private mutating func arguments(of name: String, _ allowed: ClosedRange<Int>, _ usage: String) throws -> [Value] {
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
