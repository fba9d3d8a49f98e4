// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets

/// What is seen of a row, for rows of any size: what `operator` of an observation names. A package adds its own as
/// kinds of `Catalogue.operators`.
public protocol OperatorRecipe: Sendable {
  /// - Parameter shape: what a row is: that of the data, or what an operator before this one gives.
  /// - Throws: `InputError` without a location for rows that the operator is not made for.
  func seen(of shape: RowShape) throws -> SeenMap
}

/// What a row is: how many values it has, and as which image they are to be looked at.
public struct RowShape: Sendable, Equatable {
  /// How many values there are.
  public let dimension: Int
  /// nil for points, and for values that are no pixels.
  public let image: ImageShape?
  /// Where in the image each value lies; nil: they are all of it, in its order.
  public let places: [Int]?

  /// Values that are no image, or all of one.
  public init(dimension: Int, image: ImageShape? = nil) {
    (self.dimension, self.image, places) = (dimension, image.flatMap { $0.count == dimension ? $0 : nil }, nil)
  }

  /// All values of an image.
  public init(_ grid: PixelGrid) {
    self.init(
      dimension: grid.count, image: ImageShape(height: grid.height, width: grid.width, channels: grid.channels))
  }

  /// Some values of an image, at these places.
  public init(image: ImageShape, places: [Int]) {
    (dimension, self.image, self.places) = (places.count, image, places)
  }

  /// The image, for an operator that needs all of one.
  /// - Throws: `InputError` where a row is none.
  public func requireImage() throws -> PixelGrid {
    guard let image, places == nil else {
      throw InputError(
        image == nil
          ? "needs images; a row has \(dimension) values and no shape; allowed: data of images, as npy with shape"
            + ": [height, width, channels]"
          : "needs a whole image; before it only \(dimension) values of one are seen")
    }
    return PixelGrid(height: image.height, width: image.width, channels: image.channels)
  }

  /// Some of the values.
  func picking(_ picked: [Int]) -> RowShape {
    guard let image else { return RowShape(dimension: picked.count) }
    return RowShape(image: image, places: picked.map { places?[$0] ?? $0 })
  }

  /// Rows as images to look at. Values between `low` and `high` are from black to white; what is not seen is gray.
  /// - Returns: nil where there is no image.
  package func pictures(of rows: Batch, low: Double = -1, high: Double = 1) -> Batch? {
    guard let image else { return nil }
    var pictures = Batch(count: rows.count, dimension: image.count)
    for row in 0..<rows.count {
      for (j, value) in rows.row(row).enumerated() {
        pictures[row, places?[j] ?? j] = 2 * (value - low) / (high - low) - 1
      }
    }
    return pictures
  }
}

/// A map of rows, and what it gives.
public struct SeenMap: Sendable {
  /// The map.
  public let map: any ForwardMap
  /// What is seen.
  public let shape: RowShape

  /// - Precondition: the shape has as many values as the map gives.
  public init(_ map: any ForwardMap, _ shape: RowShape) {
    precondition(map.observedDimension == shape.dimension, "a shape of what the map gives")
    (self.map, self.shape) = (map, shape)
  }
}

/// Several operators, one after the other.
struct OperatorChain: OperatorRecipe {
  let links: [any OperatorRecipe]

  func seen(of shape: RowShape) throws -> SeenMap {
    var all: SeenMap?
    for (index, link) in links.enumerated() {
      let next: SeenMap
      do {
        next = try link.seen(of: all?.shape ?? shape)
      } catch let error as InputError where error.location.isEmpty {
        throw InputError("number \(index): \(error.message)")
      }
      guard let before = all?.map else {
        all = next
        continue
      }
      let map: any ForwardMap
      if let a = before.matrix, let b = next.map.matrix { map = b * a } else { map = ComposedMap(before, next.map) }
      all = SeenMap(map, next.shape)
    }
    guard let all else { throw InputError("is an empty list; allowed: one operator or more") }
    return all
  }
}
