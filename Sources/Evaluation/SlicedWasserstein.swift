// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The sliced Wasserstein distance of order 2: √(mean over random directions u of ∫₀¹ (F⁻¹(q) − G⁻¹(q))² dq), with F
/// and G the empirical laws of ⟨u, x⟩ (Rabin et al. 2011). Biased upwards for finite counts.
public struct SlicedWasserstein: Metric {
  public let projections: Int

  public init(projections: Int = 256) {
    precondition(projections > 0)
    self.projections = projections
  }

  public func evaluate(_ comparison: Comparison) throws -> Double {
    try comparison.requireRows(atLeast: fewestRows)
    let (samples, heldOut, threads) = (comparison.samples, comparison.heldOut, comparison.threads)
    let directions = NoiseStream(seed: comparison.seed, purpose: .projections).normals(
      count: projections, dimension: samples.dimension)
    let distances = try parallelMap(projections, threads: threads) { index in
      var direction = Array(directions.row(index))
      let norm = direction.reduce(0) { $0 + $1 * $1 }.squareRoot()
      for j in direction.indices { direction[j] /= norm }
      return squaredDistance(project(samples, direction), project(heldOut, direction))
    }
    return (distances.reduce(0, +) / Double(projections)).squareRoot()
  }

  private func project(_ batch: Batch, _ direction: [Double]) -> [Double] {
    (0..<batch.count).map { i in
      var sum = 0.0
      for j in 0..<batch.dimension { sum += batch[i, j] * direction[j] }
      return sum
    }.sorted()
  }

  /// ∫ (F⁻¹ − G⁻¹)² of two sorted samples: both are constant between multiples of 1/n and 1/m.
  private func squaredDistance(_ x: [Double], _ y: [Double]) -> Double {
    var (i, j) = (0, 0)
    var (q, sum) = (0.0, 0.0)
    while i < x.count && j < y.count {
      let (endX, endY) = (Double(i + 1) / Double(x.count), Double(j + 1) / Double(y.count))
      let end = min(endX, endY)
      sum += (end - q) * (x[i] - y[j]) * (x[i] - y[j])
      q = end
      // In integers, as (i + 1)/n may equal (j + 1)/m.
      let order = (i + 1) * y.count - (j + 1) * x.count
      if order <= 0 { i += 1 }
      if order >= 0 { j += 1 }
    }
    return sum
  }
}
