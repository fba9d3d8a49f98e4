// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The energy distance 2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖ (Székely and Rizzo 2013, *Energy statistics*), unbiased: pairs
/// of a row with itself are left out, so that it may fall slightly below 0.
///
/// Its interval covers the value between the two laws, by the theory of U-statistics: `PairDivergence`.
public struct EnergyDistance: Metric {
  /// The metric has no parameters.
  public init() {}

  /// Pairs of different rows.
  public var fewestRows: Int { 2 }
  public var comparesAllPairs: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireFinite(atLeast: fewestRows)
    let (samples, threads) = (comparison.samples, comparison.threads)
    let panels = comparison.reference.panels
    let own = try comparison.reference.once("energy-distance") {
      try PairDivergence.Side(comparison.heldOut, panels, .distance, threads: threads)
    }
    return try PairDivergence(
      try PairDivergence.Side(samples, Panels(samples), .distance, threads: threads), own,
      between: try PairSums(samples, panels, .distance, threads: threads), sign: -1
    ).estimate()
  }
}
