// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Improved recall (Kynkäänniemi et al. 2019, eqs. 1 and 2): the share of held-out rows y that lie in the ball around
/// some sample x that reaches to the k-th nearest other sample, |x − y| ≤ r_k(x). From 0 to 1; samples of the law of
/// the data do not reach 1.
///
/// The interval is for its mean over draws of these numbers of samples and held-out rows, by differences between random
/// halves of both (`RandomHalves`), on Wilson's scale. It has none below 2 (k + 1) rows.
public struct ImprovedRecall: Metric {
  /// Which neighbour a ball reaches to: k.
  public let neighbours: Int

  /// - Parameter neighbours: which neighbour a ball reaches to, at least 1.
  public init(neighbours: Int = 5) {
    precondition(neighbours > 0)
    self.neighbours = neighbours
  }

  /// Each row has k neighbours among its own kind.
  public var fewestRows: Int { neighbours + 1 }
  public var comparesAllPairs: Bool { true }
  public var better: Direction { .higher }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try NeighbourShares(comparison, k: neighbours, areSamplesCentres: true).inside
  }
}
