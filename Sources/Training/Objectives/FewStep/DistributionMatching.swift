// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Models
import Networks
import Tensors

/// Distribution matching distillation: a map in a few steps whose samples together have the law of the teacher's; where
/// a single row ends is free. With x̂ = X_{t→ε}(x_t)/m(ε) of the student, n values of a row, x_u = m x̂ + σ w at a
/// time u of the law of times, and the denoisers D of the teacher and D_φ of the student's own samples, the loss of a
/// row is M + S, where
///
///     S = ‖F_φ(x_u, u) − F*‖²/n
///
/// is denoising score matching, which teaches the companion (`CompanionNetwork`) D_φ: F is the network's output, and
/// F* that of D_φ = x̂. M moves the map, in one step of `every`, by one of two divergences between both laws of x_u.
/// Each row has c = ‖x̂ − D‖₁/n, without a gradient.
///
/// - Kullback and Leibler's (Luo et al. 2023, Diff-Instruct, arXiv 2305.18455; Yin et al. 2024, DMD2, arXiv
///   2405.14867): but for a weight of each row its gradient is that of M = ½ ‖x̂ − (x̂ − (D_φ − D)/c)‖²/n, where no
///   gradient flows through what is in brackets.
/// - Fisher's, by the identities of Zhou et al. 2024 (SiD, arXiv 2404.04057, equation 23):
///   M = ⟨D − D_φ, D − x̂ − α (D − D_φ)⟩/(n c). Its gradient flows through x̂ and through what both denoisers see, and
///   not to the companion's parameters. But for the factor it is (1 − α) ‖D − D_φ‖² + ⟨D − D_φ, D_φ − x̂⟩. The second
///   term has mean 0 where D_φ is the denoiser of the samples; its gradient has not, as D_φ is held fast. For α > 1
///   the loss may be negative.
///
/// Row i of a batch begins at one of the N times where the N steps of sampling begin: that of step i mod N. At the
/// first one x_t = m x_0 + σ z. At later ones it is what the student's own earlier steps make of that, with noise
/// added, as in sampling (DMD2, section 4.5). Steps share a network, and a companion that learns the samples of all
/// together; or each step has a network and a companion of its own (`StepNetworks`).
///
/// As in the papers, x̂ is taken for data without noise, where it stands for a state at ε.
public struct DistributionMatching: Objective {
  /// Which divergence between the laws is made small.
  public enum Divergence: Sendable, Equatable {
    /// Kullback and Leibler's.
    case kullbackLeibler
    /// Fisher's, with α.
    case fisher(alpha: Double)
  }

  /// The network with its conventions: of a `CompanionNetwork`.
  public let model: ScoreModel
  /// Whose law is learned.
  public let teacher: Teacher
  /// Between the laws.
  public let divergence: Divergence
  /// How many steps of the companion are taken for one of the student.
  public let every: Int
  public let times: TrainingTimes
  /// The times where steps begin, from T down.
  private let starts: [NoiseNode]
  /// ε, as one of all rows.
  private let end: [NoiseNode]
  private let companion: CompanionNetwork
  /// The network of one step, with the conventions of `model`; its parameters are not used.
  private let student: ScoreModel
  /// The networks of the steps; nil: these share one.
  private let networks: StepNetworks?

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }
  public var frozen: [FrozenParameters] { teacher.frozen }

  /// - Parameters:
  ///   - model: of a `CompanionNetwork` with a scalar kernel; its parameters are not used.
  ///   - teacher: whose law is learned; for Fisher's divergence one whose score has derivatives.
  ///   - end: ε, to which the network maps.
  ///   - starts: the times where steps begin, falling from T.
  ///   - divergence: between the laws.
  ///   - every: steps of the companion for one of the student, at least 1.
  ///   - times: the law of u.
  public init(
    _ model: ScoreModel, teacher: Teacher, to end: Double, from starts: [Double],
    divergence: Divergence = .kullbackLeibler, every: Int = 1, times: TrainingTimes
  ) {
    guard let companion = model.network as? CompanionNetwork else {
      preconditionFailure("a network with a companion")
    }
    precondition(!starts.isEmpty && every > 0, "at least one step")
    (self.model, self.teacher, self.every, self.times) = (model, teacher, every, times)
    self.divergence = divergence
    (self.starts, self.end) = (starts.map { NoiseNode(model, at: $0) }, [NoiseNode(model, at: end)])
    self.companion = companion
    networks = companion.inner as? StepNetworks
    precondition(networks.map { $0.levels.count == starts.count } ?? true, "a network for each step")
    student =
      networks.map {
        ScoreModel(
          $0.inner, parameters: [Float](repeating: 0, count: $0.inner.layout.count), prediction: model.prediction,
          kernel: model.kernel, duration: model.duration, dataDeviation: model.dataDeviation)
      } ?? model
  }

  /// Lets the network of a step compute.
  private func using<Result>(_ step: Int, on tape: Tape, _ body: () throws -> Result) rethrows -> Result {
    guard let networks else { return try body() }
    return try networks.at(step, on: tape, body)
  }

  /// Lets the companion of a step compute.
  private func withCompanion<Result>(of step: Int, on tape: Tape, _ body: () throws -> Result) rethrows -> Result {
    try companion.withCompanion(on: tape) { try using(step, on: tape, body) }
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self, rows: rows, seed: seed) }

  private final class Worker: ObjectiveWorker {
    private let objective: DistributionMatching
    private let batch: FewStepBatch
    private let teacher: TeacherEvaluator
    /// The noise between steps, and that of the samples which both denoisers see.
    private let again, levels: NoiseStream
    /// The step of the rows at hand, their places in the shard, where each begins the step, and the noise level u of
    /// its sample.
    private var step = 0
    private var rows: [Int] = []
    private var from: [NoiseNode] = []
    private var upper: [NoiseNode] = []

    init(_ objective: DistributionMatching, rows: Int, seed: UInt64) {
      self.objective = objective
      batch = FewStepBatch(objective.student, rows: rows, seed: seed)
      teacher = TeacherEvaluator(objective.teacher, rows: rows, dimension: objective.dataDimension)
      again = NoiseStream(seed: seed, purpose: .renewal)
      levels = NoiseStream(seed: seed, purpose: .matchedNoise)
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (count, steps, first) = (shard.rows.count, objective.starts.count, shard.rows.lowerBound)
      let z = batch.normals(shard)
      let noise = batch.storage(6).view(of: shard.rows)
      levels.normals(into: noise, step: shard.step)
      var found: Tensor?
      for step in 0..<steps {
        self.step = step
        rows.removeAll(keepingCapacity: true)
        for i in 0..<count where (first + i) % steps == step { rows.append(i) }
        guard !rows.isEmpty else { continue }
        let told = shard.condition.map { told in
          steps == 1 ? told : tape.gatherRows(told, tape.column(rows.count) { Double(rows[$0]) })
        }
        let part = partLoss(z, noise, shard.told(told), tape)
        found = found.map { tape.sum(1, $0, 1, part) } ?? part
      }
      guard let found else { preconditionFailure("a shard without rows") }
      return found
    }

    /// The loss of those rows of a shard that take the step.
    /// - Parameters:
    ///   - z: the noise at T of the shard's rows.
    ///   - noise: that of the samples which both denoisers see, of the shard's rows.
    ///   - shard: its conditions are those of the part.
    private func partLoss(_ z: Rows, _ noise: Rows, _ shard: TrainingShard, _ tape: Tape) -> Tensor {
      let (model, count, dimension) = (objective.student, rows.count, objective.dataDimension)
      let (x, made, later) = (batch.rows(0, count), batch.rows(1, count), batch.rows(2, count))
      begin(x, made, z, shard, tape)
      // Where the companion alone learns nobody asks for the map's derivatives.
      let learns = shard.step % objective.every == 0
      func map() -> Tensor {
        objective.using(step, on: tape) {
          model.output(x, at: from, to: objective.end, told: shard.condition, on: tape)
        }
      }
      let output = learns ? map() : tape.withoutRecording(map)
      let end = objective.end[0].moments
      for i in 0..<count {
        let c = model.mapCoefficients(from: from[i].moments, to: end)
        for j in 0..<dimension { made[i, j] = (c.skip * x[i, j] + c.output * Double(output[i, j])) / end.scale }
      }
      // Both denoisers see the same noise.
      upper.refill(count) { NoiseNode(model, at: shard.times[rows[$0]]) }
      for i in 0..<count {
        let (m, row) = (upper[i].moments, later.row(i))
        ck_combine(row.values, m.scale, made.row(i).values, m.deviation, noise.row(rows[i]).values, dimension)
      }
      let own = objective.withCompanion(of: step, on: tape) {
        model.output(later, at: upper, to: upper, told: shard.condition, on: tape)
      }
      let denoising = denoising(own, made, later, shard, tape)
      guard learns else { return denoising }
      let sample = sample(output, made, tape)
      let matching =
        switch objective.divergence {
        case .kullbackLeibler: matching(sample, own, made, later, shard, tape)
        case .fisher(let alpha): matching(sample, noise, alpha, made, later, shard, tape)
        }
      return tape.sum(1, matching, 1, denoising)
    }

    /// Denoising score matching of the companion.
    private func denoising(_ own: Tensor, _ made: Rows, _ later: Rows, _ shard: TrainingShard, _ tape: Tape) -> Tensor {
      let goals = tape.constant(rows: own.rows, columns: own.columns)
      for i in 0..<own.rows {
        let d = denoiser(i)
        for j in 0..<own.columns { goals[i, j] = Float((made[i, j] - d.skip * later[i, j]) / d.output) }
      }
      return tape.weightedSquares(tape.sum(1, own, -1, goals), by: tape.column(own.rows) { _ in share(shard) })
    }

    /// x̂ as the tape knows it, of which `made` has the values.
    private func sample(_ output: Tensor, _ made: Rows, _ tape: Tape) -> Tensor {
      let (model, end) = (objective.student, objective.end[0].moments)
      let factors = tape.column(output.rows) {
        model.mapCoefficients(from: from[$0].moments, to: end).output / end.scale
      }
      let rest = tape.constant(rows: output.rows, columns: output.columns)
      for i in 0..<output.rows {
        let factor = Double(factors.values[i])
        for j in 0..<output.columns { rest[i, j] = Float(made[i, j] - factor * Double(output[i, j])) }
      }
      return tape.sum(1, tape.scaleRows(output, by: factors), 1, rest)
    }

    /// M of Kullback and Leibler's divergence.
    private func matching(
      _ sample: Tensor, _ own: Tensor, _ made: Rows, _ later: Rows, _ shard: TrainingShard, _ tape: Tape
    ) -> Tensor {
      let real = batch.rows(4, sample.rows)
      teacher.denoised(later, at: upper, shard, tape, into: real)
      // Less the goal x̂ − (D_φ − D)/c, as numbers.
      let goals = tape.constant(rows: sample.rows, columns: sample.columns)
      for i in 0..<sample.rows {
        let (d, factor) = (denoiser(i), weight(i, made) { real[i, $0] })
        for j in 0..<sample.columns {
          let fake = d.skip * later[i, j] + d.output * Double(own[i, j])
          goals[i, j] = Float(made[i, j] - factor * (fake - real[i, j]))
        }
      }
      return tape.weightedSquares(
        tape.sum(1, sample, -1, goals), by: tape.column(sample.rows) { _ in 0.5 * share(shard) })
    }

    /// M of Fisher's divergence with α.
    private func matching(
      _ sample: Tensor, _ noise: Rows, _ alpha: Double, _ made: Rows, _ later: Rows, _ shard: TrainingShard,
      _ tape: Tape
    ) -> Tensor {
      let (count, dimension) = (sample.rows, sample.columns)
      let drawn = tape.constant(rows: count, columns: dimension)
      for i in 0..<count {
        for j in 0..<dimension { drawn[i, j] = Float(upper[i].moments.deviation * noise[rows[i], j]) }
      }
      let seen = tape.sum(1, tape.scaleRows(sample, by: tape.column(count) { upper[$0].moments.scale }), 1, drawn)
      let fake = tape.withConstantParameters {
        tape.withoutDropout {
          objective.withCompanion(of: step, on: tape) {
            objective.student.denoised(seen, at: upper, told: shard.condition, on: tape)
          }
        }
      }
      let real = teacher.denoised(seen, later, at: upper, shard, tape)
      let weights = tape.column(count) { i in share(shard) * weight(i, made) { Double(real[i, $0]) } }
      let gap = tape.sum(1, real, -1, fake)
      let rest = tape.sum(1, tape.sum(1, real, -1, sample), Float(-alpha), gap)
      func total(_ x: Tensor) -> Tensor { tape.columnSums(tape.rowSums(x)) }
      let found = total(tape.scaleRows(tape.product(gap, rest), by: weights))
      if teacher.isNetwork { return found }
      // The derivative by D of a score that is at hand is not on the tape.
      let (slopes, back) = (batch.rows(4, count), batch.rows(5, count))
      for i in 0..<count {
        for j in 0..<dimension {
          slopes[i, j] = Double(weights.values[i]) * (Double(rest[i, j]) + (1 - alpha) * Double(gap[i, j]))
        }
      }
      teacher.pullback(slopes, at: upper, into: back)
      let factors = tape.constant(rows: count, columns: dimension)
      for i in 0..<count { for j in 0..<dimension { factors[i, j] = Float(back[i, j]) } }
      let whole = tape.sum(1, found, 1, total(tape.product(sample, factors)))
      whole.values[0] = found.values[0]
      return whole
    }

    /// 1/(rows of the batch · n)
    private func share(_ shard: TrainingShard) -> Double { 1 / Double(shard.batch * objective.dataDimension) }

    /// D_φ = skip x_u + output F at the noise level u of a row.
    private func denoiser(_ row: Int) -> (skip: Double, output: Double) {
      objective.student.prediction.denoiser(upper[row].moments, dataDeviation: objective.student.dataDeviation)
    }

    /// 1/c of a row; 0 where a sample is what the teacher makes of it, and nothing is to be mended.
    private func weight(_ row: Int, _ made: Rows, _ real: (Int) -> Double) -> Double {
      var distance = 0.0
      for j in 0..<made.dimension { distance += abs(made[row, j] - real(j)) }
      return distance > 0 ? Double(made.dimension) / distance : 0
    }

    /// Writes the states where rows begin their step.
    private func begin(_ x: Rows, _ memory: Rows, _ z: Rows, _ shard: TrainingShard, _ tape: Tape) {
      let (count, dimension, starts) = (x.count, x.dimension, objective.starts)
      let m = starts[0].moments
      for i in 0..<count {
        let (row, place) = (rows[i], rows[i] * dimension)
        for j in 0..<dimension { x[i, j] = m.deviation * z[row, j] + m.scale * Double(shard.data[place + j]) }
      }
      from.refill(count) { _ in starts[0] }
      for next in 1..<step + 1 {
        // As in sampling, without dropout.
        tape.withoutDropout {
          objective.using(next - 1, on: tape) {
            batch.map(x, from: from, to: objective.end, under: nil, shard, tape, into: memory)
          }
        }
        let (r, q) = objective.end[0].moments.transition(to: starts[next].moments)
        let noise = batch.storage(3).view(of: shard.rows)
        again.normals(into: noise, step: shard.step * starts.count + next)
        for i in 0..<count {
          let row = x.row(i)
          ck_combine(row.values, r, memory.row(i).values, q.squareRoot(), noise.row(rows[i]).values, dimension)
        }
        from.refill(count) { _ in starts[next] }
      }
    }
  }
}

extension Purpose {
  /// Noise between the steps of a student, while it is trained.
  static let renewal = Purpose(rawValue: 35)
  /// The noise of samples whose law is matched.
  static let matchedNoise = Purpose(rawValue: 36)
}
