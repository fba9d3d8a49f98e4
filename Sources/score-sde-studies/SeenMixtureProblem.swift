// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Foundation
import Scores

/// MCG-Diff's mixture (Cardoso et al. 2023, arXiv 2308.07983): 25 components of unit covariance at (−8i, −8j),
/// repeated, for i, j from −2 to 2, with weights ∝ N(0, 1)²; y = A x + σ e with A = U diag(s) Vᵀ for singular vectors
/// of a Gaussian matrix and s uniform on [0, 1), the largest first, and σ uniform on [0, max s). Drawn by this
/// toolkit's own numbers, so that a seed here is another problem than the same seed there.
struct SeenMixtureProblem {
  let mixture: GaussianMixture
  let observation: Observation
  private let matrix: Matrix
  private let deviation: Double
  private let y: [Double]

  init(observed: Int, dimension d: Int, seed: UInt64) throws {
    let stream = NoiseStream(seed: seed, purpose: .data)
    var means: [[Double]] = []
    for i in -2...2 { for j in -2...2 { means.append((0..<d).map { -8 * Double($0 % 2 == 0 ? i : j) }) } }
    let weights = stream.normals(count: 25, dimension: 1, step: 1).values.map { $0 * $0 }
    mixture = try GaussianMixture(weights: weights, means: means, deviations: [Double](repeating: 1, count: 25))
    let gaussian = Matrix(
      rows: observed, columns: d, values: stream.normals(count: observed, dimension: d, step: 2).values)
    let eigen = (gaussian * gaussian.transpose).symmetricEigen
    // U diag(s) Vᵀ, where Vᵀ is diag(λ^−½) Uᵀ G.
    let singular = stream.uniforms(count: observed, dimension: 1, step: 3).values.sorted(by: >)
    let factors = zip(singular, eigen.values).map { $0 / $1.squareRoot() }
    matrix = eigen.vectors * Matrix.diagonal(factors) * eigen.vectors.transpose * gaussian
    deviation = stream.uniforms(count: 1, dimension: 1, step: 4).values[0] * singular[0]
    let model = try LinearObservation(SparseMatrix(matrix), noise: .deviation(deviation))
    var x = mixture.draw(1, from: NoiseStream(seed: seed, purpose: .heldOutData))
    var seen = Batch(count: 1, dimension: observed)
    try x.withRows { x in try seen.withRows { try model.draw(x, into: $0, from: stream) } }
    y = seen.values
    observation = Observation(model, values: seen)
  }

  /// The largest distance between two means.
  var extent: Double {
    let (means, d) = (mixture.means, mixture.dimension)
    var largest = 0.0
    for i in 0..<mixture.componentCount {
      for k in 0..<i {
        largest = max(largest, (0..<d).reduce(0) { $0 + (means[i, $1] - means[k, $1]) * (means[i, $1] - means[k, $1]) })
      }
    }
    return largest.squareRoot()
  }

  /// Draws of the posterior: of the components by their evidence, and of each by a draw of the prior that is moved to
  /// what was seen.
  func posterior(_ count: Int, seed: UInt64) -> Batch {
    let (m, d) = (matrix.rows, matrix.columns)
    var total = matrix * matrix.transpose
    for i in 0..<m { total[i, i] += deviation * deviation }
    let inverse = total.definiteInverse
    let gain = matrix.transpose * inverse
    func residual(_ x: (Int) -> Double) -> [Double] {
      (0..<m).map { i in y[i] - (0..<d).reduce(0) { $0 + matrix[i, $1] * x($1) } }
    }
    let logs = (0..<mixture.componentCount).map { k -> Double in
      let r = residual { mixture.means[k, $0] }
      let square = (0..<m).reduce(0) { sum, i in sum + (0..<m).reduce(0) { $0 + r[i] * inverse[i, $1] * r[$1] } }
      return log(mixture.weights[k]) - 0.5 * square
    }
    let top = logs.max() ?? 0
    var sums: [Double] = []
    for value in logs { sums.append((sums.last ?? 0) + exp(value - top)) }
    let stream = NoiseStream(seed: seed, purpose: .furtherRows)
    let choices = stream.uniforms(count: count, dimension: 1, step: 0).values
    var draws = stream.normals(count: count, dimension: d, step: 1)
    let noise = stream.normals(count: count, dimension: m, step: 2)
    for i in 0..<count {
      let k = sums.firstIndex { choices[i] * (sums.last ?? 1) < $0 } ?? sums.count - 1
      for j in 0..<d { draws[i, j] += mixture.means[k, j] }
      var r = residual { draws[i, $0] }
      for a in 0..<m { r[a] -= deviation * noise[i, a] }
      for j in 0..<d { draws[i, j] += (0..<m).reduce(0) { $0 + gain[j, $1] * r[$1] } }
    }
    return draws
  }
}

extension Purpose {
  /// Draws of exact posteriors.
  static let furtherRows = Purpose(rawValue: 200)
}

/// The largest over directions of the Wasserstein distance of order 2 between projected sets and those of a reference:
/// 256 directions, of which 16 lie in the plane of the mixture's means and the others are random.
struct MaxSlicedWasserstein {
  private static let count = 256
  private let dimension: Int
  /// A direction a column.
  private let directions: [Double]
  /// The reference along each direction, sorted.
  private let reference: [[Double]]

  init(to reference: Batch) {
    let (d, n) = (reference.dimension, Self.count)
    let normals = NoiseStream(seed: 0, purpose: .projections).normals(count: n, dimension: d)
    var directions = [Double](repeating: 0, count: n * d)
    for p in 0..<n {
      let angle = Double(p) / 16 * .pi
      let values = (0..<d).map { j in p < 16 ? (j % 2 == 0 ? cos(angle) : sin(angle)) : normals[p, j] }
      let norm = values.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for j in 0..<d { directions[j * n + p] = values[j] / norm }
    }
    (dimension, self.directions) = (d, directions)
    self.reference = Self.projected(reference, directions)
  }

  private static func projected(_ x: Batch, _ directions: [Double]) -> [[Double]] {
    let (n, d) = (count, x.dimension)
    var out = [Double](repeating: 0, count: x.count * n)
    out.withUnsafeMutableBufferPointer { out in
      directions.withUnsafeBufferPointer { directions in
        for i in 0..<x.count {
          for j in 0..<d {
            let value = x.values[i * d + j]
            for p in 0..<n { out[i * n + p] += value * directions[j * n + p] }
          }
        }
      }
    }
    return (0..<n).map { p in (0..<x.count).map { out[$0 * n + p] }.sorted() }
  }

  /// - Precondition: the reference has a multiple of as many rows.
  func distance(to a: Batch) -> Double {
    guard let all = reference.first?.count else { return 0 }
    precondition(all % a.count == 0 && a.dimension == dimension, "a multiple of as many rows")
    let each = all / a.count
    let squares = zip(Self.projected(a, directions), reference).map { u, v in
      v.indices.reduce(0) { $0 + (u[$1 / each] - v[$1]) * (u[$1 / each] - v[$1]) } / Double(v.count)
    }
    return (squares.max() ?? 0).squareRoot()
  }
}
