// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Networks
import Tensors

/// The cross-entropy of a network that says of every word whether it is true of a picture: the mean over rows and words
/// of −t ln p − (1 − t) ln(1 − p), p = 1/(1 + e^{−l}) with the network's output l, where t is 1 or 0 as the rows'
/// conditions say.
public struct FeatureObjective: Objective {
  /// The network.
  public let features: FeatureNetwork
  public let times: TrainingTimes

  public var network: any Network { features }
  public var dataDimension: Int { features.dimension }

  /// - Parameters:
  ///   - features: the network; rows are trained with as many numbers as it has words.
  ///   - times: the trainer draws times by it, which this objective does not read.
  public init(_ features: FeatureNetwork, times: TrainingTimes) { (self.features, self.times) = (features, times) }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(features) }

  private final class Worker: ObjectiveWorker {
    private let network: FeatureNetwork

    init(_ network: FeatureNetwork) { self.network = network }

    /// A sum that has the loss's derivative, whose value is then put right.
    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      guard let words = shard.condition else { preconditionFailure("rows without words") }
      let count = shard.rows.count
      let x = tape.constant(rows: count, columns: network.dimension)
      for i in 0..<x.count { x.values[i] = shard.data[i] }
      let level = tape.constant(rows: 1, columns: 1)
      level.values[0] = 0
      let odds = network.forward(x, noiseLevel: level, second: nil, condition: words, on: tape)
      let slope = tape.constant(rows: count, columns: odds.columns)
      let scale = 1 / Double(shard.batch * odds.columns)
      var loss = 0.0
      for row in 0..<count {
        for j in 0..<odds.columns {
          let (l, t) = (Double(odds[row, j]), Double(words[row, j]))
          // ln(1 + e^l) without overflow.
          loss += max(l, 0) + log1p(exp(-abs(l))) - t * l
          slope[row, j] = Float(scale * (1 / (1 + exp(-l)) - t))
        }
      }
      let result = tape.columnSums(tape.rowSums(tape.product(odds, slope)))
      result.values[0] = Float(scale * loss)
      return result
    }
  }
}
