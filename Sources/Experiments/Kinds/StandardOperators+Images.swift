// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets

// Operators on images.
extension Catalogue {
  static let crop = Kind<any OperatorRecipe>("crop", "a rectangle of an image, which is the image that is seen") {
    options, _ in
    CropOperator(box: try box(options))
  }

  static let downsample = Kind<any OperatorRecipe>("downsample", "the mean of every square of pixels") { options, _ in
    DownsampleOperator(factor: try options.integer("factor", example: 2, atLeast: 2, "pixels along a square's side"))
  }

  static let blur = Kind<any OperatorRecipe>("blur", "a Gaussian blur") { options, _ in
    let deviation = try options.number("deviation", in: .positive, "of the Gaussian, in pixels")
    let usual = 2 * Int(min(1000, (3 * deviation).rounded(.up))) + 1
    let size = try options.integer(
      "size", default: usual, atLeast: 1, atMost: 2001, "pixels along a side of the kernel, odd; default: 3 deviations")
    guard size % 2 == 1 else { throw options.wrong("size", "is \(size); allowed: odd numbers") }
    let edges = try options.choice("edges", default: Edges.reflect, "what an image is taken to be beyond its borders")
    return BlurOperator(deviation: deviation, size: size, edges: edges)
  }

  static let gray = Kind<any OperatorRecipe>("gray", "one value a pixel, a sum over its channels") { options, _ in
    GrayOperator(
      weights: try options.numbers("weights", or: "luma", "of the channels; luma: 0.299, 0.587 and 0.114, as in JPEG"))
  }

  /// `box`: top, left, height and width.
  static func box(_ options: Options) throws -> PixelGrid.Box {
    let numbers = try options.integers("box", atLeast: 0, "[top, left, height, width] in pixels, from 0")
    if options.isDescribing { return PixelGrid.Box(top: 0, left: 0, height: 1, width: 1) }
    guard numbers.count == 4 else {
      throw options.wrong("box", "has \(numbers.count) numbers; allowed: 4, [top, left, height, width]")
    }
    return PixelGrid.Box(top: numbers[0], left: numbers[1], height: numbers[2], width: numbers[3])
  }
}

extension PixelGrid {
  /// - Throws: `InputError` for a box that is not in the image.
  func require(_ box: Box) throws {
    guard contains(box) else {
      throw InputError(
        "box [\(box.top), \(box.left), \(box.height), \(box.width)] is not within the image of \(height) × \(width) "
          + "pixels; allowed: top + height of 1 to \(height), left + width of 1 to \(width)")
    }
  }
}

struct CropOperator: OperatorRecipe {
  let box: PixelGrid.Box

  func seen(of shape: RowShape) throws -> SeenMap {
    let grid = try shape.requireImage()
    try grid.require(box)
    return SeenMap(
      SparseMatrix(picking: grid.indices(of: box), of: grid.count),
      RowShape(PixelGrid(height: box.height, width: box.width, channels: grid.channels)))
  }
}

struct DownsampleOperator: OperatorRecipe {
  let factor: Int

  func seen(of shape: RowShape) throws -> SeenMap {
    let grid = try shape.requireImage()
    guard grid.height % factor == 0, grid.width % factor == 0 else {
      throw InputError(
        "factor \(factor) for images of \(grid.height) × \(grid.width) pixels; allowed: factors of both numbers")
    }
    return SeenMap(
      SparseMatrix.averaging(grid, factor: factor),
      RowShape(PixelGrid(height: grid.height / factor, width: grid.width / factor, channels: grid.channels)))
  }
}

struct BlurOperator: OperatorRecipe {
  let deviation: Double
  let size: Int
  let edges: Edges

  func seen(of shape: RowShape) throws -> SeenMap {
    let grid = try shape.requireImage()
    let shorter = min(grid.height, grid.width)
    guard edges != .valid || size <= shorter else {
      throw InputError(
        "size \(size) for images of \(grid.height) × \(grid.width) pixels; with edges: valid at most \(shorter)")
    }
    // A wider kernel would leave nothing but the mean of a pattern.
    guard size <= 2 * shorter + 1 else {
      throw InputError(
        "size \(size) for images of \(grid.height) × \(grid.width) pixels; allowed: at most \(2 * shorter + 1)")
    }
    return SeenMap(
      SparseMatrix.blurring(
        grid, weights: SparseMatrix.gaussianWeights(deviation: deviation, size: size), edges: edges),
      RowShape(grid.blurred(reach: size / 2, edges)))
  }
}

struct GrayOperator: OperatorRecipe {
  /// nil: those of luma.
  let weights: [Double]?

  func seen(of shape: RowShape) throws -> SeenMap {
    let grid = try shape.requireImage()
    guard grid.channels > 1 else { throw InputError("needs images of several channels; these have one") }
    let weights = weights ?? [0.299, 0.587, 0.114]
    guard weights.count == grid.channels else {
      throw InputError("\(weights.count) weights for images of \(grid.channels) channels; allowed: as many")
    }
    guard weights.contains(where: { $0 != 0 }) else { throw InputError("weights that are all 0 show nothing") }
    return SeenMap(
      SparseMatrix.mixingChannels(grid, weights: weights),
      RowShape(PixelGrid(height: grid.height, width: grid.width, channels: 1)))
  }
}
