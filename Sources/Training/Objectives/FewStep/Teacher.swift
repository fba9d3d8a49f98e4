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
  /// What a linearised score wrote, and its times, which the evaluator reads again.
  private lazy var linear = (
    scores: RowStorage(span), times: RowStorage(RowSpan(first: 0, count: span.count, dimension: 1))
  )
  private let span: RowSpan

  init(_ teacher: Teacher, rows: Int, dimension: Int) {
    self.teacher = teacher
    span = RowSpan(first: 0, count: rows, dimension: dimension)
    if case .score(let score) = teacher {
      evaluator = try? score.makeEvaluator(for: span)
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
        tape.withoutDropout {
          tape.with(set) { model.output(x, at: nodes, told: shard.condition, on: tape) }
        }
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

  /// The denoised rows as a tensor through which derivatives flow to what a network sees; those of a score that is at
  /// hand are constants, and `pullback` gives their derivatives.
  /// - Parameters:
  ///   - seen: rows × dimension.
  ///   - x: its values. They stay as they are until `pullback`.
  ///   - nodes: the time of each.
  ///   - shard: says what a network is told, and has its parameters.
  ///   - tape: records it.
  func denoised(_ seen: Tensor, _ x: Rows, at nodes: [NoiseNode], _ shard: TrainingShard, _ tape: Tape) -> Tensor {
    switch teacher {
    case .network(let model):
      guard let set = shard.frozen[Teacher.name] else { preconditionFailure("a teacher without its parameters") }
      return tape.withoutDropout {
        tape.with(set) { model.denoised(seen, at: nodes, told: shard.condition, on: tape) }
      }
    case .score:
      let out = tape.constant(rows: x.count, columns: x.dimension)
      let (s, times) = (linear.scores.view(of: 0..<x.count), linear.times.view(of: 0..<x.count))
      for i in 0..<x.count { times[i, 0] = nodes[i].time }
      if (try? evaluator?.linearise(x, at: .each(times.values), into: s)) == nil { s.fill(.nan) }
      for i in 0..<x.count {
        let m = nodes[i].moments
        for j in 0..<x.dimension { out[i, j] = Float((x[i, j] + m.variance * s[i, j]) / m.scale) }
      }
      return out
    }
  }

  /// Whether it is a network, whose derivatives are on the tape.
  var isNetwork: Bool { if case .network = teacher { true } else { false } }

  /// Writes m (∂D/∂x)ᵀ v = v + σ² (∂s/∂x)ᵀ v of every row, at the x of the last `denoised`, of a score that is at
  /// hand.
  func pullback(_ v: Rows, at nodes: [NoiseNode], into out: Rows) {
    if (try? evaluator?.pullback(v, into: out)) == nil { out.fill(.nan) }
    for i in 0..<v.count {
      let row = out.row(i)
      ck_combine(row.values, nodes[i].moments.variance, row.values, 1, v.row(i).values, row.size)
    }
  }
}

extension Tape {
  /// A column of constants.
  func column(_ rows: Int, _ value: (Int) -> Double) -> Tensor {
    let column = constant(rows: rows, columns: 1)
    for i in 0..<rows { column.values[i] = Float(value(i)) }
    return column
  }
}

extension ScoreModel {
  /// The denoiser D = skip x + out F of rows at times of their own, as a tensor that depends on x: told a second time
  /// where the network wants one, the same.
  /// - Parameters:
  ///   - x: rows × dimension.
  ///   - nodes: the time of each.
  ///   - told: what the network is told of each row.
  ///   - tape: records it.
  func denoised(_ x: Tensor, at nodes: [NoiseNode], told: Tensor?, on tape: Tape) -> Tensor {
    func factor(_ of: (_ skip: Double, _ output: Double) -> Double) -> Tensor {
      tape.column(nodes.count) {
        let d = prediction.denoiser(nodes[$0].moments, dataDeviation: dataDeviation)
        return of(d.skip, d.output)
      }
    }
    let input = tape.scaleRows(x, by: tape.column(nodes.count) { scalarCoefficients(nodes[$0].moments).input })
    let output = network.forward(
      input, noiseLevel: levels(of: nodes, on: tape), second: secondLevels(of: nodes, on: tape), condition: told,
      on: tape)
    return tape.sum(
      1, tape.scaleRows(x, by: factor { skip, _ in skip }), 1, tape.scaleRows(output, by: factor { _, out in out }))
  }

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
