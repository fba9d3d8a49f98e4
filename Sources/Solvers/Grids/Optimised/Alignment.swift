// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores
import Synchronization

/// How far a solver that adds noise is from the reverse SDE, step by step: Align Your Steps (Sabour, Fidler and Kreis
/// 2024, theorem 3.1).
///
/// A step from t to s that freezes the denoised mean D at t follows another SDE than the reverse one, and by Girsanov's
/// theorem the divergence KL of the two laws of paths is the integral, with σ̃ = σ/m and λ = −ln σ̃,
///
///     ∫ E ‖D(x_r, r) − D(x_t, t)‖²/σ̃_r² dλ_r  from t to s.
///
/// Those of the steps add up, so that the cheapest way through the candidates is the minimum among them, where the
/// paper moves one time after the other. The mean is over paths of the reverse SDE in steps of DDIM with η = 1, eight
/// in each interval, and the integral a sum of trapezoids.
struct Alignment {
  let costs: StepCosts

  private static let substeps = 8

  /// - Parameters:
  ///   - sampler: whose problem's score is evaluated; its rows 0 ..< `rows` are solved.
  ///   - progress: is told of each shard.
  /// - Precondition: the process has a scalar kernel, with a finite σ/m at T.
  init(
    _ sampler: Sampler, _ candidates: CandidateTimes, rows: Int, progress: (any ProgressObserver)?
  ) throws {
    let problem = sampler.problem
    let kernel = try problem.requireKernel(for: "a search by alignment")
    let (times, m) = (candidates.times, candidates.count)
    let shards = Mutex<[Int: [Double]]>([:])
    var batch = Batch(count: rows, dimension: problem.stateDimension)
    batch.withRows { problem.begin($0) }
    _ = try sampler.run(&batch, problem.path, nil, nil, restart: { problem.begin($0) }) { x, context in
      let stepper = try DDIM(eta: 1).makeStepper(in: context)
      let score = context.makeRows()
      var means: [Rows] = []
      for k in times.indices {
        if k > 0 {
          for n in 0..<Self.substeps {
            func time(_ n: Int) -> Double {
              n == Self.substeps
                ? times[k] : times[k - 1] + (times[k] - times[k - 1]) * Double(n) / Double(Self.substeps)
            }
            let index = (k - 1) * Self.substeps + n
            try stepper.step(x, Step(from: time(n), to: time(n + 1), index: index, count: m * Self.substeps))
          }
          try context.requireFinite(step: k, at: times[k], x)
        }
        let (moments, mean) = (kernel.moments(at: times[k]), context.makeRows())
        try context.score.evaluate(x, at: .all(times[k]), into: score)
        for i in 0..<x.size { mean.values[i] = (x.values[i] + moments.variance * score.values[i]) / moments.scale }
        means.append(mean)
      }
      var squares = [Double](repeating: 0, count: (m + 1) * (m + 1))
      for i in 0..<m {
        for j in i + 1...m {
          var sum = 0.0
          for c in 0..<x.size {
            let d = means[j].values[c] - means[i].values[c]
            sum += d * d
          }
          squares[i * (m + 1) + j] = sum
        }
      }
      shards.withLock { $0[x.first] = squares }
      progress?.advance(by: 1)
      return StepCount(accepted: 0)
    }
    let all = shards.withLock { $0 }
    var squares = [Double](repeating: 0, count: (m + 1) * (m + 1))
    for first in all.keys.sorted() {
      guard let own = all[first] else { continue }
      for k in squares.indices { squares[k] += own[k] / Double(rows) }
    }
    let noise = times.map { kernel.moments(at: $0).noiseToSignal }
    var costs = StepCosts(count: m)
    for i in 0..<m {
      var (sum, last) = (0.0, 0.0)
      for j in i + 1...m {
        let next = squares[i * (m + 1) + j] / (noise[j] * noise[j])
        sum += 0.5 * (last + next) * log(noise[j - 1] / noise[j])
        last = next
        costs[i, j] = sum.isFinite ? sum : .infinity
      }
    }
    self.costs = costs
  }

  /// The divergence of steps between given times, each taken for its nearest candidate; infinite where two share one.
  func divergence(of places: [Double]) -> Double {
    let nearest = places.map { min(costs.count, max(0, Int($0.rounded()))) }
    return zip(nearest, nearest.dropFirst()).reduce(0) { $0 + ($1.0 < $1.1 ? costs[$1.0, $1.1] : .infinity) }
  }
}
