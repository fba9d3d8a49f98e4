// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Testing

@Suite("Locks and hashes of files") struct FileLockTests {
  private func withFolder(_ body: (String) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "lock-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: path) }
    try body(path)
  }

  @Test("one holder at a time; what one noted that did not come to its end is there for the next") func lock() throws {
    try withFolder { folder in
      let path = folder + "/.lock"
      try FileLock.check(path, of: folder)
      #expect(!FileManager.default.fileExists(atPath: path))
      do {
        let lock = try FileLock(path, of: folder)
        try lock.note("a")
        #expect(throws: InUseError(path: folder, process: Int(getpid()))) { try FileLock(path, of: folder) }
        #expect(throws: InUseError.self) { try FileLock.check(path, of: folder) }
      }
      // It went without a word, as one that was killed.
      #expect(try String(contentsOfFile: path, encoding: .utf8) == "\(getpid())\na\n")
      try FileLock.check(path, of: folder)
      let next = try FileLock(path, of: folder)
      #expect(next.earlier == ["a"])
      next.release()
      #expect(!FileManager.default.fileExists(atPath: path))
      // A link is not followed.
      try FileManager.default.createSymbolicLink(atPath: path, withDestinationPath: folder + "/other")
      #expect(throws: WriteError.self) { try FileLock(path, of: folder) }
      #expect(!FileManager.default.fileExists(atPath: folder + "/other"))
    }
  }

  @Test("temporary files of programs that are no more are removed, and nothing else") func leftovers() throws {
    try withFolder { folder in
      // No process has the largest number.
      let dead = "a.csv.score-sde.4194304.1.part"
      let others = ["a.csv", "b.part", "c.score-sde.1.part", "score-sde.x.1.part", "d.score-sde.1.2.part"]
      for name in [dead] + others { try Data().write(to: URL(fileURLWithPath: "\(folder)/\(name)")) }
      try AtomicFile.write(to: folder + "/e") { _ in
        AtomicFile.removeLeftovers(in: folder)
        // The one that is being written, and that of the process 1, which lives.
        let names = try? FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(names?.count == others.count + 1)
      }
      #expect(Set(try FileManager.default.contentsOfDirectory(atPath: folder)) == Set(others + ["e"]))
    }
  }

  @Test("a link with the file's name is replaced, not followed") func links() throws {
    try withFolder { folder in
      try "important".write(toFile: folder + "/other", atomically: true, encoding: .utf8)
      try FileManager.default.createSymbolicLink(atPath: folder + "/a", withDestinationPath: folder + "/other")
      try Array("new".utf8).withUnsafeBytes { try AtomicFile.write($0, to: folder + "/a") }
      #expect(try String(contentsOfFile: folder + "/other", encoding: .utf8) == "important")
      #expect(try String(contentsOfFile: folder + "/a", encoding: .utf8) == "new")
      try FileManager.default.createSymbolicLink(atPath: folder + "/b", withDestinationPath: folder + "/other")
      try AtomicFile.link(folder + "/a", to: folder + "/b")
      #expect(try String(contentsOfFile: folder + "/other", encoding: .utf8) == "important")
      #expect(try String(contentsOfFile: folder + "/b", encoding: .utf8) == "new")
    }
  }

  @Test("SHA-256 gives the standard's examples, in any pieces") func hash() throws {
    #expect(SHA256.text(of: "") == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
    #expect(SHA256.text(of: "abc") == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad")
    #expect(
      SHA256.text(of: "abcdbcdecdefdefgefghfghighijhijkijkljklmklmnlmnomnopnopq")
        == "248d6a61d20638b8e5c026930c3e6039a33ce45964ff2167f6ecedd419db06c1")
    var million = SHA256()
    for count in [1, 63, 64, 65, 999_807] {
      [UInt8](repeating: UInt8(ascii: "a"), count: count).withUnsafeBytes { million.add($0) }
    }
    #expect(million.text == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0")
    try withFolder { folder in
      try "abc".write(toFile: folder + "/a", atomically: true, encoding: .utf8)
      #expect(SHA256.text(ofFile: folder + "/a") == SHA256.text(of: "abc"))
      #expect(SHA256.text(ofFile: folder + "/b") == nil && SHA256.text(ofFile: folder) == nil)
    }
  }

  @Test("a checksum of bytes does not depend on their pieces, and every flipped bit changes it") func checksum() {
    let bytes = (0..<200).map { UInt8(truncatingIfNeeded: $0 &* 37) }
    func text(_ bytes: [UInt8], _ pieces: [Int]) -> String {
      var (checksum, rest) = (ByteChecksum(), bytes[...])
      for count in pieces + [rest.count] {
        Array(rest.prefix(count)).withUnsafeBytes { checksum.add($0) }
        rest = rest.dropFirst(count)
      }
      return checksum.text
    }
    let whole = text(bytes, [])
    for pieces in [[1], [7, 1], [3, 5, 13], [199], [8, 8, 0, 2]] { #expect(text(bytes, pieces) == whole) }
    var seen: Set<String> = [whole]
    for bit in 0..<1600 {
      var other = bytes
      other[bit / 8] ^= 1 << UInt8(bit % 8)
      seen.insert(text(other, []))
    }
    seen.insert(text(bytes + [0], []))
    seen.insert(text(bytes.dropLast(), []))
    #expect(seen.count == 1603)
    // Two flips of highest bits would cancel in a plain product.
    var two = bytes
    (two[7], two[15]) = (two[7] ^ 128, two[15] ^ 128)
    #expect(text(two, []) != whole)
  }
}
