// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Images of one size, or larger ones to be cropped to it, stored as bytes v and read as v/127.5 − 1.
///
/// As a `TrainingSource`, an item is an image and its row a random crop: with the uniforms (u, v, w) of a variation,
/// the crop begins at row ⌊u (H − h + 1)⌋ and column ⌊v (W − w + 1)⌋ of an H × W image, and is mirrored left to right
/// if the source flips and w < ½.
public struct ImageSource: TrainingSource {
  /// The shape of the rows, not that of the images stored.
  public let shape: ImageShape
  public let flips: Bool
  private var bytes: [UInt8] = []
  private var images: [Stored] = []
  private let levels: [Float] = ImageSource.levels()
  private let exactLevels: [Double] = ImageSource.levels()

  private struct Stored {
    let start, height, width: Int
  }

  /// The values that bytes stand for.
  static let byteLevels = Quantisation(levels: 256, low: -1, high: 1)

  public init(shape: ImageShape, flips: Bool = false) {
    precondition(shape.height > 0 && shape.width > 0 && shape.channels > 0, "an image without pixels")
    self.shape = shape
    self.flips = flips
  }

  public var count: Int { images.count }
  public var dimension: Int { shape.count }

  /// Adds an image, flattened height, width, channel.
  public mutating func append(_ pixels: some Collection<UInt8>, height: Int, width: Int) {
    precondition(height >= shape.height && width >= shape.width, "an image smaller than a row")
    precondition(pixels.count == height * width * shape.channels, "pixels do not fill the image")
    images.append(Stored(start: bytes.count, height: height, width: width))
    bytes += pixels
  }

  /// Adds images of the rows' own shape, one behind the other.
  public mutating func append(_ pixels: some Collection<UInt8>) {
    precondition(pixels.count % shape.count == 0, "pixels do not fill whole images")
    for index in 0..<pixels.count / shape.count {
      images.append(Stored(start: bytes.count + index * shape.count, height: shape.height, width: shape.width))
    }
    bytes += pixels
  }

  /// Some of the images, in the order given.
  func only(_ indices: [Int]) -> ImageSource {
    var source = ImageSource(shape: shape, flips: flips)
    for image in indices.map({ images[$0] }) {
      source.append(
        bytes[image.start..<image.start + image.height * image.width * shape.channels], height: image.height,
        width: image.width)
    }
    return source
  }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>) {
    let places = variation.uniforms
    write(index, at: places, mirrored: flips && places.z < 0.5, levels: levels, into: row)
  }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    let places = variation.uniforms
    write(index, at: places, mirrored: flips && places.z < 0.5, levels: exactLevels, into: row)
  }

  /// `count` crops, not mirrored: the k-th is of image k mod n, at uniforms of row k of the stream. Images that have
  /// the rows' own shape are their only crop.
  public func crops(_ count: Int, from stream: NoiseStream) -> Batch {
    precondition(!images.isEmpty || count == 0, "crops of no images")
    let places = stream.uniforms(count: count, dimension: 2)
    let levels: [Double] = Self.levels()
    var batch = Batch(count: count, dimension: dimension)
    batch.withRows { rows in
      for k in 0..<count {
        write(
          k % images.count, at: SIMD3(places[k, 0], places[k, 1], 1), mirrored: false, levels: levels,
          into: rows.values + k * dimension)
      }
    }
    return batch
  }

  /// Every image once, in order; of larger ones the middle.
  public func batch() -> Batch {
    let levels: [Double] = Self.levels()
    var batch = Batch(count: count, dimension: dimension)
    batch.withRows { rows in
      for index in 0..<count {
        write(
          index, at: SIMD3(repeating: 0.5), mirrored: false, levels: levels,
          into: rows.values + index * dimension)
      }
    }
    return batch
  }

  /// The value of every byte, so that floats are the doubles, rounded.
  private static func levels<Value: BinaryFloatingPoint>() -> [Value] {
    (0...255).map { Value(Double($0) / 127.5 - 1) }
  }

  private func write<Value>(
    _ index: Int, at places: SIMD3<Double>, mirrored: Bool, levels: [Value], into row: UnsafeMutablePointer<Value>
  ) {
    let image = images[index]
    func offset(_ uniform: Double, _ spare: Int) -> Int { max(0, min(Int(uniform * Double(spare + 1)), spare)) }
    let top = offset(places.x, image.height - shape.height)
    let left = offset(places.y, image.width - shape.width)
    let (channels, length) = (shape.channels, shape.width * shape.channels)
    bytes.withUnsafeBufferPointer { bytes in
      levels.withUnsafeBufferPointer { levels in
        for y in 0..<shape.height {
          let line = bytes.baseAddress! + image.start + ((top + y) * image.width + left) * channels
          let target = row + y * length
          if mirrored {
            for x in 0..<shape.width {
              let from = line + (shape.width - 1 - x) * channels
              for c in 0..<channels { target[x * channels + c] = levels[Int(from[c])] }
            }
          } else {
            for i in 0..<length { target[i] = levels[Int(line[i])] }
          }
        }
      }
    }
  }
}

extension Dataset {
  /// Images that have the rows' shape: all of them are rows, and the trainer draws from `training` itself.
  init(
    training: ImageSource, heldOut: ImageSource, trainingConditions: Conditions = .nothing,
    heldOutConditions: Conditions = .nothing
  ) {
    self.init(
      training: training.batch(), heldOut: heldOut.batch(), trainingConditions: trainingConditions,
      heldOutConditions: heldOutConditions, source: training)
  }
}
