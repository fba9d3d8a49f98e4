// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers

/// The three processes of the literature with their default schedules, by name for parameterised tests.
enum Family: String, CaseIterable, Sendable {
  case vp
  case subVP = "sub-vp"
  case ve

  var process: any AffineSDE {
    switch self {
    case .vp: VPSDE()
    case .subVP: SubVPSDE()
    case .ve: VESDE(GeometricSigma(0.01, 10))
    }
  }
}

extension GaussianMixture {
  /// N(mean, deviation² I) in the plane or on a line.
  static func gaussian(mean: [Double], deviation: Double) throws -> GaussianMixture {
    try GaussianMixture(weights: [1], means: [mean], deviations: [deviation])
  }

  /// Two unequal components in the plane.
  static func pair() throws -> GaussianMixture {
    try GaussianMixture(weights: [0.3, 0.7], means: [[-1.5, 0.5], [1, -0.5]], deviations: [0.4, 0.6])
  }
}

func sampler(
  _ family: Family, _ mixture: GaussianMixture, seed: UInt64 = 1, path: (any BrownianPath)? = nil, threads: Int = 2
) -> Sampler {
  let process = family.process
  return Sampler(
    process: process, score: mixture.score(under: process), dimension: mixture.dimension, seed: seed, path: path,
    threads: threads)
}

extension Batch {
  func column(_ j: Int) -> [Double] { (0..<count).map { self[$0, j] } }
}

extension [Double] {
  var mean: Double { reduce(0, +) / Double(count) }

  /// Unbiased.
  var variance: Double {
    let mean = mean
    return reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)
  }
}

/// The largest |a − b| / max(1, |b|); infinite where that is not a number.
func largestError(_ a: Batch, _ b: Batch) -> Double {
  precondition(a.count == b.count && a.dimension == b.dimension)
  let errors = pairs(a.values, b.values).map { abs($0 - $1) / max(1, abs($1)) }
  return errors.allSatisfy { $0.isFinite } ? errors.max() ?? 0 : .infinity
}

/// A score that is replaced by NaN in given rows from a given time downwards.
struct PoisonedScore: Score {
  let base: any Score
  /// The time at and below which the score of a row is NaN.
  let poison: [Int: Double]
  var traits: ScoreTraits { base.traits }

  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(base: try base.makeEvaluator(for: rows), poison: poison)
  }

  final class Evaluator: ScoreEvaluator {
    private let base: any ScoreEvaluator
    private let poison: [Int: Double]

    init(base: any ScoreEvaluator, poison: [Int: Double]) { (self.base, self.poison) = (base, poison) }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      try base.evaluate(x, at: times, into: s)
      poison(x, times, s)
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      try base.linearise(x, at: times, into: s)
      poison(x, times, s)
    }

    private func poison(_ x: Rows, _ times: Times, _ s: Rows) {
      guard case .all(let t) = times else { return }
      for (row, limit) in poison where row >= x.first && row < x.first + x.count && t <= limit {
        s[row - x.first, 0] = .nan
      }
    }

    func pullback(_ v: Rows, into out: Rows) throws { try base.pullback(v, into: out) }
  }
}

/// A score that is a formula of one coordinate.
struct FormulaScore: Score {
  let formula: @Sendable (Double) throws -> Double

  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { Evaluator(formula) }

  final class Evaluator: ScoreEvaluator {
    private let formula: (Double) throws -> Double
    init(_ formula: @escaping (Double) throws -> Double) { self.formula = formula }
    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      for i in 0..<x.size { s.values[i] = try formula(x.values[i]) }
    }
  }
}

extension ComputationError? {
  /// What is not finite, where that is the error.
  var nonFinite: NonFinite? { if case .nonFinite(let found) = self { found } else { nil } }
}

/// Does nothing: what a sampler hands to a solver comes back.
struct Idle: Solver {
  var steps: Int? { 0 }
  func solve(_ x: Rows, in context: SolveContext) throws -> StepCount { StepCount(accepted: 0) }
}

/// `ck_error_ratio` of two rows of two values.
func errorRatio(
  _ high: UnsafePointer<Double>, _ low: UnsafePointer<Double>, _ a: UnsafePointer<Double>, _ b: UnsafePointer<Double>,
  atol: Double, rtol: Double, sum: Bool
) -> Double {
  ck_error_ratio(high, low, a, b, atol, rtol, sum ? 1 : 0, 2, 2)
}
