// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets

/// What a config says of observations, before they are held against a model.
enum ObservedSource {
  /// Written in the config.
  case rows([[Double]])
  /// In a file: a table, or an image.
  case file(String)
  /// In files of one image each.
  case images([String])
  case heldOut([Int])
  case firstHeldOut(Int)

  /// The values, checked.
  /// - Parameters:
  ///   - model: how rows are seen.
  ///   - shape: what an observation is.
  ///   - range: of an image's values.
  ///   - isImage: whether the data are images, whose values lie in [−1, 1].
  /// - Throws: `InputError` for what cannot have been seen.
  func value(
    of model: any ObservationModel, _ shape: RowShape, _ range: ClosedRange<Double>, isImage: Bool
  ) throws -> ObservedValue {
    switch self {
    case .heldOut(let rows): return .heldOut(rows)
    case .firstHeldOut(let count): return .firstHeldOut(count)
    case .rows, .file, .images: break
    }
    let batch = try batch(of: shape, range)
    try model.check(batch)
    if isImage, let linear = model.linear { try Self.requireReachable(batch, linear) }
    return .given(batch)
  }

  /// The values of a config or a file.
  /// - Throws: `InputError` for rows of another size, and for a file that cannot be read.
  func batch(of shape: RowShape, _ range: ClosedRange<Double>) throws -> Batch {
    let wanted = shape.dimension
    switch self {
    case .heldOut, .firstHeldOut: preconditionFailure("rows that are not loaded yet")
    case .images(let paths):
      return Batch(
        rows: try paths.map { path in
          guard path.lowercased().hasSuffix(".png") else { throw InputError("is no PNG file", at: path) }
          return Array(try ObservedSource.file(path).batch(of: shape, range).row(0))
        })
    case .file(let path):
      let batch = try Self.read(path, shape, range)
      guard batch.dimension == wanted else {
        throw InputError("rows of \(batch.dimension) values; allowed: \(wanted), as many as are seen", at: path)
      }
      return batch
    case .rows(let rows):
      if let index = rows.firstIndex(where: { $0.count != wanted }) {
        let which = rows.count == 1 ? "" : " in row \(index + 1)"
        throw InputError("has \(rows[index].count) values\(which); allowed: \(wanted), as many as are seen")
      }
      return Batch(rows: rows)
    }
  }

  /// The values of a config or a file, for a likelihood that says nothing of their number.
  /// - Throws: `InputError` for held-out rows, of which it draws none, and for rows that differ in length.
  func table() throws -> Batch {
    switch self {
    case .heldOut, .firstHeldOut:
      throw InputError(
        "is of held-out rows; a likelihood that is a formula draws no observations; allowed: numbers, a file")
    case .images: preconditionFailure("images of a likelihood")
    case .file(let path): return try NumericTable(reading: path).values
    case .rows(let rows):
      if let index = rows.firstIndex(where: { $0.count != rows[0].count }) {
        throw InputError("has \(rows[index].count) values in row \(index + 1); allowed: \(rows[0].count), as in row 1")
      }
      return Batch(rows: rows)
    }
  }

  /// The numbers of held-out rows; nil where values are given.
  /// - Parameters:
  ///   - count: how many held-out rows there are.
  ///   - place: of the section, for messages.
  /// - Throws: `InputError` for rows that there are not.
  func numbers(of count: Int, at place: String) throws -> [Int]? {
    let numbers: [Int]
    switch self {
    case .rows, .file, .images: return nil
    case .heldOut(let rows): numbers = rows
    case .firstHeldOut(let first): numbers = Array(0..<first)
    }
    if let beyond = numbers.first(where: { $0 >= count }) {
      throw InputError(
        "asks for held-out row \(beyond) of \(count); allowed: \(count == 0 ? "a value" : "0 to \(count - 1)")",
        at: place)
    }
    return numbers
  }

  /// The rows of a table. A NumPy array of one dimension, a column in tables of data, is a row where it is as long as
  /// one.
  static func table(_ path: String, rowsOf wanted: Int) throws -> Batch {
    let values = try NumericTable(reading: path).values
    guard values.dimension == 1, wanted > 1, values.count == wanted, path.lowercased().hasSuffix(".npy"),
      try NumberArray(path).shape.count == 1
    else { return values }
    return Batch(values: values.values, dimension: wanted)
  }

  private static func read(_ path: String, _ shape: RowShape, _ range: ClosedRange<Double>) throws -> Batch {
    guard path.lowercased().hasSuffix(".png") else { return try table(path, rowsOf: shape.dimension) }
    guard let image = shape.image else {
      throw InputError("is an image, and what the operator gives is none; allowed: a table", at: path)
    }
    let pixels = try ImageFile(path).row(of: image)
    let (low, high) = (range.lowerBound, range.upperBound)
    let values = pixels.map { low + ($0 + 1) / 2 * (high - low) }
    return Batch(values: shape.places.map { $0.map { values[$0] } } ?? values, dimension: shape.dimension)
  }

  /// How many deviations of noise an observation may be away from what images give.
  private static let reach = 10.0

  /// - Throws: `InputError` for values that no image with values in [−1, 1] can give.
  private static func requireReachable(_ batch: Batch, _ linear: LinearObservation) throws {
    for j in 0..<batch.dimension {
      // A sum of weights that is 1 but for rounding is told, and allowed, as 1.
      let sum = linear.matrix.row(j).reduce(0) { $0 + abs($1.value) }
      let most = abs(sum - sum.rounded()) < 1e-9 * sum ? sum.rounded() : sum
      let noise = linear.noise.deviation(of: j)
      for row in 0..<batch.count where abs(batch[row, j]) > most + reach * noise {
        throw InputError(
          "row \(row + 1) holds \(written(batch[row, j])) at value \(j + 1), which no image with values in [−1, 1] "
            + "gives; allowed: −\(written(most)) to \(written(most)), and \(written(reach)) deviations of the noise more"
        )
      }
    }
  }
}
