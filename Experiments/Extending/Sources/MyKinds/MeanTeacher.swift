// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

/// An objective with a second, frozen parameter set: denoising score matching, and λ times how far the network's
/// answers are from those of its own moving average, at other noise (mean teachers, Tarvainen and Valpola 2017). No
/// gradient reaches the average. For processes with a scalar kernel.
public struct MeanTeacher: Objective {
  let base: DenoisingScoreMatching
  let pull: Double

  public var network: any Network { base.network }
  public var dataDimension: Int { base.dataDimension }
  public var times: TrainingTimes { base.times }
  public var frozen: [FrozenParameters] { [FrozenParameters("teacher", network, .average)] }

  /// - Parameter pull: λ
  public init(_ base: DenoisingScoreMatching, pull: Double) { (self.base, self.pull) = (base, pull) }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker {
    Worker(self, base.makeWorker(rows: rows, seed: seed), rows, NoiseStream(seed: seed, purpose: .init(rawValue: 200)))
  }

  private final class Worker: ObjectiveWorker {
    private let model: ScoreModel
    private let pull: Double
    private let base: any ObjectiveWorker
    private let stream: NoiseStream
    private let noise: RowStorage

    init(_ objective: MeanTeacher, _ base: any ObjectiveWorker, _ rows: Int, _ stream: NoiseStream) {
      (model, pull, self.base, self.stream) = (objective.base.model, objective.pull, base, stream)
      noise = RowStorage(RowSpan(first: 0, count: rows, dimension: model.network.dimension))
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let loss = base.loss(of: shard, on: tape)
      guard let teacher = shard.frozen["teacher"] else { return loss }
      let (count, dimension, z) = (shard.rows.count, model.network.dimension, noise.view(of: shard.rows))
      stream.normals(into: z, step: shard.step)
      let input = tape.constant(rows: count, columns: dimension)
      let (level, weight) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: 1))
      for i in 0..<count {
        let moments = model.kernel.moments(at: shard.times[i])
        guard case .scalar(let c) = model.coefficients(moments) else { return loss }
        level.values[i] = Float(model.noiseLevel(moments, at: shard.times[i]))
        weight.values[i] = Float(pull / Double(shard.batch * dimension))
        for j in 0..<dimension {
          let state = moments.scale * Double(shard.data[i * dimension + j]) + moments.deviation * z[i, j]
          input.values[i * dimension + j] = Float(c.input * state)
        }
      }
      func answers() -> Tensor {
        model.network.forward(input, noiseLevel: level, second: nil, condition: shard.condition, on: tape)
      }
      let distance = tape.sum(1, answers(), -1, tape.with(teacher) { answers() })
      return tape.sum(1, loss, 1, tape.weightedSquares(distance, by: weight))
    }
  }
}

extension Kind<ObjectiveRecipe> {
  static let meanTeacher = Kind("mean-teacher", "denoising, and near the answers of the moving average") { options, _ in
    let pull = try options.number(
      "pull", default: 0.1, in: .nonNegative, "λ, the weight of the distance from the average")
    return ObjectiveRecipe("mean-teacher", usesKernel: true) { setting in
      guard setting.model.kernel.isScalar else { throw InputError("mean-teacher needs a kernel m x₀ + σ z") }
      return MeanTeacher(
        DenoisingScoreMatching(
          setting.model, process: setting.process, weighting: setting.plan.weighting, times: setting.times), pull: pull)
    }
  }
}
