// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// Draws from a Gaussian mixture.
public struct MixtureData: DataSource {
  public let law: GaussianMixture
  public let count: Int
  public let heldOutCount: Int

  public init(_ law: GaussianMixture, count: Int = 10_000, heldOut: Int = 5_000) {
    precondition(count > 0 && heldOut > 0)
    self.law = law
    self.count = count
    heldOutCount = heldOut
  }

  public var dimension: Int { law.dimension }
  public var mixture: GaussianMixture? { law }

  public func load(seed: UInt64) throws -> Dataset {
    Dataset(
      training: law.draw(count, from: NoiseStream(seed: seed, purpose: .data)),
      heldOut: law.draw(heldOutCount, from: NoiseStream(seed: seed, purpose: .heldOutData)))
  }
}
