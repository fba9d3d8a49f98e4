// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// Adaptive projected guidance (Sadat et al. 2024, algorithm 1): of the step Δ = x̂₀(c) − x̂₀(∅) that guidance takes in
/// the data, the part along x̂₀(c) is weakened, as it makes images too saturated:
///
///     Δ̄ = Δ + β Δ̄_before,   Δ̄ ← min(1, r/‖Δ̄‖) Δ̄,   x̂₀ = x̂₀(c) + (w − 1) (Δ̄_⊥ + η Δ̄_∥),
///
/// with x̂₀ = (x + σ² s)/m. At η = 1 without threshold and momentum it is `ExtrapolatedScore`.
///
/// With momentum a score depends on the evaluations before. Δ̄ is of a row and of a solve: it begins as 0 and goes on
/// when a row is evaluated at an earlier time than ever before, t < t_before. Further evaluations at the same time, as
/// those of correctors and of steps that begin where the last one ended, and at later times, as of steps that are tried
/// again, take the place of the last: they have the same Δ̄_before. So a row depends on its own evaluations alone. A
/// method of several evaluations a step moves Δ̄ on at each of its times.
public struct ProjectedScore: Score {
  /// s_c and s_∅
  public let pair: ScorePair
  /// w
  public let weight: Double
  /// η: the share of the part along x̂₀(c) that stays.
  public let parallel: Double
  /// r: the largest norm of Δ̄ of a row; nil: any.
  public let threshold: Double?
  /// β, below 0 to weaken what guidance did before.
  public let momentum: Double
  /// Where w acts; nil: everywhere.
  public let interval: GuidanceInterval?
  let kernel: any PerturbationKernel

  /// - Parameters:
  ///   - pair: s_c and s_∅
  ///   - weight: w
  ///   - parallel: η
  ///   - threshold: r, above 0; nil: none.
  ///   - momentum: β, in (−1, 1).
  ///   - interval: where w acts; nil: everywhere.
  ///   - kernel: its moments are scalars.
  public init(
    _ pair: ScorePair, weight: Double, parallel: Double, threshold: Double? = nil, momentum: Double = 0,
    interval: GuidanceInterval? = nil, kernel: any PerturbationKernel
  ) {
    precondition(threshold ?? 1 > 0 && abs(momentum) < 1, "r > 0, |β| < 1")
    (self.pair, self.weight, self.parallel) = (pair, weight, parallel)
    (self.threshold, self.momentum, self.interval, self.kernel) = (threshold, momentum, interval, kernel)
  }

  public var shardRows: Int { pair.shardRows }
  public var traits: ScoreTraits {
    momentum == 0 ? pair.linearTraits.intersection(.memory) : .memory
  }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(self, try pair.makeEvaluator(for: rows, interval), rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: ProjectedScore
    private let pair: PairEvaluator
    private let other: RowStorage
    private let first: Int
    /// Δ̄ of each row as it is now, and as it was before the last time; with momentum.
    private let average, before: RowStorage?
    private var lastTimes: [Double]

    init(_ score: ProjectedScore, _ pair: PairEvaluator, _ rows: RowSpan) {
      (self.score, self.pair, other, first) = (score, pair, RowStorage(rows), rows.first)
      let remembers = score.momentum != 0
      (average, before) = remembers ? (RowStorage(rows), RowStorage(rows)) : (nil, nil)
      lastTimes = [Double](repeating: .infinity, count: remembers ? rows.count : 0)
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      let other = other.view(like: x)
      let branches = try pair.evaluate(x, at: times, with: s, without: other, linearising: false)
      guard branches == .both else { return }
      for i in 0..<x.count where pair.isGuided(at: times.time(of: i)) {
        guide(s.row(i), other.row(i), x.row(i), at: times.time(of: i))
      }
    }

    func cost(at t: Double) -> Int { pair.cost(at: t) }
    func culprit(_ x: Rows, at t: Double) -> String? { pair.culprit(x, at: t) }

    /// Turns s_c of one row into the guided score. Δ stands where s_∅ was.
    private func guide(_ s: Rows, _ step: Rows, _ x: Rows, at t: Double) {
      let moments = score.kernel.moments(at: t)
      let (m, v) = (moments.scale, moments.variance)
      // Without noise x̂₀ is x with and without the condition.
      guard v > 0 else { return }
      for j in 0..<s.dimension { step[0, j] = v / m * (s[0, j] - step[0, j]) }
      addMomentum(step, row: x.first - first, at: t)
      if let threshold = score.threshold {
        let norm = step.squaredNorm.squareRoot()
        if norm > threshold { for j in 0..<s.dimension { step[0, j] *= threshold / norm } }
      }
      var (square, along) = (0.0, 0.0)
      for j in 0..<s.dimension {
        let data = (x[0, j] + v * s[0, j]) / m
        square += data * data
        along += data * step[0, j]
      }
      // (η − 1) times the part along x̂₀(c), as a multiple of it.
      let share = square > 0 ? (score.parallel - 1) * along / square : 0
      for j in 0..<s.dimension {
        let data = (x[0, j] + v * s[0, j]) / m
        s[0, j] += (score.weight - 1) * m / v * (step[0, j] + share * data)
      }
    }

    private func addMomentum(_ step: Rows, row: Int, at t: Double) {
      guard let average = average?.rows.row(row), let before = before?.rows.row(row) else { return }
      if t < lastTimes[row] {
        lastTimes[row] = t
        before.copy(average)
      }
      for j in 0..<step.dimension { step[0, j] += score.momentum * before[0, j] }
      average.copy(step)
    }
  }
}
