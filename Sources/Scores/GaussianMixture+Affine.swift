// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension GaussianMixture {
  /// The law of y_j = a_j x_j + b_j, coordinate by coordinate: a mixture with means a μ_k + b and covariances A Σ_k A.
  /// - Precondition: a factor other than 0 and a shift for every coordinate.
  public func scaled(by factors: [Double], shiftedBy shifts: [Double]) -> GaussianMixture {
    let d = dimension
    precondition(
      factors.count == d && shifts.count == d && factors.allSatisfy { $0 != 0 }, "a ≠ 0, for every coordinate")
    var moved = means
    for k in 0..<componentCount {
      for j in 0..<d { moved[k, j] = factors[j] * means[k, j] + shifts[j] }
    }
    return GaussianMixture(weights: weights, means: moved, shape: scaledShape(by: factors))
  }

  private func scaledShape(by factors: [Double]) -> Shape {
    let d = dimension
    let isUniform = factors.allSatisfy { $0 == factors[0] }
    let square = factors[0] * factors[0]
    switch shape {
    case .isotropic(let variances):
      if isUniform || variances.allSatisfy({ $0 == 0 }) { return .isotropic(variances.map { square * $0 }) }
      return .diagonal(variances.flatMap { variance in factors.map { $0 * $0 * variance } })
    case .diagonal(let variances):
      return .diagonal(variances.enumerated().map { factors[$0.offset % d] * factors[$0.offset % d] * $0.element })
    case .full(let values, let vectors):
      if isUniform { return .full(values: values.map { square * $0 }, vectors: vectors) }
      var (scaledValues, scaledVectors) = ([Double](), [Double]())
      for k in 0..<componentCount {
        let matrix = (0..<d).map { i in (0..<d).map { j in factors[i] * factors[j] * covariance(k, i, j) } }
        let (eigenvalues, eigenvectors) = Matrix(matrix).symmetricEigen
        scaledValues += eigenvalues
        scaledVectors += eigenvectors.transpose.values
      }
      return .full(values: scaledValues, vectors: scaledVectors)
    }
  }
}
