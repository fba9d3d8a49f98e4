// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Foundation
import Processes
import Scores
import Solvers

/// The prior, and the way back to the data.
extension ProcessCheck {
  private func distance(_ a: Batch, _ b: Batch) throws -> Double {
    // Distances of positive data are measured in logarithms, where they have moments.
    func coordinates(_ batch: Batch) -> Batch {
      guard prepared.transformed != nil else { return batch }
      let positive = Batch(values: batch.values.map { max($0, .leastNormalMagnitude) }, dimension: batch.dimension)
      return inCoordinates(positive)
    }
    return try SlicedWasserstein().evaluate(
      Comparison(samples: coordinates(a), heldOut: coordinates(b), seed: plan.seed, threads: threads))
  }

  func prior(_ ends: Batch) throws -> Finding {
    let draws = try sampler(score: nil).prior(2 * rows)
    let (first, second) = (draws.prefix(rows), Batch(rows: (rows..<2 * rows).map { Array(draws.row($0)) }))
    let (own, scale) = (try distance(first, second), deviation(second))
    return Finding(
      "prior is reached", try distance(ends, first) / scale, allowed: 2 * own / scale + 0.02,
      "sliced Wasserstein distance of x_T from the prior, in its deviations; of two draws of the prior: "
        + String(format: "%.2g", own / scale))
  }

  /// An exact score, and two sets of data of its law: to compare samples with, and as many fresh data as there are
  /// samples.
  private func target(_ data: Batch) -> (score: any Score, heldOut: Batch, fresh: Batch)? {
    if let score = source.law.flatMap({ prepared.exactScore(of: $0) }) {
      return (score, dataset.heldOutRows.prefix(values: Self.values), data)
    }
    // The law of the training set: each of its rows as likely.
    let training = dataset.trainingRows.prefix(values: Self.values)
    return prepared.exactScore(of: DataLaw(GaussianMixture(points: training))).map { score in
      let uniforms = NoiseStream(seed: plan.seed, purpose: .data).uniforms(count: rows, dimension: 1, step: 0)
      let fresh = (0..<rows).map { Array(training.row(Int(uniforms[$0, 0] * Double(training.count)))) }
      return (score, training, Batch(rows: fresh))
    }
  }

  func samples(_ data: Batch) throws -> [Finding] {
    // What is left at ε, and what the steps do.
    let solvers: [(name: String, solver: any Solver, error: Double)] = [
      ("reverse SDE", FixedSteps(EulerMaruyama(), steps: steps), 0.02 + 10 / Double(steps)),
      ("probability flow", ProbabilityFlow(.rkf45), 0.03),
    ]
    guard let (score, heldOut, fresh) = target(data) else {
      return solvers.map { Finding("\($0.0) returns to the data", nil, "the process knows no exact score of the data") }
    }
    let scale = max(deviation(heldOut), .leastNormalMagnitude)
    let own = try distance(fresh, heldOut) / scale
    return try solvers.map { name, solver, error in
      let found: Double
      do {
        found = try distance(try sampler(score: score).draw(rows, with: solver).batch, heldOut) / scale
      } catch let error as ComputationError where !error.isStop {
        return Finding("\(name) returns to the data", .nan, allowed: 0, error.description)
      }
      return Finding(
        "\(name) returns to the data", found, allowed: 2 * own + error,
        "sliced Wasserstein distance in the data's deviations; of as many fresh data: " + String(format: "%.2g", own))
    }
  }

  func densities() throws -> Finding {
    let name = "flow's log density"
    guard let law = source.law, let score = prepared.exactScore(of: law) else {
      return Finding(name, nil, "the data's law, or its exact score, is not known")
    }
    guard source.dimension <= Likelihood.largestExactDimension else {
      return Finding(name, nil, "more than \(Likelihood.largestExactDimension) dimensions")
    }
    let (sampler, epsilon) = (sampler(score: score), plan.sampling.epsilon)
    let likelihood = Likelihood(
      GSLIntegrator(.rk8pd, rtol: 1e-8, atol: 1e-8), epsilon: epsilon, terminal: .exact, divergence: .exact)
    let points = dataset.heldOutRows.prefix(100)
    let values: [Double]
    do {
      values = try sampler.logDensities(of: points, with: likelihood).values
    } catch let error as ComputationError where !error.isStop {
      return Finding(name, .nan, allowed: 0, error.description)
    }
    var states = try sampler.lifted(points)
    let differences = try states.withRows { x in
      var (exact, auxiliary) = ([Double](repeating: 0, count: x.count), [Double](repeating: 0, count: x.count))
      try score.makeEvaluator(for: x.span).logDensity(x, at: .all(epsilon), into: &exact)
      process.auxiliaryLogDensity(x, into: &auxiliary)
      return (0..<x.count).map { values[$0] - (exact[$0] - auxiliary[$0]) }
    }
    return Finding(
      name, largest(differences), allowed: 1e-3,
      "largest difference from the exact one at \(points.count) held-out rows"
    )
  }
}
