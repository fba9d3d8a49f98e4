// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

/// Writes the rows of a data set into a folder, and what is known of each.
public struct DataExport: Sendable {
  /// Which rows are written.
  public typealias Part = ConditionPlan.Part

  /// How rows are written.
  public enum Format: String, Sendable, CaseIterable {
    /// An image in each file, 00000.png and so on, with values from [−1, 1] rounded to bytes.
    case png
    /// One table, rows.csv.
    case csv
    /// One table, rows.npy.
    case npy
  }

  private let part: Part
  private let format: Format?
  private let count: Int?

  /// - Parameters:
  ///   - part: which rows are written.
  ///   - format: nil: PNG for images, CSV for other rows of up to 256 values, else `.npy`.
  ///   - count: how many rows, from the first; nil: all.
  public init(part: Part, format: Format? = nil, count: Int? = nil) {
    (self.part, self.format, self.count) = (part, format, count)
  }

  /// Writes rows of the data of a plan, in the units of the data.
  ///
  /// What is known of them is written beside: `captions.csv` where it is text, else `conditions.csv`, with the columns
  /// `file` (of PNG files), then `caption`, or `class` and `c0`, `c1`, …, and `combination`, which is `seen` or
  /// `unseen` where combinations are kept back from training.
  /// - Returns: what was written, in a line.
  /// - Throws: `InputError` for rows that are not there, for PNG of what is no image, and for a folder that is not
  ///   empty; `WriteError`.
  public func write(_ plan: ExperimentPlan, to folder: String) throws -> String {
    let (data, shape) = (plan.data, plan.data.imageShape)
    let format = format ?? (shape != nil ? .png : data.dimension <= SampleFile.widestCSV ? .csv : .npy)
    guard format != .png || shape != nil else {
      throw InputError("png is for images; the data has rows of \(data.dimension) values: csv or npy", at: "--format")
    }
    let dataset = try data.load(seed: plan.seed)
    let (rows, conditions) =
      part == .training
      ? (dataset.trainingRows, dataset.trainingConditions) : (dataset.heldOutRows, dataset.heldOutConditions)
    let count = count ?? rows.count
    guard count > 0, count <= rows.count else {
      throw InputError("is \(count); there are \(rows.count) \(part.rawValue) rows", at: "--count")
    }
    if let names = try? FileManager.default.contentsOfDirectory(atPath: folder), !names.isEmpty {
      throw InputError("is not empty; allowed: a new folder", at: folder)
    }
    try ResultsFolder.make(folder)
    let width = max(5, String(count - 1).count)
    let files = format == .png ? (0..<count).map { String(format: "%0\(width)d.png", $0) } : nil
    if let files, let shape {
      for (row, name) in files.enumerated() {
        let image = Picture(rows.rows(row..<row + 1), shape: shape)
        try AtomicFile.write(try image.png(), to: "\(folder)/\(name)")
      }
    } else if format == .npy {
      try SampleFile.writeNPY(rows.prefix(count), to: "\(folder)/rows.npy")
    } else {
      try SampleFile.writeCSV(rows.prefix(count), header: data.columnNames, to: "\(folder)/rows.csv")
    }
    if conditions != .nothing {
      let known = (0..<count).map { conditions[$0] }
      let (name, table) = Self.table(known, files: files, CaptionFile.combinations(known, of: data))
      try AtomicFile.write(table.text, to: "\(folder)/\(name)")
    }
    return "\(folder): \(count) \(part.rawValue) rows"
  }

  /// What is known of rows, and the name of its file.
  private static func table(
    _ conditions: [Condition], files: [String]?, _ combinations: [String]?
  ) -> (name: String, CSVText) {
    let fields = conditions.map { condition in
      switch condition {
      case .nothing: [String]()
      case .text(let text): [text]
      case .label(let label): [String(label)]
      case .numbers(let numbers): numbers.map(\.description)
      case .both(let label, let numbers): [String(label)] + numbers.map(\.description)
      }
    }
    let numbers = (0..<(fields.first?.count ?? 0)).map { "c\($0)" }
    let columns =
      switch conditions.first {
      case .text: ["caption"]
      case .label: ["class"]
      case .both: ["class"] + numbers.dropLast()
      default: numbers
      }
    var table = CSVText(
      columns: (files == nil ? [] : ["file"]) + columns + (combinations == nil ? [] : ["combination"]))
    for (row, own) in fields.enumerated() {
      table.add((files.map { [$0[row]] } ?? []) + own + (combinations.map { [$0[row]] } ?? []))
    }
    return (columns == ["caption"] ? CaptionFile.name : "conditions.csv", table)
  }
}

extension Picture {
  /// One image as it is: a pixel for each of its own, with values in [−1, 1] clipped.
  init(_ image: Batch, shape: ImageShape) {
    self.init(width: shape.width, height: shape.height)
    for y in 0..<shape.height {
      for x in 0..<shape.width {
        let pixel = (0..<3).map { c -> UInt8 in
          let value = image[0, (y * shape.width + x) * shape.channels + min(c, shape.channels - 1)]
          return UInt8(min(255, max(0, (value + 1) * 127.5)).rounded())
        }
        set(x, y, (pixel[0], pixel[1], pixel[2]))
      }
    }
  }
}
