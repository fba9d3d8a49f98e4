// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation

/// The mean of −ln q over held-out rows, q the model's density by the probability flow (Song et al. 2021, equation 39),
/// in nats a row; or in bits per dimension of data of a few levels. Rows are independent, and the interval is that of a
/// mean.
struct NegativeLogLikelihood: ModelMetric {
  enum Unit: Sendable { case nats, bitsPerDimension }

  let unit: Unit
  /// At most so many held-out rows.
  let rows: Int
  /// How densities are computed.
  var method = DensityMethod.section

  var usesLikelihood: Bool { true }
  var usesExactScore: Bool { method == .exact }

  func check(_ setting: ModelSetting) throws {
    try method.check(setting)
    if unit == .bitsPerDimension && !setting.hasLevels {
      throw InputError(
        "needs data of a few levels; allowed: likelihood.levels, or coordinates: [dequantise], which knows them")
    }
  }

  func judge(_ model: JudgedModel) throws -> ModelJudgement {
    let densities = try model.logDensities(rows, by: method)
    if unit == .bitsPerDimension {
      guard let bits = densities.bits else { throw InputError("the levels of the data are not known") }
      return ModelJudgement(.mean(bits), count: bits.count)
    }
    // The law's own is the least that a model can have, where rows are as they were drawn.
    let law = densities.bits == nil ? model.law : nil
    return ModelJudgement(
      .mean(densities.model.map(-)),
      data: try law.map { .mean(try $0.logDensities(of: densities.rows, given: densities.conditions).map(-)) },
      count: densities.rows.count)
  }
}

extension Estimate {
  /// The mean of independent values.
  static func mean(_ values: [Double]) -> Estimate {
    let mean = values.reduce(0, +) / Double(max(1, values.count))
    return Estimate(mean, sampleInfluences: [], heldOutInfluences: values.map { $0 - mean })
  }
}
