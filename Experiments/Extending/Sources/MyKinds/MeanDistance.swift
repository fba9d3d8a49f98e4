// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// A metric: the distance between the means of samples and held-out data. Its name becomes a column of solvers.csv.
struct MeanDistance: Metric {
  func evaluate(_ comparison: Comparison) throws -> Double {
    let (samples, heldOut) = (comparison.samples, comparison.heldOut)
    func mean(_ batch: Batch, _ j: Int) -> Double {
      (0..<batch.count).reduce(0) { $0 + batch[$1, j] } / Double(batch.count)
    }
    let squares = (0..<samples.dimension).map { j in
      let difference = mean(samples, j) - mean(heldOut, j)
      return difference * difference
    }
    return squares.reduce(0, +).squareRoot()
  }
}

extension Kind<any Metric> {
  static let meanDistance = Kind("mean-distance", "‖mean of samples − mean of held-out data‖") { _, _ in MeanDistance()
  }
}
