// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A matrix of which only the entries that are not 0 are kept, row by row: what masks, crops, blurs and averages of
/// pixels are.
public struct SparseMatrix: Sendable, Equatable {
  /// How many rows and columns it has.
  public let rows, columns: Int
  /// Where the entries of each row begin, and after the last where they end: `rows` + 1 numbers.
  public let starts: [Int]
  /// The column of each entry, rising within a row.
  public let places: [Int]
  /// The value of each entry.
  public let values: [Double]

  /// A matrix of entries.
  /// - Parameters:
  ///   - columns: how many columns it has.
  ///   - entries: of each row, columns and values in any order; several for one column are added up.
  public init(columns: Int, entries: [[(column: Int, value: Double)]]) {
    (rows, self.columns) = (entries.count, columns)
    var (starts, places, values) = ([0], [Int](), [Double]())
    for row in entries {
      var sums: [Int: Double] = [:]
      for (column, value) in row {
        precondition(column >= 0 && column < columns, "column \(column) of \(columns)")
        sums[column, default: 0] += value
      }
      for column in sums.keys.sorted() {
        guard let value = sums[column], value != 0 else { continue }
        places.append(column)
        values.append(value)
      }
      starts.append(places.count)
    }
    (self.starts, self.places, self.values) = (starts, places, values)
  }

  /// The entries of a dense matrix.
  public init(_ matrix: Matrix) {
    self.init(
      columns: matrix.columns,
      entries: (0..<matrix.rows).map { i in (0..<matrix.columns).map { (column: $0, value: matrix[i, $0]) } })
  }

  /// The rows of the identity that belong to some columns, in their order.
  public init(picking picked: [Int], of columns: Int) {
    self.init(columns: columns, entries: picked.map { [(column: $0, value: 1)] })
  }

  /// Columns and values of one row.
  public func row(_ i: Int) -> [(column: Int, value: Double)] {
    (starts[i]..<starts[i + 1]).map { (column: places[$0], value: values[$0]) }
  }

  /// All entries, the others being 0.
  public var dense: Matrix {
    var matrix = Matrix(rows: rows, columns: columns)
    for i in 0..<rows { for (column, value) in row(i) { matrix[i, column] = value } }
    return matrix
  }

  /// Aᵀ
  public var transpose: SparseMatrix {
    var entries = [[(column: Int, value: Double)]](repeating: [], count: columns)
    for i in 0..<rows { for (column, value) in row(i) { entries[column].append((column: i, value: value)) } }
    return SparseMatrix(columns: rows, entries: entries)
  }

  /// A B
  public static func * (a: SparseMatrix, b: SparseMatrix) -> SparseMatrix {
    precondition(a.columns == b.rows, "\(a.columns) columns times \(b.rows) rows")
    return SparseMatrix(
      columns: b.columns,
      entries: (0..<a.rows).map { i in
        a.row(i).flatMap { middle, factor in b.row(middle).map { (column: $0.column, value: factor * $0.value) } }
      })
  }

  /// A with each row multiplied by a number, and each column by one.
  public func scaled(rows rowFactors: [Double]? = nil, columns columnFactors: [Double]? = nil) -> SparseMatrix {
    SparseMatrix(
      columns: columns,
      entries: (0..<rows).map { i in
        row(i).map { (column: $0, value: $1 * (rowFactors?[i] ?? 1) * (columnFactors?[$0] ?? 1)) }
      })
  }

  // MARK: Products with rows

  /// y = A x of every row.
  /// - Parameters:
  ///   - x: n × `columns`
  ///   - y: n × `rows`; it overlaps no x.
  public func multiply(_ x: Rows, into y: Rows) {
    precondition(x.dimension == columns && y.dimension == rows && x.count == y.count)
    starts.withUnsafeBufferPointer { starts in
      places.withUnsafeBufferPointer { places in
        values.withUnsafeBufferPointer { values in
          for r in 0..<x.count {
            let (source, target) = (x.values + r * columns, y.values + r * rows)
            for i in 0..<rows {
              var sum = 0.0
              for e in starts[i]..<starts[i + 1] { sum += values[e] * source[places[e]] }
              target[i] = sum
            }
          }
        }
      }
    }
  }

  /// x = Aᵀ y of every row.
  /// - Parameters:
  ///   - y: n × `rows`
  ///   - x: n × `columns`; it overlaps no y.
  public func multiplyTransposed(_ y: Rows, into x: Rows) {
    precondition(x.dimension == columns && y.dimension == rows && x.count == y.count)
    x.fill(0)
    starts.withUnsafeBufferPointer { starts in
      places.withUnsafeBufferPointer { places in
        values.withUnsafeBufferPointer { values in
          for r in 0..<x.count {
            let (target, source) = (x.values + r * columns, y.values + r * rows)
            for i in 0..<rows where source[i] != 0 {
              for e in starts[i]..<starts[i + 1] { target[places[e]] += values[e] * source[i] }
            }
          }
        }
      }
    }
  }
}
