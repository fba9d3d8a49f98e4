// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores

/// Draws from a Gaussian mixture, or their exponentials.
public struct MixtureData: DataSource {
  public let law: DataLaw?
  /// How many values a row has.
  public let dimension: Int
  /// How many rows are drawn to train on.
  public let count: Int
  /// How many rows are drawn to judge by.
  public let heldOutCount: Int
  private let mixture: GaussianMixture
  private let isExponential: Bool

  /// - Parameters:
  ///   - mixture: the law of the draws.
  ///   - exponential: whether a row is exp of a draw, coordinate by coordinate: positive data.
  ///   - count: how many rows are drawn to train on.
  ///   - heldOut: how many rows are drawn to judge by.
  public init(_ mixture: GaussianMixture, exponential: Bool = false, count: Int = 10_000, heldOut: Int = 5_000) {
    precondition(count > 0 && heldOut > 0)
    self.mixture = mixture
    isExponential = exponential
    law = DataLaw(mixture, isExponential: exponential)
    dimension = mixture.dimension
    self.count = count
    heldOutCount = heldOut
  }

  public func fewer(rows: Int) -> any DataSource {
    MixtureData(mixture, exponential: isExponential, count: min(count, rows), heldOut: min(heldOutCount, rows))
  }

  public func load(seed: UInt64) throws -> Dataset {
    Dataset(training: draw(count, seed, .data), heldOut: draw(heldOutCount, seed, .heldOutData))
  }

  public func furtherRows(_ count: Int, seed: UInt64) -> Batch? { draw(count, seed, .furtherData) }

  private func draw(_ count: Int, _ seed: UInt64, _ purpose: Purpose) -> Batch {
    var batch = mixture.draw(count, from: NoiseStream(seed: seed, purpose: purpose))
    if isExponential { batch.values = batch.values.map { exp($0) } }
    return batch
  }
}
