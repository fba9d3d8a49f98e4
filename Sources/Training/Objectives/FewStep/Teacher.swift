// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Models
import Scores
import Tensors

/// Whose probability flow a network learns to map along.
public enum Teacher: Sendable {
  /// A score that is at hand, as the exact one of the data's law: of rows of which nothing is known.
  case score(any Score)
  /// A trained network, with its parameters. It is told the conditions of the rows.
  case network(ScoreModel)

  static let name = "teacher"

  /// The parameter set of a network.
  var frozen: [FrozenParameters] {
    guard case .network(let model) = self else { return [] }
    return [FrozenParameters(Self.name, model.network, .values(model.parameters))]
  }
}

/// A teacher with the memory that it works in.
final class TeacherEvaluator {
  private let teacher: Teacher
  let evaluator: (any ScoreEvaluator)?
  /// The time of each row.
  private(set) var times: [Double] = []

  init(_ teacher: Teacher, rows: Int, dimension: Int) {
    self.teacher = teacher
    if case .score(let score) = teacher {
      evaluator = try? score.makeEvaluator(for: RowSpan(first: 0, count: rows, dimension: dimension))
    } else {
      evaluator = nil
    }
  }

  /// Writes ẑ = −σ s(x, t), the noise of every row, which is dy/dσ̃ of y = x/m along the flow.
  /// - Parameters:
  ///   - x: rows × dimension.
  ///   - nodes: the time of each.
  ///   - shard: says what a network is told, and has its parameters.
  ///   - tape: computes without being recorded.
  ///   - out: of the shape of x. Not a number where the score cannot be evaluated.
  func noise(_ x: Rows, at nodes: [NoiseNode], _ shard: TrainingShard, _ tape: Tape, into out: Rows) {
    switch teacher {
    case .score:
      setTimes(nodes)
      do {
        guard let evaluator else { return out.fill(.nan) }
        try times.withUnsafeBufferPointer { try evaluator.evaluate(x, at: .each($0.baseAddress!), into: out) }
      } catch {
        return out.fill(.nan)
      }
      for i in 0..<x.count {
        let row = out.row(i)
        ck_combine(row.values, -nodes[i].moments.deviation, row.values, 0, row.values, row.size)
      }
    case .network(let model):
      guard let set = shard.frozen[Teacher.name] else { preconditionFailure("a teacher without its parameters") }
      let output = tape.withoutRecording {
        tape.with(set) { model.output(x, at: nodes, told: shard.condition, on: tape) }
      }
      for i in 0..<x.count {
        let (moments, row) = (nodes[i].moments, x.row(i))
        let c = model.scalarCoefficients(moments)
        ck_combine_float(
          out.row(i).values, -moments.deviation * c.skip, row.values, -moments.deviation * c.output,
          output.values + i * x.dimension, x.dimension)
      }
    }
  }

  func setTimes(_ nodes: [NoiseNode]) { times.refill(nodes.count) { nodes[$0].time } }

  /// Writes the denoised rows D = (x − σ ẑ)/m.
  func denoised(_ x: Rows, at nodes: [NoiseNode], _ shard: TrainingShard, _ tape: Tape, into out: Rows) {
    noise(x, at: nodes, shard, tape, into: out)
    for i in 0..<x.count {
      let (m, row) = (nodes[i].moments, out.row(i))
      ck_combine(row.values, 1 / m.scale, x.row(i).values, -m.deviation / m.scale, row.values, row.size)
    }
  }
}

extension ScoreModel {
  /// F of rows at times of their own, told a second time where the network wants one.
  /// - Parameters:
  ///   - x: rows × dimension.
  ///   - nodes: the time of each.
  ///   - others: the second time of each, or one of all; nil: the first.
  ///   - told: what the network is told of each row.
  ///   - tape: computes it.
  func output(
    _ x: Rows, at nodes: [NoiseNode], to others: [NoiseNode]? = nil, told: Tensor?, on tape: Tape
  ) -> Tensor {
    let input = tape.constant(rows: x.count, columns: x.dimension)
    var factor = 0.0
    for i in 0..<x.count {
      // Rows of a grid often have the time of the row before.
      if i == 0 || nodes[i].time != nodes[i - 1].time { factor = scalarCoefficients(nodes[i].moments).input }
      for j in 0..<x.dimension { input.values[i * x.dimension + j] = Float(factor * x[i, j]) }
    }
    return network.forward(
      input, noiseLevel: levels(of: nodes, on: tape), second: others.flatMap { secondLevels(of: $0, on: tape) },
      condition: told, on: tape)
  }

  /// What the network is told of the second time; nil where it is told none.
  func secondLevels(of nodes: [NoiseNode], on tape: Tape) -> Tensor? {
    network.takesSecond ? levels(of: nodes, on: tape) : nil
  }

  /// The noise level of each node as this network is told it: a teacher's may be told it otherwise than the student's.
  func levels(of nodes: [NoiseNode], on tape: Tape) -> Tensor {
    let column = tape.constant(rows: nodes.count, columns: 1)
    for i in nodes.indices {
      switch network.noiseInput {
      case .logNoiseToSignal: column.values[i] = Float(nodes[i].logRatio)
      case .time, .discrete: column.values[i] = Float(noiseLevel(nodes[i].moments, at: nodes[i].time))
      }
    }
    return column
  }
}
