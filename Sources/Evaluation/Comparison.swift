// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Samples and the rows that were held out, with what is known of both: what a metric judges.
public struct Comparison: Sendable {
  /// How a row is to be seen as an image, flattened height, width, channel.
  public struct Image: Sendable, Equatable {
    /// The size in pixels, and how many values a pixel has.
    public let height, width, channels: Int

    /// Images of `height` × `width` pixels.
    public init(height: Int, width: Int, channels: Int) {
      self.height = height
      self.width = width
      self.channels = channels
    }
  }

  /// Rows that were drawn, count × dimension.
  public let samples: Batch
  /// What each sample was drawn for.
  public let sampleConditions: Conditions
  /// What they are compared with.
  public let reference: Reference
  /// What is behind the observations that samples were drawn for, where that is known: sample i has row i mod its
  /// count.
  public let truth: Batch?
  /// Keys the random numbers of metrics that draw some.
  public let seed: UInt64
  /// How many resamples a bootstrap takes.
  public let bootstrap: Int
  /// How many threads may be used. Results do not depend on it.
  public let threads: Int

  /// Rows of data, count × dimension.
  public var heldOut: Batch { reference.heldOut }
  /// What is known of each row of the data.
  public var heldOutConditions: Conditions { reference.heldOutConditions }
  /// nil for points that are no images.
  public var image: Image? { reference.image }

  /// - Parameters:
  ///   - samples: rows that were drawn, count × dimension.
  ///   - sampleConditions: what each sample was drawn for.
  ///   - reference: what they are compared with.
  ///   - truth: what is behind the observations that samples were drawn for; nil where there are none, or nobody knows.
  ///   - seed: keys the random numbers of metrics that draw some.
  ///   - bootstrap: how many resamples a bootstrap takes.
  ///   - threads: how many threads may be used.
  public init(
    samples: Batch, sampleConditions: Conditions = .nothing, reference: Reference, truth: Batch? = nil, seed: UInt64,
    bootstrap: Int = 200, threads: Int = Shards.processors
  ) {
    self.samples = samples
    self.sampleConditions = sampleConditions
    self.reference = reference
    self.truth = truth
    self.seed = seed
    self.bootstrap = bootstrap
    self.threads = threads
  }

  /// A comparison with held-out rows alone.
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
    self.init(
      samples: samples, sampleConditions: sampleConditions,
      reference: Reference(heldOut: heldOut, heldOutConditions: heldOutConditions, image: image), seed: seed,
      threads: threads)
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
