// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores

/// s = s_∅ + w (s_c − s_∅): classifier-free guidance, where s_c knows the condition and s_∅ does not (Ho and Salimans
/// 2022), and autoguidance, where s_∅ is a weaker network's (Karras et al. 2024). At w = 1 it is s_c, at w = 0 s_∅.
///
/// It is the score of no noised law: p_t(x)^{1−w} p_t(x | c)^w is not what p_0(x)^{1−w} p_0(x | c)^w becomes under
/// noise.
public struct ExtrapolatedScore: Score {
  /// s_c and s_∅
  public let pair: ScorePair
  /// w
  public let weight: Double
  /// Where w acts; nil: everywhere.
  public let interval: GuidanceInterval?
  /// What keeps the spread of values; nil: nothing.
  public let rescaling: Rescaling?

  /// Each row's guided values scaled so that their standard deviation is that of the conditional ones, in part
  /// (Lin et al. 2024, equations 15 and 16): y ← (φ std(y_c)/std(y) + 1 − φ) y.
  public struct Rescaling: Sendable {
    /// Which values: the noise ε = −σ s, or the data x̂₀ = (x + σ² s)/m.
    public enum Quantity: String, Sendable, CaseIterable {
      /// ε = −σ s
      case noise
      /// x̂₀ = (x + σ² s)/m
      case data
    }

    /// φ, above 0 and at most 1.
    public let share: Double
    /// What is scaled.
    public let quantity: Quantity
    let kernel: any PerturbationKernel

    /// - Parameters:
    ///   - share: φ
    ///   - quantity: what is scaled.
    ///   - kernel: its moments are scalars.
    public init(_ share: Double, of quantity: Quantity, kernel: any PerturbationKernel) {
      (self.share, self.quantity, self.kernel) = (share, quantity, kernel)
    }
  }

  /// - Parameters:
  ///   - pair: s_c and s_∅
  ///   - weight: w
  ///   - interval: where w acts; nil: everywhere.
  ///   - rescaling: what keeps the spread of values; nil: nothing.
  public init(
    _ pair: ScorePair, weight: Double, interval: GuidanceInterval? = nil, rescaling: Rescaling? = nil
  ) {
    (self.pair, self.weight, self.interval, self.rescaling) = (pair, weight, interval, rescaling)
  }

  public var shardRows: Int { pair.shardRows }
  public var traits: ScoreTraits {
    rescaling == nil ? pair.linearTraits : pair.linearTraits.intersection(.memory)
  }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(self, try pair.makeEvaluator(for: rows, interval), rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: ExtrapolatedScore
    private let pair: PairEvaluator
    private let other: RowStorage
    private var linearised: Times?

    init(_ score: ExtrapolatedScore, _ pair: PairEvaluator, _ rows: RowSpan) {
      (self.score, self.pair, other) = (score, pair, RowStorage(rows))
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      try evaluate(x, times, s, linearising: false)
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      linearised = times
      try evaluate(x, times, s, linearising: true)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard score.rescaling == nil else { throw InputError("a rescaled score offers no Jacobian product") }
      guard let linearised else { preconditionFailure("a product before there is a linearisation") }
      let w = score.weight
      try pair.pullback(v, into: out) { pair.isGuided(at: linearised.time(of: $0)) ? (w, 1 - w) : (1, 0) }
    }

    func cost(at t: Double) -> Int { pair.cost(at: t) }
    func culprit(_ x: Rows, at t: Double) -> String? { pair.culprit(x, at: t) }

    private func evaluate(_ x: Rows, _ times: Times, _ s: Rows, linearising: Bool) throws {
      let other = other.view(like: x)
      let branches = try pair.evaluate(x, at: times, with: s, without: other, linearising: linearising)
      guard branches == .both else { return }
      let w = score.weight
      for i in 0..<x.count where pair.isGuided(at: times.time(of: i)) {
        let (y, without) = (s.row(i), other.row(i))
        guard let rescaling = score.rescaling else {
          for j in 0..<y.dimension { y[0, j] = without[0, j] + w * (y[0, j] - without[0, j]) }
          continue
        }
        rescaling.guide(y, without, x.row(i), weight: w, at: times.time(of: i))
      }
    }
  }
}

extension ExtrapolatedScore.Rescaling {
  /// Turns s_c into the guided and rescaled score of one row.
  fileprivate func guide(_ s: Rows, _ without: Rows, _ x: Rows, weight w: Double, at t: Double) {
    let moments = kernel.moments(at: t)
    // Up to factors that std(y_c)/std(y) does not see, and shifts: ε is s, x̂₀ is x + σ² s.
    let (a, b) = quantity == .noise ? (0.0, 1.0) : (1.0, moments.variance)
    var (own, guided) = (Spread(), Spread())
    for j in 0..<s.dimension {
      own.add(a * x[0, j] + b * s[0, j])
      s[0, j] = without[0, j] + w * (s[0, j] - without[0, j])
      guided.add(a * x[0, j] + b * s[0, j])
    }
    // Equal values have no spread to restore; without noise x̂₀ is x, whatever s is.
    guard guided.deviation > 0, b > 0 else { return }
    let factor = share * own.deviation / guided.deviation + 1 - share
    for j in 0..<s.dimension { s[0, j] = (factor * (a * x[0, j] + b * s[0, j]) - a * x[0, j]) / b }
  }

  /// A running standard deviation (Welford 1962).
  private struct Spread {
    private var (count, mean, squares) = (0.0, 0.0, 0.0)
    var deviation: Double { (squares / count).squareRoot() }

    mutating func add(_ value: Double) {
      count += 1
      let difference = value - mean
      mean += difference / count
      squares += difference * (value - mean)
    }
  }
}
