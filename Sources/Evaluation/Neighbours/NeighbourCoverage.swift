// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Coverage (Naeem et al. 2020, eq. 5): the share of held-out rows y whose ball holds a sample, |x − y| ≤ r_k(y) for
/// some x; r_k(y) reaches to the k-th nearest other held-out row. For samples of the law of the data its mean is
/// 1 − Π_{i<k} (m − 1 − i)/(n + m − 1 − i) with n samples and m held-out rows, about 1 − 2^{−k} for equal counts.
///
/// The interval is for its mean over draws of these numbers of samples and held-out rows, by differences between random
/// halves of both (`RandomHalves`), on Wilson's scale. It has none below 2 (k + 1) rows.
public struct NeighbourCoverage: Metric {
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
    try NeighbourShares(comparison, k: neighbours, areSamplesCentres: false).hit
  }
}
