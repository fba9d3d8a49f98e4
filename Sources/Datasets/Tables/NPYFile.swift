// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The values of an `.npy` file, in the file: a plain one is mapped into memory and read where it is asked for, so that
/// it may be larger than the memory; a gzipped one, or a pipe, is held as the bytes it has.
///
/// The first index counts rows. What other indices there are is flattened to columns, the last index fastest, as NumPy's
/// `reshape(n, -1)` does: height, width, channel of images.
final class NPYFile: @unchecked Sendable {
  static let magic = NPYHeader.magic

  let path: String
  let header: NPYHeader
  private let base: UnsafeRawPointer
  private let length: Int
  /// Holds the bytes where they are not mapped.
  private let window: TextWindow?
  /// Where column j lies within a row's values, for arrays of three dimensions or more in Fortran's order.
  private let order: [Int]

  /// - Parameter window: the file, of which the first bytes have been read.
  /// - Throws: `InputError` for what is no array of numbers.
  init(_ window: TextWindow) throws {
    path = window.path
    if let mapped = Self.mapped(window) {
      (base, length) = mapped
      self.window = nil
    } else {
      while !window.isAtEnd { _ = try window.more() }
      (base, length) = (UnsafeRawPointer(window.bytes), window.end)
      self.window = window
    }
    do {
      header = try NPYHeader(UnsafeRawBufferPointer(start: base, count: length), path: path)
    } catch {
      if self.window == nil { munmap(UnsafeMutableRawPointer(mutating: base), length) }
      throw error
    }
    order = header.isFortran && header.shape.count > 2 ? Self.order(Array(header.shape.dropFirst())) : []
  }

  deinit { if window == nil { munmap(UnsafeMutableRawPointer(mutating: base), length) } }

  private static func mapped(_ window: TextWindow) -> (UnsafeRawPointer, Int)? {
    var status = stat()
    guard window.isPlain, stat(window.path, &status) == 0, status.st_mode & S_IFMT == S_IFREG, status.st_size > 0 else {
      return nil
    }
    let file = open(window.path, O_RDONLY | O_CLOEXEC)
    guard file >= 0 else { return nil }
    defer { close(file) }
    let address = mmap(nil, Int(status.st_size), PROT_READ, MAP_PRIVATE, file, 0)
    guard let address, address != MAP_FAILED else { return nil }
    return (UnsafeRawPointer(address), Int(status.st_size))
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

  /// The checksum of the file's bytes.
  var fingerprint: String {
    if let window { return window.fingerprint }
    var checksum = ContentChecksum()
    checksum.add(UnsafeRawBufferPointer(start: base, count: length))
    return checksum.text
  }

  /// Writes rows, one behind the other. A whole number of 64 bits that is no double becomes NaN.
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
    let (first, size, width, count) = (base + header.start, header.size, header.width, header.count)
    if !header.isFortran, columns == nil {
      let start = first + rows.lowerBound * width * size
      for k in 0..<rows.count * width { values[k] = value(start + k * size) }
      return
    }
    let taken = columns?.count ?? width
    for k in 0..<taken {
      let column = columns?[k] ?? k
      let place = order.isEmpty ? column : order[column]
      for row in rows {
        let element = header.isFortran ? row + count * place : row * width + place
        values[(row - rows.lowerBound) * taken + k] = value(first + element * size)
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
