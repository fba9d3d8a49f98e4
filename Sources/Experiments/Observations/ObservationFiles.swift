// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// `observations.csv` and `truth.csv`, or `.npy`: what was seen, and what it was seen of.
enum ObservationFiles {
  /// Writes both, or removes what a folder has of them.
  /// - Parameters:
  ///   - observed: the observations; nil: there are none.
  ///   - format: that of samples.
  ///   - folder: where to.
  static func write(_ observed: Observed?, format: SamplingPlan.Format, to folder: ResultsFolder) throws {
    let header = (1...max(1, observed?.values.dimension ?? 1)).map { "y\($0)" }
    try write(observed?.values, "observations", header, format, folder)
    try write(observed?.truth, "truth", nil, format, folder)
  }

  private static func write(
    _ rows: Batch?, _ name: String, _ header: [String]?, _ format: SamplingPlan.Format, _ folder: ResultsFolder
  ) throws {
    let (text, numbers) = ("\(name).csv", "\(name).npy")
    guard let rows else {
      for file in [text, numbers] { folder.remove(file) }
      return
    }
    if format == .npy || rows.dimension > SampleFile.widestCSV {
      try SampleFile.writeNPY(rows, to: folder.fileToWrite(numbers))
      folder.remove(text)
    } else {
      try SampleFile.writeCSV(rows, header: header, to: folder.fileToWrite(text))
      folder.remove(numbers)
    }
  }
}
