// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets

extension Catalogue {
  static let mask = Kind<any OperatorRecipe>("mask", "some of the values as they are") { options, _ in
    let region = try options.oneOf([
      (
        key: "indices",
        read: { MaskOperator.Region.indices(try $0.integers("indices", atLeast: 0, "places in a row, from 0")) }
      ),
      ("box", { .box(try box($0)) }),
      ("half", { .half(try half($0)) }),
      (
        "share",
        { options in
          .share(
            try options.number("share", example: 0.5, in: .between(0, 1), "of the pixels, or of values; drawn"), seed: 0
          )
        }
      ),
    ])
    var isDrawn = options.isDescribing
    if case .share = region { isDrawn = true }
    let seed = try options.part(if: isDrawn, needs: "share") {
      try $0.integer("seed", default: 0, atLeast: 0, "of the drawn share; the experiment's own has no part in it")
    }
    let keeps = try options.choice(
      "keeps", default: MaskOperator.Side.inside, "which values are seen: those named, or all others")
    if case .share(let share, _) = region, let seed {
      return MaskOperator(region: .share(share, seed: seed), keeps: keeps)
    }
    return MaskOperator(region: region, keeps: keeps)
  }

  private static func half(_ options: Options) throws -> MaskOperator.Half {
    let names = MaskOperator.Half.allCases.map(\.rawValue)
    let text = try options.text("half", example: "left", allowed: names.joined(separator: ", "), "of an image")
    guard let half = MaskOperator.Half(rawValue: text) else { throw options.unknownName("half", text, names) }
    return half
  }
}

/// Some of the values.
struct MaskOperator: OperatorRecipe {
  let region: Region
  let keeps: Side

  /// What a mask names.
  enum Region {
    case indices([Int])
    case box(PixelGrid.Box)
    case half(Half)
    case share(Double, seed: Int)
  }

  /// Half of an image; of an odd number of pixels left and top have one less.
  enum Half: String, CaseIterable {
    case left, right, top, bottom
  }

  /// Which values are seen.
  enum Side: String, CaseIterable, Sendable {
    case inside, outside
  }

  func seen(of shape: RowShape) throws -> SeenMap {
    var picked = try named(in: shape)
    if keeps == .outside {
      let hidden = Set(picked)
      picked = (0..<shape.dimension).filter { !hidden.contains($0) }
    }
    guard !picked.isEmpty else { throw InputError("nothing is seen; allowed: one value or more") }
    return SeenMap(SparseMatrix(picking: picked, of: shape.dimension), shape.picking(picked))
  }

  private func named(in shape: RowShape) throws -> [Int] {
    switch region {
    case .indices(let indices):
      var known: Set<Int> = []
      for index in indices {
        guard index < shape.dimension else {
          throw InputError("index \(index) for rows of \(shape.dimension) values; allowed: 0 to \(shape.dimension - 1)")
        }
        guard known.insert(index).inserted else { throw InputError("index \(index) stands there twice; allowed: once") }
      }
      return indices
    case .box(let box):
      let grid = try shape.requireImage()
      try grid.require(box)
      return grid.indices(of: box)
    case .half(let half):
      let grid = try shape.requireImage()
      let (down, along) = (grid.height / 2, grid.width / 2)
      let box =
        switch half {
        case .left: PixelGrid.Box(top: 0, left: 0, height: grid.height, width: along)
        case .right: PixelGrid.Box(top: 0, left: along, height: grid.height, width: grid.width - along)
        case .top: PixelGrid.Box(top: 0, left: 0, height: down, width: grid.width)
        case .bottom: PixelGrid.Box(top: down, left: 0, height: grid.height - down, width: grid.width)
        }
      guard grid.contains(box) else {
        throw InputError("half of an image of \(grid.height) × \(grid.width) pixels is none")
      }
      return grid.indices(of: box)
    case .share(let share, let seed):
      // A pixel has all of its channels.
      let channels = (try? shape.requireImage())?.channels ?? 1
      let count = shape.dimension / channels
      let wanted = Int((share * Double(count)).rounded())
      guard wanted > 0, wanted < count else {
        throw InputError("share \(share) of \(count) is \(wanted); allowed: what rounds to 1 to \(count - 1)")
      }
      let hashes = NoiseStream(seed: UInt64(seed), purpose: .mask).uniforms(count: count, dimension: 1).values
      let order = (0..<count).sorted { (hashes[$0], $0) < (hashes[$1], $1) }
      return order.prefix(wanted).sorted().flatMap { pixel in (0..<channels).map { pixel * channels + $0 } }
    }
  }
}
