// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// A formula in t, as `-0.5*(b0 + t*(b1 - b0))`, read once and evaluated together with its derivative.
///
/// Numbers, t, named parameters, pi; + − * / ^ and parentheses; the functions in `functions`. As usual ^ binds before a
/// minus sign before it and groups from the right: −2^2 is −4, 2^3^2 is 2^9.
public struct Expression: Sendable, CustomStringConvertible {
  public let description: String
  /// The parameters that it names.
  public let names: Set<String>
  private let program: [Instruction]
  /// How many values the program has at hand at most.
  private let depth: Int

  /// - Throws: `InputError` that names the character, from 1, and what may be there.
  public init(_ text: String, parameters: [String: Double] = [:]) throws {
    var parser = Parser(text, parameters: parameters)
    program = try parser.parse()
    depth = parser.depth
    names = parser.used
    description = text
  }

  /// f(t)
  public func callAsFunction(_ t: Double) -> Double { evaluate(at: t).value }

  /// f(t) and f′(t), by dual numbers. Allocates nothing.
  public func evaluate(at t: Double) -> (value: Double, rate: Double) {
    withUnsafeTemporaryAllocation(of: Dual.self, capacity: depth) { stack in
      var top = -1
      for instruction in program {
        switch instruction {
        case .constant(let value):
          top += 1
          stack.initializeElement(at: top, to: Dual(value, 0))
        case .time:
          top += 1
          stack.initializeElement(at: top, to: Dual(t, 1))
        case .negate: stack[top] = -1 * stack[top]
        case .one(let function): stack[top] = function.apply(stack[top])
        case .two(let function):
          top -= 1
          stack[top] = function.apply(stack[top], stack[top + 1])
        }
      }
      return (stack[0][0], stack[0][1])
    }
  }

  /// Names that a formula may call.
  public static let functions = Unary.allCases.map(\.rawValue) + Binary.named.map(\.rawValue)

  /// Names that no parameter may have.
  public static let reserved = ["t", "pi"] + functions

  /// Value and derivative.
  fileprivate typealias Dual = SIMD2<Double>

  fileprivate enum Instruction {
    case constant(Double), time, negate
    case one(Unary)
    case two(Binary)
  }

  fileprivate enum Unary: String, CaseIterable {
    case sqrt, exp, expm1, log, log1p, sin, cos, tan, asin, acos, atan, sinh, cosh, tanh, abs

    func apply(_ x: Dual) -> Dual {
      func chain(_ value: Double, _ slope: @autoclosure () -> Double) -> Dual {
        // A constant stays one, where the slope may be infinite.
        Dual(value, x[1] == 0 ? 0 : slope() * x[1])
      }
      let u = x[0]
      switch self {
      case .sqrt: return chain(u.squareRoot(), 0.5 / u.squareRoot())
      case .exp: return chain(Glibc.exp(u), Glibc.exp(u))
      case .expm1: return chain(Glibc.expm1(u), Glibc.exp(u))
      case .log: return chain(Glibc.log(u), 1 / u)
      case .log1p: return chain(Glibc.log1p(u), 1 / (1 + u))
      case .sin: return chain(Glibc.sin(u), Glibc.cos(u))
      case .cos: return chain(Glibc.cos(u), -Glibc.sin(u))
      case .tan: return chain(Glibc.tan(u), 1 + Glibc.tan(u) * Glibc.tan(u))
      case .asin: return chain(Glibc.asin(u), 1 / (1 - u * u).squareRoot())
      case .acos: return chain(Glibc.acos(u), -1 / (1 - u * u).squareRoot())
      case .atan: return chain(Glibc.atan(u), 1 / (1 + u * u))
      case .sinh: return chain(Glibc.sinh(u), Glibc.cosh(u))
      case .cosh: return chain(Glibc.cosh(u), Glibc.sinh(u))
      case .tanh: return chain(Glibc.tanh(u), 1 / (Glibc.cosh(u) * Glibc.cosh(u)))
      case .abs: return chain(Swift.abs(u), u < 0 ? -1 : 1)
      }
    }
  }

  fileprivate enum Binary: String {
    case add = "+"
    case subtract = "-"
    case multiply = "*"
    case divide = "/"
    case pow, min, max

    static let named: [Binary] = [.pow, .min, .max]

    func apply(_ a: Dual, _ b: Dual) -> Dual {
      switch self {
      case .add: return a + b
      case .subtract: return a - b
      case .multiply: return Dual(a[0] * b[0], a[1] * b[0] + a[0] * b[1])
      case .divide: return Dual(a[0] / b[0], (a[1] - a[0] / b[0] * b[1]) / b[0])
      case .pow:
        // d aᵇ = b aᵇ⁻¹ da + aᵇ ln a db, each only where something moves.
        let value = Glibc.pow(a[0], b[0])
        let base = a[1] == 0 || b[0] == 0 ? 0 : b[0] * Glibc.pow(a[0], b[0] - 1) * a[1]
        return Dual(value, base + (b[1] == 0 ? 0 : value * Glibc.log(a[0]) * b[1]))
      case .min: return b[0] < a[0] || b[0].isNaN ? b : a
      case .max: return b[0] > a[0] || b[0].isNaN ? b : a
      }
    }
  }

  /// Recursive descent: sum → product → sign → power → atom.
  private struct Parser: FormulaScanner {
    let characters: [Character]
    var place = 0
    private let parameters: [String: Double]
    private var program: [Instruction] = []
    private var values = 0
    private(set) var depth = 0
    private(set) var used: Set<String> = []
    private var nesting = 0

    init(_ text: String, parameters: [String: Double]) {
      characters = Array(text)
      self.parameters = parameters
    }

    private static let longest = 10_000
    private static let deepest = 100

    mutating func parse() throws -> [Instruction] {
      guard characters.count <= Self.longest else {
        throw InputError("a formula of \(characters.count) characters; allowed: up to \(Self.longest)")
      }
      try sum()
      if let found = next { throw wrong("'\(found)'; expected an operator or the end") }
      return program
    }

    private mutating func emit(_ instruction: Instruction) {
      program.append(instruction)
      switch instruction {
      case .constant, .time: values += 1
      case .negate, .one: break
      case .two: values -= 1
      }
      depth = max(depth, values)
    }

    private mutating func nested(_ body: (inout Parser) throws -> Void) throws {
      nesting += 1
      guard nesting <= Self.deepest else { throw wrong("nested too deeply; allowed: \(Self.deepest) levels") }
      try body(&self)
      nesting -= 1
    }

    private mutating func sum() throws {
      try nested { parser in
        try parser.product()
        while let sign = parser.next, sign == "+" || sign == "-" {
          parser.place += 1
          try parser.product()
          parser.emit(.two(sign == "+" ? .add : .subtract))
        }
      }
    }

    private mutating func product() throws {
      try signed()
      while let sign = next, sign == "*" || sign == "/" {
        place += 1
        if take("*") { throw wrong("'**'; a power is written '^'", at: place - 2) }
        try signed()
        emit(.two(sign == "*" ? .multiply : .divide))
      }
    }

    private mutating func signed() throws {
      if take("+") { return try nested { try $0.signed() } }
      guard take("-") else { return try power() }
      try nested { try $0.signed() }
      emit(.negate)
    }

    private mutating func power() throws {
      try atom()
      guard take("^") else { return }
      try nested { try $0.signed() }
      emit(.two(.pow))
    }

    private mutating func atom() throws {
      guard let first = next else { throw wrong("the end; expected a number, a name or '('") }
      if take("(") {
        let opened = place
        try sum()
        return try expect(")", "for the '(' of character \(opened)")
      }
      if isDigit(first) || first == "." { return emit(.constant(try takeNumber())) }
      if isLetter(first) { return try name() }
      throw wrong("'\(first)'; expected a number, a name or '('")
    }

    private mutating func name() throws {
      let start = place
      let text = takeName()
      let isCall = next == "("
      if isCall, let function = Unary(rawValue: text) {
        try arguments(of: text, 1)
        return emit(.one(function))
      }
      if isCall, let function = Binary.named.first(where: { $0.rawValue == text }) {
        try arguments(of: text, 2)
        return emit(.two(function))
      }
      if isCall {
        let hint = nearest(to: text, among: Expression.functions).map { "did you mean '\($0)'? " } ?? ""
        throw wrong(
          "'\(text)' is no function; \(hint)allowed: \(Expression.functions.joined(separator: ", "))", at: start)
      }
      if text == "t" { return emit(.time) }
      if text == "pi" { return emit(.constant(.pi)) }
      if let value = parameters[text] {
        used.insert(text)
        return emit(.constant(value))
      }
      if Expression.functions.contains(text) {
        throw wrong("'\(text)' is a function; expected '(' after it", at: start)
      }
      let names = ["t", "pi"] + parameters.keys.sorted()
      let hint = nearest(to: text, among: names).map { "did you mean '\($0)'? " } ?? ""
      throw wrong("'\(text)' is not known; \(hint)allowed: \(names.joined(separator: ", "))", at: start)
    }

    private mutating func arguments(of name: String, _ count: Int) throws {
      try expect("(", "after \(name)")
      for index in 0..<count {
        if index > 0 { try expect(",", "as \(name) takes \(count) arguments") }
        try sum()
      }
      try expect(")", "as \(name) takes \(count == 1 ? "one argument" : "\(count) arguments")")
    }
  }
}
