// SPDX-License-Identifier: GPL-3.0-or-later
import CZlib
import Core
import Glibc

/// A regular file that is read once from its beginning, uncompressed where it is gzipped.
final class FileReader {
  let path: String
  /// How many bytes the file has on the disk.
  let size: Int
  private let file: gzFile
  private var left: Int

  /// - Parameters:
  ///   - limit: how many bytes are read at most.
  ///   - allowsPipes: whether it may be a pipe or a device instead, whose size is 0.
  /// - Throws: `InputError` for what is no readable regular file.
  init(_ path: String, limit: Int = .max, allowsPipes: Bool = false) throws {
    self.path = path
    size = try allowsPipes && FileBytes.isPipe(path) ? 0 : FileBytes.state(of: path).size
    guard let file = gzopen(path, "rb") else { throw FileBytes.unreadable(path) }
    self.file = file
    left = limit
    gzbuffer(file, 1 << 17)
  }

  deinit { gzclose(file) }

  /// Whether the file is gzipped. Known after the first bytes have been read.
  var isCompressed: Bool { gzdirect(file) == 0 }

  /// Fills the buffer as far as the file and the limit reach.
  /// - Returns: how many bytes were read: fewer than the buffer holds only at the end.
  func read(into buffer: UnsafeMutableRawBufferPointer) throws -> Int {
    var done = 0
    while done < buffer.count, left > 0, let base = buffer.baseAddress {
      let wanted = min(buffer.count - done, left, 1 << 30)
      let count = Int(gzread(file, base + done, UInt32(wanted)))
      if count < 0 { throw InputError("cannot be read: \(isCompressed ? "damaged gzip data" : reason)", at: path) }
      if count == 0 {
        var code: Int32 = 0
        _ = gzerror(file, &code)
        guard code == Z_OK else { throw InputError("cannot be read: truncated gzip data", at: path) }
        break
      }
      done += count
      left -= count
    }
    return done
  }

  private var reason: String { String(cString: strerror(errno)) }

  /// The next bytes; fewer only at the end.
  func next(_ count: Int) throws -> [UInt8] {
    try [UInt8](unsafeUninitializedCapacity: count) { buffer, done in
      done = try read(into: UnsafeMutableRawBufferPointer(buffer))
    }
  }

  /// Hands what is left to `body`, 1 MiB at a time.
  func forEachChunk(_ body: (UnsafeRawBufferPointer) throws -> Void) throws {
    let chunk = UnsafeMutableRawBufferPointer.allocate(byteCount: 1 << 20, alignment: 16)
    defer { chunk.deallocate() }
    while case let count = try read(into: chunk), count > 0 {
      try body(UnsafeRawBufferPointer(rebasing: chunk[..<count]))
    }
  }
}
