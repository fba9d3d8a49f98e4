// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Density (Naeem et al. 2020, eq. 3): the mean over samples x of the number of held-out rows y whose ball holds x,
/// |x − y| ≤ r_k(y), divided by k; r_k(y) reaches to the k-th nearest other held-out row. Near 1 for samples of the law
/// of the data, and above it for samples that crowd where data is dense.
///
/// The interval is for its mean over draws of these numbers of samples and held-out rows, by differences between random
/// halves of both (`RandomHalves`), on a logarithmic scale. It has none below 2 (k + 1) rows.
public struct NeighbourDensity: Metric {
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
    try NeighbourShares(comparison, k: neighbours, areSamplesCentres: false).density
  }
}
