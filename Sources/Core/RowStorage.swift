// SPDX-License-Identifier: GPL-3.0-or-later

/// Rows with memory of their own, 64-byte aligned: the workspace of a stepper or evaluator, made once per solve.
///
/// Its views are valid as long as it lives: keep it.
public final class RowStorage {
  /// All rows.
  public let rows: Rows

  /// Rows of zeros.
  public init(_ span: RowSpan) {
    let values = UnsafeMutableRawPointer.allocate(byteCount: max(64, span.count * span.dimension * 8), alignment: 64)
      .bindMemory(to: Double.self, capacity: span.count * span.dimension)
    values.initialize(repeating: 0, count: span.count * span.dimension)
    rows = Rows(memory: values, first: span.first, count: span.count, dimension: span.dimension)
  }

  deinit { rows.values.deallocate() }

  /// The beginning of the memory as the rows with these places within a batch. The dimension is the storage's own.
  @inlinable
  public func view(of places: Range<Int>) -> Rows {
    assert(places.count <= rows.count, "\(places.count) rows in memory for \(rows.count)")
    return Rows(memory: rows.values, first: places.lowerBound, count: places.count, dimension: rows.dimension)
  }

  /// The beginning of the memory as the rows that x has. The dimension is the storage's own.
  @inlinable
  public func view(like x: Rows) -> Rows { view(of: x.first..<x.first + x.count) }

  /// Makes several rows of one shape for the length of a call. Swift may free an object after its last use, even while
  /// a view of its memory is still in use: this keeps it.
  public static func with<Result>(_ span: RowSpan, count: Int, _ body: ([Rows]) throws -> Result) rethrows -> Result {
    let storages = (0..<count).map { _ in RowStorage(span) }
    return try withExtendedLifetime(storages) { try body(storages.map(\.rows)) }
  }
}
