// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// An array of unsigned bytes in the IDX format of MNIST (LeCun, Cortes and Burges 1998), plain or gzipped: two zeros,
/// the type 8, the number of dimensions, then their sizes in 32 bits, big-endian, then the values, the last dimension
/// fastest.
///
/// The file is read once. Its values are kept as bytes, in memory or, of large files, where they lie.
struct IDXFile: Sendable {
  let path: String
  let sizes: [Int]
  /// The values begin at `offset` of these.
  let bytes: PixelBytes
  let offset: Int
  /// The value that all have; nil where they differ.
  let constant: UInt8?

  /// - Parameters:
  ///   - checksum: gets the uncompressed content.
  ///   - limit: how many values may be in memory.
  /// - Throws: `InputError` for another format, another number of dimensions, sizes of 0, sizes that the file cannot
  ///   hold, and too few or too many values.
  init(
    path: String, dimensions: ClosedRange<Int>, checksum: inout ContentChecksum,
    inMemory limit: Int = PixelBytes.largestInMemory
  ) throws {
    self.path = path
    let reader = try FileReader(path)
    let start = try reader.next(4)
    guard start.count == 4 else { throw InputError("is \(start.count) bytes long; allowed: an IDX file", at: path) }
    func word(_ bytes: some Sequence<UInt8>) -> Int { bytes.reduce(0) { $0 << 8 | Int($1) } }
    let rank = word(start) - 0x800
    guard dimensions.contains(rank) else {
      let digits = String(word(start), radix: 16)
      let allowed = dimensions.map { "0x0000080\($0)" }.joined(separator: " or ")
      throw InputError(
        "begins with 0x\(String(repeating: "0", count: 8 - digits.count))\(digits); allowed: \(allowed)", at: path)
    }
    let header = try reader.next(4 * rank)
    guard header.count == 4 * rank else { throw InputError("ends within its header", at: path) }
    sizes = (0..<rank).map { word(header[4 * $0..<4 * $0 + 4]) }
    let size = try Self.size(sizes, path)
    let text = "its header says \(Self.text(sizes)) = \(size)"
    func check(_ found: Int) throws {
      guard found != size else { return }
      throw InputError("holds \(found < size ? String(max(0, found)) : "more") values; \(text)", at: path)
    }
    // What a plain file holds is known at once; deflate makes at most 1,032 bytes of one.
    if !reader.isCompressed {
      try check(reader.size - 4 - header.count)
    } else if size > 1032 * reader.size {
      throw InputError("\(reader.size) bytes of gzip cannot hold its values; \(text)", at: path)
    }
    checksum.add(start + header)
    var collector = reader.isCompressed || size <= limit ? try PixelCollector(size: size, limit: limit) : nil
    var (count, first, isConstant) = (0, UInt8(0), true)
    try reader.forEachChunk { chunk in
      if count == 0 { first = chunk[0] }
      isConstant = isConstant && chunk.repeats(first)
      count += chunk.count
      guard count <= size else { try check(count); return }
      checksum.add(chunk)
      try collector?.append(chunk)
    }
    try check(count)
    constant = isConstant ? first : nil
    bytes = try collector?.finished ?? .file(OpenFile(path))
    offset = collector == nil ? 4 + header.count : 0
  }

  /// The number of values.
  private static func size(_ sizes: [Int], _ path: String) throws -> Int {
    var size = 1
    for one in sizes {
      let (product, overflow) = size.multipliedReportingOverflow(by: one)
      guard !overflow, product > 0, product <= 1 << 40 else {
        throw InputError("says its sizes are \(text(sizes)); allowed: 1 to 2⁴⁰ values", at: path)
      }
      size = product
    }
    return size
  }

  var count: Int { sizes[0] }

  /// All values, of a file of few.
  func values() throws -> [UInt8] {
    let size = sizes.reduce(1, *)
    let values = bytes.withBytes(offset..<offset + size) { Array(UnsafeBufferPointer(start: $0, count: size)) }
    guard let values else { throw InputError("cannot be read", at: path) }
    return values
  }

  static func text(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: " × ") }
}

extension UnsafeRawBufferPointer {
  /// Whether all bytes have this value: the first has it, and each is like the one before.
  fileprivate func repeats(_ value: UInt8) -> Bool {
    guard let base = baseAddress, count > 0 else { return true }
    return self[0] == value && memcmp(base, base + 1, count - 1) == 0
  }
}
