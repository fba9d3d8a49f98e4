// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Processes
import Scores

/// A mixture with classes, its noised laws written out anew, and its scores as guidance gets them.
struct ClassMixture {
  let weights: [Double]
  let means: [[Double]]
  let deviations: [Double]
  let classes: [Int]
  let process: PreparedProcess

  /// Three components in the plane, of which two share a class.
  static func plane(_ process: any SDE = VPSDE()) -> ClassMixture {
    ClassMixture(
      weights: [0.3, 0.5, 0.2], means: [[1, -0.5], [-1.2, 0.4], [0.3, 1.1]], deviations: [0.4, 0.7, 0.3],
      classes: [0, 1, 1], process: PreparedProcess(process))
  }

  func law() throws -> DataLaw {
    DataLaw(try GaussianMixture(weights: weights, means: means, deviations: deviations), classes: classes)
  }

  func score(given conditions: Conditions) throws -> any Score {
    guard let score = process.exactScore(of: try law(), given: conditions) else {
      throw InputError("a process without exact scores")
    }
    return score
  }

  /// Both branches as guidance gets them, in one batch or each by itself.
  func pair(given conditions: Conditions, isTogether: Bool = true) throws -> ScorePair {
    ScorePair(
      with: try score(given: conditions), without: try score(given: .nothing),
      together: isTogether ? try score(given: .interleaved([conditions, .nothing])) : nil)
  }

  /// m and v
  func moments(at t: Double) -> (m: Double, v: Double) {
    guard let moments = process.scalarKernel?.moments(at: t) else { return (.nan, .nan) }
    return (moments.scale, moments.variance)
  }

  /// p_t(x | c); all components where c is nil.
  func density(_ x: [Double], at t: Double, _ label: Int?) -> Double {
    parts(x, at: t, label).reduce(0) { $0 + $1.density }
  }

  /// ∇ log p_t(x | c) by the sum over components.
  func score(_ x: [Double], at t: Double, _ label: Int?) -> [Double] {
    let (m, _) = moments(at: t)
    let parts = parts(x, at: t, label)
    let total = parts.reduce(0) { $0 + $1.density }
    return x.indices.map { j in
      parts.reduce(0) { $0 - $1.density / total * (x[j] - m * means[$1.component][j]) / $1.variance }
    }
  }

  private func parts(
    _ x: [Double], at t: Double, _ label: Int?
  ) -> [(component: Int, density: Double, variance: Double)] {
    let (m, v) = moments(at: t)
    let own = weights.indices.filter { label == nil || classes[$0] == label }
    let total = own.reduce(0) { $0 + weights[$1] }
    return own.map { k in
      let variance = m * m * deviations[k] * deviations[k] + v
      let square = x.indices.reduce(0) { $0 + (x[$1] - m * means[k][$1]) * (x[$1] - m * means[k][$1]) }
      let norm = pow(2 * .pi * variance, -0.5 * Double(x.count))
      return (k, weights[k] / total * norm * exp(-0.5 * square / variance), variance)
    }
  }
}

/// Points to look at: rows of normals, twice as wide as the unit law.
func somePoints(_ count: Int, dimension: Int) -> Batch {
  var points = NoiseStream(seed: 5, purpose: .prior).normals(count: count, dimension: dimension)
  points.values = points.values.map { 2 * $0 }
  return points
}

extension Score {
  /// The scores of rows, numbered from `first`.
  func values(_ x: Batch, at times: Times, from first: Int = 0) throws -> Batch {
    let span = RowSpan(first: first, count: x.count, dimension: x.dimension)
    return try values(x, at: times, by: makeEvaluator(for: span), span)
  }

  /// The scores of rows by an evaluator that may have evaluated others before.
  func values(_ x: Batch, at times: Times, by evaluator: any ScoreEvaluator, _ span: RowSpan) throws -> Batch {
    let (states, scores) = (RowStorage(span), RowStorage(span))
    for i in x.values.indices { states.rows.values[i] = x.values[i] }
    try evaluator.evaluate(states.rows, at: times, into: scores.rows)
    return Batch(values: (0..<scores.rows.size).map { scores.rows.values[$0] }, dimension: x.dimension)
  }

  /// The scores of rows, and Jᵀ v.
  func products(_ x: Batch, _ v: Batch, at times: Times) throws -> (scores: Batch, products: Batch) {
    var (x, v) = (x, v)
    var (s, out) = (Batch(count: x.count, dimension: x.dimension), Batch(count: x.count, dimension: x.dimension))
    try x.withRows { x in
      let evaluator = try makeEvaluator(for: x.span)
      try s.withRows { try evaluator.linearise(x, at: times, into: $0) }
      try v.withRows { v in try out.withRows { try evaluator.pullback(v, into: $0) } }
    }
    return (s, out)
  }
}
