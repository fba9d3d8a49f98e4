// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation

/// What metrics say of rows, and which rank asks them.
extension EvaluationStage {
  /// What a metric came to: a value, or why there is none, or why nothing else is to be asked.
  private struct Figure: Codable, Sendable {
    var estimate: Estimate?
    var note: String?
    var failure: ComputationError?
  }

  /// The value of every metric, in their order; nil with a note where it is not defined.
  ///
  /// Ranks deal the metrics among each other, each with all of its threads. Those that they can share are computed by
  /// all, one after the other.
  /// - Parameters:
  ///   - subject: what is judged, in words.
  ///   - comparisons: what each metric is given.
  ///   - found: gets the notes.
  func estimates(
    of subject: String, _ comparisons: [Comparison], _ found: inout Findings
  ) throws -> [Estimate?] {
    let (ranks, metrics) = (Team.current, metrics)
    let dealt = metrics.indices.filter { ranks.count > 1 && !metrics[$0].metric.isSharedByRanks }
    @Sendable func figure(_ index: Int) throws -> Figure {
      let (name, metric) = metrics[index]
      do {
        let estimate = try metric.estimate(comparisons[index])
        if estimate.value.isFinite { return Figure(estimate: estimate) }
        return Figure(note: "\(subject): metric \(name) is empty: it is \(estimate.value)")
      } catch let error as InputError {
        return Figure(note: "\(subject): metric \(name) is empty: \(error)")
      } catch let error as ComputationError where !error.isStop {
        return Figure(failure: error)
      }
    }
    let made = try ranks.map(dealt.count, threads: 1) { try figure(dealt[$0]) }
    if !made.isEmpty { progress.advance(by: made.count) }
    var known = Dictionary(uniqueKeysWithValues: zip(dealt, made))
    return try metrics.indices.map { index in
      if known[index] == nil {
        known[index] = try figure(index)
        progress.advance(by: 1)
      }
      let figure = known[index]!
      if let failure = figure.failure { throw failure }
      if let note = figure.note { found.note(note) }
      return figure.estimate
    }
  }
}
