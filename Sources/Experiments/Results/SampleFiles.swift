// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

/// Batches as files.
enum SampleFile {
  /// Batches with more columns are written as `.npy`.
  static let widestCSV = 256

  /// How many values become text at a time: a table is never whole in memory.
  private static let valuesOfPiece = 1 << 16

  /// Writes `x0,x1,…`, then a row a line in the shortest decimals that read back exactly.
  static func writeCSV(_ batch: Batch, header: [String]? = nil, to path: String) throws {
    var table = CSVText(columns: header ?? columns(batch.dimension))
    table.reserve(min(batch.values.count, valuesOfPiece) * 20)
    try AtomicFile.write(to: path) { write in
      let rows = max(1, valuesOfPiece / batch.dimension)
      for start in stride(from: 0, to: max(1, batch.count), by: rows) {
        for row in start..<min(start + rows, batch.count) { table.add(batch.row(row)) }
        try table.drain { try write($0) }
      }
    }
  }

  /// The names of columns that hold states.
  static func columns(_ dimension: Int) -> [String] { (0..<dimension).map { "x\($0)" } }

  /// What a solver's file of a repeat is called, without an ending: the first is the solver's own.
  static func name(_ solver: String, repetition: Int) -> String {
    repetition == 1 ? solver : "\(solver)-repeat-\(repetition)"
  }

  /// Writes a solver's samples in the format asked for, and removes those of the other.
  static func write(_ batch: Batch, solver: String, format: SamplingPlan.Format, to folder: ResultsFolder) throws {
    if format == .npy || batch.dimension > widestCSV {
      try writeNPY(batch, to: folder.fileToWrite("samples/\(solver).npy"))
      folder.remove("samples/\(solver).csv")
    } else {
      try writeCSV(batch, to: folder.fileToWrite("samples/\(solver).csv"))
      folder.remove("samples/\(solver).npy")
    }
  }

  /// Writes NumPy's format, version 1: little-endian doubles in C order.
  static func writeNPY(_ batch: Batch, to path: String) throws {
    var header = "{'descr': '<f8', 'fortran_order': False, 'shape': (\(batch.count), \(batch.dimension)), }"
    while (10 + header.count + 1) % 64 != 0 { header += " " }
    header += "\n"
    var start = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, UInt8(header.count & 255), UInt8(header.count >> 8)])
    start.append(Data(header.utf8))
    try AtomicFile.write(to: path) { write in
      try start.withUnsafeBytes { try write($0) }
      try batch.values.withUnsafeBytes { try write($0) }
    }
  }

  /// A solver's samples, in whichever format they are.
  static func read(_ folder: ResultsFolder, solver: String, dimension: Int) throws -> Batch {
    let name = "samples/\(solver)" + (folder.exists("samples/\(solver).npy") ? ".npy" : ".csv")
    let (path, ranks) = (folder.file(name), Team.current)
    var shape = [0, 0]
    let values = try ranks.numbers { () -> [Double]? in
      let batch = try NumericTable(reading: path).values
      shape = [batch.count, batch.dimension]
      return batch.values
    }
    shape = ranks.decided { shape }
    let batch = Batch(values: values ?? [], dimension: shape[1])
    guard batch.dimension == dimension else {
      throw InputError("rows of \(batch.dimension) values; expected \(dimension)", at: path)
    }
    return batch
  }
}
