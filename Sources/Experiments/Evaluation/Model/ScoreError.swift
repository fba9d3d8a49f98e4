// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Scores
import Training

/// The mean of ‖σ (s − s_exact)‖²/D over t and noised held-out rows: what the denoising loss has above the least
/// possible one. `loss_by_time.csv` has it for each t.
///
/// The same rows are noised at all times, so that the interval takes the mean over t of a row as one value.
struct ScoreError: ModelMetric {
  /// How many rows are noised at each of 20 times.
  let draws: Int

  var usesExactScore: Bool { true }

  func check(_ setting: ModelSetting) throws {
    guard setting.process.kernel != nil else {
      throw InputError("needs a process with a perturbation kernel; allowed: another metric")
    }
    guard setting.hasExactScore else {
      throw InputError("needs data whose exact score is known; allowed: kind gaussian-mixture, or another metric")
    }
  }

  func judge(_ model: JudgedModel) throws -> ModelJudgement {
    let conditions = model.conditions(draws: draws)
    guard let kernel = model.process.kernel else { throw InputError("the process has no perturbation kernel") }
    let exact = try model.exactScore(given: conditions)
    guard model.heldOut.count > 1 else { throw InputError("\(model.heldOut.count) held-out rows; allowed: 2 or more") }
    let count = model.heldOut.count
    let losses = try LossByTime(
      of: try model.score(draws: draws), kernel: kernel, duration: model.process.duration, exact: exact,
      data: try model.data.encoded(model.heldOut), from: model.epsilon, seed: model.seed, draws: draws,
      threads: model.threads)
    // Draws of one row are one value.
    let rows = min(draws, count)
    var (sums, times) = ([Double](repeating: 0, count: rows), [Double](repeating: 0, count: rows))
    for (i, excess) in losses.excessOfDraws.enumerated() {
      sums[i % count] += excess
      times[i % count] += 1
    }
    return ModelJudgement(.mean(zip(sums, times).map { $0 / $1 }), count: rows)
  }
}
