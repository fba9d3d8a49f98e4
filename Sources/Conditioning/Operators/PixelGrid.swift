// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// The pixels of an image that is a row: flattened height, width, channel.
public struct PixelGrid: Sendable, Equatable {
  /// The size in pixels, and how many values a pixel has.
  public let height, width, channels: Int

  /// An image of `height` × `width` pixels.
  public init(height: Int, width: Int, channels: Int) {
    precondition(height > 0 && width > 0 && channels > 0, "an image has pixels")
    (self.height, self.width, self.channels) = (height, width, channels)
  }

  /// How many values an image has.
  public var count: Int { height * width * channels }

  /// Where in its row a value is.
  public func index(_ y: Int, _ x: Int, _ channel: Int) -> Int { (y * width + x) * channels + channel }

  /// A rectangle of pixels.
  public struct Box: Sendable, Equatable {
    /// The first row and column, from 0, and the size.
    public let top, left, height, width: Int

    /// The pixels from (top, left) on.
    public init(top: Int, left: Int, height: Int, width: Int) {
      (self.top, self.left, self.height, self.width) = (top, left, height, width)
    }
  }

  /// Whether all of a box, of a pixel at least, lies in the image.
  public func contains(_ box: Box) -> Bool {
    box.top >= 0 && box.left >= 0 && box.height > 0 && box.width > 0 && box.height <= height - box.top
      && box.width <= width - box.left
  }

  /// The places of all values of a box, in rising order.
  public func indices(of box: Box) -> [Int] {
    (box.top..<box.top + box.height).flatMap { y in
      (box.left..<box.left + box.width).flatMap { x in (0..<channels).map { index(y, x, $0) } }
    }
  }
}

/// What an image is taken to be beyond its borders, where a blur looks there.
public enum Edges: String, Sendable, CaseIterable {
  /// The image in a mirror whose axis is the outermost pixel: c b | a b c.
  case reflect
  /// The outermost pixel, again and again: a a | a b c.
  case replicate
  /// The other end of the image: b c | a b c.
  case circular
  /// Zeros, which are gray.
  case zero
  /// Nothing: only pixels whose whole surroundings lie in the image are seen, and the blurred image is smaller.
  case valid

  /// The place, from 0, that stands for the place i of `count`; nil for a zero.
  func place(_ i: Int, of count: Int) -> Int? {
    if i >= 0 && i < count { return i }
    switch self {
    case .zero, .valid: return nil
    case .replicate: return i < 0 ? 0 : count - 1
    case .circular: return ((i % count) + count) % count
    case .reflect:
      let period = max(1, 2 * (count - 1))
      let within = ((i % period) + period) % period
      return within < count ? within : period - within
    }
  }
}
