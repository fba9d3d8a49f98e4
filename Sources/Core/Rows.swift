// SPDX-License-Identifier: GPL-3.0-or-later

/// A view of consecutive rows of a batch: `count` × `dimension` doubles, row-major.
///
/// It owns nothing, is made by whoever owns the memory, and stays on the thread it was made on. Parts of it come from
/// its own methods, which check their bounds in debug builds.
public struct Rows {
  /// Where the first value lies.
  public let values: UnsafeMutablePointer<Double>
  /// The index of the first row within the whole batch. Random numbers are keyed by it.
  public let first: Int
  /// How many rows the view covers.
  public let count: Int
  /// How many values a row has.
  public let dimension: Int

  /// A view of memory, for its owners alone: everybody else takes parts of a view that exists.
  @usableFromInline
  package init(memory: UnsafeMutablePointer<Double>, first: Int, count: Int, dimension: Int) {
    values = memory
    self.first = first
    self.count = count
    self.dimension = dimension
  }

  /// How many numbers the view covers.
  @inlinable public var size: Int { count * dimension }

  /// The value at a row of the view and a column, both from 0.
  @inlinable
  public subscript(row: Int, column: Int) -> Double {
    get {
      assert(contains(row, column), "row \(row), column \(column) of \(count) × \(dimension)")
      return values[row * dimension + column]
    }
    nonmutating set {
      assert(contains(row, column), "row \(row), column \(column) of \(count) × \(dimension)")
      values[row * dimension + column] = newValue
    }
  }

  @inlinable
  func contains(_ row: Int, _ column: Int) -> Bool {
    row >= 0 && row < count && column >= 0 && column < dimension
  }

  // MARK: Parts

  /// One row, by its place in this view.
  @inlinable
  public func row(_ index: Int) -> Rows { self[index..<index + 1] }

  /// Some of the rows, by their places in this view. Their `first` is what it is within the whole batch.
  @inlinable
  public subscript(range: Range<Int>) -> Rows {
    assert(range.lowerBound >= 0 && range.upperBound <= count, "rows \(range) of \(count)")
    return Rows(
      memory: values + range.lowerBound * dimension, first: first + range.lowerBound, count: range.count,
      dimension: dimension)
  }

  /// Rows of the same shape and places as these, whose values lie elsewhere: for memory that a library in C hands over.
  /// - Precondition: `memory` holds `size` values while the view is in use.
  @inlinable
  public func over(_ memory: UnsafeMutablePointer<Double>) -> Rows {
    Rows(memory: memory, first: first, count: count, dimension: dimension)
  }

  // MARK: Values

  /// Copies all values from rows of the same shape.
  public func copy(_ other: Rows) {
    precondition(other.size == size, "rows of different shapes")
    values.update(from: other.values, count: size)
  }

  /// Copies some columns of as many other rows to columns of these, from `column` on.
  public func copy(columns: Range<Int>, of other: Rows, to column: Int = 0) {
    precondition(
      other.count == count && columns.lowerBound >= 0 && columns.upperBound <= other.dimension && column >= 0
        && column + columns.count <= dimension, "columns that are not there")
    let (source, target) = (other.values + columns.lowerBound, values + column)
    for row in 0..<count {
      (target + row * dimension).update(from: source + row * other.dimension, count: columns.count)
    }
  }

  /// Sets every value.
  public func fill(_ value: Double) { values.update(repeating: value, count: size) }

  /// The sum of the squares of all values.
  public var squaredNorm: Double {
    var sum = 0.0
    for i in 0..<size { sum += values[i] * values[i] }
    return sum
  }
}

extension Rows {
  /// Which rows the view covers, without their values.
  public var span: RowSpan { RowSpan(first: first, count: count, dimension: dimension) }
}
