// SPDX-License-Identifier: GPL-3.0-or-later
import CPNG
import CZlib
import Core
import Datasets
import Foundation

/// Writes files into a folder of their own, hands its path on, and removes it. Names may lead into subfolders.
func withFolder<R>(_ files: [String: [UInt8]], _ body: (String) throws -> R) throws -> R {
  let folder = NSTemporaryDirectory() + "score-sde-\(UUID().uuidString)"
  try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: folder) }
  for (name, bytes) in files {
    let url = URL(fileURLWithPath: "\(folder)/\(name)")
    try FileManager.default.createDirectory(at: url.deletingLastPathComponent(), withIntermediateDirectories: true)
    try Data(bytes).write(to: url)
  }
  return try body(folder)
}

/// A PNG file; `format` is libpng's, 0: gray, 1: gray and alpha, 2: RGB, 3: RGBA.
func png(width: Int, height: Int, format: UInt32 = 2, _ pixels: [UInt8]) -> [UInt8] {
  var image = png_image()
  image.version = UInt32(PNG_IMAGE_VERSION)
  (image.width, image.height, image.format) = (UInt32(width), UInt32(height), format)
  var bytes = [UInt8](repeating: 0, count: 1 << 20)
  var size = bytes.count
  precondition(png_image_write_to_memory(&image, &bytes, &size, 0, pixels, 0, nil) != 0)
  return Array(bytes[..<size])
}

extension ImageFolder {
  /// A folder read with the options that most tests differ in.
  init(
    path: String, size: Int, channels: Int = 3, flip: Bool = true, crops: Int = 2000, heldOut: Int = 1000,
    _ change: (inout ImageFolder.Options) -> Void
  ) throws {
    var options = ImageFolder.Options(size: size)
    (options.channels, options.flip, options.crops, options.heldOutCrops) = (channels, flip, crops, heldOut)
    change(&options)
    try self.init(path: path, options)
  }
}

/// Gives a file other contents and leaves its size and times as they are.
func rewrite(_ path: String, _ bytes: [UInt8]) throws {
  var status = stat()
  precondition(stat(path, &status) == 0 && Int(status.st_size) == bytes.count)
  try Data(bytes).write(to: URL(fileURLWithPath: path))
  let times = [status.st_atim, status.st_mtim]
  precondition(utimensat(AT_FDCWD, path, times, 0) == 0)
}

/// Makes a file look as if it had been written on another day.
func touch(_ path: String) {
  let times = [timespec(tv_sec: 1_000_000_000, tv_nsec: 0), timespec(tv_sec: 1_000_000_000, tv_nsec: 0)]
  precondition(utimensat(AT_FDCWD, path, times, 0) == 0)
}

/// An RGB file whose pixel at (y, x) is (tag, y, x).
func taggedPNG(_ tag: UInt8, height: Int, width: Int) -> [UInt8] {
  png(
    width: width, height: height,
    (0..<height).flatMap { y in (0..<width).flatMap { x in [tag, UInt8(y), UInt8(x)] } })
}

/// The bytes that values stand for, if they stand for bytes.
func pixels(_ values: some Sequence<Double>) -> [Int] {
  values.map { value in
    let byte = Int(((value + 1) * 127.5).rounded())
    precondition((0...255).contains(byte) && value == Double(byte) / 127.5 - 1, "\(value) is no byte's value")
    return byte
  }
}

extension TrainingSource {
  /// What `copy` writes, with a guard behind the row. In double precision it is the same row, before rounding.
  func row(_ index: Int, _ uniforms: SIMD3<Double> = .init(repeating: 0.75), step: Int = 0, row: Int = 0) -> [Float] {
    let variation = Variation(uniforms: uniforms, seed: 1, step: step, row: row)
    var floats = [Float](repeating: .infinity, count: dimension + 1)
    floats.withUnsafeMutableBufferPointer { copy(index, variation: variation, into: $0.baseAddress!) }
    precondition(floats[dimension] == .infinity, "written beyond the row")
    var doubles = [Double](repeating: .infinity, count: dimension + 1)
    doubles.withUnsafeMutableBufferPointer { copy(index, variation: variation, into: $0.baseAddress!) }
    precondition(doubles[dimension] == .infinity, "written beyond the row")
    precondition(doubles.map { Float($0) } == floats, "the same row in both precisions")
    return Array(floats.dropLast())
  }
}
