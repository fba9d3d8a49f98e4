// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension LinearObservation.Noise {
  /// C⁻¹ r in place, of every row.
  func solve(_ r: Rows) {
    whiten(r)
    switch self {
    case .deviation, .deviations: whiten(r)
    case .covariance(_, let root):
      // L⁻ᵀ, from the last value on.
      for row in 0..<r.count {
        for i in (0..<r.dimension).reversed() {
          var sum = r[row, i]
          for j in i + 1..<r.dimension { sum -= root[j, i] * r[row, j] }
          r[row, i] = sum / root[i, i]
        }
      }
    }
  }

  /// Adds L z for normals z: noise with the covariance C.
  func add(_ z: Rows, to y: Rows) {
    switch self {
    case .deviation(let s): for i in 0..<y.size { y.values[i] += s * z.values[i] }
    case .deviations(let s): for i in 0..<y.size { y.values[i] += s[i % y.dimension] * z.values[i] }
    case .covariance(_, let root): y.add(root, z, times: 1)
    }
  }
}
