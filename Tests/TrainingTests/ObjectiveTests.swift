// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import Testing
import Training

/// The variance-preserving process without anything that says so: no kernel, no exact score.
private struct Bare: SDE {
  let vp = VPSDE()
  var duration: Double { 1 }
  var samplingEpsilon: Double { 1e-3 }
  func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows) { vp.addDrift(x, at: t, times: times, to: out) }
  func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    vp.addScoreDrift(s, x, at: t, times: times, to: out)
  }
  func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    vp.addNoise(z, x, at: t, times: times, to: out)
  }
  func makePrior() -> any Prior { vp.makePrior() }
}

@Suite struct ObjectiveTests {
  static func ou() throws -> OrnsteinUhlenbeck {
    try OrnsteinUhlenbeck(noise: [[1, 0.6], [0.6, 0.8]], relaxation: [[1.5, 0.3], [0.3, 0.8]])
  }

  static func cldNetwork(_ hidden: [Int] = [16, 16]) -> MLP {
    MLP(
      dimension: 4, output: 2, hidden: hidden, features: TimeFeatures(.fourier, count: 16, scale: 0.1, seed: 1))
  }

  static func linear(_ network: MLP, _ process: any LinearSDE, _ prediction: Prediction = .noise) -> ScoreModel {
    model(network, prediction, process, parameters: parameters(network), dataDeviation: 0.9)
  }

  /// Larger than at the start of a training, so that derivatives are not nearly zero.
  static func parameters(_ network: MLP, _ seed: UInt64 = 1) -> [Float] {
    let normals = NoiseStream(seed: seed, purpose: .weights).normals(count: 1, dimension: network.layout.count)
    return pairs(network.initialParameters(seed: seed), normals.values).map { $0 + Float(0.1 * $1) }
  }

  static func objective(_ name: String) throws -> any Objective {
    let network = mlp([16, 16])
    let scalar = model(network, .velocity, parameters: parameters(network))
    let plan = TrainingPlan(steps: 1)
    var weighted = plan
    weighted.weighting = .edm
    let (cld, ou) = (CriticallyDampedLangevin(), try ou())
    switch name {
    case "denoising":
      weighted.weighting = .flowMatching
      return denoising(scalar, VPSDE(), weighted)
    case "cld": return denoising(linear(cldNetwork(), cld), cld)
    case "cld-edm": return denoising(linear(cldNetwork(), cld, .edm), cld, weighted)
    case "ou-edm": return denoising(linear(network, ou, .edm), ou, weighted)
    case "ou": return denoising(linear(network, ou), ou)
    case "implicit":
      return ImplicitScoreMatching(
        scalar, process: PreparedProcess(VPSDE()), times: times(plan, scalar), steps: 50)
    default:
      return SlicedScoreMatching(
        scalar, process: PreparedProcess(Bare()), times: times(plan, scalar), projections: 2, steps: 50)
    }
  }

  /// The loss of a batch of data at even times, and its gradient.
  static func loss(
    _ objective: any Objective, _ parameters: [Float], rows: Int = 64, step: Int = 3
  ) throws -> (value: Double, gradient: [Float]) {
    let batch = try MixtureData(twoGaussians(), count: rows, heldOut: 1).load(seed: 1).training
    let times = (0..<rows).map { 0.05 + 0.9 * (Double($0) + 0.5) / Double(rows) }
    let run = ObjectiveRun(objective, parameters: parameters, data: batch.values.map { Float($0) }, times: times)
    return (run.take(step: step), run.gradient)
  }

  @Test(arguments: ["denoising", "cld", "cld-edm", "ou", "ou-edm", "implicit", "sliced"])
  func gradientsAreDerivatives(_ name: String) throws {
    let objective = try Self.objective(name)
    let start = Self.parameters(mlpOf(objective))
    let gradient = try Self.loss(objective, start).gradient
    for k in 0..<5 {
      let raw = NoiseStream(seed: UInt64(10 + k), purpose: .data).normals(count: 1, dimension: start.count).values
      let length = raw.reduce(0) { $0 + $1 * $1 }.squareRoot()
      let direction = raw.map { $0 / length }
      let expected = pairs(gradient, direction).reduce(0) { $0 + Double($1.0) * $1.1 }
      // Differences of losses of order 1, known to 1e-7 of themselves, over 2 · 0.01: 1e-5; and h² of the third
      // derivative.
      let h = 0.01
      func shifted(_ sign: Double) throws -> Double {
        try Self.loss(objective, pairs(start, direction).map { $0 + Float(sign * h * $1) }).value
      }
      let (ahead, behind) = (try shifted(1), try shifted(-1))
      let found = (ahead - behind) / (2 * h)
      let size = gradient.reduce(0) { $0 + Double($1) * Double($1) }.squareRoot()
      #expect(abs(found - expected) < 2e-3 * size + 1e-4 * abs(ahead), "\(name): \(found), \(expected), \(size)")
    }
  }

  private func mlpOf(_ objective: any Objective) -> MLP {
    guard let network = objective.network as? MLP else { preconditionFailure("an MLP") }
    return network
  }

  /// E w (σ² (‖s‖² + 2 tr ∂s/∂x)/D + 1) = E w ‖σ s + z‖²/D, for any network.
  @Test func implicitAndSlicedLossesAreTheDenoisingOneInTheMean() throws {
    let network = mlp([16, 16])
    let scalar = model(network, .noise, parameters: Self.parameters(network))
    let (process, law) = (PreparedProcess(VPSDE()), times(TrainingPlan(steps: 1), scalar))
    func mean(_ objective: any Objective) throws -> Double {
      var sum = 0.0
      for step in 0..<40 { sum += try Self.loss(objective, scalar.parameters, rows: 512, step: step).value }
      return sum / 40
    }
    let denoising = try mean(DenoisingScoreMatching(scalar, process: process, times: law))
    let implicit = try mean(ImplicitScoreMatching(scalar, process: process, times: law, steps: 200))
    let sliced = try mean(SlicedScoreMatching(scalar, process: process, times: law, projections: 1, steps: 200))
    // 20,480 rows, of losses that vary by about themselves from row to row: 4 standard errors are 3 %.
    #expect(abs(implicit / denoising - 1) < 0.03, "\(implicit), \(denoising)")
    #expect(abs(sliced / implicit - 1) < 0.03, "\(sliced), \(implicit)")
  }

  @Test func pilotKernelsAreNearTheTrueOne() throws {
    let data = try MixtureData(twoGaussians(), count: 4000, heldOut: 1).load(seed: 1).training
    let (pilot, kernel) = (PilotKernel(of: PreparedProcess(Bare()), data: data, seed: 1), VPSDE().makeKernel())
    for t in [0.01, 0.1, 0.3, 0.6, 1] {
      let (a, b) = (pilot.moments(at: t), kernel.moments(at: t))
      // 4,096 values: 4 standard errors of a variance are 9 %.
      #expect(abs(a.variance / b.variance - 1) < 0.09, "\(t)")
      #expect(abs(a.scale - b.scale) < 0.07, "\(t)")
    }
  }

  @Test(arguments: ["cld", "sliced"]) func threadsDoNotMatter(_ name: String) throws {
    let data = try MixtureData(twoGaussians(), count: 500, heldOut: 1).load(seed: 1).training
    let plan = TrainingPlan(steps: 3, batch: 200)
    func trained(_ threads: Int) throws -> TrainingState {
      let objective: any Objective
      if name == "cld" {
        let process = CriticallyDampedLangevin()
        objective = denoising(Self.linear(Self.cldNetwork(), process), process, plan)
      } else {
        let scalar = model(mlp([16, 16]))
        objective = SlicedScoreMatching(scalar, process: PreparedProcess(Bare()), times: times(plan, scalar))
      }
      let trainer = Trainer(objective, data: RowSource(data), plan: plan, seed: 5, threads: threads)
      var state = trainer.initialState()
      try trainer.run(&state)
      return state
    }
    #expect(bits(try trained(1)) == bits(try trained(2)))
  }

  /// For data N(0, σ_d² I) the guess alone is the exact score, so that F = 0 is.
  @Test func theGuessIsTheScoreOfAGaussian() throws {
    for process in [CriticallyDampedLangevin(), try Self.ou()] as [any LinearSDE] {
      let isCLD = process is CriticallyDampedLangevin
      let network = isCLD ? Self.cldNetwork() : mlp([16, 16])
      let score = model(
        network, .edm, process, parameters: [Float](repeating: 0, count: network.layout.count), dataDeviation: 0.7
      ).score()
      let law = try GaussianMixture(weights: [1], means: [[0, 0]], deviations: [0.7])
      let exact = try #require(process.score(of: DataLaw(law)))
      let span = RowSpan(first: 0, count: 20, dimension: network.dimension)
      try RowStorage.with(span, count: 3) { rows in
        NoiseStream(seed: 1, purpose: .data).normals(into: rows[0], step: 0)
        for t in [0.01, 0.3, 1] {
          try score.makeEvaluator(for: span).evaluate(rows[0], at: .all(t), into: rows[1])
          try exact.makeEvaluator(for: span).evaluate(rows[0], at: .all(t), into: rows[2])
          for row in 0..<20 {
            // The exact score of a position is not asked for. Rounding, of scores up to 1,000.
            for j in (isCLD ? 2 : 0)..<network.dimension {
              #expect(abs(rows[1][row, j] - rows[2][row, j]) < 1e-7 * max(1, abs(rows[2][row, j])))
            }
          }
        }
      }
    }
  }

  @Test(arguments: [Prediction.noise, .edm]) func pullbacksOfStatesAreDerivatives(_ prediction: Prediction) throws {
    let score = Self.linear(Self.cldNetwork(), CriticallyDampedLangevin(), prediction).score()
    let span = RowSpan(first: 0, count: 5, dimension: 4)
    let evaluator = try score.makeEvaluator(for: span)
    try RowStorage.with(span, count: 5) { rows in
      let (x, v, out, s, d) = (rows[0], rows[1], rows[2], rows[3], rows[4])
      NoiseStream(seed: 1, purpose: .data).normals(into: x, step: 0)
      NoiseStream(seed: 1, purpose: .data).normals(into: v, step: 1)
      NoiseStream(seed: 1, purpose: .data).normals(into: d, step: 2)
      let times: [Double] = [0.1, 0.2, 0.2, 0.7, 1]
      try times.withUnsafeBufferPointer { times in
        let times = Times.each(times.baseAddress!)
        try evaluator.linearise(x, at: times, into: s)
        try evaluator.pullback(v, into: out)
        func along(_ row: Int) throws -> Double {
          var values: [Double] = []
          for sign in [1.0, -1] {
            for i in 0..<x.size { x.values[i] += sign * 1e-2 * d.values[i] }
            try evaluator.evaluate(x, at: times, into: s)
            values.append((0..<4).reduce(0) { $0 + v[row, $1] * s[row, $1] })
            for i in 0..<x.size { x.values[i] -= sign * 1e-2 * d.values[i] }
          }
          return (values[0] - values[1]) / 2e-2
        }
        for row in 0..<5 {
          let expected = (0..<4).reduce(0) { $0 + out[row, $1] * d[row, $1] }
          let found = try along(row)
          let size = (0..<4).reduce(0) { $0 + out[row, $1] * out[row, $1] }.squareRoot()
          // Single precision over 0.02, and the third derivative times 1e-4.
          #expect(abs(found - expected) < 5e-3 * size, "\(row): \(found), \(expected)")
        }
        // Only velocities have a score.
        try evaluator.evaluate(x, at: times, into: s)
        for row in 0..<5 { #expect(s[row, 0] == 0 && s[row, 1] == 0 && s[row, 2] != 0) }
      }
    }
  }

  // Bounds on the mean excess: twice what a run gave, as other processors round otherwise.
  static let cases: [(String, Double)] = [
    ("cld-edm", 0.002), ("ou-edm", 0.0032), ("cld", 0.008), ("ou", 0.006), ("sliced", 0.012), ("implicit", 0.01),
    ("bare", 0.004),
  ]

  @Test("a small network comes close to the exact score", arguments: cases)
  func learns(_ name: String, _ bound: Double) throws {
    let law = try twoGaussians()
    let data = try MixtureData(law, count: 10_000, heldOut: 5000).load(seed: 1)
    var plan = TrainingPlan(steps: 1500, batch: 256, learningRate: 4e-3, ema: 0.99, epsilon: 1e-3)
    let network = mlp()
    let process: any LinearSDE
    let start: ScoreModel
    let objective: any Objective
    switch name {
    case "cld", "ou", "cld-edm", "ou-edm":
      let network = name.hasPrefix("cld") ? Self.cldNetwork([64, 64]) : network
      process = name.hasPrefix("cld") ? CriticallyDampedLangevin() : try Self.ou()
      let isEDM = name.hasSuffix("edm")
      if isEDM { plan.weighting = .edm }
      start = model(network, isEDM ? .edm : .noise, process, dataDeviation: data.training.deviation)
      objective = denoising(start, process, plan)
    case "bare":
      process = VPSDE()
      let bare = PreparedProcess(Bare())
      start = ScoreModel(
        network, parameters: network.initialParameters(seed: 1), prediction: .velocity,
        kernel: PilotKernel(of: bare, data: data.training, seed: 3), duration: 1)
      objective = SlicedScoreMatching(start, process: bare, times: times(plan, start))
    default:
      process = VPSDE()
      start = model(network)
      let prepared = PreparedProcess(process)
      objective =
        name == "sliced"
        ? SlicedScoreMatching(start, process: prepared, times: times(plan, start))
        : ImplicitScoreMatching(start, process: prepared, times: times(plan, start))
    }
    let trainer = Trainer(objective, data: RowSource(data.training), plan: plan, seed: 3, threads: 2)
    var state = trainer.initialState()
    try trainer.run(&state)
    let exact = try #require(process.score(of: DataLaw(law)))
    func excess(_ model: ScoreModel) throws -> Double {
      let bins = try LossByTime(
        of: model.score(), kernel: process.makeKernel(), duration: process.duration, exact: exact, data: data.heldOut,
        from: 1e-3, seed: 4, bins: 10, draws: 2048
      ).bins
      return bins.reduce(0) { $0 + ($1.excess ?? .nan) } / 10
    }
    let (learned, untrained) = (try excess(start.with(parameters: state.averages)), try excess(start))
    #expect(learned < bound, "\(name): \(learned)")
    #expect(learned < 0.2 * untrained, "\(name): \(learned), \(untrained)")
  }

  /// A student that is to answer as a frozen teacher does at the same noisy points, and as its own average a little.
  private struct Distillation: Objective {
    let student: ScoreModel
    let teacher: [Float]
    var network: any Network { student.network }
    var dataDimension: Int { student.dataDimension }
    let times: TrainingTimes
    var frozen: [FrozenParameters] {
      [FrozenParameters("teacher", network, .values(teacher)), FrozenParameters("average", network, .average)]
    }

    func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker { Worker(self) }

    final class Worker: ObjectiveWorker {
      let objective: Distillation
      init(_ objective: Distillation) { self.objective = objective }

      func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
        let (count, network) = (shard.rows.count, objective.network)
        let x = tape.constant(rows: count, columns: network.dimension)
        let (level, weight) = (tape.constant(rows: count, columns: 1), tape.constant(rows: count, columns: 1))
        for i in 0..<x.count { x.values[i] = shard.data[i] }
        for i in 0..<count {
          level.values[i] = Float(shard.times[i])
          weight.values[i] = 1 / Float(shard.batch)
        }
        let own = network.forward(x, noiseLevel: level, on: tape)
        func difference(_ name: String, _ factor: Float) -> Tensor {
          guard let set = shard.frozen[name] else { preconditionFailure("no set \(name)") }
          let other = tape.with(set) { network.forward(x, noiseLevel: level, on: tape) }
          return tape.scale(tape.weightedSquares(tape.sum(1, own, -1, other), by: weight), by: factor)
        }
        return tape.sum(1, difference("teacher", 1), 1, difference("average", 0.1))
      }
    }
  }

  @Test("a student comes to a frozen teacher, which stays as it is, for any number of threads") func distils() throws {
    let network = mlp([16, 16])
    let teacher = Self.parameters(network, 7)
    let data = try MixtureData(twoGaussians(), count: 2000, heldOut: 1).load(seed: 1).training
    let plan = TrainingPlan(steps: 400, batch: 128, learningRate: 1e-2)
    let student = model(network, parameters: Self.parameters(network, 8))
    let objective = Distillation(student: student, teacher: teacher, times: times(plan, student))
    var losses: [[Double]] = []
    let states = try [1, 2].map { threads in
      let trainer = Trainer(objective, data: RowSource(data), plan: plan, seed: 5, threads: threads)
      var state = TrainingState(initial: Self.parameters(network, 8))
      losses.append([])
      try trainer.run(&state) {
        losses[losses.count - 1].append($0.loss)
        return true
      }
      return bits(state)
    }
    #expect(states[0] == states[1])
    // The first loss is that of two networks with unrelated weights; 400 steps leave less than a twentieth of it.
    #expect(losses[0][399] < 0.05 * losses[0][0], "\(losses[0][0]) to \(losses[0][399])")
  }
}
