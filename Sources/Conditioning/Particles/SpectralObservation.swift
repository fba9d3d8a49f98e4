// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// A linear observation in which everything is independent: y' = A' x + e with e ~ N(0, I) and A' A'ᵀ = diag(d), by
/// L⁻¹ and the eigenvectors of L⁻¹ A (L⁻¹ A)ᵀ. Under a spread N(x̂, k I) of x, y' has the variances 1 + k d.
struct SpectralObservation: Sendable {
  /// A', as many rows as y has values.
  let matrix: SparseMatrix
  /// d
  let squares: [Double]
  /// From y to y'; nil where whitening alone does it.
  private let rotation: Matrix?
  private let noise: LinearObservation.Noise
  /// ln p(y) − ln p(y')
  private let logJacobian: Double

  init(_ observation: LinearObservation) {
    noise = observation.noise
    let white = observation.white
    let gram = (white * white.transpose).dense
    if gram.isDiagonal {
      (matrix, squares, rotation) = (white, gram.diagonal, nil)
    } else {
      let eigen = gram.symmetricEigen
      let rotation = eigen.vectors.transpose
      squares = eigen.values.map { max(0, $0) }
      matrix = SparseMatrix(rotation * white.dense)
      self.rotation = rotation
    }
    switch observation.noise {
    case .deviation(let s): logJacobian = -Double(white.rows) * log(s)
    case .deviations(let s): logJacobian = -s.reduce(0) { $0 + log($1) }
    case .covariance(_, let root): logJacobian = -root.diagonal.reduce(0) { $0 + log($1) }
    }
  }

  /// How many values y has.
  var count: Int { squares.count }

  /// y' of every row.
  func write(_ y: Rows, into out: Rows) {
    RowStorage.with(y.span, count: 1) { copies in
      let white = copies[0]
      white.copy(y)
      noise.whiten(white)
      guard let rotation else { return out.copy(white) }
      out.fill(0)
      out.add(rotation, white, times: 1)
    }
  }

  /// ln N(y; A x̂, C + k A Aᵀ) by the residuals y' − A' x̂ of a row.
  func logDensity(_ residuals: UnsafePointer<Double>, spread k: Double) -> Double {
    var sum = 0.0
    for i in 0..<squares.count {
      let variance = 1 + k * squares[i]
      sum += residuals[i] * residuals[i] / variance + log(2 * .pi * variance)
    }
    return logJacobian - 0.5 * sum
  }
}
