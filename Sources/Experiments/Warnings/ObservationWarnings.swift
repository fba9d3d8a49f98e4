// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core

/// Formulas of an observation that give no numbers on the data: what they say of samples would be left out in silence.
struct ObservationWarnings {
  private let plan: ObservationPlan
  private let x: Batch

  /// How many rows of the data, and how many observations, are looked at.
  private static let (mostRows, mostObservations) = (1_000, 100)

  /// - Returns: nil without an observation, and for data without rows.
  init?(plan: ExperimentPlan, preview: DataPreview) {
    guard let observation = plan.sampling.observation, preview.data.count > 0 else { return nil }
    (self.plan, x) = (observation, preview.data.prefix(Self.mostRows))
  }

  /// Observations that no row of the data can have given.
  /// - Throws: `InputError` at a key for a formula that is a number nowhere.
  func lines() throws -> [(key: String, text: String)] {
    if let likelihood = plan.model as? FormulaLikelihood { return try lines(likelihood) }
    if plan.model.linear == nil { try requireNumbers() }
    return []
  }

  private func lines(_ likelihood: FormulaLikelihood) throws -> [(key: String, text: String)] {
    guard case .given(let observations) = plan.value else { return [] }
    var unlikely: [Int] = []
    for k in 0..<min(observations.count, Self.mostObservations) {
      let values = values(likelihood, of: Batch(rows: [Array(observations.row(k))]))
      guard values.contains(where: { !$0.isNaN }) else {
        throw InputError(
          "is no number for observation \(k + 1) at any of \(x.count) rows of the data; allowed: a formula that is one, "
            + "as with deviations above 0", at: "sampling.observation.likelihood")
      }
      if values.allSatisfy({ $0.isNaN || $0 == -.infinity }) { unlikely.append(k + 1) }
    }
    guard let first = unlikely.first else { return [] }
    let others = unlikely.count > 1 ? " and \(unlikely.count - 1) more" : ""
    return [
      (
        "sampling",
        "log p(y | x) is −∞ for observation \(first)\(others) at all of \(x.count) rows of the data that were looked at: "
          + "samples will hardly know of it; remedy: an observation that the data can give, or a likelihood with tails"
      )
    ]
  }

  private func values(_ likelihood: FormulaLikelihood, of observation: Batch) -> [Double] {
    var (x, y) = (x, observation)
    return x.withRows { x in y.withRows { likelihood.values(x, of: $0) } }
  }

  /// - Throws: `InputError` for values of h(x) that are finite nowhere.
  private func requireNumbers() throws {
    var x = x
    var y = Batch(count: x.count, dimension: plan.model.observedDimension)
    let isKnown = x.withRows { x in y.withRows { plan.model.makeEvaluator(for: x.span).expect(x, into: $0) } }
    guard isKnown else { return }
    for j in 0..<y.dimension where (0..<y.count).allSatisfy({ !y[$0, j].isFinite }) {
      throw InputError(
        "value \(j + 1) is no finite number at any of \(x.count) rows of the data; allowed: formulas that are",
        at: "sampling.observation.operator")
    }
  }
}
