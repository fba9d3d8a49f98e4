// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes

/// Numbers, names, lists and places in them.
extension FormulaParser {
  mutating func indexed() throws -> Value {
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

  mutating func wholeNumber() throws -> Int {
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

  mutating func atom() throws -> Value {
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
    if isDigit(first) || first == "." { return Value(graph.constant(try takeNumber())) }
    if isLetter(first) { return try name() }
    throw wrong("'\(first)'; expected a number, a name, '(' or '['")
  }

  mutating func name() throws -> Value {
    let start = place
    let text = takeName()
    if next == "(" { return try call(text, at: start) }
    switch text {
    case "pi": return Value(graph.constant(.pi))
    case "inf": return Value(graph.constant(.infinity))
    default: break
    }
    if let value = defined[text] { return value }
    if let value = parameters[text] { return Value(graph.constant(value)) }
    if let value = try variable(text, at: start) { return value }
    if Formula.functions.contains(text) { throw wrong("'\(text)' is a function; expected '(' after it", at: start) }
    for variable in variables where text.hasPrefix(variable.name) {
      let digits = text.dropFirst(variable.name.count)
      guard !digits.isEmpty, digits.allSatisfy(isDigit) else { continue }
      let last = variable.count == 1 ? "" : " to \(variable.name)\(variable.count)"
      throw wrong("'\(text)' is not known; allowed: \(variable.name)1\(last)", at: start)
    }
    let names =
      variables.flatMap { [$0.name, "\($0.name)1 to \($0.name)\($0.count)"] } + ["pi", "inf"]
      + parameters.keys.sorted() + defined.keys.sorted() + variables.flatMap { $0.columns.keys.sorted() }
    let candidates = variables.flatMap { v in [v.name] + v.columns.keys } + parameters.keys + defined.keys
    let hint = nearest(to: text, among: candidates.sorted()).map { "did you mean '\($0)'? " } ?? ""
    throw wrong("'\(text)' is not known; \(hint)allowed: \(names.prefix(40).joined(separator: ", "))", at: start)
  }

  /// A variable, one of its values by number, or by a column's name.
  /// - Throws: `InputError` for a name that is one value by its number and another one by its column.
  mutating func variable(_ text: String, at start: Int) throws -> Value? {
    for (i, variable) in variables.enumerated() {
      if text == variable.name {
        used.insert(i)
        return Value(list: (0..<variable.count).map { graph.variable(i, $0) })
      }
      if text.hasPrefix(variable.name), let number = Int(text.dropFirst(variable.name.count)),
        number >= 1, number <= variable.count, text == "\(variable.name)\(number)"
      {
        if let column = variable.columns[text], column != number - 1 {
          throw wrong(
            "'\(text)' is value \(number) of \(variable.name), and the name of the column that is value \(column + 1); "
              + "allowed: \(variable.name)[\(number)] or \(variable.name)[\(column + 1)]", at: start)
        }
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
}
