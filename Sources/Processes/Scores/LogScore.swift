// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The score of x where that of y = ln x is known: p(x) = p_y(ln x)/Π x_i, so
///
///     s_i(x) = (s_y,i(ln x) − 1)/x_i,   ∂s_i/∂x_j = J_y,ij/(x_i x_j) − δ_ij s_i/x_i.
///
/// Not a number where a coordinate is not positive, where there is no density.
public struct LogScore: Score {
  public let base: any Score
  public init(_ base: any Score) { self.base = base }

  public var shardRows: Int { base.shardRows }
  public var traits: ScoreTraits { base.traits }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(try base.makeEvaluator(for: rows), rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let base: any ScoreEvaluator
    private let logarithm, scaled, score: RowStorage
    private var linearised: Rows?

    init(_ base: any ScoreEvaluator, _ rows: RowSpan) {
      self.base = base
      (logarithm, scaled, score) = (RowStorage(rows), RowStorage(rows), RowStorage(rows))
    }

    private func logarithms(_ x: Rows) -> Rows {
      let y = logarithm.view(like: x)
      for i in 0..<x.size { y.values[i] = log(x.values[i]) }
      return y
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      try base.evaluate(logarithms(x), at: times, into: s)
      for i in 0..<x.size { s.values[i] = (s.values[i] - 1) / x.values[i] }
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = x
      try base.linearise(logarithms(x), at: times, into: s)
      for i in 0..<x.size { s.values[i] = (s.values[i] - 1) / x.values[i] }
      score.view(like: x).copy(s)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard let x = linearised else { preconditionFailure("a product before there is a linearisation") }
      let (s, direction) = (score.view(like: x), scaled.view(like: x))
      for i in 0..<x.size { direction.values[i] = v.values[i] / x.values[i] }
      try base.pullback(direction, into: out)
      for i in 0..<x.size { out.values[i] = (out.values[i] - s.values[i] * v.values[i]) / x.values[i] }
    }

    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
      let y = logarithms(x)
      try base.logDensity(y, at: times, into: out)
      for row in 0..<x.count {
        for j in 0..<x.dimension { out[row] -= y[row, j] }
      }
    }
  }
}
