// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Core
import Datasets
import Foundation
import Testing

@Suite struct ImageFolderTests {
  /// Eight files of 2 × 2 pixels, in the order of their paths.
  static let exact = Dictionary(
    uniqueKeysWithValues: ["a.png", "b.PNG", "c/1.png", "c/2.png", "c/d/0.png", "e.png", "f.png", "g.png"].enumerated()
      .map { ($1, taggedPNG(UInt8($0), height: 2, width: 2)) })

  @Test func filesAreSortedByPathAndAShareIsHeldOut() throws {
    var files = Self.exact
    files["notes.txt"] = [1]
    files["._a.png"] = [1]
    files[".thumbnails/a.png"] = [1]
    try withFolder(files) { folder in
      let images = try ImageFolder(path: folder, size: 2, flip: false, crops: 5, heldOut: 3)
      #expect(images.dimension == 12 && images.imageShape == ImageShape(height: 2, width: 2, channels: 3))
      #expect(images.conditionShape == .nothing)
      let data = try images.load(seed: 1)
      // Images of the size asked for are the rows, whatever the counts of crops.
      let rows = HeldOut.split(count: 8, seed: 1)
      #expect(data.training.count == 7 && data.heldOut.count == 1 && data.trainingConditions == .nothing)
      func row(_ tag: Int) -> [Int] { [tag, 0, 0, tag, 0, 1, tag, 1, 0, tag, 1, 1] }
      #expect((0..<7).map { pixels(data.training.row($0)) } == rows.training.map(row))
      #expect(pixels(data.heldOut.row(0)) == row(rows.heldOut[0]))
      #expect(data.source.count == 7 && data.source.row(6) == data.training.row(6).map { Float($0) })
    }
  }

  @Test func ofTwoFilesOneIsHeldOut() throws {
    let files = ["a.png": taggedPNG(1, height: 2, width: 2), "b.png": taggedPNG(2, height: 2, width: 2)]
    let data = try withFolder(files) { try ImageFolder(path: $0, size: 2).load(seed: 1) }
    #expect(data.training.count == 1 && data.heldOut.count == 1)
    #expect(Set([data.training, data.heldOut].map { pixels($0.row(0))[0] }) == [1, 2])
  }

  @Test func largerImagesAreCropped() throws {
    let files = [
      "t/a.png": taggedPNG(1, height: 5, width: 7), "t/b.png": taggedPNG(2, height: 3, width: 3),
      "h/c.png": taggedPNG(3, height: 4, width: 3),
    ]
    try withFolder(files) { folder in
      let images = try ImageFolder(path: folder + "/t", size: 3, crops: 400, heldOut: 50) {
        $0.heldOut = .file(folder + "/h")
      }
      let data = try images.load(seed: 1)
      #expect(data.training.count == 400 && data.heldOut.count == 50 && data.source.count == 2)
      func corner(_ row: some Sequence<Double>) -> [Int] {
        let bytes = pixels(row)
        let (tag, top, left) = (bytes[0], bytes[1], bytes[2])
        #expect(bytes == (0..<3).flatMap { y in (0..<3).flatMap { x in [tag, top + y, left + x] } })
        return [tag, top, left]
      }
      // 200 draws of 3 × 5 offsets miss one with a probability below 15 (14/15)²⁰⁰ = 2e-5; the seed is fixed.
      let training = Set((0..<400).map { corner(data.training.row($0)) })
      #expect(training == Set((0..<3).flatMap { y in (0..<5).map { [1, y, $0] } } + [[2, 0, 0]]))
      #expect(Set((0..<50).map { corner(data.heldOut.row($0)) }) == [[3, 0, 0], [3, 1, 0]])
      // The trainer's rows: the same crops, and their mirror images.
      let mirrored = data.source.row(0, SIMD3(0.99, 0.99, 0.1)).map { Double($0) }
      #expect(mirrored.enumerated().allSatisfy { abs($1 - [1, 2 + $0 / 9, 6 - $0 / 3 % 3].level($0 % 3)) < 1e-6 })

      #expect(try images.load(seed: 1).training.values == data.training.values)
      #expect(try images.load(seed: 2).training.values != data.training.values)
    }
  }

  @Test func everyTypeOfPNGIsRead() throws {
    // Black of opacity 128/255 on white: (127/255)^(1/2.2) = 186/255, as libpng composes in light of gamma 2.2.
    let files = [
      "t/a.png": png(width: 1, height: 1, format: 0, [77]),
      "t/b.png": png(width: 1, height: 1, format: 2, [0, 255, 0]),
      "t/c.png": png(width: 1, height: 1, format: 3, [9, 9, 9, 0]),
      "t/d.png": png(width: 1, height: 1, format: 1, [50, 255]),
      "t/e.png": png(width: 1, height: 1, format: 3, [0, 0, 0, 128]),
      "h/z.png": png(width: 1, height: 1, format: 0, [0]),
    ]
    try withFolder(files) { folder in
      let color = try ImageFolder(path: folder + "/t", size: 1) { $0.heldOut = .file(folder + "/h") }.load(seed: 1)
      #expect(
        (0..<5).map { pixels(color.training.row($0)) } == [
          [77, 77, 77], [0, 255, 0], [255, 255, 255], [50, 50, 50], [186, 186, 186],
        ])
      let gray = try ImageFolder(path: folder + "/t", size: 1, channels: 1) { $0.heldOut = .file(folder + "/h") }
      #expect(gray.imageShape == ImageShape(height: 1, width: 1, channels: 1))
      let values = pixels(try gray.load(seed: 1).training.values)
      // Green is 0.7152 of white: 219 with gamma 2.2, 220 in sRGB, which libpng takes where it must mix colours.
      #expect(values[0] == 77 && (219...220).contains(values[1]) && values[2] == 255 && values[3] == 50)
      #expect((186...188).contains(values[4]))
    }
  }

  @Test func sixteenBitsAreTakenAsSRGB() throws {
    // A hand-made file of one 16-bit gray pixel, 0x4040, without a gamma: 0x40 in 8 bits.
    let file = handMade(width: 1, height: 1, depth: 16, data: [0, 0x40, 0x40])
    try withFolder(["a.png": file, "b.png": file]) { folder in
      let data = try ImageFolder(path: folder, size: 1, channels: 1).load(seed: 1)
      #expect(pixels(data.training.values) == [0x40])
    }
  }

  @Test func palettesBitsAndInterlacedFilesAreRead() throws {
    // A palette of two colors, of which the second is transparent.
    let palette = handMade(
      width: 2, height: 1, color: 3, data: [0, 0, 1],
      beside: [("PLTE", [10, 20, 30, 200, 100, 50]), ("tRNS", [255, 0])])
    // Two pixels in a byte, and a gray value that is transparent.
    let bits = handMade(width: 2, height: 1, depth: 1, data: [0, 0b0100_0000])
    let key = handMade(width: 2, height: 1, data: [0, 7, 9], beside: [("tRNS", [0, 9])])
    // Adam7: pixel (y, x) is 3 y + x, in the order of the passes, each line behind its filter.
    let interlaced = handMade(
      width: 3, height: 3, isInterlaced: true, data: [0, 0, 0, 2, 0, 6, 8, 0, 1, 0, 7, 0, 3, 4, 5])
    let files: [(bytes: [UInt8], height: Int, pixels: [UInt8])] = [
      (palette, 1, [10, 20, 30, 0, 0, 0]), (bits, 1, [0, 0, 0, 255, 255, 255]), (key, 1, [7, 7, 7, 0, 0, 0]),
      (interlaced, 3, (0..<9).flatMap { [UInt8]($0..<$0 + 1) + [$0, $0] }),
    ]
    for (bytes, height, wanted) in files {
      let width = wanted.count / 3 / height
      // Every crop of one pixel, of a folder that holds the file alone.
      try withFolder(["t/a.png": bytes, "h/a.png": bytes]) { folder in
        let images = try ImageFolder(path: folder + "/t", size: 1, flip: false, crops: 400, heldOut: 2) {
          $0.background = .black
          $0.heldOut = .file(folder + "/h")
        }
        let data = try images.load(seed: 1)
        for y in 0..<height {
          for x in 0..<width {
            let places = SIMD3((Double(y) + 0.5) / Double(height), (Double(x) + 0.5) / Double(width), 1)
            let found = data.source.row(0, places).map { UInt8((($0 + 1) * 127.5).rounded()) }
            #expect(found == Array(wanted[3 * (y * width + x)..<3 * (y * width + x) + 3]))
          }
        }
      }
    }
  }

  /// A PNG file, its chunks put together here; gray unless `color` says another type.
  func handMade(
    width: UInt32, height: UInt32, depth: UInt8 = 8, color: UInt8 = 0, isInterlaced: Bool = false, data: [UInt8],
    beside chunks: [(name: String, bytes: [UInt8])] = []
  ) -> [UInt8] {
    func word(_ value: UInt32) -> [UInt8] { (0..<4).map { UInt8(truncatingIfNeeded: value >> (24 - 8 * $0)) } }
    func chunk(_ name: String, _ bytes: [UInt8]) -> [UInt8] {
      let body = Array(name.utf8) + bytes
      return word(UInt32(bytes.count)) + body + word(UInt32(truncatingIfNeeded: crc32(0, body, UInt32(body.count))))
    }
    var packed = [UInt8](repeating: 0, count: 1000)
    var size = uLong(packed.count)
    compress(&packed, &size, data, uLong(data.count))
    return [0x89, 0x50, 0x4E, 0x47, 0x0D, 0x0A, 0x1A, 0x0A]
      + chunk("IHDR", word(width) + word(height) + [depth, color, 0, 0, isInterlaced ? 1 : 0])
      + chunks.flatMap { chunk($0.name, $0.bytes) }
      + chunk("IDAT", Array(packed[..<Int(size)])) + chunk("IEND", [])
  }

  @Test func foldersThatWillNotDoAreRefused() throws {
    #expect(throws: InputError("no such folder", at: "/nowhere")) { try ImageFolder(path: "/nowhere", size: 2) }
    try withFolder(["a.png": taggedPNG(1, height: 2, width: 3), "b.txt": [1]]) { folder in
      #expect(throws: InputError("holds 1 .png files; allowed: a folder of 2 or more", at: folder)) {
        try ImageFolder(path: folder, size: 2)
      }
      #expect(throws: InputError("is a file, not a folder", at: "\(folder)/b.txt")) {
        try ImageFolder(path: "\(folder)/b.txt", size: 2)
      }
    }
    try withFolder(["a.png": taggedPNG(1, height: 2, width: 3), "b.png": taggedPNG(1, height: 4, width: 4)]) { folder in
      #expect(throws: InputError("is 3 × 2 pixels; allowed: 3 × 3 or more", at: "\(folder)/a.png")) {
        try ImageFolder(path: folder, size: 3)
      }
      #expect(throws: InputError.self) { try ImageFolder(path: folder, size: .max) }
      #expect(throws: InputError("1000000000000 crops of 12 values are more than memory holds", at: folder)) {
        try ImageFolder(path: folder, size: 2, crops: 1_000_000_000_000)
      }
    }
  }

  @Test func damagedFilesAreRefused() throws {
    let good = taggedPNG(1, height: 20, width: 20)
    func refusal(_ bytes: [UInt8]) throws -> String {
      try withFolder(["a.png": good, "b.png": bytes]) { folder in
        let error = #expect(throws: InputError.self) { try ImageFolder(path: folder, size: 1).load(seed: 1) }
        #expect(error?.location == "\(folder)/b.png")
        return error?.message ?? ""
      }
    }
    #expect(try refusal([]).hasPrefix("cannot be read as PNG: "))
    #expect(try refusal(Array("not a PNG".utf8)).hasPrefix("cannot be read as PNG: "))
    for length in stride(from: 1, to: good.count - 12, by: 7) {
      #expect(try refusal(Array(good[..<length])).hasPrefix("cannot be read as PNG: "))
    }
    #expect(
      try refusal(handMade(width: 1_000_000, height: 1_000_000, data: [0])).hasPrefix(
        "says it is 1000000 × 1000000 pixels, which "))
    #expect(try refusal(handMade(width: 0, height: 5, data: [0])).hasPrefix("cannot be read as PNG: "))
    #expect(try refusal(handMade(width: .max, height: .max, data: [0])).hasPrefix("cannot be read as PNG: "))
    // Enough bytes for the check of the header, too few for the pixels.
    #expect(try refusal(handMade(width: 100, height: 100, data: [0, 1, 2])).hasPrefix("cannot be read as PNG: "))
  }

  @Test func theFingerprintFollowsNamesAndContents() throws {
    func fingerprint(_ files: [String: [UInt8]]) throws -> String {
      try withFolder(files) { try ImageFolder(path: $0, size: 2).fingerprint }
    }
    let first = try fingerprint(Self.exact)
    #expect(try fingerprint(Self.exact) == first)
    var changed = Self.exact
    changed["a.png"] = taggedPNG(9, height: 2, width: 2)
    #expect(try fingerprint(changed) != first)
    var renamed = Self.exact
    renamed["0.png"] = renamed.removeValue(forKey: "a.png")
    #expect(try fingerprint(renamed) != first)
  }
}

extension [Int] {
  fileprivate func level(_ index: Int) -> Double { Double(self[index]) / 127.5 - 1 }
}
