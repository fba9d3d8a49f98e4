// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// A likelihood written as a formula log p(y | x) over x (a row of data) and y (an observation). A constant that
/// depends on neither may be left out, but where evidence is asked for.
public struct FormulaLikelihood: ObservationModel {
  /// log p(y | x)
  public let formula: Formula
  public let dimension: Int
  public let observedDimension: Int

  /// - Parameters:
  ///   - text: log p(y | x), of x and y.
  ///   - dimension: how many values x has.
  ///   - observed: how many values y has.
  ///   - columns: names of values of x, by their places from 0.
  ///   - parameters: numbers that the formula may name.
  /// - Throws: `InputError` that names the character of a fault; for a formula that gives a list; for one that does not
  ///   depend on x.
  public init(
    _ text: String, dimension: Int, observed: Int, columns: [String: Int] = [:], parameters: [String: Double] = [:]
  ) throws {
    formula = try Formula(
      text, of: [.init("x", count: dimension, columns: columns), .init("y", count: observed)], parameters: parameters)
    guard !formula.isList else {
      throw InputError("gives a list of \(formula.count) values; allowed: a single one, as of sum(…)")
    }
    guard formula.used.contains(0) else { throw InputError("does not name x: every row is as likely as any other") }
    (self.dimension, observedDimension) = (dimension, observed)
  }

  /// log p(y | x) of each row as the formula has it, no numbers among them, which an evaluator takes for −∞.
  /// - Parameters:
  ///   - x: rows of data.
  ///   - y: an observation for each row, or one for all.
  package func values(_ x: Rows, of y: Rows) -> [Double] {
    var values = [Double](repeating: 0, count: x.count)
    formula.makeEvaluator(gradients: false).evaluate([x, y], count: x.count, into: &values)
    return values
  }

  public func makeEvaluator(for rows: RowSpan) -> any ObservationEvaluator { Evaluator(formula) }

  public func draw(_ x: Rows, into y: Rows, from stream: NoiseStream) throws {
    throw InputError("a likelihood that is a formula draws no observations; give them as numbers or a file")
  }

  final class Evaluator: ObservationEvaluator {
    private let evaluator: FormulaEvaluator
    init(_ formula: Formula) { evaluator = formula.makeEvaluator() }

    func logLikelihood(_ x: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>) {
      evaluator.evaluate([x, y], count: x.count, into: out)
      // No number is no likelihood, as of the root of a negative number.
      for i in 0..<x.count where out[i].isNaN { out[i] = -.infinity }
    }

    func logLikelihood(_ x: Rows, ofOne y: Rows, into out: UnsafeMutablePointer<Double>) {
      logLikelihood(x, of: y, into: out)
    }

    func gradient(_ x: Rows, of y: Rows, into out: Rows) { evaluator.pullback([x, y], of: 0, into: out) }

    func expect(_ x: Rows, into y: Rows) -> Bool { false }
    func pullback(_ v: Rows, into out: Rows) { preconditionFailure("a formula of a likelihood expects nothing") }
  }
}
