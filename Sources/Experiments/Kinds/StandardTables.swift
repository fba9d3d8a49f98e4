// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

// Tables of rows, and no rows at all.
extension Catalogue {
  static let csv = Kind<any DataSource>(
    "csv", "rows of a table: CSV, with commas, semicolons or tabs, plain or gzipped, or .npy"
  ) { options, _ in
    let path = try options.file("path", allowed: "a file", "the file, relative to the config")
    let format = TableFormat(
      header: try options.choice(
        "header", default: .auto, "whether the first line names the columns; auto: the rule is in the docs"),
      separator: try sign(
        options, "separator", [",": .comma, ";": .semicolon, "\t": .tab], "what stands between fields"),
      decimal: try sign(options, "decimal", [".": .point, ",": .comma], "the decimal mark of numbers"))
    return try table(options, path, format)
  }

  static let npy = Kind<any DataSource>(
    "npy", "rows of a NumPy array of 1 dimension or more, which may be larger than the memory"
  ) { options, _ in
    try table(
      options, try options.file("path", allowed: "a file", "the file, relative to the config"), TableFormat())
  }

  static let noData = Kind<any DataSource>(
    "none", "no rows, for sampling a model that came from elsewhere: nothing is trained or judged"
  ) { options, _ in
    let shape = try imageShape(options, "of the samples, where they are images in [−1, 1]")
    let dimension = try options.integer(
      "dimension", default: shape?.count ?? 1, atLeast: 1, atMost: 1 << 24,
      "how many values a row has; of shape if given")
    if !options.isDescribing {
      guard shape != nil || options.has("dimension") else {
        throw options.wrong("dimension", "is missing; allowed: dimension, or shape: [height, width, channels]")
      }
      guard shape == nil || shape?.count == dimension else {
        throw options.wrong("dimension", "is \(dimension); shape has \(shape?.count ?? 0) values")
      }
    }
    return NoData(dimension: dimension, shape: shape)
  }

  /// A sign by its name, or as it is.
  private static func sign<Sign: RawRepresentable & CaseIterable>(
    _ options: Options, _ key: String, _ signs: [String: Sign], _ about: String
  ) throws -> Sign where Sign.RawValue == String {
    let names = Sign.allCases.map(\.rawValue)
    let allowed = names.joined(separator: ", ") + ", or the sign itself in quotes"
    let text = try options.text(key, default: names[0], allowed: allowed, about + "; auto: it is found")
    guard let sign = signs[text] ?? Sign(rawValue: text) else {
      throw options.wrong(key, "is '\(text)'; allowed: \(allowed)")
    }
    return sign
  }

  private static func table(_ options: Options, _ path: String, _ format: TableFormat) throws -> any DataSource {
    let shape = try imageShape(options, "of rows that are images, with values in [−1, 1] or in range")
    let bounds = try options.numbers(
      "range", or: "none", "[low, high], of the values of images: mapped to [−1, 1], as [0, 255] of bytes")
    var range: ClosedRange<Double>?
    if let bounds, !options.isDescribing {
      guard bounds.count == 2, bounds[0] < bounds[1] else { throw options.wrong("range", "is not [low, high]") }
      guard shape != nil else {
        throw options.wrong("range", "has no use without shape; coordinates: [standardise] scales other rows")
      }
      range = bounds[0]...bounds[1]
    }
    let columns = try columns(options)
    let heldOut = try options.heldOut()
    return try CSVData(path: path, shape: shape, range: range, columns: columns, format: format, heldOut: heldOut)
  }

  private static func imageShape(_ options: Options, _ about: String) throws -> ImageShape? {
    guard let sizes = try options.optionalIntegers("shape", atLeast: 1, "[height, width, channels], " + about) else {
      return nil
    }
    guard sizes.count == 3, [1, 3].contains(sizes[2]), sizes.reduce(1, *) <= 1 << 24 else {
      throw options.wrong("shape", "is not [height, width, channels] with 1 or 3 channels, of at most 2²⁴ values")
    }
    return ImageShape(height: sizes[0], width: sizes[1], channels: sizes[2])
  }

  /// The columns of a table: the data's, or those that are not; and conditions: a class, numbers, both, or a text.
  private static func columns(_ options: Options) throws -> TableColumns {
    let column = "a column: its name in the header, or its number from 0"
    let columns = try options.optionalTexts(
      "columns", allowed: "columns, as for label", "those of the data; without it all others")
    let drop = try options.optionalTexts("drop", allowed: "columns, as for label", "columns to leave out")
    if columns != nil, drop != nil {
      throw options.wrong("drop", "stands beside columns, which says all; allowed: one of the two")
    }
    let label = try options.optionalText("label", allowed: column, "the class of each row, a whole number from 0")
    let numbers = try options.optionalTexts("condition", allowed: "columns, as for label", "numbers known of each row")
    let text = try options.optionalText("text", allowed: "a column, as for label", "a text for each row")
    if text != nil, label != nil || numbers != nil {
      throw options.wrong(
        "text",
        "stands beside \(label == nil ? "condition" : "label"); allowed: one of label, condition, text, or label and "
          + "condition")
    }
    let conditions: ConditionColumns =
      switch (label, numbers) {
      case (let label?, let numbers?): .both(label: label, numbers: numbers)
      case (let label?, nil): .label(label)
      case (nil, let numbers?): .numbers(numbers)
      case (nil, nil): text.map { .text($0) } ?? .nothing
      }
    return TableColumns(columns: columns, drop: drop ?? [], conditions: conditions)
  }
}
