// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes

extension ProcessCheck {
  /// Values of σ_max and ε that suit the data.
  func proposals() -> [Finding] {
    let points = dataset.trainingRows.prefix(2000)
    var square = 0.0
    for i in 0..<points.count {
      for j in 0..<i {
        var sum = 0.0
        for k in 0..<points.dimension { sum += (points[i, k] - points[j, k]) * (points[i, k] - points[j, k]) }
        square = max(square, sum)
      }
    }
    let spread = Finding(
      "proposed sigma_max", square.squareRoot(),
      "of a variance-exploding process: the largest distance between \(points.count) data points")
    guard let kernel = prepared.noise else {
      return [spread, Finding("proposed epsilon", nil, "the process has no kernel")]
    }
    let deviation = deviation(dataset.trainingRows.prefix(values: Self.values))
    let wanted = tolerance * deviation
    let time = kernel.time(ofNoiseToSignal: wanted, from: 0, to: duration)
    let now = kernel.moments(at: plan.sampling.epsilon).noiseToSignal / deviation
    return [
      spread,
      Finding(
        "proposed epsilon", time,
        String(
          format: "noise there is %.2g of the data's deviation; at epsilon %.3g it is %.2g", tolerance,
          plan.sampling.epsilon, now)),
    ]
  }
}
