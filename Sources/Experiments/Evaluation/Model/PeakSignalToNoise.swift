// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Glibc

/// 10 log₁₀(4/MSE) in decibels, the mean over held-out pictures: how near the pictures that an autoencoder makes of
/// them are, cut to [−1, 1], whose range is 2. Latents are the means of their laws. Pictures are independent, and the
/// interval is that of a mean.
struct PeakSignalToNoise: ModelMetric {
  /// At most so many held-out rows.
  let rows: Int

  var better: Direction { .higher }

  /// A mean square error below this is not told from none: 120 dB, where bytes end at 48 + 6.
  private static let smallest = 4e-12

  func check(_ setting: ModelSetting) throws {
    guard setting.hasAutoencoder else {
      throw InputError("needs an autoencoder; allowed: score kind autoencoder, or coordinates of kind autoencoder")
    }
  }

  func judge(_ model: JudgedModel) throws -> ModelJudgement {
    let (originals, pictures) = try model.reconstructions(rows)
    guard originals.count > 1 else { throw InputError("\(originals.count) held-out rows; allowed: 2 or more") }
    let values = (0..<originals.count).map { Self.decibels(originals.row($0), pictures.row($0)) }
    return ModelJudgement(.mean(values), count: values.count)
  }

  /// 10 log₁₀(4/MSE) of one picture, in dB.
  static func decibels(_ original: ArraySlice<Double>, _ picture: ArraySlice<Double>) -> Double {
    var sum = 0.0
    for (x, y) in zip(original, picture) {
      let miss = x - min(max(y, -1), 1)
      sum += miss * miss
    }
    return 10 * log10(4 / max(sum / Double(max(1, original.count)), smallest))
  }
}
