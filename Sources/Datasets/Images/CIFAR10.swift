// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// CIFAR-10's binary version (Krizhevsky 2009): data_batch_1.bin to data_batch_5.bin, those that exist, train, and
/// test_batch.bin is held out; without it, training row i when i mod 6 = 5 (of fewer than 6, the last).
///
/// A record is a label of 0 to 9 and three planes, red, green and blue, of 32 × 32 bytes.
public struct CIFAR10: DataSource {
  private let training: [String]
  private let heldOut: String?
  private let flips: Bool
  public let fingerprint: String

  private static let shape = ImageShape(height: 32, width: 32, channels: 3)
  private static let record = 1 + shape.count
  private static let classes = 10

  /// - Parameters:
  ///   - path: the folder of the files.
  ///   - flip: whether half of the training rows are mirrored left to right.
  public init(path: String, flip: Bool = true) throws {
    try FileBytes.requireFolder(path)
    func existing(_ name: String) -> String? {
      let file = path.appendingFile(name)
      return access(file, F_OK) == 0 ? file : nil
    }
    training = (1...5).compactMap { existing("data_batch_\($0).bin") }
    heldOut = existing("test_batch.bin")
    guard !training.isEmpty else { throw InputError("holds no data_batch_1.bin to data_batch_5.bin", at: path) }
    let files = training + (heldOut.map { [$0] } ?? [])
    for file in files { try Self.check(FileBytes.state(of: file).size, file) }
    let records = try training.reduce(0) { $0 + (try FileBytes.state(of: $1).size) / Self.record }
    guard heldOut != nil || records >= 2 else {
      throw InputError("holds 1 image; allowed: 2 or more, or a test_batch.bin", at: path)
    }
    flips = flip
    fingerprint = try Checksum.text(of: files.map { ($0.fileName, $0) })
  }

  public var dimension: Int { Self.shape.count }
  public var imageShape: ImageShape? { Self.shape }
  public var levels: Quantisation? { ImageSource.byteLevels }
  public var conditionShape: ConditionShape { .classes(Self.classes) }

  public func load(seed: UInt64) throws -> Dataset {
    let (images, labels) = try read(training)
    if let heldOut {
      let (others, theirs) = try read([heldOut])
      return Dataset(
        training: images, heldOut: others, trainingConditions: .labels(labels), heldOutConditions: .labels(theirs))
    }
    let rows = HeldOut.split(images.count)
    return Dataset(
      training: images.only(rows.training), heldOut: images.only(rows.heldOut),
      trainingConditions: Conditions.labels(labels).only(rows.training),
      heldOutConditions: Conditions.labels(labels).only(rows.heldOut))
  }

  private func read(_ files: [String]) throws -> (images: ImageSource, labels: [Int]) {
    var images = ImageSource(shape: Self.shape, flips: flips)
    var labels: [Int] = []
    let plane = Self.shape.height * Self.shape.width
    var pixels = [UInt8](repeating: 0, count: Self.shape.count)
    for file in files {
      let bytes = try FileBytes.contents(of: file)
      try Self.check(bytes.count, file)
      for start in stride(from: 0, to: bytes.count, by: Self.record) {
        guard bytes[start] < Self.classes else {
          throw InputError(
            "label \(bytes[start]) in record \(start / Self.record + 1); allowed: 0 to \(Self.classes - 1)", at: file)
        }
        labels.append(Int(bytes[start]))
        for i in 0..<plane {
          for c in 0..<3 { pixels[3 * i + c] = bytes[start + 1 + c * plane + i] }
        }
        images.append(pixels)
      }
    }
    return (images, labels)
  }

  private static func check(_ size: Int, _ file: String) throws {
    guard size > 0, size % record == 0 else {
      throw InputError("is \(size) bytes long; allowed: records of \(record) bytes", at: file)
    }
  }
}
