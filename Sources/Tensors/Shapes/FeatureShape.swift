// SPDX-License-Identifier: GPL-3.0-or-later

/// The shape of blocked features on a tape: a row per item, [channel / 16][position][channel % 16] within it, where
/// positions run over 0 to 3 spatial axes, the last one fastest. Images have two axes, height and width.
public struct FeatureShape: Sendable, Equatable {
  /// The channels and where they lie.
  public var channels: ChannelPlaces
  /// The size along each spatial axis.
  public var axes: Axes

  /// Features of these channels along these axes.
  /// - Precondition: every size is at least 1.
  public init(_ channels: ChannelPlaces, _ axes: Axes) {
    precondition(axes.allSatisfy { $0 > 0 }, "sizes are at least 1")
    self.channels = channels
    self.axes = axes
  }

  /// An image.
  public init(_ channels: ChannelPlaces, height: Int, width: Int) { self.init(channels, [height, width]) }

  /// The size of an image.
  /// - Precondition: two axes.
  public var height: Int { image(0) }
  /// The width of an image.
  /// - Precondition: two axes.
  public var width: Int { image(1) }

  private func image(_ axis: Int) -> Int {
    precondition(axes.count == 2, "height and width are an image's")
    return axes[axis]
  }

  /// How many positions (pixels of an image) an item has.
  public var positions: Int { axes.product }
  /// Floats of an item.
  public var count: Int { channels.padded * positions }

  /// The same positions with other channels.
  public func with(_ channels: ChannelPlaces) -> FeatureShape { FeatureShape(channels, axes) }
  /// The same channels, twice as many positions along every axis.
  public var doubled: FeatureShape { FeatureShape(channels, axes.changed { 2 * $1 }) }
  /// The same channels, half as many positions along every axis.
  public var halved: FeatureShape { FeatureShape(channels, axes.changed { $1 / 2 }) }
}
