// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Images of one size, or larger ones to be cropped to it, held as bytes v and read as v/127.5 − 1.
///
/// As a `TrainingSource`, an item is an image and its row a random crop: with the uniforms (u, v, w) of a variation,
/// the crop begins at row ⌊u (H − h + 1)⌋ and column ⌊v (W − w + 1)⌋ of an H × W image, and is mirrored left to right
/// if the source flips and w < ½. An image that cannot be read from its file any more becomes NaN.
public struct ImageSource: TrainingSource {
  /// The shape of the rows, not that of the images stored.
  public let shape: ImageShape
  /// Whether half of the crops are mirrored.
  public let flips: Bool
  /// Whether the channels of an image lie one behind the other; else those of a pixel do.
  private let isPlanar: Bool
  private var stores: [PixelBytes] = []
  private var images: [Stored] = []
  private let levels: [Float] = ImageSource.levels()
  private let exactLevels: [Double] = ImageSource.levels()

  private struct Stored {
    let start: Int
    let height, width, store: Int32
  }

  /// The values that bytes stand for.
  static let byteLevels = Quantisation(levels: 256, low: -1, high: 1)

  /// A source without images yet.
  /// - Precondition: at least one pixel and one channel.
  public init(shape: ImageShape, flips: Bool = false) { self.init(shape: shape, flips: flips, isPlanar: false) }

  init(shape: ImageShape, flips: Bool, isPlanar: Bool) {
    precondition(shape.height > 0 && shape.width > 0 && shape.channels > 0, "an image without pixels")
    self.shape = shape
    self.flips = flips
    self.isPlanar = isPlanar
  }

  public var count: Int { images.count }
  public var dimension: Int { shape.count }

  /// Adds an image, flattened height, width, channel.
  public mutating func append(_ pixels: some Collection<UInt8>, height: Int, width: Int) {
    append(.memory(Array(pixels)), sizes: [(height, width)])
  }

  /// Adds images of the rows' own shape, one behind the other.
  public mutating func append(_ pixels: some Collection<UInt8>) {
    precondition(pixels.count % shape.count == 0, "pixels do not fill whole images")
    append(.memory(Array(pixels)), count: pixels.count / shape.count, from: 0, stride: shape.count)
  }

  /// Adds images of the rows' own shape.
  /// - Parameters:
  ///   - bytes: where they lie.
  ///   - count: how many they are.
  ///   - start: the place of the first.
  ///   - stride: how many bytes lie between the beginnings of two.
  mutating func append(_ bytes: PixelBytes, count: Int, from start: Int, stride: Int) {
    let store = Int32(stores.count)
    stores.append(bytes)
    images.reserveCapacity(images.count + count)
    for index in 0..<count {
      images.append(
        Stored(start: start + index * stride, height: Int32(shape.height), width: Int32(shape.width), store: store))
    }
  }

  /// Adds images of several sizes, one behind the other.
  mutating func append(_ bytes: PixelBytes, sizes: [(height: Int, width: Int)]) {
    let store = Int32(stores.count)
    stores.append(bytes)
    var start = 0
    for (height, width) in sizes {
      precondition(height >= shape.height && width >= shape.width, "an image smaller than a row")
      images.append(Stored(start: start, height: Int32(height), width: Int32(width), store: store))
      start += height * width * shape.channels
    }
    if case .memory(let bytes) = bytes { precondition(start == bytes.count, "pixels do not fill the images") }
  }

  /// Some of the images, in the order given. The bytes are shared.
  func only(_ indices: [Int]) -> ImageSource {
    var source = self
    source.images = indices.map { images[$0] }
    return source
  }

  /// Whether all images have the rows' own shape, so that there is nothing to crop.
  var isExact: Bool { images.allSatisfy { Int($0.height) == shape.height && Int($0.width) == shape.width } }

  /// Whether all images are the same, byte for byte: `isExact` ones, 2 or more.
  var repeatsOneImage: Bool {
    guard let first = images.first, isExact, count > 1 else { return false }
    let size = shape.count
    func bytes(_ image: Stored) -> [UInt8]? {
      stores[Int(image.store)].withBytes(image.start..<image.start + size) {
        Array(UnsafeBufferPointer(start: $0, count: size))
      }
    }
    guard let pattern = bytes(first) else { return false }
    return images.dropFirst().allSatisfy { bytes($0) == pattern }
  }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>) {
    let places = variation.uniforms
    write(index, at: places, mirrored: flips && places.z < 0.5, levels: levels, into: row)
  }

  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    let places = variation.uniforms
    write(index, at: places, mirrored: flips && places.z < 0.5, levels: exactLevels, into: row)
  }

  /// Every image once, in order and not mirrored; of larger ones the middle.
  public var rows: ImageRows { ImageRows(self, count: count, stream: nil) }

  /// The same in memory, 8 bytes a value.
  public func batch() -> Batch { rows.batch() }

  /// `count` crops, not mirrored: the k-th is of image k mod n, at uniforms of row k of the stream. Images that have
  /// the rows' own shape are their only crop.
  public func cropRows(_ count: Int, from stream: NoiseStream) -> ImageRows {
    precondition(!images.isEmpty || count == 0, "crops of no images")
    return ImageRows(self, count: count, stream: stream)
  }

  /// The same in memory, 8 bytes a value.
  public func crops(_ count: Int, from stream: NoiseStream) -> Batch { cropRows(count, from: stream).batch() }

  /// Writes image `index`, not mirrored, cropped at uniforms.
  func write(_ index: Int, at places: SIMD3<Double>, into row: UnsafeMutablePointer<Double>) {
    write(index, at: places, mirrored: false, levels: exactLevels, into: row)
  }

  /// The value of every byte, so that floats are the doubles, rounded.
  private static func levels<Value: BinaryFloatingPoint>() -> [Value] {
    (0...255).map { Value(Double($0) / 127.5 - 1) }
  }

  private func write<Value: BinaryFloatingPoint>(
    _ index: Int, at places: SIMD3<Double>, mirrored: Bool, levels: [Value], into row: UnsafeMutablePointer<Value>
  ) {
    let image = images[index]
    let (height, width) = (Int(image.height), Int(image.width))
    func offset(_ uniform: Double, _ spare: Int) -> Int { max(0, min(Int(uniform * Double(spare + 1)), spare)) }
    let top = offset(places.x, height - shape.height)
    let left = offset(places.y, width - shape.width)
    let channels = shape.channels
    // From one pixel to the next, and from one channel of a pixel to the next.
    let (step, plane) = isPlanar ? (1, height * width) : (channels, 1)
    // Channels lie together, so only the lines that the crop meets are read.
    let start = image.start + (isPlanar ? 0 : top * width * channels)
    let end = isPlanar ? image.start + height * width * channels : start + shape.height * width * channels
    let first = (isPlanar ? top * width : 0) + left
    let isDone: Void? = stores[Int(image.store)].withBytes(start..<end) { bytes in
      levels.withUnsafeBufferPointer { levels in
        for y in 0..<shape.height {
          let line = bytes + (first + y * width) * step
          let target = row + y * shape.width * channels
          if mirrored || isPlanar {
            for x in 0..<shape.width {
              let from = line + (mirrored ? shape.width - 1 - x : x) * step
              for c in 0..<channels { target[x * channels + c] = levels[Int(from[c * plane])] }
            }
          } else {
            for i in 0..<shape.width * channels { target[i] = levels[Int(line[i])] }
          }
        }
      }
    }
    if isDone == nil { row.update(repeating: .nan, count: dimension) }
  }
}
