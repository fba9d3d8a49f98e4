// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes

/// p(x₀ | x_t) for components of covariance v_k I: component k has the weight ∝ w_k N(x_t; m μ_k, (m² v_k + v) I), and
/// its law is N(μ_k + g_k (x_t − m μ_k), d_k² I) with g_k = m v_k/(m² v_k + v) and d_k² = v_k v/(m² v_k + v).
///
/// A look takes K D operations. Along M directions a draw takes M numbers, and the rest of one draw D.
final class IsotropicConditional: DirectedConditional {
  private let mixture: GaussianMixture
  private let variances: [Double]
  private let logWeights: [Double]
  /// M, Q, M × D, and Q μ of every component, K × M.
  private let directionCount: Int
  private let directions: [Double]
  private let directedMeans: [Double]
  /// The state that was looked at, its m, and Q x_t.
  private var state: [Double]
  private var scale = 1.0
  private var directedState: [Double]
  /// Sums of the components' weights given x_t, up to and with each.
  private var sums: [Double]
  /// g and d of each component.
  private var gains, deviations: [Double]
  /// Which component each of the last draws belongs to, and the numbers that these were chosen by.
  private var components: [Int] = []
  private var choices = RowStorage(RowSpan(first: 0, count: 1, dimension: 1))

  /// - Precondition: the directions are orthonormal rows of as many values as the mixture has.
  init(_ mixture: GaussianMixture, variances: [Double], along directions: Matrix? = nil) {
    let (k, d) = (mixture.componentCount, mixture.dimension)
    precondition(directions.map { $0.columns == d } ?? true)
    (self.mixture, self.variances) = (mixture, variances)
    let (q, m) = (directions?.values ?? [], directions?.rows ?? 0)
    (directionCount, self.directions) = (m, q)
    logWeights = mixture.weights.map { log($0) }
    directedMeans = (0..<k).flatMap { k in
      (0..<m).map { i in (0..<d).reduce(0) { $0 + q[i * d + $1] * mixture.means[k, $1] } }
    }
    state = [Double](repeating: 0, count: d)
    directedState = [Double](repeating: 0, count: m)
    (sums, gains, deviations) = (logWeights, logWeights, logWeights)
  }

  func look(at x: UnsafePointer<Double>, _ moments: Moments) {
    let (m, v, d) = (moments.scale, moments.variance, mixture.dimension)
    scale = m
    for j in 0..<d { state[j] = x[j] }
    mixture.means.values.withUnsafeBufferPointer { means in
      for (k, variance) in variances.enumerated() {
        let total = m * m * variance + v
        let square = Self.square(x, m, means.baseAddress! + k * d, d)
        sums[k] = logWeights[k] - 0.5 * (square / total + Double(d) * log(total))
        gains[k] = m * variance / total
        deviations[k] = (variance * v / total).squareRoot()
      }
    }
    let top = sums.max() ?? 0
    var sum = 0.0
    for k in sums.indices {
      sum += exp(sums[k] - top)
      sums[k] = sum
    }
    for k in sums.indices { sums[k] /= sum }
    for q in 0..<directionCount {
      directedState[q] = state.withUnsafeBufferPointer { along(q, $0.baseAddress!) }
    }
  }

  /// ‖x − m μ‖²
  private static func square(
    _ x: UnsafePointer<Double>, _ m: Double, _ mean: UnsafePointer<Double>, _ d: Int
  ) -> Double {
    var lanes = SIMD8<Double>.zero
    let whole = d - d % 8
    for j in stride(from: 0, to: whole, by: 8) {
      let gap =
        UnsafeRawPointer(x + j).loadUnaligned(as: SIMD8<Double>.self)
        - m * UnsafeRawPointer(mean + j).loadUnaligned(as: SIMD8<Double>.self)
      lanes += gap * gap
    }
    var sum = lanes.sum()
    for j in whole..<d { sum += (x[j] - m * mean[j]) * (x[j] - m * mean[j]) }
    return sum
  }

  /// Q x of one direction.
  private func along(_ q: Int, _ x: UnsafePointer<Double>) -> Double {
    let d = mixture.dimension
    return directions.withUnsafeBufferPointer { directions in
      (0..<d).reduce(0) { $0 + directions[q * d + $1] * x[$1] }
    }
  }

  func writeMean(into out: UnsafeMutablePointer<Double>) {
    let d = mixture.dimension
    for j in 0..<d { out[j] = 0 }
    for k in sums.indices {
      let share = sums[k] - (k > 0 ? sums[k - 1] : 0)
      let (ofMean, ofState) = (share * (1 - gains[k] * scale), share * gains[k])
      for j in 0..<d { out[j] += ofMean * mixture.means.values[k * d + j] + ofState * state[j] }
    }
  }

  /// Chooses the component of each draw.
  private func choose(_ count: Int, row: Int, seed: UInt64, step: Int) {
    if components.count != count {
      components = [Int](repeating: 0, count: count)
      choices = RowStorage(RowSpan(first: 0, count: count, dimension: 1))
    }
    guard sums.count > 1 else { return }
    let u = choices.rows
    NoiseStream(seed: seed, purpose: .candidateComponents).uniforms(into: u.asOneRow(row), step: step)
    for i in 0..<count {
      var (low, high) = (0, sums.count - 1)
      while low < high {
        let middle = (low + high) / 2
        if u.values[i] < sums[middle] { high = middle } else { low = middle + 1 }
      }
      components[i] = low
    }
  }

  /// Makes a draw of component k of standard normals.
  private func move(_ z: UnsafeMutablePointer<Double>, to k: Int) {
    let (d, ofMean, ofState, deviation) = (mixture.dimension, 1 - gains[k] * scale, gains[k], deviations[k])
    mixture.means.values.withUnsafeBufferPointer { means in
      state.withUnsafeBufferPointer { state in
        for j in 0..<d { z[j] = ofMean * means[k * d + j] + ofState * state[j] + deviation * z[j] }
      }
    }
  }

  func draw(into out: Rows, row: Int, seed: UInt64, step: Int) {
    NoiseStream(seed: seed, purpose: .candidates).normals(into: out.asOneRow(row), step: step)
    choose(out.count, row: row, seed: seed, step: step)
    for i in 0..<out.count { move(out.values + i * out.dimension, to: components[i]) }
  }

  func drawAlong(into out: Rows, row: Int, seed: UInt64, step: Int) {
    NoiseStream(seed: seed, purpose: .candidates).normals(into: out.asOneRow(row), step: step)
    choose(out.count, row: row, seed: seed, step: step)
    let m = directionCount
    for i in 0..<out.count {
      let (k, z) = (components[i], out.values + i * m)
      let (ofMean, ofState, deviation) = (1 - gains[k] * scale, gains[k], deviations[k])
      for q in 0..<m { z[q] = ofMean * directedMeans[k * m + q] + ofState * directedState[q] + deviation * z[q] }
    }
  }

  func complete(
    _ i: Int, of draws: Rows, row: Int, seed: UInt64, step: Int, into point: UnsafeMutablePointer<Double>
  ) {
    let d = mixture.dimension
    let all = Rows(memory: point, first: row, count: 1, dimension: d)
    NoiseStream(seed: seed, purpose: .candidateRest).normals(into: all, step: step)
    move(point, to: components[i])
    directions.withUnsafeBufferPointer { directions in
      for q in 0..<directionCount {
        let off = draws.values[i * draws.dimension + q] - along(q, point)
        for j in 0..<d { point[j] += off * directions[q * d + j] }
      }
    }
  }
}
