// SPDX-License-Identifier: GPL-3.0-or-later

/// Where channels lie in blocked memory, which holds them in blocks of 16: several runs of channels (as skip connections
/// make them), each beginning a new block; the places between are zeros.
public struct ChannelPlaces: Sendable, Equatable {
  public let runs: [Int]

  public init(_ runs: [Int]) {
    precondition(!runs.isEmpty && runs.allSatisfy { $0 > 0 }, "a run has at least one channel")
    self.runs = runs
  }

  public init(_ count: Int) { self.init([count]) }

  /// How many channels there are.
  public var count: Int { runs.reduce(0, +) }
  public var blocks: Int { runs.reduce(0) { $0 + ($1 + 15) / 16 } }
  /// How many numbers they take in memory.
  public var padded: Int { 16 * blocks }

  /// The place of every channel.
  public var places: [Int] {
    var places: [Int] = []
    var start = 0
    for run in runs {
      places += start..<start + run
      start += (run + 15) / 16 * 16
    }
    return places
  }

  /// These channels, then others.
  public func followed(by other: ChannelPlaces) -> ChannelPlaces { ChannelPlaces(runs + other.runs) }
}

/// The shape of a blocked image on a tape: a row per image, [channel / 16][row][column][channel % 16] within it.
public struct FeatureShape: Sendable, Equatable {
  public var channels: ChannelPlaces
  public var height: Int
  public var width: Int

  public init(_ channels: ChannelPlaces, height: Int, width: Int) {
    self.channels = channels
    self.height = height
    self.width = width
  }

  public var pixels: Int { height * width }
  /// Floats of an image.
  public var count: Int { channels.padded * pixels }

  public func with(_ channels: ChannelPlaces) -> FeatureShape { FeatureShape(channels, height: height, width: width) }
}

/// Blocked images on a tape with their shape.
public struct Feature {
  public let tensor: Tensor
  public let shape: FeatureShape

  public init(_ tensor: Tensor, _ shape: FeatureShape) {
    precondition(tensor.columns == shape.count, "images of another shape")
    self.tensor = tensor
    self.shape = shape
  }
}
