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

@Suite struct FewStepTests {
  private let problem = KnownProblem()

  private func objective(_ name: String, factor: Float = 1) throws -> any Objective {
    let isOfOneTime = name.hasSuffix("consistency") || name.hasPrefix("distillation")
    let model = problem.model(second: !isOfOneTime, factor: factor)
    let (times, end) = (problem.times(model), problem.end)
    let isSelf = name.hasSuffix("self") || name == "continuous-consistency"
    let base =
      isOfOneTime
      ? nil
      : TwoTimes(
        model, process: problem.process, teacher: isSelf ? nil : try problem.teacher, to: end, diagonal: 0.3)
    switch name {
    case "distillation", "distillation-average":
      return ConsistencyDistillation(
        model, teacher: try problem.teacher, to: end, intervals: 12, steps: TeacherSteps(.rk4, count: 6),
        target: name == "distillation" ? .own : .average, times: times)
    case "taught-consistency":
      return ContinuousConsistency(
        model, process: problem.process, teacher: try problem.teacher, to: end, warmup: 100, times: times)
    case "continuous-consistency":
      return ContinuousConsistency(
        model, process: problem.process, teacher: nil, to: end, warmup: 100, times: times)
    case "training-consistency":
      return ConsistencyTraining(
        model, to: end, curriculum: ConsistencyTraining.Curriculum(first: 2000, largest: 2000, doubling: 1),
        loss: .pseudoHuber(0.5), times: times)
    case "easy-consistency":
      return EasyConsistency(
        model, to: end, mapping: EasyConsistency.Mapping(q: 2, k: 1, stage: 500), loss: .pseudoHuber(0.5), times: times)
    case "lagrangian", "lagrangian-self": return LagrangianMap(base!, times: times)
    case "eulerian", "eulerian-self": return EulerianMap(base!, times: times)
    case "progressive", "progressive-self": return ProgressiveMap(base!, times: times)
    case "mean-flow", "mean-flow-self": return MeanFlow(base!, power: 0.5, times: times)
    // Its smallest steps are Euler's: of 3e-5, they are as exact as floats.
    default: return ShortcutMap(base!, levels: 18, times: times)
    }
  }

  private func size(_ gradient: [Double]) -> Double { gradient.reduce(0) { $0 + $1 * $1 }.squareRoot() }

  @Test(
    "with an exact teacher the true map has no loss, and another has some",
    arguments: [
      "distillation", "distillation-average", "taught-consistency", "lagrangian", "eulerian", "progressive",
      "mean-flow",
      "shortcut",
    ])
  func taught(_ name: String) throws {
    let (loss, gradient) = problem.loss(try objective(name))
    let wrong = problem.loss(try objective(name, factor: 1.1))
    // A map that is 10 % off has a loss and a gradient; floats know the true one to 1e-6 of values near 1;
    // tangents are divided by the length of g, which rounding alone has here. The
    // shortcut's loss is of velocities over T = 8, the smallest: 6e-6 for the other map.
    #expect(loss < (name == "taught-consistency" ? 1e-3 : 1e-4) * wrong.value + 1e-9, "\(loss), \(wrong.value)")
    #expect(size(gradient) < 3e-3 * size(wrong.gradient), "\(size(gradient)), \(size(wrong.gradient))")
    #expect(wrong.value > 1e-6 && size(wrong.gradient) > 1e-4, "\(wrong)")
  }

  @Test(
    "from data alone the true map's gradient is 0 to sampling error",
    arguments: [
      "continuous-consistency", "training-consistency", "easy-consistency", "lagrangian-self", "eulerian-self",
      "progressive-self", "mean-flow-self", "shortcut-self",
    ])
  func untaught(_ name: String) throws {
    let wrong = problem.loss(try objective(name, factor: 1.6), batches: 8, rows: 512)
    let halves = try (0..<2).map { half in
      problem.loss(try objective(name), batches: 120, rows: 512, step: 5000 + 1000 * half).gradient
    }
    let mean = pairs(halves[0], halves[1]).map { ($0 + $1) / 2 }
    let spread = pairs(halves[0], halves[1]).map { ($0 - $1) / 2 }
    // Each of 14 components is 0 to the sampling error that the two halves show, and the bias of pairs of times that
    // are not infinitely near is below 3 % of what another map's gradient is.
    #expect(size(mean) < 4 * size(spread) + 0.03 * size(wrong.gradient), "\(size(mean)), \(size(spread))")
    #expect(size(mean) < 0.2 * size(wrong.gradient), "\(size(mean)), \(size(wrong.gradient))")
  }

  /// With a teacher nothing in the Eulerian loss is held fast.
  @Test("the gradient of the Eulerian loss is its derivative") func derivatives() throws {
    let objective = try objective("eulerian")
    let start = (0..<14).map { Float(0.05 * sin(Double($0))) }
    let gradient = problem.loss(objective, parameters: start).gradient
    for i in [0, 3, 6, 9, 13] {
      func value(_ h: Float) -> Double {
        var moved = start
        moved[i] += h
        return problem.loss(objective, parameters: moved).value
      }
      // Losses of order 1 known to 1e-6, over 2 · 0.02, and the loss is a square.
      let found = (value(0.02) - value(-0.02)) / 0.04
      #expect(abs(found - gradient[i]) < 1e-3 * (1 + abs(gradient[i])), "\(i): \(found), \(gradient[i])")
    }
  }

  /// The network is the true map, its companion the true denoiser, both with the parameters of a `KnownMap`.
  @Test(
    "matched distributions: the true map has no gradient, and its companion none but for sampling error",
    arguments: [DistributionMatching.Divergence.kullbackLeibler, .fisher(alpha: 1), .fisher(alpha: 1.2)])
  func matching(_ divergence: DistributionMatching.Divergence) throws {
    func found(_ factor: Float, _ parameters: [Float], batches: Int) throws -> [Double] {
      let inner = problem.model(second: true, factor: factor)
      let model = ScoreModel(
        CompanionNetwork(inner.network), parameters: parameters, prediction: .edm, kernel: inner.kernel,
        duration: inner.duration, dataDeviation: problem.deviation)
      let objective = DistributionMatching(
        model, teacher: try problem.teacher, to: problem.end, from: [problem.process.duration, 1],
        divergence: divergence, times: problem.times(model))
      return problem.loss(objective, batches: batches, rows: 512, parameters: parameters).gradient
    }
    let zeros = [Float](repeating: 0, count: 28)
    let own = try found(1, zeros, batches: 60)
    // Where the companion knows no better than the teacher the map is not moved, to rounding.
    var other = zeros
    for i in 14..<28 { other[i] = 0.1 }
    let moved = try found(1, other, batches: 8)
    #expect(size(Array(own[..<14])) < 1e-4 * size(Array(moved[..<14])), "\(own), \(moved)")
    #expect(size(Array(moved[..<14])) > 1e-3)
    // Samples of a map that is off have another law, which the companion is to learn; those of the true one are at ε,
    // whose variance is 0.5 % of the data's.
    let wrong = try found(1.3, zeros, batches: 8)
    #expect(size(Array(own[14...])) < 0.1 * size(Array(wrong[14...])), "\(own), \(wrong)")
    #expect(size(Array(wrong[14...])) > 1e-2)
  }

  /// Rows do not know in which shard they are. A batch of 11 is cut where no step begins, with memory behind the rows,
  /// and even into single rows.
  @Test(
    "matched distributions: losses and gradients of shards are those of the batch, whatever rows are told",
    arguments: [false, true], [DistributionMatching.Divergence.kullbackLeibler, .fisher(alpha: 1.2)])
  func shards(isSeparate: Bool, divergence: DistributionMatching.Divergence) throws {
    let (rows, end) = (11, 0.01)
    let inner = MLP(
      dimension: 2, hidden: [8, 8], features: TimeFeatures(.fourier, count: 4, scale: 0.2, seed: 1),
      condition: .classes(3))
    let network = CompanionNetwork(isSeparate ? StepNetworks(inner, at: [5, 1, -1]) : inner)
    let parameters = NoiseStream(seed: 4, purpose: .weights).normals(count: 1, dimension: network.layout.count).values
      .map { Float(0.3 * $0) }
    let model = ScoreModel(
      network, parameters: parameters, prediction: .edm, kernel: VPSDE().makeKernel(), duration: 1)
    let teacher = Teacher.network(
      ScoreModel(
        inner, parameters: Array(parameters.prefix(inner.layout.count).reversed()), prediction: .velocity,
        kernel: model.kernel, duration: 1))
    let objective = DistributionMatching(
      model, teacher: teacher, to: end, from: [1, 0.6, 0.3], divergence: divergence,
      times: TrainingTimes(TrainingPlan(steps: 1, epsilon: end), kernel: model.kernel, duration: 1))
    let data = NoiseStream(seed: 3, purpose: .data).normals(count: rows, dimension: 2).values.map { Float($0) }
    let times = (0..<rows).map { end + (1 - end) * (Double($0) + 0.5) / Double(rows) }
    let classes = (0..<rows).map { ($0 * $0) % 3 }
    func found(_ cuts: [Int]) -> (loss: Double, gradient: [Double]) {
      var (loss, gradient) = (0.0, [Double](repeating: 0, count: parameters.count))
      for (a, b) in zip([0] + cuts, cuts + [rows]) {
        let run = ObjectiveRun(
          objective, parameters: parameters, data: data[2 * a..<2 * b] + [7, -7, 7, -7], times: Array(times[a..<b]),
          classes: Array(classes[a..<b]), first: a, batch: rows)
        loss += run.take(step: 6)
        for (i, slope) in run.gradient.enumerated() { gradient[i] += Double(slope) }
      }
      return (loss, gradient)
    }
    let whole = found([])
    #expect(whole.gradient.contains { abs($0) > 1e-2 })
    for cuts in [[4], [2, 3, 9], Array(1..<rows)] {
      let parts = found(cuts)
      // Floats in another order.
      #expect(abs(parts.loss - whole.loss) < 1e-5 * abs(whole.loss), "\(parts.loss), \(whole.loss)")
      let apart = pairs(parts.gradient, whole.gradient).reduce(0) { max($0, abs($1.0 - $1.1)) }
      #expect(apart < 1e-5 * whole.gradient.reduce(0) { max($0, abs($1)) }, "\(apart)")
    }
  }

  @Test("a student of progressive distillation that does two of its teacher's steps in one has no loss")
  func progressive() throws {
    let end = problem.end
    let (d2, t) = (problem.deviation * problem.deviation, problem.process.duration)
    // Two DDIM steps of the exact denoiser d² x/(d² + σ²) over halves of [ε, T], and the D* that they say.
    let nodes = [t, (t + end) / 2, end]
    var y = 1.0
    for k in 0..<2 { y += (nodes[k + 1] - nodes[k]) * y * nodes[k] / (d2 + nodes[k] * nodes[k]) }
    let wanted = 1 - t * (y - 1) / (end - t)
    // D = (d²/total + σ d F/(√total · total^½)) x with F = w · input: W's two entries of the input are w.
    let total = d2 + t * t
    let w = (wanted - d2 / total) / (t * problem.deviation / total)
    var network = KnownMap(deviation: problem.deviation, duration: t, end: end, second: false)
    network.factor = 0
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .edm, kernel: problem.process.kernel!,
      duration: t, dataDeviation: problem.deviation)
    let objective = ProgressiveDistillation(
      model, teacher: try problem.teacher, to: end, first: 1, stage: 10_000, times: problem.times(model))
    var parameters = [Float](repeating: 0, count: 14)
    (parameters[0], parameters[8]) = (Float(w), Float(w))
    let (loss, gradient) = problem.loss(objective, parameters: parameters)
    let other = problem.loss(objective)
    // Rounding of floats.
    #expect(loss < 1e-9 * other.value + 1e-10 && size(gradient) < 1e-4 * size(other.gradient), "\(loss) \(other)")
  }

  @Test("stages of easy consistency end: the last goes on") func stages() {
    let mapping = EasyConsistency.Mapping(q: 2, k: 0, stage: 5, stages: 3)
    // 1 − 2^{−1}, 1 − 2^{−2}, 1 − 2^{−3}
    #expect([0, 4, 5, 10, 14, 15, 100_000].map { mapping.ratio(of: 8, at: $0) } == [4, 4, 6, 7, 7, 7, 7])
  }

  @Test("a snapshot is the average as a stage began, and an interrupted training goes on to the same bits")
  func snapshots() throws {
    let model = model(mlp([16, 16]), .velocity)
    let objective = ProgressiveDistillation(
      model, teacher: nil, to: 1e-3, first: 4, stage: 5, times: times(TrainingPlan(steps: 1), model))
    let data = try MixtureData(twoGaussians(), count: 200, heldOut: 1).load(seed: 1).training
    let plan = TrainingPlan(steps: 23, batch: 64, learningRate: 1e-2, ema: 0.5)
    func trainer(_ threads: Int) -> Trainer {
      Trainer(objective, data: RowSource(data), plan: plan, seed: 5, threads: threads)
    }
    var whole = trainer(2).initialState()
    var averages: [[Float]] = [whole.averages]
    try trainer(2).run(&whole) { _ in true }
    var parts = trainer(1).initialState()
    while parts.step < plan.steps {
      try trainer(1).run(&parts) { _ in false }
      averages.append(parts.averages)
      // Through a file, as an interruption goes.
      let layout = model.network.layout
      let bytes = try Checkpoint(state: parts, config: "c").encoded(layout: layout)
      parts = try Checkpoint(Safetensors(decoding: bytes), layout: layout, path: "p").state
      // The last of three stages keeps its teacher: a student of one step is no teacher of two.
      let stage = min(2, (parts.step - 1) / 5)
      #expect(parts.snapshot == averages[5 * stage], "\(parts.step)")
    }
    #expect(bits(parts) == bits(whole) && parts.snapshot == whole.snapshot)
    #expect((0..<20).map { objective.intervals(at: $0) } == [4, 2, 1, 1].flatMap { Array(repeating: $0, count: 5) })
  }

  @Test("a training of few steps is the same for any number of threads", arguments: ["lagrangian", "iCT", "shortcut"])
  func threads(_ name: String) throws {
    let features = TimeFeatures(.fourier, count: 16, scale: 0.1, seed: 1)
    let network = MLP(dimension: 2, hidden: [16, 16], features: features, second: true)
    let model = model(network, .edm, dataDeviation: 0.9)
    let plan = TrainingPlan(steps: 4, batch: 150, epsilon: 1e-3)
    let base = TwoTimes(model, process: PreparedProcess(VPSDE()), teacher: nil, to: 1e-3, diagonal: 0.5)
    let objective: any Objective =
      switch name {
      case "lagrangian": LagrangianMap(base, times: times(plan, model))
      case "shortcut": ShortcutMap(base, times: times(plan, model))
      default:
        ConsistencyTraining(
          model, to: 1e-3, curriculum: .init(doubling: 2), loss: .pseudoHuber(0.01), times: times(plan, model))
      }
    let data = try MixtureData(twoGaussians(), count: 200, heldOut: 1).load(seed: 1).training
    let states = try (1...3).map { threads in
      let trainer = Trainer(objective, data: RowSource(data), plan: plan, seed: 5, threads: threads)
      var state = trainer.initialState()
      try trainer.run(&state)
      return bits(state)
    }
    #expect(states[1] == states[0] && states[2] == states[0])
  }

  @Test("schedules are those of the papers") func schedules() {
    let curriculum = ConsistencyTraining.Curriculum(first: 10, largest: 1280, doubling: 100)
    #expect(
      [0, 99, 100, 350, 699, 700, 100_000].map { curriculum.intervals(at: $0) } == [10, 10, 20, 80, 640, 1280, 1280])
    let mapping = EasyConsistency.Mapping(stage: 10)
    // 1 − (1 + 8/(1 + e))/2^k at σ̃ = 1: below 0 at first, where r is ε.
    let n = 1 + 8 / (1 + exp(1.0))
    for (step, stage) in [(0, 1.0), (9, 1), (10, 2), (45, 5)] {
      #expect(abs(mapping.ratio(of: 1, at: step) - (1 - n * pow(2, -stage))) < 1e-12)
    }
  }
}
