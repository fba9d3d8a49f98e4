// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import CKernels

/// A small dense matrix. M stands for M ⊗ I on rows that are cut into equal blocks of values: 1 × 1 is a scalar, 2 × 2
/// acts on a position and a velocity of any dimension, n × n on n single values.
public struct Matrix: Sendable, Equatable {
  /// How many rows and columns the matrix has; at least 1.
  public let rows, columns: Int
  /// Row-major.
  public var values: [Double]

  /// A matrix of zeros.
  /// - Precondition: at least one row and one column.
  public init(rows: Int, columns: Int) {
    precondition(rows > 0 && columns > 0)
    self.rows = rows
    self.columns = columns
    values = [Double](repeating: 0, count: rows * columns)
  }

  /// - Parameters:
  ///   - rows: how many there are, at least 1.
  ///   - columns: how many there are, at least 1.
  ///   - values: row-major, rows × columns.
  public init(rows: Int, columns: Int, values: some Collection<Double>) {
    precondition(rows > 0 && columns > 0 && values.count == rows * columns, "values do not fill the matrix")
    self.rows = rows
    self.columns = columns
    self.values = Array(values)
  }

  /// - Precondition: rows of equal length, at least one.
  public init(_ elements: [[Double]]) {
    self.init(rows: elements.count, columns: elements[0].count)
    precondition(elements.allSatisfy { $0.count == columns })
    values = elements.flatMap { $0 }
  }

  /// The n × n unit matrix.
  public static func identity(_ n: Int) -> Matrix { diagonal([Double](repeating: 1, count: n)) }

  /// The square matrix with these values on its diagonal, and zeros elsewhere.
  public static func diagonal(_ values: [Double]) -> Matrix {
    var matrix = Matrix(rows: values.count, columns: values.count)
    for i in values.indices { matrix[i, i] = values[i] }
    return matrix
  }

  /// The values M_ii.
  public var diagonal: [Double] { (0..<min(rows, columns)).map { self[$0, $0] } }

  /// Whether all values off the diagonal are 0.
  public var isDiagonal: Bool {
    values.indices.allSatisfy { $0 / columns == $0 % columns || values[$0] == 0 }
  }

  /// M_ij, both indices from 0.
  public subscript(i: Int, j: Int) -> Double {
    get { values[i * columns + j] }
    set { values[i * columns + j] = newValue }
  }

  /// Mᵀ
  public var transpose: Matrix {
    var result = Matrix(rows: columns, columns: rows)
    for i in 0..<rows { for j in 0..<columns { result[j, i] = self[i, j] } }
    return result
  }

  /// The columns of a range.
  public func columns(_ range: Range<Int>) -> Matrix {
    var result = Matrix(rows: rows, columns: range.count)
    for i in 0..<rows { for j in range { result[i, j - range.lowerBound] = self[i, j] } }
    return result
  }

  /// Rows and columns of a range.
  public func block(_ range: Range<Int>) -> Matrix { transpose.columns(range).transpose.columns(range) }

  /// The sum of two matrices of one shape.
  public static func + (a: Matrix, b: Matrix) -> Matrix {
    var result = a
    for i in result.values.indices { result.values[i] += b.values[i] }
    return result
  }

  /// The difference of two matrices of one shape.
  public static func - (a: Matrix, b: Matrix) -> Matrix { a + -1 * b }

  /// The matrix times a number.
  public static func * (c: Double, a: Matrix) -> Matrix {
    var result = a
    for i in result.values.indices { result.values[i] *= c }
    return result
  }

  /// The product of matrices.
  /// - Precondition: `a` has as many columns as `b` has rows.
  public static func * (a: Matrix, b: Matrix) -> Matrix {
    precondition(a.columns == b.rows)
    var result = Matrix(rows: a.rows, columns: b.columns)
    // a acts on b as on a row of `b.rows` blocks.
    result.values.withUnsafeMutableBufferPointer { result in
      a.values.withUnsafeBufferPointer { left in
        b.values.withUnsafeBufferPointer { right in
          ck_add_blocks(
            result.baseAddress!, left.baseAddress!, a.rows, a.columns, b.columns, 1, right.baseAddress!, 1)
        }
      }
    }
    return result
  }

  /// M ⊗ I with a width-sized identity: the matrix that acts on whole rows.
  public func expanded(width: Int) -> Matrix {
    var result = Matrix(rows: rows * width, columns: columns * width)
    for i in 0..<rows {
      for j in 0..<columns { for w in 0..<width { result[i * width + w, j * width + w] = self[i, j] } }
    }
    return result
  }

  /// The lower triangular L with L Lᵀ = M; nil where M is not positive definite. Only the lower triangle is read.
  public var lowerCholesky: Matrix? {
    precondition(rows == columns)
    let n = rows
    var result = Matrix(rows: n, columns: n)
    let isDefinite = result.values.withUnsafeMutableBufferPointer { l in
      values.withUnsafeBufferPointer { m in
        for i in 0..<n {
          for j in 0...i {
            var sum = m[i * n + j]
            for k in 0..<j { sum -= l[i * n + k] * l[j * n + k] }
            if i > j {
              l[i * n + j] = sum / l[j * n + j]
            } else if sum > 0 {
              l[i * n + i] = sum.squareRoot()
            } else {
              return false
            }
          }
        }
        return true
      }
    }
    return isDefinite ? result : nil
  }

  /// A root R with R Rᵀ = M of a matrix that is positive definite, or only semidefinite up to rounding: `lowerCholesky`
  /// where there is one, else Cholesky's with the largest pivot first, as far as pivots are above 0.
  public var semidefiniteRoot: Matrix {
    if let root = lowerCholesky { return root }
    var (rest, root) = (self, Matrix(rows: rows, columns: rows))
    for j in 0..<rows {
      guard let pivot = (0..<rows).max(by: { rest[$0, $0] < rest[$1, $1] }), rest[pivot, pivot] > 0 else { break }
      let length = rest[pivot, pivot].squareRoot()
      for i in 0..<rows { root[i, j] = rest[i, pivot] / length }
      for i in 0..<rows { for k in 0..<rows { rest[i, k] -= root[i, j] * root[k, j] } }
    }
    return root
  }

  /// The inverse of a lower triangular matrix, by forward substitution.
  public var lowerInverse: Matrix {
    let n = rows
    var result = Matrix(rows: n, columns: n)
    result.values.withUnsafeMutableBufferPointer { inverse in
      values.withUnsafeBufferPointer { l in
        // Row by row, so that the innermost loop runs along one.
        for i in 0..<n {
          inverse[i * n + i] = 1
          for k in 0..<i {
            let factor = l[i * n + k]
            for j in 0...k { inverse[i * n + j] -= factor * inverse[k * n + j] }
          }
          for j in 0...i { inverse[i * n + j] /= l[i * n + i] }
        }
      }
    }
    return result
  }

  /// The inverse of a symmetric positive definite matrix; not finite where M is not.
  public var definiteInverse: Matrix {
    guard let inverse = lowerCholesky?.lowerInverse else { return Matrix.nan(rows) }
    return inverse.transpose * inverse
  }

  /// An n × n matrix of what is not a number.
  public static func nan(_ n: Int) -> Matrix {
    var matrix = Matrix(rows: n, columns: n)
    matrix.values = [Double](repeating: .nan, count: n * n)
    return matrix
  }

  /// The inverse, by GSL's LU decomposition; not finite where M is singular.
  public var inverse: Matrix {
    precondition(rows == columns)
    return withGSL { n, a in
      let result = gsl_matrix_alloc(n, n)!
      let permutation = gsl_permutation_alloc(n)!
      defer {
        gsl_matrix_free(result)
        gsl_permutation_free(permutation)
      }
      var sign: Int32 = 0
      gsl_linalg_LU_decomp(a, permutation, &sign)
      guard (0..<n).allSatisfy({ gsl_matrix_get(a, $0, $0) != 0 }) else {
        return [Double](repeating: .nan, count: n * n)
      }
      gsl_linalg_LU_invert(a, permutation, result)
      return (0..<n * n).map { gsl_matrix_get(result, $0 / n, $0 % n) }
    }
  }

  /// Eigenvalues and, as columns, orthonormal eigenvectors of a symmetric matrix, by GSL.
  public var symmetricEigen: (values: [Double], vectors: Matrix) {
    precondition(rows == columns)
    var eigenvalues: [Double] = []
    let vectors = withGSL { n, a in
      let vectors = gsl_matrix_alloc(n, n)!
      let values = gsl_vector_alloc(n)!
      let workspace = gsl_eigen_symmv_alloc(n)
      defer {
        gsl_eigen_symmv_free(workspace)
        gsl_vector_free(values)
        gsl_matrix_free(vectors)
      }
      gsl_eigen_symmv(a, values, vectors, workspace)
      eigenvalues = (0..<n).map { gsl_vector_get(values, $0) }
      return (0..<n * n).map { gsl_matrix_get(vectors, $0 / n, $0 % n) }
    }
    return (eigenvalues, vectors)
  }

  private func withGSL(_ body: (Int, UnsafeMutablePointer<gsl_matrix>) -> [Double]) -> Matrix {
    let a = gsl_matrix_alloc(rows, rows)!
    defer { gsl_matrix_free(a) }
    for i in 0..<rows { for j in 0..<rows { gsl_matrix_set(a, i, j, self[i, j]) } }
    var result = Matrix(rows: rows, columns: rows)
    result.values = body(rows, a)
    return result
  }
}

extension Rows {
  /// self += times (M ⊗ I) x, row by row.
  /// - Precondition: the rows of x hold `matrix.columns` blocks, those of self `matrix.rows` of the same width.
  public func add(_ matrix: Matrix, _ x: Rows, times: Double) {
    let width = x.dimension / matrix.columns
    precondition(width * matrix.columns == x.dimension && width * matrix.rows == dimension && x.count == count)
    matrix.values.withUnsafeBufferPointer {
      ck_add_blocks(values, $0.baseAddress!, matrix.rows, matrix.columns, width, times, x.values, x.count)
    }
  }
}
