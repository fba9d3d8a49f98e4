// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Core
import Datasets
import Foundation
import Testing

@Suite struct IDXImagesTests {
  static func idx(_ sizes: [Int], _ values: [UInt8]) -> [UInt8] {
    [0, 0, 8, UInt8(sizes.count)] + sizes.flatMap { size in (0..<4).map { UInt8(size >> (24 - 8 * $0) & 255) } }
      + values
  }

  /// 13 images of 1 × 2 pixels, (i, 100 + i), with labels i mod 3.
  static let images = idx([13, 1, 2], (0..<13).flatMap { [$0, 100 + $0] })
  static let labels = idx([13], (0..<13).map { $0 % 3 })

  @Test func aShareOfEveryClassIsHeldOut() throws {
    try withFolder(["x": Self.images, "y": Self.labels]) { folder in
      let source = try IDXImages(path: "\(folder)/x", labels: "\(folder)/y")
      #expect(source.imageShape == ImageShape(height: 1, width: 2, channels: 1) && source.dimension == 2)
      #expect(source.conditionShape == .classes(3))
      let data = try source.load(seed: 1)
      let labels = (0..<13).map { $0 % 3 }
      let rows = HeldOut.split(count: 13, classes: labels, seed: 1)
      #expect(rows.heldOut.count == 3 && Set(rows.heldOut.map { $0 % 3 }).count == 3)
      #expect(pixels(data.heldOut.values) == rows.heldOut.flatMap { [$0, 100 + $0] })
      #expect(pixels(data.training.values) == rows.training.flatMap { [$0, 100 + $0] })
      #expect(data.trainingConditions == .labels(rows.training.map { $0 % 3 }))
      #expect(data.heldOutConditions == .labels(rows.heldOut.map { $0 % 3 }))
      #expect(data.source.count == 10 && data.source.row(5, .zero) == data.training.row(5).map { Float($0) })
      let plain = try IDXImages(path: "\(folder)/x")
      #expect(plain.conditionShape == .nothing && plain.fingerprint != source.fingerprint)
      #expect(try plain.load(seed: 1).trainingConditions == .nothing)
      let flipping = try IDXImages(path: "\(folder)/x", labels: "\(folder)/y", flip: true).load(seed: 1)
      #expect(flipping.source.row(5, .zero) == data.training.row(5).reversed().map { Float($0) })
    }
  }

  @Test func aFileOfItsOwnIsHeldOut() throws {
    let files = [
      "x": Self.images, "y": Self.labels, "t": Self.idx([1, 1, 2], [7, 8]), "u": Self.idx([1], [6]),
    ]
    try withFolder(files) { folder in
      func path(_ name: String) -> String { "\(folder)/\(name)" }
      let source = try IDXImages(
        path: path("x"), labels: path("y"), heldOut: .file(path("t")), heldOutLabels: path("u"))
      let data = try source.load(seed: 1)
      #expect(
        source.conditionShape == .classes(7) && data.training.count == 13 && pixels(data.heldOut.values) == [7, 8])
      #expect(data.heldOutConditions == .labels([6]) && data.trainingConditions == .labels((0..<13).map { $0 % 3 }))
      let rule = "held_out_labels stand beside labels and a held_out file, and only there"
      for (labels, heldOut, heldOutLabels) in [("y", "t", nil), (nil, "t", "u"), ("y", nil, "u")] as [(_, String?, _)] {
        #expect(throws: InputError(rule, at: path("x"))) {
          try IDXImages(
            path: path("x"), labels: labels.map(path), heldOut: heldOut.map { .file(path($0)) } ?? .share(0.2),
            heldOutLabels: heldOutLabels.map(path))
        }
      }
    }
  }

  @Test func colorImagesHaveFourDimensions() throws {
    let values = (0..<24).map { UInt8($0) }
    try withFolder(["x": Self.idx([2, 2, 2, 3], values), "two": Self.idx([2, 2, 3, 2], values)]) { folder in
      let source = try IDXImages(path: "\(folder)/x")
      #expect(source.imageShape == ImageShape(height: 2, width: 2, channels: 3))
      let data = try source.load(seed: 1)
      #expect(Set([data.training, data.heldOut].map { pixels($0.values) }) == [Array(0..<12), Array(12..<24)])
      #expect(throws: InputError("images of 2 channels; allowed: 1 or 3", at: "\(folder)/two")) {
        try IDXImages(path: "\(folder)/two")
      }
    }
  }

  @Test func gzippedFilesAreRead() throws {
    try withFolder(["x": Self.images]) { folder in
      let file = gzopen("\(folder)/x.gz", "wb")
      gzwrite(file, Self.images, UInt32(Self.images.count))
      gzclose(file)
      let (plain, zipped) = (try IDXImages(path: "\(folder)/x"), try IDXImages(path: "\(folder)/x.gz"))
      #expect(try plain.load(seed: 1).training.values == zipped.load(seed: 1).training.values)
      let bytes = try Data(contentsOf: URL(fileURLWithPath: "\(folder)/x.gz"))
      for length in [5, 15, 30, bytes.count - 4] {
        try bytes.prefix(length).write(to: URL(fileURLWithPath: "\(folder)/x.gz"))
        #expect(throws: InputError.self) { try IDXImages(path: "\(folder)/x.gz") }
      }
    }
  }

  @Test(
    arguments: [
      ([], "is 0 bytes long; allowed: an IDX file"),
      ([0, 0, 8], "is 3 bytes long; allowed: an IDX file"),
      ([0, 0, 8, 1, 0, 0, 0, 1, 5], "begins with 0x00000801; allowed: 0x00000803 or 0x00000804"),
      ([0, 0, 13, 3] + [UInt8](repeating: 1, count: 20), "begins with 0x00000d03; allowed: 0x00000803 or 0x00000804"),
      ([255, 255, 255, 255], "begins with 0xffffffff; allowed: 0x00000803 or 0x00000804"),
      ([0, 0, 8, 3, 0, 0, 0], "ends within its header"),
      ([0, 0, 8, 4] + idx([2, 1, 1], [])[4...], "ends within its header"),
      (idx([2, 2, 2], [1, 2, 3]), "holds 3 values; its header says 2 × 2 × 2 = 8"),
      (idx([2, 1, 1], [1, 2, 3]), "holds more values; its header says 2 × 1 × 1 = 2"),
      (idx([0, 28, 28], []), "says its sizes are 0 × 28 × 28; allowed: 1 to 2⁴⁰ values"),
      (idx([4, 0, 3], []), "says its sizes are 4 × 0 × 3; allowed: 1 to 2⁴⁰ values"),
      (
        idx([0xFFFF_FFFF, 0xFFFF_FFFF, 0xFFFF_FFFF], []),
        "says its sizes are 4294967295 × 4294967295 × 4294967295; allowed: 1 to 2⁴⁰ values"
      ),
      (idx([0x1000_0000, 28, 28], [1]), "holds 1 values; its header says 268435456 × 28 × 28 = 210453397504"),
      (idx([1, 1, 1], [1]), "1 image; allowed: 2 or more, or 1 with a held_out file"),
    ] as [([UInt8], String)])
  func malformedFilesAreRefused(_ bytes: [UInt8], _ message: String) throws {
    try withFolder(["x": bytes]) { folder in
      _ = #expect(throws: InputError(message, at: "\(folder)/x")) { try IDXImages(path: "\(folder)/x") }
    }
  }

  @Test func filesMustFitEachOther() throws {
    let files = [
      "x": Self.images, "y": Self.idx([12], .init(repeating: 0, count: 12)), "t": Self.idx([1, 2, 1], [7, 8]),
    ]
    try withFolder(files) { folder in
      #expect(throws: InputError("12 labels for the 13 images of \(folder)/x", at: "\(folder)/y")) {
        try IDXImages(path: "\(folder)/x", labels: "\(folder)/y")
      }
      #expect(throws: InputError("images of 2 × 1; those of \(folder)/x are 1 × 2", at: "\(folder)/t")) {
        try IDXImages(path: "\(folder)/x", heldOut: .file("\(folder)/t"))
      }
      #expect(throws: InputError("no such file", at: "\(folder)/z")) { try IDXImages(path: "\(folder)/z") }
      #expect(throws: InputError("is a folder, not a file", at: folder)) { try IDXImages(path: folder) }
      #expect(throws: InputError("is not a regular file", at: "/dev/zero")) { try IDXImages(path: "/dev/zero") }
    }
  }
}
