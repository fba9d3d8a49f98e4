// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Processes
import Scores
import Solvers
import Synchronization

/// The energy (T − ε) ∫ E ‖dx/dt‖² dt of the ways that the model's flow takes from T to ε, in the units of the data: at
/// least W₂² of the laws at its ends (Benamou and Brenier 2000), and that where paths are straight and do not cross.
/// The number beside it is the exact W₂² between as many rows of the source, or of the prior, and held-out rows.
///
/// The integral is the sum of ‖x_{k+1} − x_k‖²/h over steps of rk4 of equal lengths h, too small by h²/12 times the
/// mean square of ẍ.
struct PathEnergy: ModelMetric {
  /// How many ways are taken.
  let rows: Int
  /// How many steps each has.
  let steps: Int

  func check(_ setting: ModelSetting) throws {
    guard setting.hasFlow else { throw InputError("needs a model that knows a probability flow") }
    guard setting.data.hasRows else { throw InputError("needs held-out rows") }
  }

  func judge(_ model: JudgedModel) throws -> ModelJudgement {
    let count = min(rows, model.heldOut.count)
    guard count > 1 else { throw InputError("\(count) held-out rows; allowed: 2 or more") }
    let score = try model.score(ofHeldOut: count)
    let own = try model.ends.map { try model.data.encodedStates($0.freshRows(count)) }
    let beginning = own.map { rows in
      Beginning(at: model.process.duration) { x in
        for row in 0..<x.count {
          for (j, value) in rows.row((x.first + row) % rows.count).enumerated() { x[row, j] = value }
        }
      }
    }
    let sampler = Sampler(
      process: model.process, score: score, dimension: model.data.source.dimension, seed: model.seed,
      epsilon: max(model.epsilon, model.process.sde.samplingEpsilon), grid: UniformGrid(), beginning: beginning,
      threads: model.threads)
    let recorder = Recorder(model)
    let solver = FixedSteps(RungeKutta(.rk4), steps: steps, grid: UniformGrid(), lastStep: .full)
    _ = try sampler.draw(count, with: solver, denoise: false, block: score.shardRows, observer: recorder)
    let span = model.process.duration - sampler.problem.epsilon
    let energies = recorder.energies(count).map { $0 * span }
    guard energies.allSatisfy(\.isFinite) else { throw InputError("the flow ends in no numbers") }
    let starts = try model.data.decodedStates(own ?? sampler.projected(sampler.prior(count)))
    let ends = Comparison(
      samples: starts, heldOut: model.heldOut.prefix(count), seed: model.seed, threads: model.threads)
    let distance = try Wasserstein().evaluate(ends)
    return ModelJudgement(.mean(energies), data: Estimate(distance * distance), count: count)
  }

  /// Adds up Σ ‖x_{k+1} − x_k‖²/h of each row.
  private final class Recorder: StepObserver {
    private struct Shard {
      var last: [Double]
      var time: Double
      var sums: [Double]
    }

    private let model: JudgedModel
    private let shards = Mutex<[Int: Shard]>([:])

    init(_ model: JudgedModel) { self.model = model }

    func reached(_ x: Rows, step: Int, at time: Double) {
      let states = Batch(values: (0..<x.size).map { x.values[$0] }, dimension: x.dimension)
      let points = model.data.decodedStates(states)
      shards.withLock { shards in
        guard step > 0, var shard = shards[x.first] else {
          shards[x.first] = Shard(last: points.values, time: time, sums: [Double](repeating: 0, count: x.count))
          return
        }
        for row in 0..<x.count {
          var square = 0.0
          for j in 0..<points.dimension {
            let d = points[row, j] - shard.last[row * points.dimension + j]
            square += d * d
          }
          shard.sums[row] += square / (shard.time - time)
        }
        (shard.last, shard.time) = (points.values, time)
        shards[x.first] = shard
      }
    }

    func energies(_ count: Int) -> [Double] {
      shards.withLock { shards in
        Array(shards.keys.sorted().flatMap { shards[$0]?.sums ?? [] }.prefix(count))
      }
    }
  }
}
