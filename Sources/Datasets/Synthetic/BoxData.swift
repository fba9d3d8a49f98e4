// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

/// Draws from the uniform law on a box.
public struct BoxData: DataSource {
  /// The law of the draws.
  public let boxes: BoxMixture?
  /// How many rows are drawn to train on.
  public let count: Int
  /// How many rows are drawn to judge by.
  public let heldOutCount: Int
  private let box: UniformBox

  public var dimension: Int { box.dimension }

  /// - Parameters:
  ///   - box: the law of the draws.
  ///   - count: how many rows are drawn to train on.
  ///   - heldOut: how many rows are drawn to judge by.
  public init(_ box: UniformBox, count: Int = 10_000, heldOut: Int = 5_000) {
    precondition(count > 0 && heldOut > 0)
    (self.box, boxes) = (box, BoxMixture(box))
    self.count = count
    heldOutCount = heldOut
  }

  public func fewer(rows: Int) -> any DataSource {
    BoxData(box, count: min(count, rows), heldOut: min(heldOutCount, rows))
  }

  public func load(seed: UInt64) throws -> Dataset {
    Dataset(training: draw(count, seed, .data), heldOut: draw(heldOutCount, seed, .heldOutData))
  }

  public func furtherRows(_ count: Int, seed: UInt64) -> Batch? { draw(count, seed, .furtherData) }

  private func draw(_ count: Int, _ seed: UInt64, _ purpose: Purpose) -> Batch {
    box.draw(count, from: NoiseStream(seed: seed, purpose: purpose))
  }
}
