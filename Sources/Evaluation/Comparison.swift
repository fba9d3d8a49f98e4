// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Samples and the rows that were held out, with what is known of both: what a metric judges.
public struct Comparison: Sendable {
  /// How a row is to be seen as an image, flattened height, width, channel.
  public struct Image: Sendable, Equatable {
    public let height, width, channels: Int

    public init(height: Int, width: Int, channels: Int) {
      self.height = height
      self.width = width
      self.channels = channels
    }
  }

  /// Rows that were drawn, count × dimension.
  public let samples: Batch
  /// Rows of data, count × dimension.
  public let heldOut: Batch
  /// nil for points that are no images.
  public let image: Image?
  /// What each sample was drawn for.
  public let sampleConditions: Conditions
  /// What is known of each row of the data.
  public let heldOutConditions: Conditions
  /// Keys the random numbers of metrics that draw some.
  public let seed: UInt64
  /// How many threads may be used. Results do not depend on it.
  public let threads: Int

  /// - Parameters:
  ///   - samples: rows that were drawn, count × dimension.
  ///   - heldOut: rows of data, count × dimension.
  ///   - image: how a row is to be seen as an image; nil for points.
  ///   - sampleConditions: what each sample was drawn for.
  ///   - heldOutConditions: what is known of each row of the data.
  ///   - seed: keys the random numbers of metrics that draw some.
  ///   - threads: how many threads may be used.
  public init(
    samples: Batch, heldOut: Batch, image: Image? = nil, sampleConditions: Conditions = .nothing,
    heldOutConditions: Conditions = .nothing, seed: UInt64, threads: Int = Shards.processors
  ) {
    self.samples = samples
    self.heldOut = heldOut
    self.image = image
    self.sampleConditions = sampleConditions
    self.heldOutConditions = heldOutConditions
    self.seed = seed
    self.threads = threads
  }

  /// - Throws: `InputError` for samples of another dimension than the data, and for fewer rows of either than a metric
  ///   needs.
  public func requireRows(atLeast minimum: Int) throws {
    guard samples.dimension == heldOut.dimension else {
      throw InputError("samples of \(samples.dimension) values against data of \(heldOut.dimension)")
    }
    guard samples.count >= minimum, heldOut.count >= minimum else {
      throw InputError(
        "\(samples.count) samples and \(heldOut.count) held-out rows; allowed: \(minimum) or more of each")
    }
  }
}
