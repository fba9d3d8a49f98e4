// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Pairs
import Processes
import Scores
import Testing
import Training

/// dx = g dw
private struct BrownianMotion: AffineSDE {
  let g: Double
  func driftRate(at t: Double) -> Double { 0 }
  func diffusion(at t: Double) -> Double { g }
}

@Suite("Couplings") struct CouplingTests {
  struct Fixture: Decodable {
    struct Assignments: Decodable {
      let dimension: Int
      let x, y: [Double]
      let columns: [Int]
      let cost: Double
    }
    struct Plan: Decodable {
      let count: Int
      let costs, plan: [Double]
    }
    struct Bridge: Decodable {
      let mean0, deviation0, mean1, deviation1, diffusion, time, covariance, mean, variance, slope, offset: Double
    }
    let assignments: [Assignments]
    let plans: [Plan]
    let bridges: [Bridge]

    static func read() throws -> Fixture {
      let path = try #require(
        Bundle.module.url(forResource: "couplings", withExtension: "json", subdirectory: "Fixtures"))
      return try JSONDecoder().decode(Fixture.self, from: Data(contentsOf: path))
    }
  }

  @Test("assignments are SciPy's, and cost as little where several are best") func assignments() throws {
    for fixture in try Fixture.read().assignments {
      let (x, y) = (
        Batch(values: fixture.x, dimension: fixture.dimension), Batch(values: fixture.y, dimension: fixture.dimension)
      )
      let n = x.count
      let costs = (0..<n * n).map { k in
        pairs(x.row(k / n), y.row(k % n)).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
      }
      let found = Assignment(costs, count: n)
      #expect(found.columns.sorted() == Array(0..<n))
      // Sums of n numbers in another order.
      #expect(abs(found.cost(costs) - fixture.cost) <= 1e-13 * Double(n) * max(1, fixture.cost))
      let isUnique = Set(fixture.x).count == fixture.x.count && Set(fixture.y).count == fixture.y.count
      if isUnique { #expect(found.columns == fixture.columns) }
    }
    #expect(Assignment([], count: 0).columns.isEmpty)
    // Ties everywhere, and costs far apart.
    #expect(Assignment([Double](repeating: 3, count: 49), count: 7).columns.sorted() == Array(0..<7))
    #expect(Assignment([0, 1e-9, 1e9, 1e18], count: 2).cost([0, 1e-9, 1e9, 1e18]) == (1e9 + 1e-9) / 2)
  }

  @Test("entropic plans are those of 100,000 iterations on logarithms") func plans() throws {
    for fixture in try Fixture.read().plans {
      let plan = EntropicPlan(fixture.costs, count: fixture.count)
      // The iterations end where rows are wrong by 1e-5 of all mass together, or after 500 turns: where costs are tens
      // of units of the entropy they go on for 10⁵, and a share of 1/6 is wrong by 1e-3.
      let bound = (fixture.costs.max() ?? 0) > 100 ? 2e-3 : 1e-5
      for k in fixture.plan.indices {
        #expect(abs(plan[k / fixture.count, k % fixture.count] - fixture.plan[k]) < bound)
      }
      // Columns are drawn by the plan: uniforms in the middle of a share give its column.
      let wanted = (0..<fixture.count).map { i in
        (0..<fixture.count).max { fixture.plan[i * fixture.count + $0] < fixture.plan[i * fixture.count + $1] } ?? 0
      }
      let uniforms = (0..<fixture.count).map { i -> Double in
        let row = (0..<fixture.count).map { plan[i, $0] }
        return (row.prefix(wanted[i]).reduce(0, +) + 0.5 * row[wanted[i]]) / row.reduce(0, +)
      }
      #expect(plan.columns(uniforms) == wanted)
    }
  }

  @Test("a plan says how far its marginals are from right, and the objective tells it of the steps that used it")
  func unconverged() throws {
    for fixture in try Fixture.read().plans {
      let (n, plan) = (fixture.count, EntropicPlan(fixture.costs, count: fixture.count))
      var (error, columns) = (0.0, 0.0)
      for i in 0..<n {
        var (row, column) = (0.0, 0.0)
        for j in 0..<n {
          row += plan[i, j]
          column += plan[j, i]
        }
        error += abs(row - 1 / Double(n))
        columns += abs(column - 1 / Double(n))
      }
      #expect(plan.isConverged == ((fixture.costs.max() ?? 0) < 10), "\(plan.marginalError)")
      // Rows were put right after the error was found, at the cost of columns by as much.
      #expect(error < 1e-12 && columns <= 1.001 * plan.marginalError + 1e-12, "\(columns) \(plan.marginalError)")
    }
    for (deviation, isTold) in [(1.0, false), (0.003, true)] {
      let process = BrownianMotion(g: deviation)
      let model = Self.randomModel(.data, process)
      let source = Batch(values: (0..<40).map { cos(Double($0)) + 1 }, dimension: 2)
      let objective = BridgeMatching(
        model, process: PreparedProcess(process), coupling: .minibatchEntropic, ends: .rows(RowSource(source)),
        times: times(TrainingPlan(steps: 1), model))
      #expect(objective.notes.isEmpty)
      for step in 3..<5 { _ = loss(objective, model, Self.rows, Self.instants, step: step) }
      #expect(objective.notes.count == (isTold ? 1 : 0))
      for note in objective.notes {
        #expect(note.contains("2 steps did not converge in 500 turns") && note.contains("training.batch"), "\(note)")
      }
    }
  }

  /// For Gaussian data and ends everything is linear, and known.
  @Test("what an interpolant learns as a reverse drift is that of the SDE with its laws and the noise of the process")
  func reverseDrift() throws {
    let process = VPSDE()
    let model = Self.randomModel(.noise, process)
    let (data, end, duration) = (0.49, 1.7, process.duration)
    let last = model.kernel.moments(at: duration)
    for form in [InterpolantNoise.Form.brownian, .quadratic, .sineSquared] {
      let noise = InterpolantNoise(form, scale: 0.8)
      let objective = FlowMatching(
        model, process: process, noise: noise, target: .reverseDrift, times: times(TrainingPlan(steps: 1), model))
      /// x_t = m x₀ + σ x_T/σ(T) + γ w with x₀ ~ N(0, data), x_T ~ N(0, end).
      func variance(_ t: Double) -> Double {
        let (m, gamma) = (model.kernel.moments(at: t), noise.at(t / duration).value)
        return m.scale * m.scale * data + m.variance / last.variance * end + gamma * gamma
      }
      for t in [0.15, 0.4, 0.5, 0.8] {
        let p = objective.regression.point(t, model.kernel.moments(at: t))
        let mean = p.score.end * p.state.end * end + p.score.noise * p.state.noise
        #expect(p.score.data == 0)
        // E[S* | x] = slope x. Along the SDE dx = (a − g² slope) x dt + g dw̄ the variance falls as t does by this:
        let slope = mean / variance(t)
        let (a, g) = (process.driftRate(at: t), process.diffusion(at: t))
        let rate = 2 * (a - g * g * slope) * variance(t) - g * g
        let wanted = (variance(t + 1e-5) - variance(t - 1e-5)) / 2e-5
        #expect(abs(rate - wanted) < 1e-6 * max(1, abs(wanted)), "\(form) \(t): \(rate) \(wanted)")
        // Targets of draws of the prior and of w have the size 1 once they are weighed.
        let size = p.score.end * p.score.end * last.variance + p.score.noise * p.score.noise
        #expect(abs(size * p.weight - 1) < 1e-12)
      }
    }
  }

  @Test("γ is 0 at both ends, and its rate is its derivative", arguments: InterpolantNoise.Form.allCases)
  func noise(form: InterpolantNoise.Form) {
    let noise = InterpolantNoise(form, scale: 0.7)
    #expect(noise.at(0).value < 1e-8 && abs(noise.at(1).value) < 1e-8)
    for s in [0.1, 0.37, 0.5, 0.8] {
      let difference = (noise.at(s + 1e-6).value - noise.at(s - 1e-6).value) / 2e-6
      #expect(abs(noise.at(s).rate - difference) < 1e-8)
    }
    #expect(form == .none || noise.at(0.5).value > 0.1)
  }

  /// The loss of an objective on rows of a batch that is all of them, at random parameters.
  private func loss(
    _ objective: any Objective, _ model: ScoreModel, _ data: [Float], _ times: [Double], step: Int = 3
  ) -> Double {
    ObjectiveRun(objective, parameters: model.parameters, data: data, times: times, seed: 8).take(step: step)
  }

  private static func randomModel(_ prediction: Prediction, _ process: any KernelSDE) -> ScoreModel {
    let network = mlp([16, 16])
    let normals = NoiseStream(seed: 4, purpose: .weights).normals(count: 1, dimension: network.layout.count)
    return model(network, prediction, process, parameters: normals.values.map { Float(0.3 * $0) })
  }

  private static let instants = [0.1, 0.25, 0.4, 0.55, 0.7, 0.85]
  private static let rows = NoiseStream(seed: 1, purpose: .data).normals(count: 6, dimension: 2).values.map {
    Float($0)
  }

  @Test(
    "of independent draws of the prior it is denoising with the weighting flow-matching", arguments: Prediction.allCases
  )
  func denoisingToo(prediction: Prediction) {
    for process in [VPSDE(), RectifiedFlow()] as [any AffineSDE] {
      let model = Self.randomModel(prediction, process)
      let plan = TrainingPlan(steps: 1, weighting: .flowMatching)
      let usual = loss(denoising(model, process, plan), model, Self.rows, Self.instants)
      let matching = loss(
        FlowMatching(model, process: process, times: TrainingTimes(plan, kernel: model.kernel, duration: 1)),
        model, Self.rows, Self.instants)
      // Targets are rounded to floats on both sides.
      #expect(abs(matching / usual - 1) < 1e-5, "\(matching) \(usual)")
    }
  }

  @Test("its loss is ‖u − ẋ‖² along paths between the ends that a batch's exact plan pairs")
  func byHand() throws {
    let process = TrigonometricInterpolant()
    let model = Self.randomModel(.velocity, process)
    let source = Batch(values: (0..<40).map { cos(Double($0)) + 1 }, dimension: 2)
    let noise = InterpolantNoise(.quadratic, scale: 0.9)
    let objective = FlowMatching(
      model, process: process, coupling: .minibatchOT, ends: .rows(RowSource(source)), noise: noise,
      times: times(TrainingPlan(steps: 1), model))
    let found = loss(objective, model, Self.rows, Self.instants)
    // Ends, their plan, and the paths' states and velocities once more.
    let n = 6
    let uniforms = NoiseStream(seed: 8, purpose: .sourceRow).uniforms(count: n, dimension: 1, step: 3)
    let ends = source.only((0..<n).map { Int(uniforms[$0, 0] * 20) })
    let data = Batch(values: Self.rows.map(Double.init), dimension: 2)
    func square(_ i: Int, _ j: Int) -> Double { pairs(data.row(i), ends.row(j)).reduce(0) { $0 + pow($1.0 - $1.1, 2) } }
    func permutations(_ left: [Int]) -> [[Int]] {
      left.isEmpty ? [[]] : left.flatMap { k in permutations(left.filter { $0 != k }).map { [k] + $0 } }
    }
    func cost(_ plan: [Int]) -> Double { plan.enumerated().reduce(0) { $0 + square($1.offset, $1.element) } }
    let plan = try #require(permutations(Array(0..<n)).min { cost($0) < cost($1) })
    let w = NoiseStream(seed: 8, purpose: .interpolantNoise).normals(count: n, dimension: 2, step: 3)
    var (x, s) = (Batch(count: n, dimension: 2), Batch(count: n, dimension: 2))
    var velocity = x
    let last = process.noise(at: process.duration).value
    for i in 0..<n {
      let t = Self.instants[i]
      let (m, sigma, gamma) = (process.signal(at: t), process.noise(at: t), noise.at(t / process.duration))
      for j in 0..<2 {
        let (x0, z) = (data[i, j], ends[plan[i], j] / last)
        x[i, j] = m.value * x0 + sigma.value * z + gamma.value * w[i, j]
        velocity[i, j] = m.rate * x0 + sigma.rate * z + gamma.rate / process.duration * w[i, j]
      }
    }
    var times = Self.instants
    let evaluator = try model.score().makeEvaluator(for: RowSpan(first: 0, count: n, dimension: 2))
    try x.withRows { x in
      try s.withRows { s in
        try times.withUnsafeMutableBufferPointer {
          try evaluator.evaluate(x, at: .each(UnsafePointer($0.baseAddress!)), into: s)
        }
      }
    }
    var expected = 0.0
    for i in 0..<n {
      let (a, g) = (process.driftRate(at: Self.instants[i]), process.diffusion(at: Self.instants[i]))
      for j in 0..<2 {
        let rest = a * x[i, j] - 0.5 * g * g * s[i, j] - velocity[i, j]
        expected += rest * rest / Double(2 * n)
      }
    }
    #expect(abs(found / expected - 1) < 1e-5, "\(found) \(expected)")
  }

  /// The law of bridges, and the regression that the network learns, of Gaussian ends under the entropic plan.
  @Test("bridges of entropic plans are the Schrödinger bridge of two Gaussians", arguments: [0, 1])
  func bridges(index: Int) throws {
    let fixture = try Fixture.read().bridges[index]
    let (batch, steps) = (512, 40)
    let kernel = BrownianMotion(g: fixture.diffusion).makeKernel()
    func law(_ mean: Double, _ deviation: Double, _ seed: UInt64, _ count: Int) -> [Double] {
      NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: 1).values.map { mean + deviation * $0 }
    }
    let source = Batch(values: law(fixture.mean1, fixture.deviation1, 5, 20_000), dimension: 1)
    let last = kernel.moments(at: 1)
    let ends = CoupledEnds(
      .minibatchEntropic, .rows(RowSource(source)), dimension: 1, signal: last.scale, deviation: last.deviation)
    let network = mlp([4], dimension: 1)
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .data, kernel: kernel, duration: 1)
    let objective = BridgeMatching(
      model, process: PreparedProcess(BrownianMotion(g: fixture.diffusion)), times: times(TrainingPlan(steps: 1), model)
    )
    let moments = kernel.moments(at: fixture.time)
    let point = objective.regression.point(fixture.time, moments)
    var (data, states, targets) = ([Double](), [Double](), [Double]())
    for step in 0..<steps {
      let drawn = law(fixture.mean0, fixture.deviation0, UInt64(100 + step), batch)
      var floats = drawn.map { Float($0) }
      var times = [Double](repeating: fixture.time, count: batch)
      var end = Batch(count: batch, dimension: 1)
      let noise = NoiseStream(seed: 3, purpose: .predictor).normals(count: batch, dimension: 1, step: step)
      floats.withUnsafeMutableBufferPointer { data in
        times.withUnsafeMutableBufferPointer { times in
          let shard = TrainingShard(
            rows: 0..<batch, data: data, times: UnsafePointer(times.baseAddress!), step: step, batch: batch)
          end.withRows { ends.write(shard, seed: 2, into: $0) }
        }
      }
      for i in 0..<batch {
        let p = point
        data.append(drawn[i])
        states.append(p.state.data * drawn[i] + p.state.end * end[i, 0] + p.state.noise * noise[i, 0])
        let score = p.score.data * drawn[i] + p.score.end * end[i, 0] + p.score.noise * noise[i, 0]
        // The score that is learned from stands for x₀.
        targets.append((states[states.count - 1] + moments.variance * score) / moments.scale)
      }
    }
    for (x0, target) in pairs(data, targets) { #expect(abs(x0 - target) < 1e-9) }
    let n = Double(states.count)
    let (mean, mean0) = (states.reduce(0, +) / n, data.reduce(0, +) / n)
    let variance = states.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    let slope = pairs(states, data).reduce(0) { $0 + ($1.0 - mean) * ($1.1 - mean0) } / n / variance
    // Four standard errors of 20,480 draws, and what plans of 512 rows are wrong by, of the same size.
    let error = 4 / n.squareRoot()
    #expect(abs(mean - fixture.mean) < error * fixture.variance.squareRoot(), "\(mean) \(fixture.mean)")
    #expect(abs(variance / fixture.variance - 1) < 2 * error, "\(variance) \(fixture.variance)")
    #expect(abs(slope - fixture.slope) < 2 * error, "\(slope) \(fixture.slope)")
    #expect(abs(mean0 - slope * mean - fixture.offset) < 4 * error, "\(mean0 - slope * mean) \(fixture.offset)")
  }

  @Test("pairs put row i of the ends to item i of the data, whatever is drawn") func paired() {
    let source = Batch(values: (0..<10).map { Double($0) * 0.5 }, dimension: 1)
    let ends = CoupledEnds(.pairs, .rows(RowSource(source)), dimension: 1, signal: 1, deviation: 1)
    var (data, times) = ([Float](repeating: 0, count: 4), [Double](repeating: 0.5, count: 4))
    var written = Batch(count: 4, dimension: 1)
    data.withUnsafeMutableBufferPointer { data in
      times.withUnsafeMutableBufferPointer { times in
        let shard = TrainingShard(
          rows: 2..<6, data: data, times: UnsafePointer(times.baseAddress!), step: 0, batch: 8, items: [7, 0, 7, 9],
          copyBatch: { _, _ in })
        written.withRows { ends.write(shard, seed: 1, into: $0) }
      }
    }
    #expect(written.values == [3.5, 0, 3.5, 4.5])
  }

  @Test(
    "a training with plans has the same bytes for any number of threads",
    arguments: [Coupling.minibatchOT, .minibatchEntropic])
  func threads(coupling: Coupling) throws {
    let data = try MixtureData(twoGaussians(), count: 300, heldOut: 1).load(seed: 1).training
    let source = try MixtureData(twoGaussians(), count: 200, heldOut: 1).load(seed: 2).training
    let process = VPSDE()
    let plan = TrainingPlan(steps: 6, batch: 100)
    let states = try [1, 2, 3].map { threads in
      let model = model(mlp([16, 16]), .velocity, process)
      let objective: any Objective =
        coupling == .minibatchOT
        ? FlowMatching(
          model, process: process, coupling: coupling, ends: .rows(RowSource(source)), times: times(plan, model))
        : BridgeMatching(
          model, process: PreparedProcess(process), coupling: coupling, ends: .rows(RowSource(source)),
          times: times(plan, model))
      let trainer = Trainer(objective, data: RowSource(data), plan: plan, seed: 5, threads: threads)
      var state = trainer.initialState()
      try trainer.run(&state)
      return state
    }
    #expect(bits(states[0]) == bits(states[1]) && bits(states[0]) == bits(states[2]))
    #expect(bits(states[0])[1] != mlp([16, 16]).initialParameters(seed: 5).map(\.bitPattern))
  }
}
