// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The values of an `.npy` file: in memory up to 256 MiB; those of a larger plain file stay there and are read where
/// they are asked for, so that it may be larger than the memory.
///
/// The first index counts rows. What other indices there are is flattened to columns, the last index fastest, as
/// NumPy's `reshape(n, -1)` does: height, width, channel of images.
struct NPYFile: Sendable {
  static let magic = NPYHeader.magic

  let path: String
  let header: NPYHeader
  /// The checksum of the file's bytes.
  let fingerprint: String
  private let bytes: PixelBytes
  /// Where column j lies within a row's values, for arrays of three dimensions or more in Fortran's order.
  private let order: [Int]

  /// - Parameters:
  ///   - window: the file, of which the first bytes have been read.
  ///   - limit: how many bytes of a plain file are held in memory.
  /// - Throws: `InputError` for what is no array of numbers.
  init(_ window: TextWindow, inMemory limit: Int = PixelBytes.largestInMemory) throws {
    path = window.path
    if window.isPlain, window.size > 0 {
      let size = window.size
      header = try NPYHeader(window.held, length: size, path: path)
      let file = try OpenFile(path)
      var checksum = ContentChecksum()
      var memory: [UInt8] = []
      if size <= limit { memory.reserveCapacity(size) }
      var chunk = [UInt8](repeating: 0, count: min(size, 1 << 20))
      for start in stride(from: 0, to: size, by: 1 << 20) {
        let count = min(1 << 20, size - start)
        let isRead = chunk.withUnsafeMutableBufferPointer { file.read(start..<start + count, into: $0.baseAddress!) }
        guard isRead else { throw InputError("changed while it was read", at: path) }
        chunk.withUnsafeBytes { checksum.add(UnsafeRawBufferPointer(rebasing: $0[..<count])) }
        if size <= limit { memory += chunk[..<count] }
      }
      fingerprint = checksum.text
      bytes = size <= limit ? .memory(memory) : .file(file)
    } else {
      while !window.isAtEnd { _ = try window.more() }
      header = try NPYHeader(window.held, length: window.end, path: path)
      bytes = .memory(Array(window.held))
      fingerprint = window.fingerprint
    }
    order = header.isFortran && header.shape.count > 2 ? Self.order(Array(header.shape.dropFirst())) : []
  }

  /// The place of each column when the first of these indices runs fastest and columns are counted with the last one
  /// fastest.
  private static func order(_ sizes: [Int]) -> [Int] {
    var strides: [Int] = [1]
    for size in sizes.dropLast() { strides.append(strides[strides.count - 1] * size) }
    return (0..<sizes.reduce(1, *)).map { column in
      var (rest, place) = (column, 0)
      for k in sizes.indices.reversed() {
        place += rest % sizes[k] * strides[k]
        rest /= sizes[k]
      }
      return place
    }
  }

  /// Writes rows, one behind the other. A whole number of 64 bits that is no double becomes NaN, and so does what
  /// cannot be read any more.
  /// - Parameter columns: the columns to write, in this order; nil: all.
  func write(_ rows: Range<Int>, columns: [Int]?, into values: UnsafeMutablePointer<Double>) {
    precondition(rows.lowerBound >= 0 && rows.upperBound <= header.count, "rows that there are")
    let isBig = header.isBigEndian
    func word<Word: FixedWidthInteger>(_ at: UnsafeRawPointer, _ type: Word.Type) -> Word {
      let word = at.loadUnaligned(as: Word.self)
      return isBig ? Word(bigEndian: word) : Word(littleEndian: word)
    }
    switch (header.kind, header.size) {
    case ("f", 8): copy(rows, columns, values) { Double(bitPattern: word($0, UInt64.self)) }
    case ("f", 4): copy(rows, columns, values) { Double(Float(bitPattern: word($0, UInt32.self))) }
    case ("f", _): copy(rows, columns, values) { Self.half(word($0, UInt16.self)) }
    case ("i", 8): copy(rows, columns, values) { Double(exactly: word($0, Int64.self)) ?? .nan }
    case ("i", 4): copy(rows, columns, values) { Double(word($0, Int32.self)) }
    case ("i", 2): copy(rows, columns, values) { Double(word($0, Int16.self)) }
    case ("i", _): copy(rows, columns, values) { Double(word($0, Int8.self)) }
    case ("u", 8): copy(rows, columns, values) { Double(exactly: word($0, UInt64.self)) ?? .nan }
    case ("u", 4): copy(rows, columns, values) { Double(word($0, UInt32.self)) }
    case ("u", 2): copy(rows, columns, values) { Double(word($0, UInt16.self)) }
    case ("u", _): copy(rows, columns, values) { Double(word($0, UInt8.self)) }
    default: copy(rows, columns, values) { word($0, UInt8.self) == 0 ? 0 : 1 }
    }
  }

  @inline(__always)
  private func copy(
    _ rows: Range<Int>, _ columns: [Int]?, _ values: UnsafeMutablePointer<Double>,
    _ value: (UnsafeRawPointer) -> Double
  ) {
    let (size, width) = (header.size, header.width)
    let taken = columns?.count ?? width
    /// Hands `count` elements from the `first` on to `body`; nil where they cannot be read.
    func read(_ first: Int, _ count: Int, _ body: (UnsafeRawPointer) -> Void) {
      let start = header.start + first * size
      let isRead: Void? = bytes.withBytes(start..<start + count * size) { body(UnsafeRawPointer($0)) }
      if isRead == nil { values.update(repeating: .nan, count: rows.count * taken) }
    }
    guard header.isFortran else {
      // A mebibyte at a time, or a row.
      let rowsAtOnce = max(1, (1 << 20) / (width * size))
      for first in stride(from: rows.lowerBound, to: rows.upperBound, by: rowsAtOnce) {
        let count = min(rowsAtOnce, rows.upperBound - first)
        let target = values + (first - rows.lowerBound) * taken
        read(first * width, count * width) { elements in
          guard let columns else {
            for k in 0..<count * width { target[k] = value(elements + k * size) }
            return
          }
          for row in 0..<count {
            for k in 0..<taken { target[row * taken + k] = value(elements + (row * width + columns[k]) * size) }
          }
        }
      }
      return
    }
    for k in 0..<taken {
      let column = columns?[k] ?? k
      let place = order.isEmpty ? column : order[column]
      read(rows.lowerBound + header.count * place, rows.count) { elements in
        for row in 0..<rows.count { values[row * taken + k] = value(elements + row * size) }
      }
    }
  }

  /// A number of 16 bits (IEEE 754).
  private static func half(_ bits: UInt16) -> Double {
    let sign = bits >> 15 == 0 ? 1.0 : -1.0
    let (exponent, fraction) = (Int(bits >> 10 & 31), Double(bits & 1023))
    switch exponent {
    case 0: return sign * scalbn(fraction, -24)
    case 31: return fraction == 0 ? sign * .infinity : .nan
    default: return sign * scalbn(1024 + fraction, Int32(exponent - 25))
    }
  }
}
