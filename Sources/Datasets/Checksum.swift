// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// FNV-1a, 64 bits (Fowler, Noll and Vo): tells changed files, not forged ones.
struct Checksum {
  private var hash: UInt64 = 0xcbf2_9ce4_8422_2325

  mutating func add(_ bytes: some Sequence<UInt8>) {
    for byte in bytes { hash = (hash ^ UInt64(byte)) &* 0x100_0000_01b3 }
  }

  var text: String { String(hash, radix: 16) }

  /// Of the names, the sizes and the contents of files; of more than 64 MB together, the times of their last change stand
  /// for the contents, as reading them would take longer than a check of a config should.
  static func text(of files: [(name: String, path: String)]) throws -> String {
    var checksum = Checksum()
    let states = try files.map { try FileBytes.state(of: $0.path) }
    let readsContents = states.reduce(0) { $0 + $1.size } <= 64 << 20
    var chunk = [UInt8](repeating: 0, count: 1 << 16)
    for (file, state) in zip(files, states) {
      checksum.add("\(file.name)\n\(state.size)\n".utf8)
      guard readsContents else {
        checksum.add("\(state.seconds).\(state.nanoseconds)\n".utf8)
        continue
      }
      guard let stream = fopen(file.path, "rb") else { throw FileBytes.unreadable(file.path) }
      defer { fclose(stream) }
      while case let count = fread(&chunk, 1, chunk.count, stream), count > 0 { checksum.add(chunk[..<count]) }
      guard ferror(stream) == 0 else { throw FileBytes.unreadable(file.path) }
    }
    return checksum.text
  }
}
