// SPDX-License-Identifier: GPL-3.0-or-later

/// A view of consecutive rows of a batch: `count` × `dimension` doubles, row-major.
///
/// It owns nothing, is made by whoever owns the memory, and stays on the thread it was made on.
public struct Rows {
  public let values: UnsafeMutablePointer<Double>
  /// The index of the first row within the whole batch. Random numbers are keyed by it.
  public let first: Int
  public let count: Int
  public let dimension: Int

  @inlinable
  public init(values: UnsafeMutablePointer<Double>, first: Int, count: Int, dimension: Int) {
    self.values = values
    self.first = first
    self.count = count
    self.dimension = dimension
  }

  /// How many numbers the view covers.
  @inlinable public var size: Int { count * dimension }

  @inlinable
  public subscript(row: Int, column: Int) -> Double {
    get { values[row * dimension + column] }
    nonmutating set { values[row * dimension + column] = newValue }
  }

  /// Copies all values from rows of the same shape.
  public func copy(_ other: Rows) {
    precondition(other.size == size, "rows of different shapes")
    values.update(from: other.values, count: size)
  }
}

/// Which rows of a batch, without their values.
public struct RowSpan: Sendable, Equatable {
  public let first: Int
  public let count: Int
  public let dimension: Int

  public init(first: Int, count: Int, dimension: Int) {
    self.first = first
    self.count = count
    self.dimension = dimension
  }
}

extension Rows {
  public var span: RowSpan { RowSpan(first: first, count: count, dimension: dimension) }
}

/// Rows with memory of their own, 64-byte aligned: the workspace of a stepper or evaluator, made once per solve. Its `rows`
/// are valid as long as it lives: keep it.
public final class RowStorage {
  public let rows: Rows

  public init(_ span: RowSpan) {
    let values = UnsafeMutableRawPointer.allocate(byteCount: max(64, span.count * span.dimension * 8), alignment: 64)
      .bindMemory(to: Double.self, capacity: span.count * span.dimension)
    values.initialize(repeating: 0, count: span.count * span.dimension)
    rows = Rows(values: values, first: span.first, count: span.count, dimension: span.dimension)
  }

  deinit { rows.values.deallocate() }

  /// Several rows of one shape for the length of a call. Swift may free an object after its last use, even while a view of
  /// its memory is still in use: this keeps it.
  public static func with<Result>(_ span: RowSpan, count: Int, _ body: ([Rows]) throws -> Result) rethrows -> Result {
    let storages = (0..<count).map { _ in RowStorage(span) }
    return try withExtendedLifetime(storages) { try body(storages.map(\.rows)) }
  }
}
