// SPDX-License-Identifier: GPL-3.0-or-later
import CPNG
import Core
import Datasets
import Foundation
import Plots

/// An RGB picture in memory.
package struct Picture {
  package let width, height: Int
  package private(set) var pixels: [UInt8]

  package init(width: Int, height: Int, background: (UInt8, UInt8, UInt8) = (255, 255, 255)) {
    self.width = width
    self.height = height
    pixels = (0..<width * height).flatMap { _ in [background.0, background.1, background.2] }
  }

  package mutating func set(_ x: Int, _ y: Int, _ color: (UInt8, UInt8, UInt8)) {
    let i = 3 * (y * width + x)
    (pixels[i], pixels[i + 1], pixels[i + 2]) = color
  }

  /// As PNG, by libpng.
  package func png() throws -> Data {
    var image = png_image()
    image.version = UInt32(PNG_IMAGE_VERSION)
    image.width = UInt32(width)
    image.height = UInt32(height)
    // PNG_FORMAT_RGB
    image.format = 2
    var size = 0
    guard png_image_write_to_memory(&image, nil, &size, 0, pixels, 0, nil) != 0 else { throw PictureError() }
    var data = Data(count: size)
    let done = data.withUnsafeMutableBytes {
      png_image_write_to_memory(&image, $0.baseAddress, &size, 0, pixels, 0, nil)
    }
    guard done != 0 else { throw PictureError() }
    return data.prefix(size)
  }
}

struct PictureError: Error, CustomStringConvertible {
  var description: String { "libpng could not encode a picture" }
}

extension Picture {
  /// For a figure.
  var raster: Raster { Raster(width: width, height: height, pixels: pixels) }

  /// The first images of a batch, up to 10 × 10, with values in [−1, 1] clipped to black and white, enlarged to about
  /// 600 pixels.
  /// - Parameters:
  ///   - batch: rows that are images.
  ///   - shape: theirs.
  ///   - columns: default: as many as rows, up to 10.
  ///   - zoom: how many pixels each of an image becomes along a side; nil: by the size of the whole.
  ///   - isCompact: of about 400 pixels on a light ground, for figures, which are enlarged when they are drawn.
  package static func grid(
    _ batch: Batch, shape: ImageShape, columns given: Int? = nil, isCompact: Bool = false, zoom givenZoom: Int? = nil
  ) -> Picture {
    let columns = given ?? min(10, max(1, Int(Double(batch.count).squareRoot().rounded(.up))))
    let rows = max(1, min(given == nil ? columns : .max, (batch.count + columns - 1) / columns))
    let zoom = givenZoom ?? max(1, (isCompact ? 400 : 600) / (columns * (max(shape.width, shape.height) + 1)))
    let (cellWidth, cellHeight) = (shape.width * zoom + 2, shape.height * zoom + 2)
    var picture = Picture(
      width: columns * cellWidth + 2, height: rows * cellHeight + 2,
      background: isCompact ? (210, 210, 210) : (64, 64, 96))
    for index in 0..<min(batch.count, rows * columns) {
      let (left, top) = (2 + index % columns * cellWidth, 2 + index / columns * cellHeight)
      for y in 0..<shape.height * zoom {
        for x in 0..<shape.width * zoom {
          func level(_ channel: Int) -> UInt8 {
            let value = batch[index, ((y / zoom) * shape.width + x / zoom) * shape.channels + channel]
            return UInt8(min(255, max(0, (value + 1) * 127.5)).rounded())
          }
          let gray = shape.channels < 3
          picture.set(left + x, top + y, gray ? (level(0), level(0), level(0)) : (level(0), level(1), level(2)))
        }
      }
    }
    return picture
  }

  /// Pictures of one height side by side.
  static func row(_ pictures: [Picture], gap: Int = 4) -> Picture {
    let width = pictures.reduce(-gap) { $0 + $1.width + gap }
    var all = Picture(width: width, height: pictures.map(\.height).max() ?? 0, background: (150, 150, 150))
    var left = 0
    for picture in pictures {
      for y in 0..<picture.height {
        for x in 0..<picture.width {
          let i = 3 * (y * picture.width + x)
          all.set(left + x, y, (picture.pixels[i], picture.pixels[i + 1], picture.pixels[i + 2]))
        }
      }
      left += picture.width + gap
    }
    return all
  }

  /// The first two coordinates of samples, dark where dense, over held-out points in gray. The frame is that of the
  /// held-out points, a fifth wider.
  static func scatter(_ batch: Batch, heldOut: Batch, size: Int = 512) -> Picture {
    func coordinate(_ batch: Batch, _ i: Int, _ j: Int) -> Double { j < batch.dimension ? batch[i, j] : 0 }
    let ranges = (0..<2).map { j -> (low: Double, high: Double) in
      let values = (0..<heldOut.count).map { coordinate(heldOut, $0, j) }
      let (low, high) = (values.min() ?? -1, values.max() ?? 1)
      return (low, high)
    }
    let span = max(ranges[0].high - ranges[0].low, ranges[1].high - ranges[1].low, 1e-9) * 1.2
    func cells(_ batch: Batch) -> [Int] {
      var counts = [Int](repeating: 0, count: size * size)
      for i in 0..<batch.count {
        let place = (0..<2).map { j -> Double in
          (coordinate(batch, i, j) - (ranges[j].low + ranges[j].high) / 2) / span + 0.5
        }
        guard place.allSatisfy({ $0 >= 0 && $0 < 1 }) else { continue }
        counts[(size - 1 - Int(place[1] * Double(size))) * size + Int(place[0] * Double(size))] += 1
      }
      return counts
    }
    var picture = Picture(width: size, height: size)
    let (reference, samples) = (cells(heldOut), cells(batch))
    for y in 0..<size {
      for x in 0..<size {
        let (gray, blue) = (reference[y * size + x], samples[y * size + x])
        if blue > 0 {
          let light = UInt8(max(0, 150 - 50 * min(3, blue)))
          picture.set(x, y, (light, light, 200))
        } else if gray > 0 {
          picture.set(x, y, (205, 205, 205))
        }
      }
    }
    return picture
  }
}
