// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Models
import Networks
import Processes
import Scores
import Tensors

/// The cross-entropy of a classifier of noised rows: the mean of −log p_t(c | x_t) over data, times and noise (Dhariwal
/// and Nichol 2021, section 4), x_t = m x_0 + σ z.
public struct ClassifierObjective: Objective {
  /// The classifier; its parameters are not used.
  public let classifier: NoisyClassifier
  public let times: TrainingTimes

  public var network: any Network { classifier.network }
  public var dataDimension: Int { classifier.network.dimension }

  /// The objective of a classifier at times of a law.
  public init(_ classifier: NoisyClassifier, times: TrainingTimes) {
    (self.classifier, self.times) = (classifier, times)
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let classifier: NoisyClassifier
    private let seed: UInt64
    private let noise: RowStorage

    init(_ objective: ClassifierObjective, rows: Int, seed: UInt64) {
      (classifier, self.seed) = (objective.classifier, seed)
      noise = RowStorage(RowSpan(first: 0, count: rows, dimension: objective.classifier.network.dimension))
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (rows, dimension) = (shard.rows, classifier.network.dimension)
      let noiseLevel = tape.constant(rows: rows.count, columns: 1)
      let input = tape.constant(rows: rows.count, columns: dimension)
      let z = noise.view(of: rows)
      NoiseStream(seed: seed, purpose: .trainingNoise).normals(into: z, step: shard.step)
      for i in 0..<rows.count {
        let moments = classifier.kernel.moments(at: shard.times[i])
        noiseLevel.values[i] = Float(log(moments.noiseToSignal))
        let scale = classifier.inputScale(moments)
        let (a, b) = (scale * moments.scale, scale * moments.deviation)
        for j in 0..<dimension {
          input.values[i * dimension + j] = Float(a * Double(shard.data[i * dimension + j]) + b * z[i, j])
        }
      }
      let logits = classifier.network.forward(
        input, noiseLevel: noiseLevel, second: nil, condition: shard.condition, on: tape)
      return crossEntropy(logits, shard, tape)
    }

    /// The loss as a sum that has its derivative: Σ (p − [j = c]) · logits, with p − [j = c] held fast, whose value is
    /// then put right.
    private func crossEntropy(_ logits: Tensor, _ shard: TrainingShard, _ tape: Tape) -> Tensor {
      guard let labels = shard.condition else { preconditionFailure("rows without classes") }
      let adjoint = tape.constant(rows: logits.rows, columns: logits.columns)
      var loss = 0.0
      for i in 0..<logits.rows {
        loss += logits.crossEntropy(
          ofRow: i, label: Int(labels[i, 0]), into: adjoint, times: 1 / Double(shard.batch))
      }
      let result = tape.columnSums(tape.rowSums(tape.product(logits, adjoint)))
      result.values[0] = Float(loss / Double(shard.batch))
      return result
    }
  }
}
