// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores

/// Candidates x₀ ~ p(x₀ | x_t) of one state, weighted by p(y | x₀).
final class Candidates {
  /// The candidates, N × dimension.
  let points: Rows
  /// Their weights, with sum 1.
  let weights: UnsafeMutablePointer<Double>
  private(set) var logLikelihoods: UnsafeMutablePointer<Double>
  let law: any Conditional
  private let model: any ObservationEvaluator
  private let observation: Observation
  private let seed: UInt64
  private let storage, y: RowStorage

  init(_ law: any ConditionalLaw, _ observation: Observation, count: Int, seed: UInt64) {
    self.law = law.makeConditional()
    self.observation = observation
    self.seed = seed
    let span = RowSpan(first: 0, count: count, dimension: law.dimension)
    model = observation.model.makeEvaluator(for: span)
    storage = RowStorage(span)
    points = storage.rows
    y = RowStorage(RowSpan(first: 0, count: 1, dimension: observation.model.observedDimension))
    weights = .allocate(capacity: count)
    logLikelihoods = .allocate(capacity: count)
    weights.initialize(repeating: 0, count: count)
    logLikelihoods.initialize(repeating: 0, count: count)
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
    law.draw(into: points, row: row, seed: seed, step: step)
    if let kept { points.values.update(from: kept, count: points.dimension) }
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
    for j in 0..<points.dimension { point[j] = 0 }
    law.look(at: point, Moments(scale: 1e-150, variance: 1))
    law.draw(into: points, row: row, seed: seed, step: 1 << 40)
    point.update(from: points.values, count: points.dimension)
  }

  /// The first candidate up to which the weights sum to more than u.
  func choose(_ u: Double) -> Int {
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
