// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A mixture of uniform laws on boxes, Σ_k w_k U(box k): a single box, or the squares of a board.
public struct BoxMixture: Sendable, Equatable {
  /// The boxes, which may overlap.
  public let boxes: [UniformBox]
  /// w_k, which sum to 1.
  public let weights: [Double]

  /// How many values a point has.
  public var dimension: Int { boxes[0].dimension }

  /// The only box of the law; nil where there are more.
  public var single: UniformBox? { boxes.count == 1 ? boxes[0] : nil }

  /// The law of one box.
  public init(_ box: UniformBox) { (boxes, weights) = ([box], [1]) }

  /// - Parameters:
  ///   - boxes: at least one, all of one dimension.
  ///   - weights: one for each box, in any unit; nil: all boxes are as likely.
  /// - Throws: `InputError` for no box, boxes of different dimensions, and weights that are not finite and above 0.
  public init(_ boxes: [UniformBox], weights: [Double]? = nil) throws {
    guard let first = boxes.first else { throw InputError("no box; allowed: at least one") }
    for (k, box) in boxes.enumerated() where box.dimension != first.dimension {
      throw InputError("box \(k + 1) has \(box.dimension) columns, the first one \(first.dimension); allowed: as many")
    }
    let weights = weights ?? [Double](repeating: 1, count: boxes.count)
    guard weights.count == boxes.count else {
      throw InputError("\(weights.count) weights for \(boxes.count) boxes; allowed: as many")
    }
    let sum = weights.reduce(0, +)
    guard weights.allSatisfy({ $0 > 0 && $0.isFinite }), sum.isFinite else {
      throw InputError("weights \(weights); allowed: finite numbers above 0")
    }
    (self.boxes, self.weights) = (boxes, weights.map { $0 / sum })
  }
}
