// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Glibc

/// Samples that ran away: far from everything that the data have, as those of a posterior method do whose network's
/// Jacobian is no covariance.
package struct StraySamples {
  /// How many radii of the data away a sample is a stray one.
  package static let reach = 20.0
  /// How many rows of the data say where it lies.
  private static let mostRows = 1_000

  private let centre: [Double]
  /// The largest distance of a row from the centre.
  private let radius: Double

  /// - Parameter rows: of the data, as a model sees them.
  /// - Returns: nil for rows that do not say how large the data are.
  package init?(beside rows: any DataRows) {
    let rows = rows.prefix(min(rows.count, Self.mostRows))
    guard rows.count > 1 else { return nil }
    var centre = [Double](repeating: 0, count: rows.dimension)
    for i in 0..<rows.count { for (j, value) in rows.row(i).enumerated() { centre[j] += value / Double(rows.count) } }
    self.centre = centre
    var radius = 0.0
    for i in 0..<rows.count { radius = max(radius, Self.distance(rows.row(i), from: centre)) }
    guard radius > 0, radius.isFinite else { return nil }
    self.radius = radius
  }

  private static func distance(_ row: ArraySlice<Double>, from centre: [Double]) -> Double {
    zip(row, centre).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
  }

  /// How many samples are farther from the data's centre than `reach` times its farthest row.
  package func count(in samples: Batch) -> Int {
    (0..<samples.count).count { !(Self.distance(samples.row($0), from: centre) <= Self.reach * radius) }
  }

  /// A line about the samples of a solver; nil where none ran away.
  package func note(on samples: Batch, of solver: String) -> String? {
    let strays = count(in: samples)
    guard strays > 0 else { return nil }
    return
      "\(solver): \(strays) of \(samples.count) samples ran away from the data, beyond \(Int(Self.reach)) times its "
      + "radius; a network that predicts noise makes much of its errors where noise is large: train it with "
      + "score.prediction: edm, or take more steps or another guidance (Docs/Conditional.md)"
  }
}
