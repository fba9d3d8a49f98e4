// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Core
import Datasets
import Foundation
import Testing

/// Data are known by their content, and need not be in memory.
@Suite struct ContentTests {
  @Test func aChecksumDependsOnEveryByteAndNotOnTheCuts() {
    let bytes = (0..<1000).map { UInt8(truncatingIfNeeded: $0 &* $0 >> 3) }
    func checksum(_ parts: [[UInt8]]) -> UInt64 {
      var checksum = ContentChecksum()
      for part in parts { checksum.add(part) }
      return checksum.value
    }
    let whole = checksum([bytes])
    for size in [1, 3, 7, 8, 9, 100] {
      let parts = stride(from: 0, to: bytes.count, by: size).map { Array(bytes[$0..<min(bytes.count, $0 + size)]) }
      #expect(checksum(parts) == whole)
    }
    var all: Set<UInt64> = [whole, checksum([bytes + [0]]), checksum([bytes.dropLast()]), checksum([])]
    for place in bytes.indices {
      for bit in 0..<8 {
        var other = bytes
        other[place] ^= 1 << bit
        all.insert(checksum([other]))
      }
    }
    // Changes of two high bits, which FNV-1a by words would not see.
    for other in stride(from: 15, to: 999, by: 8) {
      var changed = bytes
      changed[7] ^= 128
      changed[other] ^= 128
      all.insert(checksum([changed]))
    }
    #expect(all.count == 4 + 8000 + 123)
  }

  /// Every kind of image data in files, with a file of it.
  static let kinds: [(files: [String: [UInt8]], changed: String, open: @Sendable (String) throws -> any DataSource)] = [
    (
      ["x": IDXImagesTests.images, "y": IDXImagesTests.labels], "x",
      { try IDXImages(path: $0 + "/x", labels: $0 + "/y") }
    ),
    (
      ["x": IDXImagesTests.images, "y": IDXImagesTests.labels], "y",
      { try IDXImages(path: $0 + "/x", labels: $0 + "/y") }
    ),
    (
      ["data_batch_1.bin": CIFAR10Tests.record(1, 1) + CIFAR10Tests.record(2, 2)], "data_batch_1.bin",
      { try CIFAR10(path: $0) }
    ),
    (
      ["a.png": taggedPNG(1, height: 2, width: 2), "b.png": taggedPNG(2, height: 2, width: 2)], "a.png",
      {
        try ImageFolder(path: $0, size: 2)
      }
    ),
  ]

  @Test(arguments: kinds.indices)
  func whatChangesTheFingerprintIsTheContent(_ kind: Int) throws {
    let (files, changed, open) = Self.kinds[kind]
    try withFolder(files) { folder in
      let first = try open(folder).fingerprint
      touch("\(folder)/\(changed)")
      #expect(try open(folder).fingerprint == first)
      var bytes = files[changed] ?? []
      if changed == "a.png" {
        bytes = taggedPNG(3, height: 2, width: 2)
      } else {
        bytes[bytes.count - 1] ^= 1
      }
      if bytes.count == files[changed]?.count {
        try rewrite("\(folder)/\(changed)", bytes)
      } else {
        try Data(bytes).write(to: URL(fileURLWithPath: "\(folder)/\(changed)"))
      }
      #expect(try open(folder).fingerprint != first)
    }
  }

  @Test func imagesThatStayInTheirFileAreTheSame() throws {
    try withFolder(["x": IDXImagesTests.images, "y": IDXImagesTests.labels]) { folder in
      func open(_ limit: Int, _ name: String = "x") throws -> IDXImages {
        try IDXImages(
          path: "\(folder)/\(name)", labels: "\(folder)/y", heldOut: .share(0.3), heldOutLabels: nil, flip: true,
          inMemory: limit)
      }
      let (held, lying) = (try open(1 << 20), try open(0))
      #expect(held.fingerprint == lying.fingerprint)
      // Unpacked, they lie in a temporary file.
      let file = gzopen("\(folder)/x.gz", "wb")
      gzwrite(file, IDXImagesTests.images, UInt32(IDXImagesTests.images.count))
      gzclose(file)
      let unpacked = try open(0, "x.gz")
      #expect(unpacked.fingerprint == held.fingerprint)
      let (a, b, c) = (try held.load(seed: 2), try lying.load(seed: 2), try unpacked.load(seed: 2))
      for other in [b, c] {
        #expect(other.training.values == a.training.values && other.heldOut.values == a.heldOut.values)
        for i in 0..<a.source.count { #expect(other.source.row(i, .zero) == a.source.row(i, .zero)) }
      }
      // A file that is cut while it is in use gives no numbers, and does not end the program.
      truncate("\(folder)/x", 20)
      #expect(b.training.row(b.training.count - 1).allSatisfy { $0.isNaN })
      #expect(c.training.values == a.training.values)
    }
  }

  @Test func rowsInChunksAreTheRows() {
    let batch = NoiseStream(seed: 1, purpose: .data).normals(count: 1000, dimension: 301)
    var (rows, next) = ([Double](), 0)
    batch.forEachChunk { x in
      #expect(x.first == next)
      next += x.count
      rows += UnsafeBufferPointer(start: x.values, count: x.size)
    }
    #expect(rows == batch.values && batch.prefix(values: 602) == batch.prefix(2) && batch.prefix(values: 1).count == 1)
  }

  @Test func claimsThatAFileCannotHoldAreRefused() throws {
    // 30 × 10⁹ values in 40 bytes of gzip; an image of 2³⁰ values; and a bomb of a true claim is read to its end alone.
    let claim = IDXImagesTests.idx([3, 100_000, 100_000], [1, 2, 3])
    try withFolder(["x": claim]) { folder in
      let file = gzopen("\(folder)/x.gz", "wb")
      gzwrite(file, claim, UInt32(claim.count))
      gzclose(file)
      let size = try FileManager.default.attributesOfItem(atPath: "\(folder)/x.gz")[.size] as? Int ?? 0
      let says = "its header says 3 × 100000 × 100000 = 30000000000"
      #expect(throws: InputError("\(size) bytes of gzip cannot hold its values; \(says)", at: "\(folder)/x.gz")) {
        try IDXImages(path: "\(folder)/x.gz")
      }
      #expect(throws: InputError("holds 3 values; \(says)", at: "\(folder)/x")) { try IDXImages(path: "\(folder)/x") }
      let bomb = gzopen("\(folder)/y.gz", "wb")
      let few = IDXImagesTests.idx([2, 1, 1], [UInt8](repeating: 0, count: 10_000_000))
      gzwrite(bomb, few, UInt32(few.count))
      gzclose(bomb)
      #expect(throws: InputError("holds more values; its header says 2 × 1 × 1 = 2", at: "\(folder)/y.gz")) {
        try IDXImages(path: "\(folder)/y.gz")
      }
      // Sparse: no byte of it is on the disk.
      try Data(IDXImagesTests.idx([1, 1 << 14, 1 << 13], [])).write(to: URL(fileURLWithPath: "\(folder)/z"))
      truncate("\(folder)/z", 16 + 1 << 27)
      #expect(throws: InputError("images of 134217728 values; allowed: up to 67108864", at: "\(folder)/z")) {
        try IDXImages(path: "\(folder)/z")
      }
    }
  }

  @Test func constantImagesAreSaid() throws {
    let same = IDXImagesTests.idx([3, 1, 2], [1, 2, 1, 2, 1, 2])
    try withFolder(["x": IDXImagesTests.idx([2, 1, 2], [7, 7, 7, 7]), "y": same, "z": IDXImagesTests.images]) {
      folder in
      let (x, y, z) = try (
        IDXImages(path: folder + "/x").notes, IDXImages(path: folder + "/y").notes, IDXImages(path: folder + "/z").notes
      )
      #expect(x == ["\(folder)/x: every value of its 2 images is 7, a constant: there is nothing to learn from them"])
      #expect(y == ["\(folder)/y: all 3 images are the same, constant data: there is nothing to learn from them"])
      #expect(z.isEmpty)
    }
  }

  @Test func classesAreThoseThatOccur() throws {
    try withFolder(["x": IDXImagesTests.idx([4, 1, 1], [9, 8, 7, 6]), "y": IDXImagesTests.idx([4], [1, 2, 3, 1])]) {
      folder in
      let images = try IDXImages(path: folder + "/x", labels: folder + "/y")
      #expect(images.conditionShape == .classes(4) && images.occurringClasses == [1, 2, 3])
      let plain = try IDXImages(path: folder + "/x")
      #expect(plain.occurringClasses == nil)
    }
    let files = ["data_batch_1.bin": CIFAR10Tests.record(4, 1) + CIFAR10Tests.record(9, 2) + CIFAR10Tests.record(4, 3)]
    try withFolder(files) { folder in
      let images = try CIFAR10(path: folder)
      #expect(images.occurringClasses == [4, 9])
      #expect(images.notes.count == 1 && images.notes[0].hasSuffix("data_batch_5.bin: 3 images in place of 50000"))
      #expect(throws: InputError.self) { try CIFAR10(path: folder, heldOut: .file(folder + "/none")) }
      let all = try CIFAR10(path: folder, heldOut: .file(folder + "/data_batch_1.bin")).load(seed: 1)
      #expect(all.training.count == 3 && all.heldOut.values == all.training.values)
    }
  }
}
