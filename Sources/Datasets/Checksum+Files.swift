// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

extension Checksum {
  /// The checksum of the names, sizes and contents of files. Where they have more than 64 MB together, the times of
  /// their last change stand for the contents, as reading them would take longer than a check of a config should.
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
