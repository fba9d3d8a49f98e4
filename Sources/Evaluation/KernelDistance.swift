// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The kernel distance: the unbiased squared maximum mean discrepancy under the kernel (⟨x, y⟩/D + 1)³ on values or
/// features of D dimensions (Bińkowski et al. 2018, *Demystifying MMD GANs*, whose KID takes the features of Inception).
/// May fall slightly below 0.
///
/// It takes all pairs where others average over random subsets of 1,000 rows: the expected value is the same, the
/// variance smaller. Its interval covers the value between the two laws, by the theory of U-statistics:
/// `PairDivergence`.
public struct KernelDistance: Metric {
  /// What is compared; nil for the values themselves.
  public let features: (any FeatureMap)?

  /// - Parameter features: what is compared; nil for the values themselves.
  public init(features: (any FeatureMap)? = nil) { self.features = features }

  /// Pairs of different rows.
  public var fewestRows: Int { 2 }
  /// A classifier learns from them.
  public var usesTraining: Bool { features != nil }
  public var comparesAllPairs: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireFinite(atLeast: fewestRows)
    let comparison = try comparison.mapped(by: features)
    let (samples, threads) = (comparison.samples, comparison.threads)
    let kernel = PairSums.Kernel.cubic(1 / Double(samples.dimension))
    let panels = comparison.reference.panels
    let own = try comparison.reference.once("kid") {
      try PairDivergence.Side(comparison.heldOut, panels, kernel, threads: threads)
    }
    return try PairDivergence(
      try PairDivergence.Side(samples, Panels(samples), kernel, threads: threads), own,
      between: try PairSums(samples, panels, kernel, threads: threads), sign: 1
    ).estimate()
  }
}
