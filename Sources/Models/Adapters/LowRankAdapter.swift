// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks

/// A change of low rank of one weight (Hu et al. 2022): W + s B A, where A reads the input and B writes the output.
///
/// Weights of convolutions are matrices, [out, in · taps]; A has the taps, and B is 1 × 1.
public struct LowRankAdapter: Sendable, Equatable {
  /// A: rank × inputs, `inputs` with the taps of a convolution.
  public let down: [Float]
  /// B: outputs × rank.
  public let up: [Float]
  /// The inner dimension.
  public let rank: Int
  /// s: α over the rank, 1 where nothing says α.
  public let scale: Float

  /// - Precondition: matrices of whole rows.
  public init(down: [Float], up: [Float], rank: Int, scale: Float) {
    precondition(rank > 0 && down.count % rank == 0 && up.count % rank == 0, "matrices of a rank")
    (self.down, self.up, self.rank, self.scale) = (down, up, rank, scale)
  }

  /// How many inputs and outputs the weight has.
  public var inputs: Int { down.count / rank }
  /// How many rows the weight has.
  public var outputs: Int { up.count / rank }

  /// W + weight · s B A, summed in double precision.
  /// - Parameter weights: outputs × inputs.
  func added(to weights: [Float], times weight: Double) -> [Float] {
    precondition(weights.count == inputs * outputs, "a weight of another shape")
    var result = weights
    var row = [Double](repeating: 0, count: inputs)
    for o in 0..<outputs {
      for i in 0..<inputs { row[i] = 0 }
      for k in 0..<rank {
        let factor = weight * Double(scale) * Double(up[o * rank + k])
        for i in 0..<inputs { row[i] += factor * Double(down[k * inputs + i]) }
      }
      for i in 0..<inputs { result[o * inputs + i] = Float(Double(weights[o * inputs + i]) + row[i]) }
    }
    return result
  }
}
