// SPDX-License-Identifier: GPL-3.0-or-later

/// Which rows of a batch, without their values.
public struct RowSpan: Sendable, Equatable {
  /// The index of the first row within the whole batch.
  public let first: Int
  /// How many rows there are.
  public let count: Int
  /// How many values a row has.
  public let dimension: Int

  /// `count` rows of `dimension` values from the row `first` on.
  public init(first: Int, count: Int, dimension: Int) {
    self.first = first
    self.count = count
    self.dimension = dimension
  }

  /// The same rows with another number of values each.
  public func with(dimension: Int) -> RowSpan { RowSpan(first: first, count: count, dimension: dimension) }
}
