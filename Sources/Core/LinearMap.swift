// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// A linear map of rows: a factor, or a matrix M that stands for M ⊗ I on rows that are cut into equal blocks of
/// values.
public enum LinearMap: Sendable, Equatable {
  /// x ↦ c x
  case scalar(Double)
  /// x ↦ (M ⊗ I) x
  case blocks(Matrix)

  /// As a matrix; a factor is 1 × 1.
  public var matrix: Matrix {
    switch self {
    case .scalar(let factor): Matrix([[factor]])
    case .blocks(let matrix): matrix
    }
  }

  /// The transposed map.
  public var transpose: LinearMap {
    switch self {
    case .scalar: self
    case .blocks(let matrix): .blocks(matrix.transpose)
    }
  }

  /// The inverse; not finite where there is none.
  public var inverse: LinearMap {
    switch self {
    case .scalar(let factor): .scalar(1 / factor)
    case .blocks(let matrix): .blocks(matrix.inverse)
    }
  }

  /// A lower triangular L with L Lᵀ equal to the map: √v, or Cholesky's factor; nil where it is not positive definite.
  public var root: LinearMap? {
    switch self {
    case .scalar(let variance): variance > 0 ? .scalar(variance.squareRoot()) : nil
    case .blocks(let matrix): matrix.lowerCholesky.map { .blocks($0) }
    }
  }
}

extension Rows {
  /// self += times M x, row by row.
  /// - Precondition: rows of equal dimension for a factor; of as many blocks as the matrix has columns and rows, else.
  public func add(_ map: LinearMap, _ x: Rows, times: Double) {
    switch map {
    case .scalar(let factor):
      precondition(x.dimension == dimension && x.count == count, "rows of different shapes")
      ck_add_scaled(values, x.values, times * factor, size)
    case .blocks(let matrix): add(matrix, x, times: times)
    }
  }
}
