// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes

extension GaussianMixture: ConditionalLaw {
  public func makeConditional() -> any Conditional {
    if case .isotropic(let variances) = shape { return IsotropicConditional(self, variances: variances) }
    return MixtureConditional(self)
  }

  public func makeConditional(along directions: Matrix) -> (any DirectedConditional)? {
    guard case .isotropic(let variances) = shape else { return nil }
    return IsotropicConditional(self, variances: variances, along: directions)
  }
}

/// p(x₀ | x_t) for components with covariances of their own: the weight of component k is
/// ∝ w_k N(x_t; m μ_k, m² Σ_k + v I), and its law is Gaussian.
final class MixtureConditional: Conditional {
  private let mixture: GaussianMixture
  private let logWeights: [Double]
  /// Sums of the components' weights given x_t, up to and with each.
  private var sums: [Double]
  /// The mean of each component given x_t, K × D.
  private var means: [Double]
  /// The deviations of each component given x_t, K × D: by coordinate, or by eigenvector where covariances are full.
  private var deviations: [Double]
  private var turned: [Double]
  /// Numbers that components are chosen by; made for as many candidates as are drawn.
  private var choices = RowStorage(RowSpan(first: 0, count: 1, dimension: 1))

  init(_ mixture: GaussianMixture) {
    self.mixture = mixture
    logWeights = mixture.weights.map { log($0) }
    let (k, d) = (mixture.componentCount, mixture.dimension)
    sums = [Double](repeating: 0, count: k)
    means = [Double](repeating: 0, count: k * d)
    deviations = [Double](repeating: 0, count: k * d)
    turned = [Double](repeating: 0, count: d)
  }

  func look(at x: UnsafePointer<Double>, _ moments: Moments) {
    let (m, v, d) = (moments.scale, moments.variance, mixture.dimension)
    var top = -Double.infinity
    for k in 0..<mixture.componentCount {
      var logShare = logWeights[k]
      /// One direction: the state's distance from m μ there, and the component's variance; the shift of the mean.
      func direction(_ distance: Double, _ variance: Double, _ place: Int) -> Double {
        let total = m * m * variance + v
        logShare -= 0.5 * (distance * distance / total + log(total))
        deviations[k * d + place] = (variance * v / total).squareRoot()
        return m * variance / total * distance
      }
      let first = k * d
      switch mixture.shape {
      case .isotropic: preconditionFailure("isotropic components have a conditional of their own")
      case .diagonal(let variances):
        for j in 0..<d {
          let mean = mixture.means.values[first + j]
          means[first + j] = mean + direction(x[j] - m * mean, variances[first + j], j)
        }
      case .full(let values, let vectors):
        for j in 0..<d { means[first + j] = mixture.means.values[first + j] }
        let start = GaussianMixture.start(ofVectors: vectors, k, dimension: d)
        for e in 0..<d {
          let vector = start + e * d
          var along = 0.0
          for j in 0..<d { along += vectors[vector + j] * (x[j] - m * mixture.means.values[first + j]) }
          let shift = direction(along, values[first + e], e)
          for j in 0..<d { means[first + j] += shift * vectors[vector + j] }
        }
      }
      sums[k] = logShare
      top = max(top, logShare)
    }
    var sum = 0.0
    for k in sums.indices {
      sum += exp(sums[k] - top)
      sums[k] = sum
    }
    for k in sums.indices { sums[k] /= sum }
  }

  func writeMean(into out: UnsafeMutablePointer<Double>) {
    let d = mixture.dimension
    for j in 0..<d { out[j] = 0 }
    for k in sums.indices {
      let share = sums[k] - (k > 0 ? sums[k - 1] : 0)
      for j in 0..<d { out[j] += share * means[k * d + j] }
    }
  }

  func draw(into out: Rows, row: Int, seed: UInt64, step: Int) {
    NoiseStream(seed: seed, purpose: .candidates).normals(into: out.asOneRow(row), step: step)
    guard sums.count > 1 else {
      for i in 0..<out.count { move(out.values + i * out.dimension, to: 0) }
      return
    }
    if choices.rows.count != out.count { choices = RowStorage(out.span.with(dimension: 1)) }
    let u = choices.rows
    NoiseStream(seed: seed, purpose: .candidateComponents).uniforms(into: u.asOneRow(row), step: step)
    for i in 0..<out.count { move(out.values + i * out.dimension, to: component(u.values[i])) }
  }

  private func component(_ u: Double) -> Int {
    var (low, high) = (0, sums.count - 1)
    while low < high {
      let middle = (low + high) / 2
      if u < sums[middle] { high = middle } else { low = middle + 1 }
    }
    return low
  }

  /// Makes a draw of component k of standard normals.
  private func move(_ z: UnsafeMutablePointer<Double>, to k: Int) {
    let d = mixture.dimension
    if case .full(_, let vectors) = mixture.shape {
      let start = GaussianMixture.start(ofVectors: vectors, k, dimension: d)
      for j in 0..<d { turned[j] = means[k * d + j] }
      for e in 0..<d {
        let (length, vector) = (deviations[k * d + e] * z[e], start + e * d)
        for j in 0..<d { turned[j] += length * vectors[vector + j] }
      }
      for j in 0..<d { z[j] = turned[j] }
    } else {
      for j in 0..<d { z[j] = means[k * d + j] + deviations[k * d + j] * z[j] }
    }
  }
}
