// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The bytes of a safetensors file, in memory or in a file that stays open: what is read of it later is of the same
/// file, whatever has its name by then.
final class SafetensorsBytes: Sendable {
  let count: Int
  private let data: Data
  /// Below 0: the bytes are in memory.
  private let descriptor: Int32
  private let path: String

  init(_ data: Data) {
    (self.data, count, descriptor, path) = (data, data.count, -1, "")
  }

  /// - Throws: `InputError` at the path for a file that is missing, cannot be read or is no file.
  init(opening path: String) throws {
    // A pipe must not be waited for.
    let opened = open(path, O_RDONLY | O_NONBLOCK | O_CLOEXEC)
    guard opened >= 0 else {
      throw InputError(
        errno == ENOENT || errno == ENOTDIR ? "no such file" : "cannot be read (\(String(cString: strerror(errno))))",
        at: path)
    }
    var status = stat()
    guard fstat(opened, &status) == 0, status.st_mode & S_IFMT == S_IFREG else {
      close(opened)
      throw InputError("is not a file", at: path)
    }
    (data, count, descriptor, self.path) = (Data(), Int(status.st_size), opened, path)
  }

  deinit { if descriptor >= 0 { close(descriptor) } }

  /// Fills `target` with the bytes from `offset`.
  /// - Precondition: they are within `count`.
  /// - Throws: `InputError` where the file has become shorter, or its device fails.
  func read(from offset: Int, into target: UnsafeMutableRawBufferPointer) throws {
    precondition(offset >= 0 && target.count <= count - offset, "bytes outside the file")
    guard descriptor >= 0 else {
      data.copyBytes(to: target, from: data.startIndex + offset..<data.startIndex + offset + target.count)
      return
    }
    var done = 0
    while done < target.count {
      let step = pread(descriptor, target.baseAddress! + done, target.count - done, off_t(offset + done))
      if step < 0, errno == EINTR { continue }
      guard step > 0 else {
        let reason = step == 0 ? "it has become shorter" : String(cString: strerror(errno))
        throw InputError("cannot be read to its end (\(reason))", at: path)
      }
      done += step
    }
  }
}
