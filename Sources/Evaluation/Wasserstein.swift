// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The Wasserstein distance of order 2 between samples and held-out rows, exactly: √(min over couplings of E ‖X − Y‖²).
/// Biased upwards for finite counts, by about n^{−1/D} in D > 4 dimensions.
///
/// Its interval covers the expected value at these counts: the influences of rows are the potentials of the dual
/// problem (del Barrio and Loubes 2019, *Central limit theorems for empirical transportation cost in general
/// dimension*), whose second-order noise `CrossFit` finds, and the root follows by the delta method.
public struct Wasserstein: Metric {
  /// The metric has no parameters.
  public init() {}

  public var comparesAllPairs: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double {
    try max(0, finite(solve(comparison).cost)).squareRoot()
  }

  private func solve(_ comparison: Comparison) throws -> ExactTransport {
    try comparison.requireFinite(atLeast: fewestRows)
    return try ExactTransport(comparison.samples, comparison.heldOut, threads: comparison.threads)
  }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    let transport = try solve(comparison)
    let (samples, heldOut, threads) = (comparison.samples, comparison.heldOut, comparison.threads)
    var excess = Estimate.Excess()
    if min(samples.count, heldOut.count) >= CrossFit.fewestRows {
      let halves = try [0, 1].map { try Self.potentials(of: $0, samples, heldOut, threads) }
      excess.samples = CrossFit.excess(transport.u, (halves[0].samples, halves[1].samples))
      excess.heldOut = CrossFit.excess(transport.v, (halves[0].heldOut, halves[1].heldOut))
    }
    return Estimate.root(of: try finite(transport.cost), transport.u, transport.v, excess: excess)
  }

  /// The potentials that half of the rows give, of all rows: min over y of ‖x − y‖² − v(y), and the other way about.
  private static func potentials(
    of odd: Int, _ samples: Batch, _ heldOut: Batch, _ threads: Int
  ) throws -> (samples: [Double], heldOut: [Double]) {
    let (x, y) = (CrossFit.half(samples, odd), CrossFit.half(heldOut, odd))
    let solved = try ExactTransport(x, y, threads: threads)
    return (
      try Smallest(samples, Panels(y), count: 1, offsets: solved.v, threads: threads).firsts,
      try Smallest(heldOut, Panels(x), count: 1, offsets: solved.u, threads: threads).firsts
    )
  }
}
