// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// How far a row is from its target, of the squared distance u = ‖e‖².
public enum RowLoss: Sendable, Equatable {
  /// u
  case squared
  /// √(u + c²) − c (Charbonnier et al. 1997; Song and Dhariwal 2024, eq. 7); with c = 0 the distance ‖e‖.
  case pseudoHuber(Double)

  /// The loss, and its derivative by u.
  func value(_ u: Double) -> (loss: Double, slope: Double) {
    switch self {
    case .squared: return (u, 1)
    case .pseudoHuber(let c):
      let root = (u + c * c).squareRoot()
      // Where a row is its target and c is 0 there is nothing to mend.
      return (root - c, root > 0 ? 0.5 / root : 0)
    }
  }

  /// Σ_i w_i φ(‖e_i‖²) on a tape: a tensor with its derivative, whose value is put right.
  /// - Parameters:
  ///   - errors: e, rows × dimension.
  ///   - weights: w, of each row.
  ///   - tape: records it.
  func loss(_ errors: Tensor, weights: [Double], on tape: Tape) -> Tensor {
    let slopes = tape.constant(rows: errors.rows, columns: 1)
    var sum = 0.0
    for i in 0..<errors.rows {
      var u = 0.0
      for j in 0..<errors.columns { u += Double(errors[i, j]) * Double(errors[i, j]) }
      let (loss, slope) = value(u)
      sum += weights[i] * loss
      slopes.values[i] = Float(weights[i] * slope)
    }
    let result = tape.weightedSquares(errors, by: slopes)
    result.values[0] = Float(sum)
    return result
  }
}
