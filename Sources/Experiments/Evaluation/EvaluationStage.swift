// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation

/// Judges samples that were drawn.
struct EvaluationStage {
  let plan: EvaluationPlan
  let solvers: [SamplingPlan.NamedSolver]
  /// How a row is to be seen as an image; nil for points.
  let shape: ImageShape?
  let heldOut: Batch
  /// What each sample was drawn for, and what is known of the held-out rows.
  let conditions: (samples: Conditions, heldOut: Conditions)
  /// Compares solvers with exact solutions; nil where the plan does not ask for it.
  let pathErrors: PathErrors?
  let seed: UInt64
  let threads: Int

  private func comparison(_ samples: Batch) -> Comparison {
    Comparison(
      samples: samples, heldOut: heldOut,
      image: shape.map { Comparison.Image(height: $0.height, width: $0.width, channels: $0.channels) },
      sampleConditions: conditions.samples, heldOutConditions: conditions.heldOut, seed: seed, threads: threads)
  }

  /// Adds the metrics of every solver's samples to its row.
  /// - Returns: the table; samples that could not be judged, which is a failure; and metrics that are not defined for
  ///   these rows and stay empty, which is none. The others go on in both cases.
  func run(
    _ sampled: SolverTable, in folder: ResultsFolder
  ) throws -> (table: SolverTable, failures: [String], notes: [String]) {
    var table = sampled
    var failures: [String] = []
    var notes: [String] = []
    table.metrics = plan.columns
    for index in table.rows.indices {
      let solver = table.rows[index].solver
      do {
        let samples = try SampleFile.read(folder, solver: solver, dimension: heldOut.dimension)
        for (name, metric) in plan.metrics {
          do {
            let value = try metric.evaluate(comparison(samples))
            if value.isFinite {
              table.rows[index].metrics[name] = value
            } else {
              notes.append("solver \(solver): metric \(name) is empty: it is \(value)")
            }
          } catch let error as InputError {
            notes.append("solver \(solver): metric \(name) is empty: \(error)")
          }
        }
        if let named = solvers.first(where: { $0.name == solver }) {
          table.rows[index].metrics["path-error"] = try pathErrors?.error(of: named.solver)
        }
      } catch let error as ComputationError where error.isStop {
        throw error
      } catch let error as InputError {
        failures.append("solver \(solver): \(error)")
      } catch let error as ComputationError {
        failures.append("solver \(solver): \(error)")
      }
    }
    try folder.write(table.csv(), to: "solvers.csv")
    return (table, failures, notes)
  }
}
