// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// No data at all: for sampling a model that came from elsewhere. It only says what a row is.
///
/// `load` gives no rows, neither to train on nor to judge by.
public struct NoData: DataSource {
  /// How many values a row has.
  public let dimension: Int
  public let imageShape: ImageShape?

  /// - Parameters:
  ///   - dimension: how many values a row has.
  ///   - shape: how it is to be seen as an image.
  public init(dimension: Int, shape: ImageShape? = nil) {
    precondition(dimension > 0 && shape.map { $0.count == dimension } ?? true)
    self.dimension = dimension
    imageShape = shape
  }

  public var hasRows: Bool { false }

  public func load(seed: UInt64) throws -> Dataset {
    let nothing = Batch(count: 0, dimension: dimension)
    return Dataset(training: nothing, heldOut: nothing)
  }
}
