// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Testing

@Suite struct CIFAR10Tests {
  /// A record whose pixel (y, x) is (y, x, tag).
  static func record(_ label: UInt8, _ tag: UInt8) -> [UInt8] {
    [label] + (0..<1024).map { UInt8($0 / 32) } + (0..<1024).map { UInt8($0 % 32) } + .init(repeating: tag, count: 1024)
  }

  static func row(_ tag: Int) -> [Int] { (0..<32).flatMap { y in (0..<32).flatMap { [y, $0, tag] } } }

  @Test func planesBecomeHeightWidthChannel() throws {
    let files = [
      "data_batch_1.bin": Self.record(3, 50) + Self.record(9, 51), "data_batch_4.bin": Self.record(0, 52),
      "test_batch.bin": Self.record(7, 53), "data_batch_6.bin": [1], "batches.meta.txt": [1],
    ]
    try withFolder(files) { folder in
      let source = try CIFAR10(path: folder)
      #expect(source.dimension == 3072 && source.imageShape == ImageShape(height: 32, width: 32, channels: 3))
      #expect(source.conditionShape == .classes(10) && !source.fingerprint.isEmpty)
      let data = try source.load(seed: 1)
      #expect((0..<3).map { pixels(data.training.row($0)) } == [50, 51, 52].map(Self.row))
      #expect(pixels(data.heldOut.values) == Self.row(53))
      #expect(data.trainingConditions == .labels([3, 9, 0]) && data.heldOutConditions == .labels([7]))
      let mirrored = data.source.row(1, .zero).map { Int((($0 + 1) * 127.5).rounded()) }
      #expect(mirrored == (0..<32).flatMap { y in (0..<32).flatMap { [y, 31 - $0, 51] } })
      let plain = try CIFAR10(path: folder, flip: false).load(seed: 1)
      #expect(plain.source.row(1, .zero) == data.training.row(1).map { Float($0) })
    }
  }

  @Test func withoutATestFileAShareIsHeldOut() throws {
    let batches = [
      "data_batch_2.bin": (0..<5).flatMap { Self.record(UInt8($0), UInt8($0)) },
      "data_batch_5.bin": (5..<8).flatMap { Self.record(UInt8($0), UInt8($0)) },
    ]
    let data = try withFolder(batches) { try CIFAR10(path: $0).load(seed: 1) }
    let rows = HeldOut.split(count: 8, classes: Array(0..<8), seed: 1)
    #expect(data.trainingConditions == .labels(rows.training) && data.heldOutConditions == .labels(rows.heldOut))
    #expect(pixels(data.heldOut.values) == Self.row(rows.heldOut[0]) && data.source.count == 7)
  }

  @Test func whatIsNotCIFARIsRefused() throws {
    func refusal(_ files: [String: [UInt8]]) throws -> String {
      try withFolder(files) { folder in
        let error = #expect(throws: InputError.self) { try CIFAR10(path: folder).load(seed: 1) }
        return String(error?.description.dropFirst(folder.count) ?? "")
      }
    }
    let good = Self.record(1, 1)
    #expect(try refusal([:]) == ": holds no data_batch_1.bin to data_batch_5.bin")
    #expect(try refusal(["test_batch.bin": good]) == ": holds no data_batch_1.bin to data_batch_5.bin")
    #expect(try refusal(["data_batch_1.bin": good]) == ": holds 1 image; allowed: 2 or more, or a test_batch.bin")
    #expect(
      try refusal(["data_batch_1.bin": []]) == "/data_batch_1.bin: is 0 bytes long; allowed: records of 3073 bytes")
    #expect(
      try refusal(["data_batch_1.bin": good, "test_batch.bin": good.dropLast()])
        == "/test_batch.bin: is 3072 bytes long; allowed: records of 3073 bytes")
    #expect(
      try refusal(["data_batch_1.bin": good + Self.record(10, 1)])
        == "/data_batch_1.bin: label 10 in record 2; allowed: 0 to 9")
    #expect(try refusal(["data_batch_3.bin/x": good]) == "/data_batch_3.bin: is a folder, not a file")
    #expect(throws: InputError("no such folder", at: "/nowhere")) { try CIFAR10(path: "/nowhere") }
  }
}
