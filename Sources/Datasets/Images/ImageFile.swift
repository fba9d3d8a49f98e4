// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// One image in a PNG file.
public struct ImageFile: Sendable {
  private let file: PNGFile
  /// The size in pixels.
  public var height: Int { file.height }
  /// The size in pixels.
  public var width: Int { file.width }

  /// What is done with the file besides reading it, a line each.
  public var notes: [String] {
    file.isTransparent ? ["\(file.path): what is transparent is composed on white"] : []
  }

  /// Looks at the file.
  /// - Throws: `InputError` for what is no PNG file.
  public init(_ path: String) throws { file = try PNGFile(path: path) }

  /// The image as a row with values in [−1, 1]. What is transparent is composed on white.
  /// - Parameter shape: the size that it must have; one channel is gray, three are RGB.
  /// - Throws: `InputError` for an image of another size, and for a shape of other channels.
  public func row(of shape: ImageShape) throws -> [Double] {
    guard file.height == shape.height, file.width == shape.width else {
      throw InputError(
        "is \(file.height) × \(file.width) pixels; allowed: \(shape.height) × \(shape.width)", at: file.path)
    }
    guard shape.channels == 1 || shape.channels == 3 else {
      throw InputError("a PNG file has 1 or 3 channels; expected \(shape.channels)", at: file.path)
    }
    return try file.pixels(channels: shape.channels, background: ImageFolder.Background.white.value).map {
      Double($0) / 127.5 - 1
    }
  }
}
