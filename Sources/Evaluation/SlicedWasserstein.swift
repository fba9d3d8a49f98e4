// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The sliced Wasserstein distance of order 2: √(mean over random directions u of ∫₀¹ (F⁻¹(q) − G⁻¹(q))² dq), with F
/// and G the empirical laws of ⟨u, x⟩ (Rabin et al. 2011, *Wasserstein barycenter and its application to texture
/// mixing*). Biased upwards for finite counts.
///
/// Its interval covers the expected value at these counts under these directions: the influences of rows are the
/// potentials of the dual problems, averaged over directions (del Barrio and Loubes 2019, *Central limit theorems for
/// empirical transportation cost in general dimension*; Xi and Niles-Weed 2022 for slices), whose second-order noise
/// `CrossFit` finds, and the root follows by the delta method.
public struct SlicedWasserstein: Metric {
  /// How many random directions there are.
  public let projections: Int

  /// - Parameter projections: how many random directions, 1 or more.
  public init(projections: Int = 256) {
    precondition(projections > 0)
    self.projections = projections
  }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireFinite(atLeast: fewestRows)
    let (samples, heldOut) = (comparison.samples, comparison.heldOut)
    let (n, m) = (samples.count, heldOut.count)
    let directions = directions(dimension: samples.dimension, seed: comparison.seed)
    // Some panels of directions at a time; what each adds is summed in their order.
    let groups = Shards(rows: projections, size: max(Panels.width, (projections + 127) / 128 * Panels.width))
    let width = 3 * (n + m)
    var costs = [Double](repeating: 0, count: groups.count)
    var potentials = [Double](repeating: 0, count: groups.count * width)
    try costs.withSharedMemory { costs in
      try potentials.withSharedMemory { potentials in
        try groups.forEach(threads: comparison.threads) { group, range in
          let slices = LineSlices(samples.count, heldOut.count, into: potentials.pointer + group * width)
          for first in stride(from: range.lowerBound, to: range.upperBound, by: Panels.width) {
            let part = Array(first..<min(first + Panels.width, range.upperBound))
            costs.pointer[group] += slices.add(samples, heldOut, Panels(directions.only(part)))
          }
        }
      }
    }
    let count = Double(projections)
    let square = try finite(costs.reduce(0, +) / count)
    var sums = [Double](repeating: 0, count: width)
    for group in 0..<groups.count { for i in 0..<width { sums[i] += potentials[group * width + i] / count } }
    // Of all rows, of their even half, and of the odd one; samples first.
    func part(_ set: Int, _ range: Range<Int>) -> [Double] { range.map { sums[set * (n + m) + $0] } }
    var excess = Estimate.Excess()
    if min(n, m) >= CrossFit.fewestRows {
      excess.samples = CrossFit.excess(part(0, 0..<n), (part(1, 0..<n), part(2, 0..<n)))
      excess.heldOut = CrossFit.excess(part(0, n..<n + m), (part(1, n..<n + m), part(2, n..<n + m)))
    }
    return Estimate.root(of: square, part(0, 0..<n), part(0, n..<n + m), excess: excess)
  }

  /// Unit vectors, one a row.
  private func directions(dimension: Int, seed: UInt64) -> Batch {
    var directions = NoiseStream(seed: seed, purpose: .projections).normals(count: projections, dimension: dimension)
    for i in 0..<projections {
      let norm = directions.row(i).reduce(0) { $0 + $1 * $1 }.squareRoot()
      for j in 0..<dimension { directions[i, j] /= norm }
    }
    return directions
  }
}

extension Estimate {
  /// √T with the influences of T, which need not be centred, by the delta method.
  static func root(of square: Double, _ samples: [Double], _ heldOut: [Double], excess: Excess = Excess()) -> Estimate {
    let value = max(0, square).squareRoot()
    func scaled(_ influences: [Double]) -> [Double] {
      let mean = influences.reduce(0, +) / Double(influences.count)
      return influences.map { value > 0 ? ($0 - mean) / (2 * value) : 0 }
    }
    let factor = value > 0 ? 1 / (4 * square) : 0
    return Estimate(
      value, sampleInfluences: scaled(samples), heldOutInfluences: scaled(heldOut), scale: .root,
      excess: Excess(samples: excess.samples * factor, heldOut: excess.heldOut * factor))
  }
}
