// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The directions that an observation B x + e, e ~ N(0, I), sees: B = U diag(√λ) Wᵀ, with M rows that are fewer than
/// the D columns. Of a law of variance s² I they are all that the observation changes, so that nothing takes D³
/// operations.
struct SeenDirections: Sendable {
  /// D
  let dimension: Int
  /// λ, M of them, above 0.
  let squares: [Double]
  /// U, M × M.
  private let left: Matrix
  /// Wᵀ, M × D, a direction a row.
  let directions: Matrix

  /// The least λ, of the largest, at which directions are known well enough from B Bᵀ.
  private static let least = 1e-8

  /// - Returns: nil where there are not many fewer values than columns, or where the weakest direction is so weak that
  ///   B Bᵀ does not know it.
  init?(_ white: SparseMatrix) {
    let (m, d) = (white.rows, white.columns)
    guard m > 0, 4 * m <= d else { return nil }
    let dense = white.dense
    let eigen = (dense * dense.transpose).symmetricEigen
    guard let top = eigen.values.max(), let low = eigen.values.min(), top.isFinite, low > Self.least * top else {
      return nil
    }
    (dimension, squares, left) = (d, eigen.values, eigen.vectors)
    var right = eigen.vectors.transpose * dense
    for i in 0..<m {
      // Orthogonal to those before, where rounding has left something.
      for k in 0..<i {
        let along = (0..<d).reduce(0) { $0 + right[i, $1] * right[k, $1] }
        for j in 0..<d { right[i, j] -= along * right[k, j] }
      }
      let norm = (0..<d).reduce(0) { $0 + right[i, $1] * right[i, $1] }.squareRoot()
      for j in 0..<d { right[i, j] /= norm }
    }
    directions = right
  }

  /// Uᵀ r
  func turned(_ r: [Double]) -> [Double] {
    squares.indices.map { i in r.indices.reduce(0) { $0 + left[$1, i] * r[$1] } }
  }

  /// Wᵀ x
  func components(_ x: some Sequence<Double>) -> [Double] {
    let x = Array(x)
    return squares.indices.map { i in x.indices.reduce(0) { $0 + directions[i, $1] * x[$1] } }
  }

  /// W c
  func combination(_ c: [Double]) -> [Double] {
    var out = [Double](repeating: 0, count: dimension)
    for i in c.indices { for j in 0..<dimension { out[j] += c[i] * directions[i, j] } }
    return out
  }

  /// An orthonormal basis, D × D, whose first M columns are W up to their signs: the product of the M reflections
  /// (Householder 1958) that take W to the first axes.
  var basis: Matrix {
    let (m, d) = (squares.count, dimension)
    var rest = directions
    var reflections: [[Double]] = []
    for i in 0..<m {
      var v = [Double](repeating: 0, count: d)
      for j in i..<d { v[j] = rest[i, j] }
      let norm = v.reduce(0) { $0 + $1 * $1 }.squareRoot()
      v[i] += v[i] < 0 ? -norm : norm
      let square = v.reduce(0) { $0 + $1 * $1 }
      for j in i..<d { v[j] /= square.squareRoot() }
      for k in i..<m {
        let along = (i..<d).reduce(0) { $0 + v[$1] * rest[k, $1] }
        for j in i..<d { rest[k, j] -= 2 * along * v[j] }
      }
      reflections.append(v)
    }
    var basis = Matrix.identity(d)
    for v in reflections.reversed() {
      // B ← (I − 2 v vᵀ) B
      var along = [Double](repeating: 0, count: d)
      for i in 0..<d where v[i] != 0 { for j in 0..<d { along[j] += v[i] * basis[i, j] } }
      for i in 0..<d where v[i] != 0 { for j in 0..<d { basis[i, j] -= 2 * v[i] * along[j] } }
    }
    return basis
  }
}

/// Σ′ of Σ = s² I: s²/(1 + s² λ) along the directions that are seen, and s² along all others.
struct IsotropicUpdate: Sendable {
  let variance: Double
  let seen: SeenDirections

  /// Those of the columns of `SeenDirections.basis`.
  var eigenvalues: [Double] {
    seen.squares.map { variance / (1 + variance * $0) }
      + [Double](repeating: variance, count: seen.dimension - seen.squares.count)
  }

  /// Σ′ Bᵀ r and rᵀ S⁻¹ r of a whitened residual r, with S = I + s² B Bᵀ.
  func condition(_ r: [Double]) -> (shift: [Double], distance: Double) {
    let c = seen.turned(r)
    var (shifts, distance) = ([Double](), 0.0)
    for (value, square) in zip(c, seen.squares) {
      shifts.append(variance * square.squareRoot() / (1 + variance * square) * value)
      distance += value * value / (1 + variance * square)
    }
    return (seen.combination(shifts), distance)
  }

  /// A draw of N(0, Σ′) from D standard normals.
  func draw(_ z: ArraySlice<Double>) -> [Double] {
    let c = seen.components(z)
    let missing = seen.combination(zip(c, seen.squares).map { $0 * (1 - 1 / (1 + variance * $1).squareRoot()) })
    return zip(z, missing).map { variance.squareRoot() * ($0 - $1) }
  }
}
