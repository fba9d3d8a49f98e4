// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// The Fréchet distance of two normal laws with the means and covariances of the rows, squared as usual:
///
///     ‖μ₁ − μ₂‖² + tr(Σ₁ + Σ₂ − 2 (Σ₁^½ Σ₂ Σ₁^½)^½)
///
/// (Dowson and Landau 1982; on features, Heusel et al. 2017), with unbiased covariances, on values or features. Biased
/// upwards for finite counts, the more so the more dimensions there are (Chong and Forsyth 2020).
///
/// Its interval covers the expected value at these counts, by the delta method (Rippl, Munk and Sturm 2016, *Limit laws
/// of the empirical Wasserstein distance: Gaussian distributions*): with T the map from the first law to the second,
/// the influence of a sample is 2 ⟨μ₁ − μ₂, x − μ₁⟩ + (x − μ₁)ᵀ (I − T) (x − μ₁) less its mean, and the other way
/// about. `CrossFit` finds their second-order noise.
public struct FrechetDistance: Metric {
  /// What is compared; nil for the values themselves.
  public let features: (any FeatureMap)?
  /// More dimensions would take minutes, and more rows than there are.
  static let mostDimensions = 2048

  /// - Parameter features: what is compared; nil for the values themselves.
  public init(features: (any FeatureMap)? = nil) { self.features = features }

  /// A covariance.
  public var fewestRows: Int { 2 }
  /// A classifier learns from them.
  public var usesTraining: Bool { features != nil }

  public func evaluate(_ comparison: Comparison) throws -> Double { try finite(laws(comparison).pair.value) }

  private func laws(_ comparison: Comparison) throws -> (comparison: Comparison, pair: NormalPair) {
    try comparison.requireFinite(atLeast: fewestRows)
    let mapped = try comparison.mapped(by: features)
    guard mapped.samples.dimension <= Self.mostDimensions else {
      throw InputError(
        "covariances of \(mapped.samples.dimension) values; allowed: at most \(Self.mostDimensions), or features of the "
          + "rows")
    }
    return (mapped, try NormalPair(mapped.samples, mapped.heldOut, mapped.threads))
  }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    let (comparison, laws) = try laws(comparison)
    let (samples, threads) = (comparison.samples, comparison.threads)
    var excess = Estimate.Excess()
    // Halves need covariances of full rank.
    if min(samples.count, comparison.heldOut.count) >= max(CrossFit.fewestRows, 4 * samples.dimension) {
      let halves = try [0, 1].map { half in
        try NormalPair(CrossFit.half(samples, half), CrossFit.half(comparison.heldOut, half), threads)
      }
      excess.samples = CrossFit.excess(
        try laws.influences(samples, threads),
        (try halves[0].influences(samples, threads), try halves[1].influences(samples, threads)))
      let (heldOut, back) = (comparison.heldOut, halves.map(\.reversed))
      excess.heldOut = CrossFit.excess(
        try laws.reversed.influences(heldOut, threads),
        (try back[0].influences(heldOut, threads), try back[1].influences(heldOut, threads)))
    }
    return Estimate(
      try finite(laws.value), sampleInfluences: try laws.influences(samples, threads),
      heldOutInfluences: try laws.reversed.influences(comparison.heldOut, threads), scale: .square, excess: excess)
  }
}

/// Two normal laws, their Fréchet distance, and the influences of rows of the first one.
private struct NormalPair {
  private let mean, shift: [Double]
  private let forward, backward: Matrix
  let value: Double

  init(_ x: Batch, _ y: Batch, _ threads: Int) throws {
    let (first, second) = (try NormalLaw(x, threads: threads), try NormalLaw(y, threads: threads))
    let traces = first.covariance.diagonal.reduce(0, +) + second.covariance.diagonal.reduce(0, +)
    _ = try finite(traces)
    let maps = NormalTransport(first, second)
    mean = first.mean
    shift = zip(first.mean, second.mean).map { $0 - $1 }
    (forward, backward) = (maps.forward, maps.backward)
    value = max(0, shift.reduce(0) { $0 + $1 * $1 } + traces - 2 * maps.fidelity)
  }

  private init(mean: [Double], shift: [Double], forward: Matrix, backward: Matrix, value: Double) {
    (self.mean, self.shift, self.forward, self.backward, self.value) = (mean, shift, forward, backward, value)
  }

  /// The second law first.
  var reversed: NormalPair {
    NormalPair(
      mean: zip(mean, shift).map { $0 - $1 }, shift: shift.map { -$0 }, forward: backward, backward: forward,
      value: value)
  }

  /// 2 ⟨shift, x − μ⟩ + ‖x − μ‖² − (x − μ)ᵀ T (x − μ), centred.
  func influences(_ rows: Batch, _ threads: Int) throws -> [Double] {
    let d = rows.dimension
    let values = try parallelMap(rows.count, threads: threads) { row in
      withUnsafeTemporaryAllocation(of: Double.self, capacity: d) { x in
        for j in 0..<d { x[j] = rows[row, j] - mean[j] }
        return forward.values.withUnsafeBufferPointer { map in
          var sum = 0.0
          for i in 0..<d {
            var product = 0.0
            let line = map.baseAddress! + i * d
            for j in 0..<d { product += line[j] * x[j] }
            sum += x[i] * (2 * shift[i] + x[i] - product)
          }
          return sum
        }
      }
    }
    let average = values.reduce(0, +) / Double(values.count)
    return values.map { $0 - average }
  }
}

/// The mean and the unbiased covariance of rows.
struct NormalLaw: Sendable {
  let mean: [Double]
  let covariance: Matrix

  init(_ rows: Batch, threads: Int) throws {
    let (n, d) = (rows.count, rows.dimension)
    var mean = [Double](repeating: 0, count: d)
    for i in 0..<n { for j in 0..<d { mean[j] += rows[i, j] } }
    for j in 0..<d { mean[j] /= Double(n) }
    // Columns as rows, so that a product of two of them is a covariance.
    var columns = Batch(count: d, dimension: n)
    for i in 0..<n { for j in 0..<d { columns[j, i] = rows[i, j] - mean[j] } }
    let panels = Panels(columns)
    var covariance = Matrix(rows: d, columns: d)
    try columns.values.withUnsafeBufferPointer { values in
      let values = SharedMemory(UnsafeMutablePointer(mutating: values.baseAddress!))
      try covariance.values.withSharedMemory { out in
        try Panels.shards(rows: d).forEach(threads: threads) { _, range in
          panels.forEachBlock(values.pointer, range, .products) { block in
            for i in 0..<block.rows {
              for j in 0..<block.columns {
                out.pointer[(block.firstRow + i) * d + block.firstColumn + j] =
                  block.values[i * block.stride + j] / Double(n - 1)
              }
            }
          }
        }
      }
    }
    (self.mean, self.covariance) = (mean, covariance)
  }
}

/// Optimal transport between centred normal laws (Olkin and Pukelsheim 1982).
///
/// With roots R₁ R₁ᵀ = Σ₁ and R₂ R₂ᵀ = Σ₂, tr (Σ₁^½ Σ₂ Σ₁^½)^½ is the sum of the singular values s of C = R₁ᵀ R₂ = U S
/// Vᵀ, the map from the first law to the second is R₂ V S⁻¹ Vᵀ R₂ᵀ, and the one back R₁ U S⁻¹ Uᵀ R₁ᵀ. Where covariances
/// are singular, directions with s below 10⁻⁹ of the largest are left out of the maps.
struct NormalTransport {
  /// tr (Σ₁^½ Σ₂ Σ₁^½)^½
  let fidelity: Double
  /// From the first law to the second, and back.
  let forward, backward: Matrix

  init(_ first: NormalLaw, _ second: NormalLaw) {
    let (r1, r2) = (first.covariance.semidefiniteRoot, second.covariance.semidefiniteRoot)
    let c = r1.transpose * r2
    let (squares, v) = (c.transpose * c).symmetricEigen
    let singular = squares.map { max(0, $0).squareRoot() }
    fidelity = singular.reduce(0, +)
    let largest = singular.max() ?? 0
    // Columns of R₂ V S^{−½}, and of R₁ U S^{−½} = R₁ C V S^{−3/2}.
    var (a, b) = (r2 * v, r1 * (c * v))
    for (k, s) in singular.enumerated() {
      let kept = s > 1e-9 * largest && s > 0
      let factor = kept ? 1 / s.squareRoot() : 0
      for i in 0..<a.rows {
        a[i, k] *= factor
        b[i, k] *= kept ? factor / s : 0
      }
    }
    (forward, backward) = (a * a.transpose, b * b.transpose)
  }
}
