// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// A formula of several variables, read once and evaluated for blocks of rows, with exact derivatives: what a config
/// says as `log p(y | x)` or as h(x).
///
/// A variable is a list of values: `x` is all of them, `x[2]` or `x2` the second, `x[2:4]` the second to the fourth.
/// Numbers, pi, inf, named parameters; + − * / ^ < <= > >= and parentheses; `[a, b]` makes a list. Operations and
/// functions act value by value, and a single value goes with every value of a list. `sum`, `mean`, `norm`, and `min`,
/// `max`, `logsumexp` of one list, make one value of it. `r = norm(x); r^2 + r` names a part. As usual ^ binds before a
/// minus sign before it and groups from the right. Equal parts are computed once.
public struct Formula: Sendable, CustomStringConvertible {
  public let description: String
  /// How many values it gives.
  public let count: Int
  /// Whether it gives a list, be it of one value.
  public let isList: Bool
  /// What it is evaluated on, in the order in which evaluators take them.
  public let variables: [Variable]
  /// Which variables it names, by their places in `variables`.
  public let used: Set<Int>
  let graph: FormulaGraph
  let outputs: [Int]

  /// A list of values that a formula may name.
  public struct Variable: Sendable, Equatable {
    /// What a formula calls it.
    public let name: String
    /// How many values it has.
    public let count: Int
    /// Names of single values, as a table's columns have, by their places from 0; others that are taken or no names
    /// are of no use.
    public let columns: [String: Int]

    /// So many values under a name.
    public init(_ name: String, count: Int, columns: [String: Int] = [:]) {
      precondition(count > 0, "a variable without values")
      (self.name, self.count, self.columns) = (name, count, columns)
    }

    /// Whether a name is the variable's own, that of one of its values by number, or of a column.
    func hasValue(named text: String) -> Bool { isNumbered(text) || columns[text] != nil }

    /// Whether a name is the variable's own, or begins with it and goes on with digits alone.
    func isNumbered(_ text: String) -> Bool {
      text.hasPrefix(name) && text.dropFirst(name.count).allSatisfy { $0.isASCII && $0.isNumber }
    }

    /// What a name that it has stands for, for messages.
    func meaning(of text: String) -> String {
      if text == name { return "all values of \(name)" }
      return isNumbered(text) ? "a value of \(name)" : "a column of \(name)"
    }
  }

  /// - Parameters:
  ///   - text: the formula.
  ///   - variables: what it may name.
  ///   - parameters: numbers that it may name.
  /// - Throws: `InputError` that names the character, from 1, and what may be there.
  public init(_ text: String, of variables: [Variable], parameters: [String: Double] = [:]) throws {
    try self.init([text], of: variables, parameters: parameters)
  }

  /// Several formulas as one that gives the values of all, one after the other.
  /// - Throws: `InputError` that names the formula, from 1, where there are several, and the character.
  public init(_ texts: [String], of variables: [Variable], parameters: [String: Double] = [:]) throws {
    for name in parameters.keys.sorted() {
      if let variable = variables.first(where: { $0.hasValue(named: name) }) {
        throw InputError(
          "the parameter '\(name)' has the name of \(variable.meaning(of: name)); allowed: another name")
      }
    }
    var graph = FormulaGraph()
    var (outputs, used, isList) = ([Int](), Set<Int>(), texts.count != 1)
    for (i, text) in texts.enumerated() {
      do {
        var parser = FormulaParser(text, variables, parameters, graph)
        let value = try parser.parse()
        (graph, used) = (parser.graph, used.union(parser.used))
        outputs += value.nodes
        isList = isList || value.isList
      } catch let error as InputError where texts.count > 1 {
        throw InputError("formula \(i + 1), \(error.message)")
      }
    }
    (self.graph, self.outputs, self.used, self.isList) = (graph, outputs, used, isList)
    (count, self.variables) = (outputs.count, variables)
    description = texts.count == 1 ? texts[0] : "[\(texts.joined(separator: ", "))]"
  }

  /// An evaluator with its own memory, owned by one worker.
  /// - Parameter gradients: whether it is to give derivatives, which take more memory.
  public func makeEvaluator(gradients: Bool = true) -> FormulaEvaluator {
    FormulaEvaluator(self, gradients: gradients)
  }

  /// Names that a formula may call.
  public static let functions: [String] =
    FormulaFunction.one.keys.sorted() + FormulaFunction.two.keys.sorted() + FormulaFunction.others.map(\.rawValue)

  /// Names that no parameter may have beside those of variables and their values.
  public static let reserved: [String] = ["pi", "inf"] + functions
}

/// Functions by the names that formulas have for them.
enum FormulaFunction {
  /// Those that take one value.
  static let one: [String: FormulaOperation] = [
    "sqrt": CK_SQRT, "exp": CK_EXP, "expm1": CK_EXPM1, "log": CK_LOG, "log1p": CK_LOG1P, "sin": CK_SIN, "cos": CK_COS,
    "tan": CK_TAN, "asin": CK_ASIN, "acos": CK_ACOS, "atan": CK_ATAN, "sinh": CK_SINH, "cosh": CK_COSH,
    "tanh": CK_TANH, "abs": CK_ABS, "erf": CK_ERF, "lgamma": CK_LGAMMA,
  ]
  /// Those that take two values.
  static let two: [String: FormulaOperation] = ["pow": CK_POWER, "atan2": CK_ATAN2]

  /// Those with rules of their own.
  enum Other: String, CaseIterable {
    case min, max, logsumexp, sum, mean, norm, `where`, normal, uniform, poisson

    /// How it is called, for messages.
    var usage: String {
      switch self {
      case .min, .max, .logsumexp: "\(rawValue)(list) or \(rawValue)(a, b, …)"
      case .sum, .mean, .norm: "\(rawValue)(list)"
      case .where: "where(condition, a, b)"
      case .normal: "normal(y, mean, deviation), a log density"
      case .uniform: "uniform(y, low, high), a log density"
      case .poisson: "poisson(y, rate), a log density"
      }
    }

    /// How many arguments it takes.
    var arguments: ClosedRange<Int> {
      switch self {
      case .min, .max, .logsumexp: 1...1000
      case .sum, .mean, .norm: 1...1
      case .where, .normal, .uniform: 3...3
      case .poisson: 2...2
      }
    }
  }
  static let others = Other.allCases
}
