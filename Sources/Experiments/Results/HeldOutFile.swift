// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

/// `held_out.csv` or `held_out.npy`: rows to judge by, in the format of samples, so that whoever reads a results folder
/// can put the data beside what was drawn.
enum HeldOutFile {
  /// How many rows there are at most, and how many values: 32 MiB as `.npy`.
  static let (mostRows, mostValues) = (10_000, 1 << 22)

  /// Writes as many rows as a solver draws, or all that there are where these are fewer, spread evenly over the whole:
  /// data are often sorted, by their classes for example.
  /// - Parameters:
  ///   - rows: the held-out rows, in the data's own units.
  ///   - count: how many samples a solver draws.
  static func write(
    _ rows: any DataRows, count: Int, format: SamplingPlan.Format, to folder: ResultsFolder
  ) throws {
    let (text, numbers) = ("held_out.csv", "held_out.npy")
    let kept = min(rows.count, count, mostRows, max(1, mostValues / max(1, rows.dimension)))
    guard kept > 0 else {
      for name in [text, numbers] { folder.remove(name) }
      return
    }
    var batch = Batch(count: kept, dimension: rows.dimension)
    batch.values.withUnsafeMutableBufferPointer { values in
      guard let memory = values.baseAddress else { return }
      for row in 0..<kept {
        let source = row * rows.count / kept
        rows.write(source..<source + 1, into: memory + row * rows.dimension)
      }
    }
    if format == .npy || rows.dimension > SampleFile.widestCSV {
      try SampleFile.writeNPY(batch, to: folder.fileToWrite(numbers))
      folder.remove(text)
    } else {
      try SampleFile.writeCSV(batch, to: folder.fileToWrite(text))
      folder.remove(numbers)
    }
  }
}
