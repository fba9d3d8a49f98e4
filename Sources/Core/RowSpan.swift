// SPDX-License-Identifier: GPL-3.0-or-later

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

  /// The same rows with another number of values each.
  public func with(dimension: Int) -> RowSpan { RowSpan(first: first, count: count, dimension: dimension) }
}
