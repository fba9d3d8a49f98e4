// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// h(x) as formulas of x, with exact derivatives.
public struct FormulaMap: ForwardMap {
  /// All formulas as one.
  public let formula: Formula
  public let dimension: Int

  /// - Parameters:
  ///   - texts: a formula each, of x: `x1`, `x[2]`, or all of `x`. One that gives a list gives all its values.
  ///   - dimension: how many values x has.
  ///   - parameters: numbers that formulas may name.
  /// - Throws: `InputError` that names the formula and the character of a fault; for formulas that do not depend on x.
  public init(_ texts: [String], dimension: Int, parameters: [String: Double] = [:]) throws {
    formula = try Formula(texts, of: [.init("x", count: dimension)], parameters: parameters)
    guard formula.used.contains(0) else { throw InputError("does not name x: every row is seen alike") }
    self.dimension = dimension
  }

  public var observedDimension: Int { formula.count }
  public var matrix: SparseMatrix? { nil }

  public func makeEvaluator(for rows: RowSpan) -> any ForwardEvaluator { Evaluator(formula, rows) }

  private final class Evaluator: ForwardEvaluator {
    private let evaluator: FormulaEvaluator
    /// The x of the last `evaluate`.
    private let kept: RowStorage

    init(_ formula: Formula, _ rows: RowSpan) {
      evaluator = formula.makeEvaluator()
      kept = RowStorage(rows)
    }

    func evaluate(_ x: Rows, into y: Rows) {
      kept.view(like: x).copy(x)
      evaluator.evaluate([x], into: y)
    }

    func pullback(_ v: Rows, into out: Rows) { evaluator.pullback([kept.view(like: out)], v, of: 0, into: out) }
  }
}
