// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Glibc

/// The bytes of many images: in memory, or in a file from which rows are read when they are asked for.
enum PixelBytes: Sendable {
  case memory([UInt8])
  case file(OpenFile)

  /// Larger ones stay in their file, or are put into a temporary one.
  static let largestInMemory = 1 << 28

  /// Hands some of the bytes to `body`; nil where the file cannot be read any more.
  func withBytes<R>(_ range: Range<Int>, _ body: (UnsafePointer<UInt8>) throws -> R) rethrows -> R? {
    switch self {
    case .memory(let bytes):
      try bytes.withUnsafeBufferPointer { bytes in
        guard let base = bytes.baseAddress, range.upperBound <= bytes.count else { return nil }
        return try body(base + range.lowerBound)
      }
    case .file(let file):
      try withUnsafeTemporaryAllocation(of: UInt8.self, capacity: range.count) { bytes in
        guard let base = bytes.baseAddress, file.read(range, into: base) else { return nil }
        return try body(base)
      }
    }
  }
}

/// A file that stays open for reading at any place, by many threads at once. It holds no memory.
final class OpenFile: Sendable {
  private let descriptor: Int32

  /// - Throws: `InputError` for what cannot be opened.
  init(_ path: String) throws {
    descriptor = open(path, O_RDONLY | O_CLOEXEC)
    guard descriptor >= 0 else { throw FileBytes.unreadable(path) }
  }

  /// Takes over a descriptor.
  init(descriptor: Int32) { self.descriptor = descriptor }

  deinit { close(descriptor) }

  /// Whether all of the bytes could be read.
  func read(_ range: Range<Int>, into memory: UnsafeMutablePointer<UInt8>) -> Bool {
    var done = 0
    while done < range.count {
      let count = pread(descriptor, memory + done, range.count - done, range.lowerBound + done)
      if count < 0 && errno == EINTR { continue }
      if count <= 0 { return false }
      done += count
    }
    return true
  }
}

/// Collects bytes whose number is known before: in memory, or, where they are many, in a temporary file without a name,
/// which goes with the program.
struct PixelCollector {
  private var bytes: [UInt8] = []
  private var file: OpenFile?
  private var descriptor: Int32 = -1

  /// - Parameters:
  ///   - size: how many bytes there will be.
  ///   - limit: how many may be in memory.
  /// - Throws: `WriteError` where there can be no temporary file.
  init(size: Int, limit: Int = PixelBytes.largestInMemory) throws {
    guard size > limit else {
      bytes.reserveCapacity(size)
      return
    }
    let folder = NSTemporaryDirectory()
    var name = Array("\(folder)/score-sde-pixels-XXXXXX".utf8CString)
    descriptor = mkstemp(&name)
    guard descriptor >= 0 else { throw Self.failed(folder) }
    unlink(name)
    file = OpenFile(descriptor: descriptor)
  }

  mutating func append(_ buffer: UnsafeRawBufferPointer) throws {
    guard file != nil else {
      bytes.append(contentsOf: buffer)
      return
    }
    var done = 0
    while done < buffer.count, let base = buffer.baseAddress {
      let count = write(descriptor, base + done, buffer.count - done)
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw Self.failed(NSTemporaryDirectory()) }
      done += count
    }
  }

  private static func failed(_ folder: String) -> WriteError {
    WriteError(
      path: folder,
      reason: "\(String(cString: strerror(errno))): no room for unpacked images; TMPDIR=FOLDER names another")
  }

  var finished: PixelBytes { file.map { .file($0) } ?? .memory(bytes) }
}
