// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// States of one worker with their scores and x̂₀ = E[x₀ | x_t] = (x + v s)/m, Tweedie's mean, which posterior methods
/// compare with what was seen.
public final class DenoisedState {
  private let base: any ScoreEvaluator
  private let kernel: any PerturbationKernel
  private let observations: Rows
  private let storages: [RowStorage]
  private let observed: RowStorage
  private let moments: RowStorage

  /// The states, rows × dimension.
  public private(set) var x: Rows
  /// Their scores, without what was seen.
  public private(set) var score: Rows
  /// x̂₀
  public private(set) var mean: Rows

  /// - Parameters:
  ///   - base: the score that knows nothing of the observation.
  ///   - kernel: its perturbation kernel.
  ///   - observation: what was seen.
  ///   - span: the rows of this worker.
  public init(_ base: any ScoreEvaluator, _ kernel: any PerturbationKernel, _ observation: Observation, _ span: RowSpan)
  {
    (self.base, self.kernel) = (base, kernel)
    observed = observation.makeRows(for: span)
    observations = observed.rows
    storages = (0..<3).map { _ in RowStorage(span) }
    moments = RowStorage(span.with(dimension: 2))
    (x, score, mean) = (storages[0].rows, storages[0].rows, storages[1].rows)
  }

  /// The observation of every row.
  public var y: Rows { observations[x.first - observations.first..<x.first - observations.first + x.count] }

  /// m of a row.
  public func scale(_ row: Int) -> Double { moments.rows.values[2 * row] }
  /// v of a row.
  public func variance(_ row: Int) -> Double { moments.rows.values[2 * row + 1] }

  /// Evaluates the score at x, which its owner leaves as it is while the state is used.
  /// - Parameters:
  ///   - x: the states.
  ///   - times: their times.
  ///   - score: where the score is written to; nil for memory of the state's own.
  ///   - forProducts: whether `pullback` will be asked for.
  public func evaluate(_ x: Rows, at times: Times, into score: Rows? = nil, forProducts: Bool) throws {
    self.x = x
    self.score = score ?? storages[0].view(like: x)
    mean = storages[1].view(like: x)
    if forProducts {
      try base.linearise(x, at: times, into: self.score)
    } else {
      try base.evaluate(x, at: times, into: self.score)
    }
    times.forEachRun(x.count) { rows, t in
      let now = kernel.moments(at: t)
      for row in rows { (moments.rows.values[2 * row], moments.rows.values[2 * row + 1]) = (now.scale, now.variance) }
    }
    for row in 0..<x.count {
      let (m, v) = (scale(row), variance(row))
      for i in row * x.dimension..<(row + 1) * x.dimension {
        mean.values[i] = (x.values[i] + v * self.score.values[i]) / m
      }
    }
  }

  /// Writes (∂x̂₀/∂x)ᵀ u = (u + v (∂s/∂x)ᵀ u)/m of every row. For a true score the matrix is symmetric, and
  /// v/m times it is Cov[x₀ | x_t].
  public func pullback(_ u: Rows, into out: Rows) throws {
    try base.pullback(u, into: out)
    for row in 0..<u.count {
      let (m, v) = (scale(row), variance(row))
      for i in row * u.dimension..<(row + 1) * u.dimension { out.values[i] = (u.values[i] + v * out.values[i]) / m }
    }
  }

  /// Writes Cov[x₀ | x_t] u = v/m (∂x̂₀/∂x) u of every row.
  public func covary(_ u: Rows, into out: Rows) throws {
    try pullback(u, into: out)
    for row in 0..<u.count {
      let factor = variance(row) / scale(row)
      for i in row * u.dimension..<(row + 1) * u.dimension { out.values[i] *= factor }
    }
  }
}
