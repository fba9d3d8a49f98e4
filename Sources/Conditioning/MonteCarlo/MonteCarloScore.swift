// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// The score of x_t given y for data of a known law, by Monte Carlo: s = (m E[x₀ | x_t, y] − x_t)/v, where the mean is
/// that of candidates x₀ ~ p(x₀ | x_t) with weights ∝ p(y | x₀). No gradient of the likelihood is needed.
///
/// Errors fall as N^−½ with N candidates. A weighted mean is biased by order 1/N; `jackknife` takes that from two
/// halves: twice the mean less that of the halves' means is biased by order N⁻² (Quenouille 1956). The known
/// E[x₀ | x_t] is a control variate: where y says little, the candidates' own scatter cancels. Candidates are a
/// function of the seed, the row and the time.
public struct MonteCarloScore: Score {
  /// The law of data.
  public let law: any ConditionalLaw
  /// m and v
  public let kernel: any PerturbationKernel
  /// What was seen.
  public let observation: Observation
  /// N
  public let candidates: Int
  /// Whether the bias of order 1/N is taken off.
  public let jackknife: Bool
  /// What candidates are keyed by.
  public let seed: UInt64

  /// - Precondition: N ≥ 2, and the kernel is scalar.
  public init(
    _ law: any ConditionalLaw, kernel: any PerturbationKernel, observation: Observation, candidates: Int,
    jackknife: Bool, seed: UInt64
  ) {
    precondition(candidates >= 2 && kernel.isScalar)
    (self.law, self.kernel, self.observation) = (law, kernel, observation)
    (self.candidates, self.jackknife, self.seed) = (candidates, jackknife, seed)
  }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == law.dimension else {
      throw InputError("points of \(rows.dimension) values for data of \(law.dimension)")
    }
    return Evaluator(self)
  }

  final class Evaluator: ScoreEvaluator {
    private let score: MonteCarloScore
    private let candidates: Candidates
    private var prior, estimate: [Double]
    private var halves: (Sums, Sums)

    /// Sums over half of the candidates.
    private struct Sums {
      /// Σ w
      var weight = 0.0
      /// Σ x, Σ x², Σ w x and Σ w x², by coordinate.
      var plain, square, weighted, weightedSquare: [Double]

      init(_ d: Int) {
        let zeros = [Double](repeating: 0, count: d)
        (plain, square, weighted, weightedSquare) = (zeros, zeros, zeros, zeros)
      }

      mutating func reset() {
        weight = 0
        for j in plain.indices { (plain[j], square[j], weighted[j], weightedSquare[j]) = (0, 0, 0, 0) }
      }

      mutating func add(_ point: UnsafePointer<Double>, _ w: Double) {
        weight += w
        for j in plain.indices {
          let x = point[j]
          plain[j] += x
          square[j] += x * x
          weighted[j] += w * x
          weightedSquare[j] += w * x * x
        }
      }

      /// The slope of the weighted mean on the plain one: what y leaves of the variance.
      func slope(_ j: Int, _ n: Double) -> Double {
        guard weight > 0 else { return 1 }
        let (mean, weightedMean) = (plain[j] / n, weighted[j] / weight)
        let spread = square[j] / n - mean * mean
        return spread > 0 ? min(1, max(0, (weightedSquare[j] / weight - weightedMean * weightedMean) / spread)) : 0
      }
    }

    init(_ score: MonteCarloScore) {
      self.score = score
      candidates = Candidates(
        score.law, score.observation, count: score.candidates, seed: score.seed, isOneTaken: false)
      let d = score.law.dimension
      (prior, estimate) = ([Double](repeating: 0, count: d), [Double](repeating: 0, count: d))
      halves = (Sums(d), Sums(d))
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      times.forEachRun(x.count) { run, t in
        let moments = score.kernel.moments(at: t)
        // A time has 52 bits behind the point: its own candidates.
        let step = Int(t.bitPattern >> 8)
        for row in run {
          let state = x.values + row * x.dimension
          candidates.draw(state, row: x.first + row, moments, step: step)
          makeEstimate()
          for j in 0..<x.dimension { s[row, j] = (moments.scale * estimate[j] - state[j]) / moments.variance }
        }
      }
    }

    /// Leaves the estimate of E[x₀ | x_t, y] in `estimate`.
    private func makeEstimate() {
      let (n, d) = (candidates.count, estimate.count)
      halves.0.reset()
      halves.1.reset()
      for i in 0..<n {
        let point = candidates.points.values + i * d
        if i % 2 == 0 { halves.0.add(point, candidates.weights[i]) } else { halves.1.add(point, candidates.weights[i]) }
      }
      candidates.law.writeMean(into: &prior)
      let (a, b) = halves
      let (countA, countB) = (Double((n + 1) / 2), Double(n / 2))
      for j in 0..<d {
        var value = a.weighted[j] + b.weighted[j]
        if score.jackknife, a.weight > 0, b.weight > 0 {
          value = 2 * value - 0.5 * (a.weighted[j] / a.weight + b.weighted[j] / b.weight)
        }
        // Each half's mean with the slope of the other, so that this adds no bias.
        let (offA, offB) = (a.plain[j] / countA - prior[j], b.plain[j] / countB - prior[j])
        let control = countA * b.slope(j, countB) * offA + countB * a.slope(j, countA) * offB
        estimate[j] = value - control / Double(n)
      }
    }
  }
}
