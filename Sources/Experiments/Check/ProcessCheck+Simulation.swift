// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Solvers

extension ProcessCheck {
  /// States at T, simulated from the data.
  func simulated(_ data: Batch) throws -> Batch {
    var states = try sampler(score: nil).lifted(data)
    let noise = NoiseStream(seed: plan.seed, purpose: .forward)
    let simulation = ForwardSimulation(of: prepared, steps: steps)
    try states.forEachShard(threads: threads) { x in simulation.makeWalker(for: x.span).run(x, from: noise) }
    return states
  }

  /// How a mean and a variance of n standardised values may differ from 0 and 1: 4 standard errors, and what a step
  /// does.
  private func allowed(_ standardError: Double) -> Double { 4 * standardError + 20 / Double(steps) }

  func simulationAgainstKernel(_ data: Batch, _ ends: Batch) -> [Finding] {
    let name = "simulation against kernel"
    guard let kernel = (prepared.transformed?.process ?? prepared).kernel else {
      return [Finding(name, nil, "the process has no kernel")]
    }
    let moments = kernel.moments(at: duration)
    guard let root = moments.covariance.matrix.lowerCholesky else {
      return [Finding(name, .nan, allowed: 0, "the kernel's covariance at T is not positive definite")]
    }
    var (start, end) = (inCoordinates(data), inCoordinates(ends))
    var residuals = Batch(count: ends.count, dimension: ends.dimension)
    start.withRows { start in
      end.withRows { end in
        residuals.withRows { residuals in
          end.add(moments.signal.matrix, start, times: -1)
          residuals.add(root.lowerInverse, end, times: 1)
        }
      }
    }
    let n = Double(rows)
    let columns = (0..<residuals.dimension).map { j in (0..<residuals.count).map { residuals[$0, j] } }
    let means = columns.map { $0.reduce(0, +) / n }
    // What is left of x₀ in them: their covariance with its standardised values.
    let slopes = columns.indices.map { k in
      let values = (0..<rows).map { start[$0, k % start.dimension] }
      let mean = values.reduce(0, +) / n
      let deviation = (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot()
      let covariance = zip(columns[k], values).reduce(0) { $0 + $1.0 * ($1.1 - mean) } / n
      return covariance / max(deviation, .leastNormalMagnitude)
    }
    let variances = zip(columns, means).map { column, mean in
      column.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n - 1
    }
    let note = "of x_T given x_0 in \(rows) rows of \(steps) steps, in the kernel's deviations"
    return [
      Finding("\(name): mean", largest(means + slopes), allowed: allowed((1 / n).squareRoot()), note),
      Finding("\(name): variance − 1", largest(variances), allowed: allowed((2 / n).squareRoot()), note),
    ]
  }
}
