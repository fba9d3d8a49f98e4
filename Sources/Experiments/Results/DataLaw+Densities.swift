// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores

extension DataLaw {
  /// No noise.
  private struct Still: PerturbationKernel {
    func moments(at t: Double) -> Moments { Moments(scale: 1, variance: 0) }
  }

  /// The densities of points in the units of the data: of exponentials that of ln x over the product of x, and 0 where
  /// a value is not positive.
  /// - Precondition: components have deviations, as points have no density.
  package func densities(_ points: Batch) throws -> [Double] {
    var points = points
    var logs = [Double](repeating: 0, count: points.count)
    if isExponential {
      for i in 0..<points.count {
        for value in points.row(i) { logs[i] += value > 0 ? -log(value) : -.infinity }
      }
      for i in points.values.indices { points.values[i] = log(max(points.values[i], .leastNormalMagnitude)) }
    }
    let values = try points.withRows { x in
      var values = [Double](repeating: 0, count: x.count)
      try values.withUnsafeMutableBufferPointer { out in
        guard let out = out.baseAddress else { return }
        try MixtureScore(mixture, kernel: Still()).makeEvaluator(for: x.span).logDensity(x, at: .all(0), into: out)
      }
      return values
    }
    return zip(values, logs).map { exp($0 + $1) }
  }
}
