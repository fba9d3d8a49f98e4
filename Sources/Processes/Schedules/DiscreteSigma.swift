// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The noise levels of a discrete model, σ_0 < … < σ_{N−1}, at t = (i + 1)/N; between them, and from σ(0) = 0, σ² is
/// linear. The step from one level to the next adds N(0, σ_i² − σ_{i−1}²), as NCSN's forward chain does (Song et al.
/// 2021, eq. 20).
public struct DiscreteSigma: SigmaSchedule {
  /// σ² at t = 0, 1/N, …, 1
  private let variances: [Double]
  public var samplingSpacing: TimeSpacing { .logSignalToNoise }
  /// The lowest level's time.
  public var samplingEpsilon: Double { 1 / Double(max(2, levels)) }
  /// N
  public var levels: Int { variances.count - 1 }

  /// - Throws: `InputError` for levels that are not positive and rising.
  public init(levels: [Double]) throws {
    guard !levels.isEmpty else { throw InputError("a schedule of no noise levels") }
    for (index, level) in levels.enumerated() {
      guard level > (index == 0 ? 0 : levels[index - 1]), level.isFinite else {
        throw InputError("σ_\(index) is \(level); allowed: above the one before")
      }
    }
    variances = [0] + levels.map { $0 * $0 }
  }

  /// N levels of any schedule, at equal steps of its time, which becomes [0, 1]: σ_i = σ((i + 1) T/N).
  /// - Precondition: levels > 0.
  public init(of schedule: any SigmaSchedule, levels: Int) {
    precondition(levels > 0, "N > 0")
    variances =
      [0]
      + (1...levels).map {
        let deviation = schedule.deviation(at: schedule.duration * Double($0) / Double(levels))
        return deviation * deviation
      }
  }

  /// σ_i, i = 0 … N − 1.
  public var deviations: [Double] { variances.dropFirst().map { $0.squareRoot() } }

  /// A geometric sequence (Song and Ermon 2019).
  public static func geometric(_ first: Double, _ last: Double, levels: Int) throws -> DiscreteSigma {
    try DiscreteSigma(
      levels: (0..<levels).map { levels == 1 ? last : first * pow(last / first, Double($0) / Double(levels - 1)) })
  }

  private func interval(of t: Double) -> Int { min(levels - 1, max(0, Int(t * Double(levels)))) }

  public func varianceRate(at t: Double) -> Double {
    let i = interval(of: t)
    return (variances[i + 1] - variances[i]) * Double(levels)
  }

  public func deviation(at t: Double) -> Double {
    let i = interval(of: t)
    return (variances[i] + (t * Double(levels) - Double(i)) * (variances[i + 1] - variances[i])).squareRoot()
  }
}
