// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// An array of unsigned bytes in the IDX format of MNIST (LeCun, Cortes and Burges 1998), plain or gzipped: two zeros,
/// the type 8, the number of dimensions, then their sizes in 32 bits, big-endian, then the values, the last dimension
/// fastest.
struct IDXFile {
  let path: String
  let sizes: [Int]

  /// Reads the header, and counts the values.
  /// - Throws: `InputError` for another format, another number of dimensions, sizes of 0, or too few or too many
  ///   values.
  init(path: String, dimensions: ClosedRange<Int>) throws {
    self.path = path
    _ = try FileBytes.state(of: path)
    let allowed = dimensions.map { "0x0000080\($0)" }.joined(separator: " or ")
    let header = try FileBytes.contents(of: path, limit: 4 + 4 * dimensions.upperBound)
    guard header.count >= 4 else { throw InputError("is \(header.count) bytes long; allowed: an IDX file", at: path) }
    func word(_ index: Int) -> Int { header[4 * index..<4 * index + 4].reduce(0) { $0 << 8 | Int($1) } }
    let rank = word(0) - 0x800
    guard dimensions.contains(rank) else {
      let digits = String(word(0), radix: 16)
      throw InputError(
        "begins with 0x\(String(repeating: "0", count: 8 - digits.count))\(digits); allowed: \(allowed)", at: path)
    }
    guard header.count >= 4 + 4 * rank else { throw InputError("ends within its header", at: path) }
    sizes = (1...rank).map(word)
    var size = 1
    for one in sizes {
      let (product, overflow) = size.multipliedReportingOverflow(by: one)
      guard !overflow, product > 0, product <= 1 << 40 else {
        throw InputError("says its sizes are \(Self.text(sizes)); allowed: 1 to 2⁴⁰ values", at: path)
      }
      size = product
    }
    try check(FileBytes.length(of: path, limit: offset + size + 1) - offset)
  }

  var count: Int { sizes[0] }
  private var offset: Int { 4 + 4 * sizes.count }
  private var size: Int { sizes.reduce(1, *) }

  func values() throws -> ArraySlice<UInt8> {
    let values = try FileBytes.contents(of: path, limit: offset + size + 1).dropFirst(offset)
    try check(values.count)
    return values
  }

  private func check(_ found: Int) throws {
    guard found != size else { return }
    throw InputError(
      "holds \(found < size ? String(max(0, found)) : "more") values; its header says \(Self.text(sizes)) = \(size)",
      at: path)
  }

  static func text(_ sizes: [Int]) -> String { sizes.map(String.init).joined(separator: " × ") }
}
