// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension GaussianMixture {
  /// `count` independent draws; row i depends on nothing but the stream and i.
  public func draw(_ count: Int, from stream: NoiseStream) -> Batch {
    let components = components(ofDraws: count, from: stream)
    var batch = stream.normals(count: count, dimension: dimension, step: 1)
    for i in 0..<count {
      let k = components[i]
      let z = Array(batch.row(i))
      for j in 0..<dimension {
        batch[i, j] = means[k, j] + deviation(k, j, z)
      }
    }
    return batch
  }

  /// Which component each of the first `count` draws from a stream is of.
  public func components(ofDraws count: Int, from stream: NoiseStream) -> [Int] {
    let choices = stream.uniforms(count: count, dimension: 1, step: 0)
    var cumulative: [Double] = []
    for weight in weights { cumulative.append((cumulative.last ?? 0) + weight) }
    return (0..<count).map { i in cumulative.firstIndex { choices.values[i] < $0 } ?? componentCount - 1 }
  }

  /// The mixture of some of the components, with their weights scaled to sum 1.
  /// - Precondition: one component at least.
  public func only(_ components: [Int]) -> GaussianMixture {
    precondition(!components.isEmpty, "a component")
    let (d, sum) = (dimension, components.reduce(0) { $0 + weights[$1] })
    let part: Shape =
      switch shape {
      case .isotropic(let variances): .isotropic(components.map { variances[$0] })
      case .diagonal(let variances): .diagonal(components.flatMap { variances[$0 * d..<($0 + 1) * d] })
      case .full(let values, let vectors):
        .full(
          values: components.flatMap { values[$0 * d..<($0 + 1) * d] },
          vectors: vectors.count == d * d ? vectors : components.flatMap { vectors[$0 * d * d..<($0 + 1) * d * d] })
      }
    return GaussianMixture(
      weights: components.map { weights[$0] / sum }, means: Batch(rows: components.map { Array(means.row($0)) }),
      shape: part)
  }

  /// Coordinate j of Σ_k^{1/2} z.
  private func deviation(_ k: Int, _ j: Int, _ z: [Double]) -> Double {
    switch shape {
    case .isotropic(let variances): return variances[k].squareRoot() * z[j]
    case .diagonal(let variances): return variances[k * dimension + j].squareRoot() * z[j]
    case .full(let values, let vectors):
      let start = Self.start(ofVectors: vectors, k, dimension: dimension)
      var sum = 0.0
      for e in 0..<dimension {
        sum += vectors[start + e * dimension + j] * values[k * dimension + e].squareRoot() * z[e]
      }
      return sum
    }
  }

  /// E[x]
  public var mean: [Double] {
    (0..<dimension).map { j in (0..<componentCount).reduce(0) { $0 + weights[$1] * means[$1, j] } }
  }

  /// Cov[x], D × D
  public var covariance: [[Double]] {
    let mean = mean
    return (0..<dimension).map { i in
      (0..<dimension).map { j in
        (0..<componentCount).reduce(0) { sum, k in
          sum + weights[k] * (covariance(k, i, j) + (means[k, i] - mean[i]) * (means[k, j] - mean[j]))
        }
      }
    }
  }

  /// Element (i, j) of Σ_k.
  func covariance(_ k: Int, _ i: Int, _ j: Int) -> Double {
    switch shape {
    case .isotropic(let variances): return i == j ? variances[k] : 0
    case .diagonal(let variances): return i == j ? variances[k * dimension + i] : 0
    case .full(let values, let vectors):
      let start = Self.start(ofVectors: vectors, k, dimension: dimension)
      return (0..<dimension).reduce(0) { sum, e in
        let vector = start + e * dimension
        return sum + values[k * dimension + e] * vectors[vector + i] * vectors[vector + j]
      }
    }
  }
}
