// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Rows of a table: a CSV file, or an `.npy` file, which is read where it lies.
public struct CSVData: DataSource {
  public let imageShape: ImageShape?
  public let conditionShape: ConditionShape
  public let fingerprint: String
  public let levels: Quantisation?
  public let notes: [String]
  private let layout: TableLayout
  private let format: TableFormat
  private let heldOut: HeldOut
  private let range: ClosedRange<Double>?
  private let rows: (data: TableRows, conditions: Conditions)
  private let judges: (data: TableRows, conditions: Conditions)?

  /// Reads a file.
  /// - Parameters:
  ///   - path: the file.
  ///   - shape: for images, whose values are to be in [−1, 1], or in `range`.
  ///   - range: of the values of images; it is mapped to [−1, 1].
  ///   - columns: those of the data, and those of the rows' conditions.
  ///   - format: how the file is written, where that is not to be found in it.
  ///   - heldOut: which rows judge.
  /// - Throws: `InputError` at file and line for a file that is no such table, for images with values outside their
  ///   range, and for too few rows: 2 where some of them judge, else 1.
  public init(
    path: String, shape: ImageShape? = nil, range: ClosedRange<Double>? = nil, columns: TableColumns = TableColumns(),
    format: TableFormat = TableFormat(), heldOut: HeldOut = .share(HeldOut.standardShare)
  ) throws {
    precondition(range == nil || shape != nil, "a range is one of images")
    let table = try Table(reading: path, format: format, asked: columns.names) { try columns.places(in: $0) }
    (self.format, self.heldOut, self.range) = (format, heldOut, range)
    layout = TableLayout(columns, table.names, table.places)
    imageShape = shape
    if let shape, shape.count != table.rows.dimension {
      throw InputError(
        "rows of \(table.rows.dimension) values cannot be \(shape.height) × \(shape.width) × \(shape.channels) images",
        at: path)
    }
    let (conditions, ownShape) = try columns.conditions.conditions(of: table)
    rows = (try Self.images(table, shape, range), conditions)
    var (notes, fingerprint) = (table.notes + table.columnNotes(areImages: shape != nil), table.fingerprint)
    var allShape = ownShape
    var areWhole = range.map { Self.areWhole(table.rows, $0) } ?? false
    if case .file(let other) = heldOut {
      let beside = TableFormat.beside(format, (table.names.header, table.hasCountingHeader))
      let judges = try Table(reading: other, format: beside, asked: columns.names) { [layout] in
        try layout.places(in: $0, dimension: table.rows.dimension)
      }
      guard judges.rows.dimension == table.rows.dimension else {
        throw InputError(
          "rows of \(judges.rows.dimension) values; those of \(path) have \(table.rows.dimension)", at: other)
      }
      let (theirs, theirShape) = try columns.conditions.conditions(of: judges)
      if ownShape != .nothing, theirShape == .nothing {
        throw InputError("has no columns for the conditions that the rows of \(path) have", at: other)
      }
      if case (.classes(let mine), .classes(let others)) = (ownShape, theirShape) {
        allShape = .classes(max(mine, others))
      }
      if case (.both(let mine, let count), .both(let others, _)) = (ownShape, theirShape) {
        allShape = .both(classes: max(mine, others), numbers: count)
      }
      self.judges = (try Self.images(judges, shape, range), theirs)
      notes += judges.notes
      fingerprint += "-" + judges.fingerprint
      if areWhole, let range { areWhole = areWhole && Self.areWhole(judges.rows, range) }
    } else {
      judges = nil
      guard table.rows.count >= 2 else {
        throw InputError("1 row; allowed: 2 or more, or held_out: {path: FILE} beside it", at: path)
      }
    }
    levels =
      areWhole
      ? range.map { Quantisation(levels: Int($0.upperBound - $0.lowerBound) + 1, low: -1, high: 1) } : nil
    conditionShape = allShape
    self.notes = notes
    // Networks that were trained before rows were drawn by a hash have seen other rows.
    self.fingerprint = "hashed-" + fingerprint
  }

  public var dimension: Int { rows.data.dimension }

  /// A row that is alone in its class trains: every class of the file is learned.
  public var occurringClasses: [Int]? {
    rows.conditions.listedClasses.flatMap { Classes.occurring(in: $0, of: conditionShape.classCount) }
  }

  /// The header's names of the data's columns.
  public var columnNames: [String]? {
    guard let header = layout.names?.header, let places = layout.places?.data else { return nil }
    return places.map { header[$0].isEmpty ? "column \($0 + 1)" : header[$0] }
  }

  public var texts: [String] {
    [rows.conditions, judges?.conditions].flatMap { conditions in
      if case .texts(let texts)? = conditions { texts } else { [String]() }
    }
  }

  public var conditionColumns: ConditionColumns { layout.columns.conditions }

  public func load(seed: UInt64) throws -> Dataset {
    if let judges {
      return Dataset(
        training: rows.data, heldOut: judges.data, trainingConditions: rows.conditions,
        heldOutConditions: judges.conditions)
    }
    guard case .share(let share) = heldOut else { preconditionFailure("a file was read") }
    let split = HeldOut.split(
      count: rows.data.count, classes: rows.conditions.listedClasses, share: share, seed: seed)
    return Dataset(
      training: rows.data.only(split.training), heldOut: rows.data.only(split.heldOut),
      trainingConditions: rows.conditions.only(split.training), heldOutConditions: rows.conditions.only(split.heldOut))
  }

  public func readRows(_ path: String, dimension: Int, areStates: Bool) throws -> GivenRows {
    let header = layout.names.map { (header: $0.header, isCounting: hasCountingHeader) }
    let beside = TableFormat.beside(format, header)
    let table = try Table(reading: path, format: beside, asked: layout.columns.names) {
      try layout.places(in: $0, dimension: dimension)
    }
    let rows = areStates || table.rows.dimension != dimension ? table.rows : try Self.images(table, imageShape, range)
    return GivenRows(
      rows: rows.batch(), conditions: try layout.columns.conditions.conditions(of: table).conditions,
      notes: table.notes)
  }

  private var hasCountingHeader: Bool {
    layout.names?.header.map { header in
      header.enumerated().allSatisfy { $1 == String($0) }
        || header.dropFirst().enumerated().allSatisfy { $1 == String($0) }
    } ?? false
  }

  /// The data of a table; those of images in [−1, 1].
  private static func images(
    _ table: Table, _ shape: ImageShape?, _ range: ClosedRange<Double>?
  ) throws -> TableRows {
    guard shape != nil else { return table.rows }
    let bounds = range ?? -1...1
    // Values that were rounded to floats.
    let slack = 1e-6 * (bounds.upperBound - bounds.lowerBound)
    let (low, high) = (bounds.lowerBound - slack, bounds.upperBound + slack)
    let dimension = table.rows.dimension
    try table.rows.forEachChunk { x in
      for i in 0..<x.size where !(x.values[i] >= low && x.values[i] <= high) {
        let column = table.names.text(table.places.data[i % dimension])
        let remedy =
          range == nil
          ? "allowed for images: −1 to 1; say range: [low, high] to map other values to that, as [0, 255]"
          : "the range is \(bounds.lowerBound) to \(bounds.upperBound)"
        throw InputError("\(x.values[i]) in \(column); \(remedy)", at: table.location(ofRow: x.first + i / dimension))
      }
    }
    return range.map { table.rows.mapped(low: $0.lowerBound, high: $0.upperBound) } ?? table.rows
  }

  /// Whether the ends of a range and all values are whole numbers, at most 65,536 of them.
  private static func areWhole(_ rows: TableRows, _ range: ClosedRange<Double>) -> Bool {
    let width = range.upperBound - range.lowerBound
    guard range.lowerBound == range.lowerBound.rounded(), width == width.rounded(), width <= 65_535 else {
      return false
    }
    var areWhole = true
    rows.forEachChunk { x in
      for i in 0..<x.size where x.values[i] != x.values[i].rounded() { areWhole = false }
    }
    return areWhole
  }
}
