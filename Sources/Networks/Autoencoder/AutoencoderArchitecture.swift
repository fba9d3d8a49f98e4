// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What an autoencoder is made of: the options of diffusers' `AutoencoderKL`, in its terms.
///
/// No parameter depends on the size of the pictures, so that one set of weights serves all sizes.
public struct AutoencoderArchitecture: Sendable, Equatable {
  /// The size of a picture in pixels, and its channels.
  public var height, width, channels: Int
  /// The channels of a latent picture, which is `factor` times smaller along each side.
  public var latentChannels: Int
  /// The channels of each stage, from the finest down; every stage but the last halves the picture.
  public var stages: [Int]
  /// Residual blocks of a stage of the encoder; a stage of the decoder has one more.
  public var blocks: Int
  /// The groups of normalisations, which divide the channels of every stage.
  public var groups: Int
  /// Whether there is attention between all positions of the coarsest stage.
  public var middleAttention = true
  /// Whether a 1 × 1 convolution follows the encoder.
  public var encoderProjection = true
  /// Whether a 1 × 1 convolution precedes the decoder.
  public var decoderProjection = true

  /// Added to variances in all normalisations.
  static let epsilon = 1e-6

  /// - Parameters:
  ///   - height: of a picture, in pixels.
  ///   - width: of a picture, in pixels.
  ///   - channels: of a picture.
  ///   - latentChannels: of a latent picture.
  ///   - stages: the channels of each stage, from the finest down.
  ///   - blocks: residual blocks of a stage of the encoder.
  ///   - groups: of normalisations.
  public init(
    height: Int, width: Int, channels: Int, latentChannels: Int, stages: [Int], blocks: Int, groups: Int
  ) {
    (self.height, self.width, self.channels) = (height, width, channels)
    (self.latentChannels, self.stages, self.blocks, self.groups) = (latentChannels, stages, blocks, groups)
  }

  /// How many pixels a latent position stands for along each side: 2^(stages − 1).
  public var factor: Int { 1 << max(0, stages.count - 1) }

  /// The size of a latent picture.
  public var latentHeight: Int { height / factor }
  /// The width of a latent picture.
  public var latentWidth: Int { width / factor }

  /// How many values a picture has: height × width × channels, channels fastest.
  public var dimension: Int { height * width * channels }
  /// How many values a latent picture has, in the same order.
  public var latentDimension: Int { latentHeight * latentWidth * latentChannels }

  /// The same for pictures of another size.
  public func sized(height: Int, width: Int) -> AutoencoderArchitecture {
    var other = self
    (other.height, other.width) = (height, width)
    return other
  }

  /// - Throws: `InputError` for what cannot be built.
  public func check() throws {
    func check(_ value: Int, _ range: ClosedRange<Int>, _ name: String) throws {
      guard range.contains(value) else {
        throw InputError("\(name): \(value); allowed: \(range.lowerBound) to \(range.upperBound)")
      }
    }
    try check(stages.count, 1...12, "stages")
    try check(blocks, 1...64, "blocks of a stage")
    try check(channels, 1...4096, "channels of a picture")
    try check(latentChannels, 1...4096, "latent channels")
    for stage in stages {
      try check(stage, 1...16_384, "channels of a stage")
      guard groups > 0, stage % groups == 0 else {
        throw InputError("\(stage) channels are not \(groups) equal groups")
      }
    }
    try checkSize()
  }

  /// - Throws: `InputError` for pictures that cannot be halved as often as there are stages, or that are too large.
  public func checkSize() throws {
    for (side, name) in [(height, "height"), (width, "width")] {
      guard (1...8192).contains(side) else { throw InputError("a \(name) of \(side) pixels; allowed: 1 to 8192") }
      guard side % factor == 0 else {
        throw InputError(
          "\(stages.count) stages halve pictures \(stages.count - 1) times, and the \(name) is \(side); allowed: "
            + "multiples of \(factor)")
      }
    }
    let positions = latentHeight * latentWidth
    guard !middleAttention || positions <= 65_536 else {
      throw InputError("attention between \(positions) latent positions; allowed: 65536")
    }
  }
}
