// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Models
import Networks
import Processes
import Tensors

/// What objectives of maps between two times have in common: which second time a row has, and what it learns where both
/// are equal.
public struct TwoTimes: Sendable {
  /// How second times are drawn below first ones.
  public enum SecondTimes: String, Sendable, CaseIterable {
    /// Uniform in ln σ̃ between ε and t.
    case logRatio = "log-ratio"
    /// Uniform in t, between ε and the first time: where ln σ̃ reaches far, as of straight paths.
    case time
  }

  /// The network with its conventions; it is told two noise levels.
  public let model: ScoreModel
  /// With a scalar diffusion.
  public let process: PreparedProcess
  /// Whose flow is learned; nil: the network's own, which at equal times learns from the data.
  public let teacher: Teacher?
  /// The share of rows whose two times are equal.
  public let diagonal: Double
  /// The share of the others whose map goes from the smaller time to the larger one.
  public let forward: Double
  /// How second times are drawn.
  public let secondTimes: SecondTimes
  let end: NoiseNode
  /// a and g of the process.
  let affine: any AffineSDE

  /// - Parameters:
  ///   - model: with a scalar kernel and a network that is told two noise levels; its parameters are not used.
  ///   - process: with a scalar diffusion.
  ///   - teacher: whose flow is learned; nil: the network's own.
  ///   - end: ε, the smallest time.
  ///   - diagonal: the share of rows whose two times are equal, 0 to 1.
  ///   - forward: the share of the others whose map goes from the smaller time to the larger one, 0 to 1: of objectives
  ///     that allow it.
  ///   - secondTimes: how second times are drawn, of objectives that leave it open.
  public init(
    _ model: ScoreModel, process: PreparedProcess, teacher: Teacher?, to end: Double, diagonal: Double,
    forward: Double = 0, secondTimes: SecondTimes = .logRatio
  ) {
    precondition(model.network.takesSecond && (0...1).contains(diagonal), "a network of two noise levels")
    precondition((0...1).contains(forward))
    (self.model, self.process, self.teacher, self.diagonal) = (model, process, teacher, diagonal)
    (self.forward, self.secondTimes) = (forward, secondTimes)
    self.end = NoiseNode(model, at: end)
    guard let affine = process.sde as? any AffineSDE else { preconditionFailure("a process of scalars") }
    self.affine = affine
  }
}

/// An objective of maps between two times.
public protocol TwoTimesObjective: Objective {
  /// What it has in common with others.
  var base: TwoTimes { get }
}

extension TwoTimesObjective {
  public var network: any Network { base.model.network }
  public var dataDimension: Int { base.model.dataDimension }
  public var frozen: [FrozenParameters] { base.teacher?.frozen ?? [] }
}

/// One of them as this floor makes its worker: by what its loss does with a batch.
protocol TwoTimesLoss: TwoTimesObjective {
  /// The part of the loss that a shard has.
  func loss(_ batch: TwoTimesBatch, of shard: TrainingShard, on tape: Tape) -> Tensor
}

extension TwoTimesLoss {
  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker {
    TwoTimesWorker(self, rows: rows, seed: seed)
  }
}

private final class TwoTimesWorker<Loss: TwoTimesLoss>: ObjectiveWorker {
  private let objective: Loss
  private let batch: TwoTimesBatch

  init(_ objective: Loss, rows: Int, seed: UInt64) {
    self.objective = objective
    batch = TwoTimesBatch(objective.base, rows: rows, seed: seed)
  }

  func loss(of shard: TrainingShard, on tape: Tape) -> Tensor { objective.loss(batch, of: shard, on: tape) }
}

/// A worker's memory for them.
final class TwoTimesBatch {
  let base: TwoTimes
  let batch: FewStepBatch
  let teacher: TeacherEvaluator?
  /// The first and the second time of each row, and which rows have equal ones.
  private(set) var from: [NoiseNode] = []
  private(set) var to: [NoiseNode] = []
  private(set) var isDiagonal: [Bool] = []
  /// A time between them, for losses that ask for one, and which steps to it are told no second time.
  var middle: [NoiseNode] = []
  var isSmallest: [Bool] = []
  var told: [NoiseNode] = []
  /// How the map's factors change with the first time, and the weight of each row.
  private(set) var rates: [MapRates] = []
  var weights: [Double] = []
  /// The states at the first time, and the noise in them.
  private(set) var x: Rows
  private(set) var z: Rows

  var model: ScoreModel { base.model }
  var dimension: Int { base.model.network.dimension }

  init(_ base: TwoTimes, rows: Int, seed: UInt64) {
    self.base = base
    batch = FewStepBatch(base.model, rows: rows, seed: seed)
    teacher = base.teacher.map { TeacherEvaluator($0, rows: rows, dimension: base.model.network.dimension) }
    (x, z) = (batch.rows(0, 0), batch.rows(0, 0))
  }

  /// Draws times and states: column 0 of the uniform numbers says which rows are diagonal, column 1 the second time,
  /// and column 3 which maps go forward.
  /// - Parameter leastGap: rows whose times are nearer, as a share of T, are diagonal.
  func draw(_ shard: TrainingShard, _ secondTimes: TwoTimes.SecondTimes, leastGap: Double = 1e-6) {
    let (count, end) = (shard.rows.count, base.end)
    let u = batch.uniforms(shard)
    clear()
    for i in 0..<count {
      let node = NoiseNode(model, at: shard.times[i])
      var other = node
      if u[i, 0] >= base.diagonal && node.time > end.time {
        switch secondTimes {
        case .time: other = NoiseNode(model, at: end.time + u[i, 1] * (node.time - end.time))
        case .logRatio:
          let ratio = end.ratio * pow(node.ratio / end.ratio, u[i, 1])
          other = NoiseNode(model, at: model.kernel.time(ofNoiseToSignal: ratio, from: end.time, to: node.time))
        }
      }
      if node.time - other.time <= leastGap * model.duration {
        append(from: node, to: node)
      } else if u[i, 3] < base.forward {
        append(from: other, to: node)
      } else {
        append(from: node, to: other)
      }
    }
    setStates(shard)
  }

  /// Forgets all times, for others to be appended and `setStates`.
  func clear() {
    from.removeAll(keepingCapacity: true)
    to.removeAll(keepingCapacity: true)
    isDiagonal.removeAll(keepingCapacity: true)
    middle.removeAll(keepingCapacity: true)
    isSmallest.removeAll(keepingCapacity: true)
  }

  /// The times of the next row.
  func append(from node: NoiseNode, to other: NoiseNode) {
    from.append(node)
    to.append(other)
    isDiagonal.append(node.time == other.time)
  }

  /// Weighs every row by 1/(rows · dimension).
  func weighEvenly(_ shard: TrainingShard) {
    weights.refill(shard.rows.count) { _ in 1 / Double(shard.batch * dimension) }
  }

  /// Finds the rates at all first times.
  func findRates() { rates.refill(from.count) { MapRates(base.affine, from[$0]) } }

  /// Draws the states at the first times.
  func setStates(_ shard: TrainingShard) {
    z = batch.normals(shard)
    x = batch.rows(0, from.count)
    batch.perturb(shard, z, at: from, into: x)
  }

  /// Writes D of the flow at states: the teacher's, or the network's own at equal times, without a gradient.
  func denoised(_ x: Rows, at nodes: [NoiseNode], _ shard: TrainingShard, _ tape: Tape, into out: Rows) {
    if let teacher { return teacher.denoised(x, at: nodes, shard, tape, into: out) }
    let output = tape.withoutRecording { model.output(x, at: nodes, to: nodes, told: shard.condition, on: tape) }
    for i in 0..<x.count {
      let d = model.prediction.denoiser(nodes[i].moments, dataDeviation: model.dataDeviation)
      ck_combine_float(out.row(i).values, d.skip, x.row(i).values, d.output, output.values + i * dimension, dimension)
    }
  }

  /// Writes what D of the states is to be: the teacher's, or the data, whose mean it is.
  func wanted(_ shard: TrainingShard, _ tape: Tape, into out: Rows) {
    if let teacher { return teacher.denoised(x, at: from, shard, tape, into: out) }
    for i in 0..<out.size { out.values[i] = Double(shard.data[i]) }
  }

  /// Writes ẋ, the flow's velocity m′ D + σ′ ẑ at the states, with the D and ẑ = (x − m D)/σ that are given.
  func velocity(_ denoised: Rows, into out: Rows) {
    for i in 0..<x.count {
      let (m, r) = (from[i].moments, rates[i])
      for j in 0..<dimension {
        let d = denoised[i, j]
        out[i, j] = r.scale * d + r.deviation * (x[i, j] - m.scale * d) / m.deviation
      }
    }
  }

  /// A pass of the network from the states, whose input and noise levels are variables.
  struct Pass {
    /// rows × dimension, and the divergence as one more column where it is asked for.
    let output: Tensor
    let input, level, second: Tensor
  }

  func forward(_ shard: TrainingShard, _ tape: Tape, withDivergence: Bool = false) -> Pass {
    let input = tape.constant(rows: x.count, columns: dimension)
    for i in 0..<x.count {
      ck_to_float(
        input.values + i * dimension, x.row(i).values, model.scalarCoefficients(from[i].moments).input, dimension)
    }
    let (state, level, second) = (
      tape.variable(input), tape.variable(model.levels(of: from, on: tape)),
      tape.variable(model.levels(of: to, on: tape))
    )
    let network = model.network
    let output =
      withDivergence
      ? network.forwardWithDivergence(
        state, noiseLevel: level, second: second, condition: shard.condition, on: tape)
      : network.forward(state, noiseLevel: level, second: second, condition: shard.condition, on: tape)
    return Pass(output: output, input: state, level: level, second: second)
  }

  /// The derivative of the network's output by t along states that move with a velocity, and noise levels with them.
  func tangentAlong(_ velocity: Rows, _ pass: Pass, _ tape: Tape) -> Tensor? {
    let (along, levels) = (tape.constant(rows: x.count, columns: dimension), tape.constant(rows: x.count, columns: 1))
    for i in 0..<x.count {
      let (m, r) = (from[i].moments, rates[i])
      let (factor, rate) = (model.scalarCoefficients(m).input, r.input(model, m))
      levels.values[i] = Float(model.levelRate(from[i], base.affine) * r.logRatio(m))
      for j in 0..<dimension { along[i, j] = Float(factor * velocity[i, j] + rate * x[i, j]) }
    }
    return tape.tangent(of: pass.output, along: (pass.input, along), (pass.level, levels))
  }
}
