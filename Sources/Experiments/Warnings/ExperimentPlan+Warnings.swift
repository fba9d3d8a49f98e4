// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Processes
import Scores

extension ExperimentPlan {
  /// What should be known before the run: `warnings`, and what a look at the first rows of the data foresees. A line
  /// each, with where and the remedy.
  /// - Throws: `InputError` for data that cannot be loaded, and for formulas of an observation that are numbers
  ///   nowhere.
  public func foreseen() throws -> [String] {
    // An autoencoder has no process that could fail the data.
    if model.trainsAutoencoder { return warnings }
    let preview = try DataPreview(self)
    var lines = warnings
    let observed = try places.placed { try ObservationWarnings(plan: self, preview: preview)?.lines() } ?? []
    for (key, text) in DataWarnings(plan: self, preview: preview).lines
      + PriorWarning(plan: self, preview: preview).lines + NoiseWarnings(plan: self, preview: preview).lines
      + metricWarnings(preview) + (TextWarnings(plan: self, preview: preview)?.lines ?? []) + observed
      + GuidanceWarnings(plan: self).lines
    {
      lines.append(places.at(key, text))
    }
    return lines
  }

  /// How many pairs of rows a metric may compare without a word: some seconds of work for each solver.
  private static let quickPairs = 2e10

  /// Metrics that will be left empty, and those that will take long.
  private func metricWarnings(_ preview: DataPreview) -> [(key: String, text: String)] {
    if sampling.solvers.isEmpty || preview.heldOutCount == 0 { return [] }
    let rows = Double(sampling.count + preview.heldOutCount)
    return evaluation.metrics.compactMap { name, metric in
      if metric.comparesAllPairs, rows * rows > Self.quickPairs {
        return (
          "evaluation",
          "\(name) compares all pairs of \(sampling.count) samples and \(preview.heldOutCount) held-out rows, "
            + "\(short(rows * rows)) for each solver, which takes long; remedy: sliced-wasserstein alone, or fewer rows"
        )
      }
      guard min(sampling.count, preview.heldOutCount) < metric.fewestRows else { return nil }
      return (
        "evaluation",
        "\(name) needs \(metric.fewestRows) rows or more, and will be left empty: there are \(sampling.count) samples "
          + "and \(preview.heldOutCount) held-out rows; allowed: a larger sampling.count, more data, or other metrics"
      )
    }
  }
}

/// The first rows of the data, as many as it takes to foresee how a run will go, in moments.
struct DataPreview {
  /// How many rows are looked at, and how many values they may have.
  static let rows = 10_000
  static let values = 2_000_000

  /// In the units of the data.
  let data: Batch
  /// As a model sees them, in coordinates in which its process is linear.
  let seen: Batch
  let image: ImageShape?
  /// The law of the rows in coordinates, where it is known and the process keeps them as they are.
  let law: GaussianMixture?
  let heldOutCount: Int
  /// The texts of the rows to learn from; empty where their conditions are none.
  let texts: [String]
  /// Whether one of the coordinates standardises.
  let isStandardised: Bool

  init(_ plan: ExperimentPlan) throws {
    let source = plan.data.fewer(rows: Self.rows)
    let dataset = try source.load(seed: plan.seed)
    heldOutCount = dataset.heldOutRows.count
    texts = if case .texts(let texts) = dataset.trainingConditions { texts } else { [] }
    let count = max(1, min(Self.rows, Self.values / max(1, source.dimension)))
    data = dataset.trainingRows.prefix(count)
    image = plan.model.seen.imageShape
    isStandardised = plan.model.coordinates.contains { $0 is StandardiseRecipe }
    guard data.count > 0 else {
      (seen, law) = (data, nil)
      return
    }
    let fitted = try plan.model.coordinates.isEmpty ? nil : plan.score.fittedCoordinates()
    let inCoordinates = try DataInCoordinates(
      FewRows(base: source, dataset: Dataset(training: data, heldOut: dataset.heldOutRows.prefix(1))),
      recipes: plan.model.coordinates, fitted: fitted, seed: plan.seed)
    let problem = LearningProblem(plan.prepared, objective: .denoising, seed: plan.seed)
    seen = try problem.encoded(inCoordinates.seen.trainingRows.prefix(count))
    let own = inCoordinates.law
    law = plan.prepared.transformed == nil && own?.isExponential == false ? own?.mixture : nil
  }

  /// Some rows of a source.
  private struct FewRows: DataSource {
    let base: any DataSource
    let dataset: Dataset

    var dimension: Int { base.dimension }
    var imageShape: ImageShape? { base.imageShape }
    var law: DataLaw? { base.law }
    var conditionShape: ConditionShape { base.conditionShape }
    var conditionColumns: ConditionColumns { base.conditionColumns }
    var levels: Quantisation? { base.levels }
    func load(seed: UInt64) throws -> Dataset { dataset }
  }
}

/// The mean and the deviation of every column.
struct ColumnMoments {
  let means, deviations: [Double]

  /// Those of a law.
  init(_ law: GaussianMixture) {
    means = law.mean
    let covariance = law.covariance
    deviations = covariance.indices.map { covariance[$0][$0].squareRoot() }
  }

  init(_ rows: Batch) {
    let (n, d) = (Double(rows.count), rows.dimension)
    var (means, squares) = ([Double](repeating: 0, count: d), [Double](repeating: 0, count: d))
    for i in 0..<rows.count { for j in 0..<d { means[j] += rows[i, j] / n } }
    for i in 0..<rows.count {
      for j in 0..<d { squares[j] += (rows[i, j] - means[j]) * (rows[i, j] - means[j]) / n }
    }
    self.means = means
    // What rounding leaves of a constant is no deviation.
    deviations = zip(squares, means).map { $0.squareRoot() > 1e-13 * abs($1) ? $0.squareRoot() : 0 }
  }

  /// The root mean square of the deviations.
  var deviation: Double { (deviations.reduce(0) { $0 + $1 * $1 } / Double(deviations.count)).squareRoot() }
}

/// A number in a warning: three digits.
func short(_ value: Double) -> String {
  String(format: (1e3..<1e7).contains(abs(value)) ? "%.0f" : "%.3g", value)
}
