// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes
import Scores

/// Draws from a Gaussian mixture, or their exponentials. Where its components have classes, rows have them too.
public struct MixtureData: DataSource {
  public let law: DataLaw?
  /// How many values a row has.
  public let dimension: Int
  /// nil for points that are no images.
  public let imageShape: ImageShape?
  /// How many rows are drawn to train on.
  public let count: Int
  /// How many rows are drawn to judge by.
  public let heldOutCount: Int
  private let mixture: GaussianMixture
  private let isExponential: Bool
  private let classes: [Int]?

  public var conditionShape: ConditionShape { law?.conditionShape ?? .nothing }
  public var occurringClasses: [Int]? {
    classes.flatMap { Classes.occurring(in: $0, of: conditionShape.classCount) }
  }

  /// - Parameters:
  ///   - mixture: the law of the draws.
  ///   - classes: the class of each component; nil: rows have none.
  ///   - exponential: whether a row is exp of a draw, coordinate by coordinate: positive data.
  ///   - count: how many rows are drawn to train on.
  ///   - heldOut: how many rows are drawn to judge by.
  ///   - imageShape: what a row is; nil: no image.
  public init(
    _ mixture: GaussianMixture, classes: [Int]? = nil, exponential: Bool = false, count: Int = 10_000,
    heldOut: Int = 5_000, imageShape: ImageShape? = nil
  ) {
    precondition(count > 0 && heldOut > 0)
    self.mixture = mixture
    isExponential = exponential
    self.classes = classes
    law = DataLaw(mixture, isExponential: exponential, classes: classes)
    dimension = mixture.dimension
    self.count = count
    heldOutCount = heldOut
    self.imageShape = imageShape
  }

  public func fewer(rows: Int) -> any DataSource {
    MixtureData(
      mixture, classes: classes, exponential: isExponential, count: min(count, rows), heldOut: min(heldOutCount, rows),
      imageShape: imageShape)
  }

  public func load(seed: UInt64) throws -> Dataset {
    Dataset(
      training: draw(count, seed, .data), heldOut: draw(heldOutCount, seed, .heldOutData),
      trainingConditions: labels(count, seed, .data), heldOutConditions: labels(heldOutCount, seed, .heldOutData))
  }

  /// Rows of which nothing is known but their law: none where they have classes.
  public func furtherRows(_ count: Int, seed: UInt64) -> Batch? {
    classes == nil ? draw(count, seed, .furtherData) : nil
  }

  private func labels(_ count: Int, _ seed: UInt64, _ purpose: Purpose) -> Conditions {
    guard let classes else { return .nothing }
    let components = mixture.components(ofDraws: count, from: NoiseStream(seed: seed, purpose: purpose))
    return .labels(components.map { classes[$0] })
  }

  private func draw(_ count: Int, _ seed: UInt64, _ purpose: Purpose) -> Batch {
    var batch = mixture.draw(count, from: NoiseStream(seed: seed, purpose: purpose))
    if isExponential { batch.values = batch.values.map { exp($0) } }
    return batch
  }
}
