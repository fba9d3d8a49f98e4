// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation

/// KL(p ‖ q) = E_p[ln p − ln q], p the law of the data, which must be known, and q the model's by the probability flow:
/// the mean over held-out rows. Their spread cancels where q is near p, and so the interval is short there.
struct LawDivergence: ModelMetric {
  /// At most so many held-out rows.
  let rows: Int

  var usesLikelihood: Bool { true }

  func check(_ setting: ModelSetting) throws {
    guard setting.data.law != nil else {
      throw InputError("needs data whose law is known; allowed: kind gaussian-mixture, or another metric")
    }
    guard !setting.dequantises else {
      throw InputError("compares with the law of the data, which dequantised rows do not have; allowed: another metric")
    }
  }

  func judge(_ model: JudgedModel) throws -> ModelJudgement {
    guard let law = model.law else { throw InputError("the law of the data is not known") }
    let densities = try model.logDensities(rows)
    let exact = try law.logDensities(of: densities.rows, given: densities.conditions)
    return ModelJudgement(.mean(zip(exact, densities.model).map { $0 - $1 }), count: exact.count)
  }
}
