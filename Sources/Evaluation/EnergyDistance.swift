// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// The energy distance 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ (Székely and Rizzo 2013), unbiased: pairs of a row with
/// itself are left out, so that it may fall slightly below 0.
public struct EnergyDistance: Metric {
  public init() {}

  /// Pairs of different rows.
  public var fewestRows: Int { 2 }
  public var comparesAllPairs: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double {
    try comparison.requireRows(atLeast: fewestRows)
    let (samples, heldOut, threads) = (comparison.samples, comparison.heldOut, comparison.threads)
    func mean(_ x: Batch, _ y: Transposed, pairs: Int) throws -> Double {
      try y.sum(against: x, threads: threads) { sums, rows in
        ck_distance_sums(sums, rows.values, rows.count, rows.dimension, y.values, y.count, y.stride)
      } / Double(pairs)
    }
    let (x, y) = (Transposed(samples), Transposed(heldOut))
    let (n, m) = (samples.count, heldOut.count)
    return try 2 * mean(samples, y, pairs: n * m) - mean(samples, x, pairs: n * (n - 1))
      - mean(heldOut, y, pairs: m * (m - 1))
  }
}
