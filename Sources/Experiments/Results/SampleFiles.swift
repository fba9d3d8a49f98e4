// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

/// Batches as files.
enum SampleFile {
  /// Batches with more columns are written as `.npy`.
  static let widestCSV = 256

  /// `x0,x1,…`, then a row a line in the shortest decimals that read back exactly.
  static func csv(_ batch: Batch, header: [String]? = nil) -> Data {
    var table = CSVText(columns: header ?? columns(batch.dimension))
    table.reserve(batch.values.count * 20)
    for row in 0..<batch.count { table.add(batch.row(row)) }
    return Data(table.text.utf8)
  }

  /// The names of columns that hold states.
  static func columns(_ dimension: Int) -> [String] { (0..<dimension).map { "x\($0)" } }

  /// Writes a solver's samples in the format asked for, and removes those of the other.
  static func write(_ batch: Batch, solver: String, format: SamplingPlan.Format, to folder: ResultsFolder) throws {
    if format == .npy || batch.dimension > widestCSV {
      try folder.write(npy(batch), to: "samples/\(solver).npy")
      folder.remove("samples/\(solver).csv")
    } else {
      try folder.write(csv(batch), to: "samples/\(solver).csv")
      folder.remove("samples/\(solver).npy")
    }
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

  /// A solver's samples, in whichever format they are.
  static func read(_ folder: ResultsFolder, solver: String, dimension: Int) throws -> Batch {
    let name = "samples/\(solver)" + (folder.exists("samples/\(solver).npy") ? ".npy" : ".csv")
    let path = folder.file(name)
    let batch = try NumericTable(reading: path).values
    guard batch.dimension == dimension else {
      throw InputError("rows of \(batch.dimension) values; expected \(dimension)", at: path)
    }
    return batch
  }
}
