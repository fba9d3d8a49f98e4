// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Networks
import Tensors

extension WeightedNetwork {
  /// The mean over a batch of e^{w} u − w with the squared error u of a row and w of its noise level: least, for w
  /// alone, where e^{−w} is the mean of u at that noise level, so that every noise level counts alike.
  /// - Parameters:
  ///   - errors: rows × dimension; u is the mean of their squares.
  ///   - logRatios: ln σ̃ of each row.
  ///   - batch: how many rows the batch has.
  ///   - tape: records it.
  func loss(_ errors: Tensor, logRatios: [Double], batch: Int, on tape: Tape) -> Tensor {
    let (rows, dimension) = (errors.rows, errors.columns)
    let levels = tape.constant(rows: rows, columns: 1)
    for i in 0..<rows { levels.values[i] = Float(logRatios[i]) }
    let w = logWeight(levels, on: tape)
    // The tape has no exponential: what it records has the derivatives of the loss, and then its value.
    let (weights, slopes) = (tape.constant(rows: rows, columns: 1), tape.constant(rows: rows, columns: 1))
    var sum = 0.0
    for i in 0..<rows {
      var u = 0.0
      for j in 0..<dimension { u += Double(errors[i, j]) * Double(errors[i, j]) }
      u /= Double(dimension)
      let factor = exp(Double(w.values[i]))
      weights.values[i] = Float(factor / Double(batch * dimension))
      slopes.values[i] = Float((factor * u - 1) / Double(batch))
      sum += factor * u - Double(w.values[i])
    }
    let total = tape.sum(
      1, tape.weightedSquares(errors, by: weights), 1, tape.columnSums(tape.scaleRows(w, by: slopes)))
    total.values[0] = Float(sum / Double(batch))
    return total
  }
}
