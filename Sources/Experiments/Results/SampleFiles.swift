// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

/// Batches as files.
enum SampleFile {
  /// `x0,x1,…`, then a row a line in the shortest decimals that read back exactly.
  static func csv(_ batch: Batch, header: [String]? = nil) -> Data {
    var text = (header ?? (0..<batch.dimension).map { "x\($0)" }).joined(separator: ",") + "\n"
    text.reserveCapacity(batch.values.count * 20)
    for i in 0..<batch.count {
      for j in 0..<batch.dimension {
        if j > 0 { text += "," }
        text += batch[i, j].description
      }
      text += "\n"
    }
    return Data(text.utf8)
  }

  /// NumPy's format, version 1: little-endian doubles in C order.
  static func npy(_ batch: Batch) -> Data {
    var header = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(batch.count), \(batch.dimension)), }"
    while (10 + header.count + 1) % 64 != 0 { header += " " }
    header += "\n"
    var data = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.count & 255), UInt8(header.count >> 8)])
    data.append(Data(header.utf8))
    batch.values.withUnsafeBytes { data.append(contentsOf: $0) }
    return data
  }

  /// A file that `npy` wrote.
  static func readNPY(_ path: String, dimension: Int) throws -> Batch {
    guard let data = FileManager.default.contents(atPath: path) else { throw InputError("no such file", at: path) }
    guard data.count > 10, data.prefix(8) == Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0]) else {
      throw InputError("not an .npy file of this program", at: path)
    }
    let start = 10 + Int(data[8]) + 256 * Int(data[9])
    guard start <= data.count, (data.count - start) % (8 * dimension) == 0,
      String(decoding: data[10..<start], as: UTF8.self).contains("'<f8'")
    else { throw InputError("truncated, or not rows of \(dimension) doubles", at: path) }
    var values = [Double](repeating: 0, count: (data.count - start) / 8)
    values.withUnsafeMutableBytes { _ = data.copyBytes(to: $0, from: start..<data.count) }
    return Batch(values: values, dimension: dimension)
  }

  /// A solver's samples, in whichever format they are.
  static func read(_ folder: ResultsFolder, solver: String, dimension: Int) throws -> Batch {
    if folder.exists("samples/\(solver).npy") {
      return try readNPY(folder.file("samples/\(solver).npy"), dimension: dimension)
    }
    let path = folder.file("samples/\(solver).csv")
    let batch = try NumericTable(reading: path).values
    guard batch.dimension == dimension else {
      throw InputError("rows of \(batch.dimension) values; expected \(dimension)", at: path)
    }
    return batch
  }
}
