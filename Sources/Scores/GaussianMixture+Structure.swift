// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

// What the covariances of components have in common, and how the C kernel is told of them.
extension GaussianMixture {
  /// The variance that all components share, as multiples of I; nil where they differ.
  var commonVariance: Double? {
    guard case .isotropic(let variances) = shape else { return nil }
    return variances.allSatisfy { $0 == variances[0] } ? variances[0] : nil
  }

  /// From how many dimensions on it is worth while to change coordinates.
  private static let fewestDimensions = 16

  /// Vᵀ and V, where full covariances have the same eigenvectors.
  var sharedBasis: (forth: [Double], back: [Double])? {
    guard case .full(_, let vectors) = shape, dimension >= Self.fewestDimensions,
      vectors.count == dimension * dimension
    else { return nil }
    return (vectors, Matrix(rows: dimension, columns: dimension, values: vectors).transpose.values)
  }
}

extension GaussianMixture.Shape {
  var structure: ck_mixture_structure {
    switch self {
    case .isotropic: CK_ISOTROPIC
    case .diagonal: CK_DIAGONAL
    case .full: CK_FULL
    }
  }
}
