// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores

/// Candidates x₀ ~ p(x₀ | x_t) of one state, weighted by p(y | x₀).
///
/// Where one of them is to be taken, and y = A x + e sees few directions of x, candidates are drawn along these
/// directions alone, and the rest of the one that is taken at the end. That is the same law, at M numbers for a
/// candidate in place of D.
final class Candidates {
  /// The candidates, N × dimension; where they are drawn along directions, N × M.
  let points: Rows
  /// Their weights, with sum 1.
  let weights: UnsafeMutablePointer<Double>
  private(set) var logLikelihoods: UnsafeMutablePointer<Double>
  let law: any Conditional
  private let model: any ObservationEvaluator
  private let observation: Observation
  private let seed: UInt64
  private let storage, y, whole: RowStorage
  /// The law again where candidates are drawn along directions, and these, M × D.
  private let directed: (law: any DirectedConditional, directions: SparseMatrix)?
  /// What the last draw was keyed by, and whether a point was kept.
  private var last = (row: 0, step: 0, hasKept: false)

  /// - Parameters:
  ///   - law: of data.
  ///   - observation: what was seen.
  ///   - count: N
  ///   - seed: of the experiment.
  ///   - isOneTaken: whether nothing is asked of candidates but one that is taken.
  init(_ law: any ConditionalLaw, _ observation: Observation, count: Int, seed: UInt64, isOneTaken: Bool) {
    self.observation = observation
    self.seed = seed
    var span = RowSpan(first: 0, count: count, dimension: law.dimension)
    whole = RowStorage(RowSpan(first: 0, count: 1, dimension: law.dimension))
    if isOneTaken, let (conditional, directions, seen) = Self.directed(law, observation.model.linear) {
      span = span.with(dimension: directions.rows)
      self.law = conditional
      directed = (conditional, directions)
      model = seen.makeEvaluator(for: span)
    } else {
      self.law = law.makeConditional()
      directed = nil
      model = observation.model.makeEvaluator(for: span)
    }
    storage = RowStorage(span)
    points = storage.rows
    y = RowStorage(RowSpan(first: 0, count: 1, dimension: observation.model.observedDimension))
    weights = .allocate(capacity: count)
    logLikelihoods = .allocate(capacity: count)
    weights.initialize(repeating: 0, count: count)
    logLikelihoods.initialize(repeating: 0, count: count)
  }

  /// The law along the directions Q that an observation sees, Q itself, and y = (A Qᵀ) Q x + e; nil where there are not
  /// many fewer directions than coordinates, or the law cannot.
  private static func directed(
    _ law: any ConditionalLaw, _ linear: LinearObservation?
  ) -> (law: any DirectedConditional, directions: SparseMatrix, seen: LinearObservation)? {
    guard let linear, let directions = SeenDirections(linear.white)?.directions,
      let conditional = law.makeConditional(along: directions),
      let seen = try? LinearObservation(
        SparseMatrix(linear.matrix.dense * directions.transpose), noise: linear.noise)
    else { return nil }
    return (conditional, SparseMatrix(directions), seen)
  }

  deinit {
    weights.deallocate()
    logLikelihoods.deallocate()
  }

  /// How many there are.
  var count: Int { points.count }

  /// Draws candidates of a state and weighs them.
  /// - Parameters:
  ///   - x: the state.
  ///   - row: its number.
  ///   - moments: m and v at its time.
  ///   - step: which draw of the row it is.
  ///   - kept: a point that takes the place of the first candidate.
  ///   - power: β, weights being p(y | x₀)^β.
  /// - Returns: ln of the mean weight; −∞, and equal weights, where no candidate can have made the observation.
  @discardableResult
  func draw(
    _ x: UnsafePointer<Double>, row: Int, _ moments: Moments, step: Int, kept: UnsafePointer<Double>? = nil,
    power: Double = 1
  ) -> Double {
    law.look(at: x, moments)
    last = (row, step, kept != nil)
    if let (law, directions) = directed {
      law.drawAlong(into: points, row: row, seed: seed, step: step)
      if let kept {
        whole.rows.values.update(from: kept, count: whole.rows.dimension)
        directions.multiply(whole.rows, into: points.row(0))
      }
    } else {
      law.draw(into: points, row: row, seed: seed, step: step)
      if let kept { points.values.update(from: kept, count: points.dimension) }
    }
    for (j, value) in observation.values.row(observation.index(ofRow: row)).enumerated() { y.rows[0, j] = value }
    model.logLikelihood(points, ofOne: y.rows, into: logLikelihoods)
    var top = -Double.infinity
    for i in 0..<count where logLikelihoods[i] > top { top = logLikelihoods[i] }
    guard top > -.infinity, top < .infinity, power > 0 else {
      for i in 0..<count { weights[i] = 1 / Double(count) }
      return power > 0 ? -.infinity : 0
    }
    var sum = 0.0
    for i in 0..<count {
      // What is no number is no likelihood.
      let weight = logLikelihoods[i].isNaN ? 0 : exp(power * (logLikelihoods[i] - top))
      weights[i] = weight
      sum += weight
    }
    for i in 0..<count { weights[i] /= sum }
    return power * top + log(sum / Double(count))
  }

  /// A draw of the law of data itself.
  func drawPrior(row: Int, into point: UnsafeMutablePointer<Double>) {
    // A state that is all noise tells nothing of x₀.
    whole.rows.fill(0)
    law.look(at: whole.rows.values, Moments(scale: 1e-150, variance: 1))
    law.draw(into: whole.rows, row: row, seed: seed, step: 1 << 40)
    point.update(from: whole.rows.values, count: whole.rows.dimension)
  }

  /// Takes a candidate of the last draw by its weight.
  /// - Parameters:
  ///   - u: uniform in [0, 1).
  ///   - point: the candidate's D values. The point that was kept may lie there.
  /// - Returns: which one it is.
  func take(_ u: Double, into point: UnsafeMutablePointer<Double>) -> Int {
    let chosen = choose(u)
    // The point that was kept lies in `whole` where candidates are drawn along directions.
    if directed == nil {
      point.update(from: points.values + chosen * points.dimension, count: points.dimension)
    } else {
      if chosen > 0 || !last.hasKept {
        directed?.law.complete(
          chosen, of: points, row: last.row, seed: seed, step: last.step, into: whole.rows.values)
      }
      point.update(from: whole.rows.values, count: whole.rows.dimension)
    }
    return chosen
  }

  /// The first candidate up to which the weights sum to more than u.
  private func choose(_ u: Double) -> Int {
    var (sum, chosen) = (weights[0], 0)
    while sum <= u && chosen < count - 1 {
      chosen += 1
      sum += weights[chosen]
    }
    // The sum may end below u by rounding, on a candidate without weight.
    while weights[chosen] == 0 && chosen > 0 { chosen -= 1 }
    return chosen
  }
}
