// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// CIFAR-10's binary version (Krizhevsky 2009): data_batch_1.bin to data_batch_5.bin, those that exist, train, and
/// test_batch.bin is held out; without it, some of the others.
///
/// A record is a label of 0 to 9 and three planes, red, green and blue, of 32 × 32 bytes.
public struct CIFAR10: DataSource {
  private let training: [Records]
  private let heldOut: Records?
  private let share: Double
  private let flips: Bool
  public let fingerprint: String
  public let notes: [String]

  private static let shape = ImageShape(height: 32, width: 32, channels: 3)
  private static let record = 1 + shape.count
  private static let classes = 10

  /// The records of one file, which is read once.
  private struct Records {
    let labels: [Int]
    let bytes: PixelBytes
    /// The value that all pixels have; nil where they differ.
    let constant: UInt8?

    init(_ path: String, _ checksum: inout ContentChecksum) throws {
      let size = try FileBytes.state(of: path).size
      guard size > 0, size % record == 0 else {
        throw InputError("is \(size) bytes long; allowed: records of \(record) bytes", at: path)
      }
      let isLarge = size > PixelBytes.largestInMemory
      var collector = isLarge ? nil : try PixelCollector(size: size)
      let file = try OpenFile(path)
      var labels: [Int] = []
      labels.reserveCapacity(size / record)
      var bytes = [UInt8](repeating: 0, count: 256 * record)
      var (first, isConstant) = (UInt8?.none, true)
      for start in stride(from: 0, to: size, by: bytes.count) {
        let count = min(bytes.count, size - start)
        let isRead = bytes.withUnsafeMutableBufferPointer { file.read(start..<start + count, into: $0.baseAddress!) }
        guard isRead else { throw InputError("changed while it was read", at: path) }
        for place in stride(from: 0, to: count, by: record) {
          guard bytes[place] < classes else {
            throw InputError(
              "label \(bytes[place]) in record \((start + place) / record + 1); allowed: 0 to \(classes - 1)", at: path)
          }
          labels.append(Int(bytes[place]))
          first = first ?? bytes[place + 1]
          isConstant = isConstant && bytes[place + 1..<place + record].allSatisfy { $0 == first }
        }
        try bytes.withUnsafeBytes {
          let part = UnsafeRawBufferPointer(rebasing: $0[..<count])
          checksum.add(part)
          try collector?.append(part)
        }
      }
      self.labels = labels
      self.bytes = collector?.finished ?? .file(file)
      constant = isConstant ? first : nil
    }
  }

  /// - Parameters:
  ///   - path: the folder of the files.
  ///   - flip: whether half of the training rows are mirrored left to right.
  ///   - heldOut: a share of the images, or another file of records, to judge by; nil: test_batch.bin, or, where there
  ///     is none, the standard share.
  /// - Throws: `InputError` for a folder without such files, for files of other sizes and other labels, and for a share
  ///   where there is a test_batch.bin.
  public init(path: String, flip: Bool = true, heldOut: HeldOut? = nil) throws {
    try FileBytes.requireFolder(path)
    func existing(_ name: String) -> String? {
      let file = path.appendingFile(name)
      return access(file, F_OK) == 0 ? file : nil
    }
    let names = (1...5).map { "data_batch_\($0).bin" }
    let files = names.compactMap { existing($0) }
    guard !files.isEmpty else {
      let hint = existing("data_batch_1") == nil ? "" : "; data_batch_1 is of another version: get the binary one"
      throw InputError("holds no data_batch_1.bin to data_batch_5.bin\(hint)", at: path)
    }
    var other = existing("test_batch.bin")
    var share = HeldOut.standardShare
    switch heldOut {
    case .file(let file): other = file
    case .share(let given):
      guard other == nil else {
        throw InputError("holds a test_batch.bin, which is held out; allowed: no share, or another file", at: path)
      }
      share = given
    case nil: break
    }
    var checksum = ContentChecksum()
    training = try files.map { try Records($0, &checksum) }
    checksum.add("held out")
    self.heldOut = try other.map { try Records($0, &checksum) }
    self.share = share
    let count = training.reduce(0) { $0 + $1.labels.count }
    guard other != nil || count >= 2 else {
      throw InputError("holds 1 image; allowed: 2 or more, or a test_batch.bin", at: path)
    }
    flips = flip
    fingerprint = checksum.text
    var notes: [String] = []
    let missing = names.filter { existing($0) == nil }
    if !missing.isEmpty {
      notes.append("\(path): is without \(missing.joined(separator: ", ")): \(count) images in place of 50000")
    }
    if let value = training[0].constant, training.allSatisfy({ $0.constant == value }) {
      notes.append(
        "\(path): every value of its \(count) images is \(value), a constant: there is nothing to learn from them")
    }
    self.notes = notes
  }

  public var dimension: Int { Self.shape.count }
  public var imageShape: ImageShape? { Self.shape }
  public var levels: Quantisation? { ImageSource.byteLevels }
  public var conditionShape: ConditionShape { .classes(Self.classes) }
  public var occurringClasses: [Int]? { Classes.occurring(in: training.flatMap(\.labels), of: Self.classes) }

  public func load(seed: UInt64) throws -> Dataset {
    let (images, labels) = (source(training), training.flatMap(\.labels))
    if let heldOut {
      return Dataset(
        training: images, heldOut: source([heldOut]), trainingConditions: .labels(labels),
        heldOutConditions: .labels(heldOut.labels))
    }
    let rows = HeldOut.split(count: images.count, classes: labels, share: share, seed: seed)
    return Dataset(
      training: images.only(rows.training), heldOut: images.only(rows.heldOut),
      trainingConditions: Conditions.labels(labels).only(rows.training),
      heldOutConditions: Conditions.labels(labels).only(rows.heldOut))
  }

  private func source(_ batches: [Records]) -> ImageSource {
    var images = ImageSource(shape: Self.shape, flips: flips, isPlanar: true)
    // Behind the label of each record.
    for batch in batches { images.append(batch.bytes, count: batch.labels.count, from: 1, stride: Self.record) }
    return images
  }
}
