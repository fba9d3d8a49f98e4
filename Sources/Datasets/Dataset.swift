// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// How a row is to be seen as an image: flattened height, width, channel, with values in [−1, 1].
public struct ImageShape: Sendable, Equatable {
  public let height, width, channels: Int

  public init(height: Int, width: Int, channels: Int) {
    self.height = height
    self.width = width
    self.channels = channels
  }

  public var count: Int { height * width * channels }
}

/// Rows to learn from, and rows held out to judge by.
public struct Dataset: Sendable {
  public let training: Batch
  public let heldOut: Batch
  /// nil for data without classes.
  public let labels: RowLabels?
  /// What training draws from, with random crops and flips where the data has them.
  public let source: any TrainingSource

  /// - Parameter source: the rows of `training` where nil.
  public init(
    training: Batch, heldOut: Batch, labels: RowLabels? = nil, source: (any TrainingSource)? = nil
  ) {
    self.training = training
    self.heldOut = heldOut
    self.labels = labels
    self.source = source ?? RowSource(training)
  }
}

/// Where data comes from. Cheap to make and to check; `load` does the work.
public protocol DataSource: Sendable {
  var dimension: Int { get }
  /// nil for points that are no images.
  var imageShape: ImageShape? { get }
  /// The law of the data, where it is known exactly.
  var law: DataLaw? { get }
  /// How many classes the rows have; 0 without labels. Known before the data is loaded.
  var classes: Int { get }
  /// A short text that changes whenever the data changes though its options do not: a file's checksum.
  var fingerprint: String { get }
  func load(seed: UInt64) throws -> Dataset
}

extension DataSource {
  public var imageShape: ImageShape? { nil }
  public var law: DataLaw? { nil }
  public var classes: Int { 0 }
  public var fingerprint: String { "" }
}
