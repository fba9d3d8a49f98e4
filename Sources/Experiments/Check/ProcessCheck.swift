// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Processes
import Scores
import Solvers

/// Whether a process does what it says, on the data of a config: for who has just written one.
struct ProcessCheck {
  let plan: ExperimentPlan
  /// The data as a model sees them.
  let source: any DataSource
  let dataset: Dataset
  let rows, steps, threads: Int
  /// How much noise may be left at ε, in deviations of the data.
  let tolerance: Double

  var prepared: PreparedProcess { plan.prepared }
  var process: any SDE { plan.process }
  var duration: Double { process.duration }

  func findings() throws -> [Finding] {
    let training = dataset.trainingRows
    // Refuses data that has no coordinates.
    _ = try LearningProblem(prepared, objective: .denoising, seed: plan.seed).encoded(training)
    // Rows of data in turn.
    let data = Batch(rows: (0..<rows).map { training.row($0 % training.count) })
    let ends = try simulated(data)
    return kernelAgainstDrift() + simulationAgainstKernel(data, ends) + [try prior(ends)] + (try samples(data))
      + [try densities()] + proposals()
  }

  /// The larger of two numbers, NaN where one of them is.
  func larger(_ a: Double, _ b: Double) -> Double { a.isNaN || b.isNaN ? .nan : max(a, b) }

  func largest(_ values: [Double]) -> Double { values.reduce(0) { larger($0, abs($1)) } }

  func sampler(score: (any Score)?) -> Sampler {
    Sampler(
      process: prepared, score: score ?? NoScore(), dimension: source.dimension, seed: plan.seed,
      epsilon: plan.sampling.epsilon, threads: threads)
  }

  /// So many rows of the data as hold this many values, 1 GiB, are looked at.
  static let values = 1 << 27

  /// States in coordinates in which the process is linear, where there are such. What has none is not a number.
  func inCoordinates(_ batch: Batch) -> Batch {
    guard let coordinates = prepared.transformed?.coordinates else { return batch }
    var (batch, result) = (batch, batch)
    batch.withRows { x in
      result.withRows { y in
        let stream = NoiseStream(seed: plan.seed, purpose: .data)
        for row in 0..<x.count where (try? coordinates.encode(x.row(row), into: y.row(row), from: stream)) == nil {
          y.row(row).fill(.nan)
        }
      }
    }
    return result
  }

  func deviation(_ batch: Batch) -> Double {
    let values = inCoordinates(batch).values
    let mean = values.reduce(0, +) / Double(values.count)
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(values.count)).squareRoot()
  }
}

/// For what needs no score.
private struct NoScore: Score {
  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { throw InputError("there is no score") }
}
