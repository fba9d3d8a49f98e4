// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Testing
import Training

/// Maps that go forward, and the log determinant that is learned beside them.
@Suite struct FlowDivergenceTests {
  private let problem = KnownProblem()

  private func objective(
    _ factor: Float = 1, forward: Double, diagonal: Double = 0.3, isTaught: Bool = true, divergence: Bool = true
  ) throws -> LagrangianMap {
    let model = problem.model(second: true, factor: factor, divergence: divergence)
    return LagrangianMap(
      TwoTimes(
        model, process: problem.process, teacher: isTaught ? try problem.teacher : nil, to: problem.end,
        diagonal: diagonal, forward: forward), times: problem.times(model))
  }

  private func size(_ gradient: some Sequence<Double>) -> Double {
    gradient.reduce(0) { $0 + $1 * $1 }.squareRoot()
  }

  @Test("maps that go forward: the true one has no loss, and another has some", arguments: [0.5, 1])
  func forward(share: Double) throws {
    let (loss, gradient) = problem.loss(try objective(forward: share, diagonal: 0.01, divergence: false))
    let wrong = problem.loss(try objective(1.1, forward: share, diagonal: 0.01, divergence: false))
    // As of maps that go back: floats know the true map to 1e-6.
    #expect(loss < 1e-4 * wrong.value + 1e-9 && size(gradient) < 3e-3 * size(wrong.gradient), "\(loss), \(wrong)")
    #expect(wrong.value > 1e-5 && size(wrong.gradient) > 1e-4, "\(wrong)")
    let back = problem.loss(try objective(1.1, forward: 0, diagonal: 0.01, divergence: false)).value
    #expect(abs(wrong.value / back - 1) > 1e-3, "other pairs of times: \(wrong.value), \(back)")
  }

  @Test(
    "the divergence of a Gaussian is its baseline, and one that is off by 0.1 has a loss of 0.1²/D",
    arguments: [true, false])
  func baseline(isTaught: Bool) throws {
    let objective = try objective(forward: 0.5, isTaught: isTaught)
    let (loss, gradient) = problem.loss(objective)
    var parameters = [Float](repeating: 0, count: 21)
    // The constant feature of H.
    parameters[14 + 2] = 0.1
    let off = problem.loss(objective, parameters: parameters)
    // H is constant, and so without a derivative by time: 0.1² over two dimensions, to floats.
    #expect(abs(off.value - loss - 0.005) < 1e-6, "\(off.value), \(loss)")
    // dL/dh of the constant feature is 2 · 0.1/2.
    #expect(abs(off.gradient[16] - 0.1) < 1e-5, "\(off.gradient)")
    #expect(size(gradient[14...]) < 1e-5, "\(gradient)")
    // From data alone the map has sampling error, but not the divergence.
    if isTaught { #expect(loss < 1e-8) }
  }

  @Test(
    "the divergence at equal times is that of finite differences of the score",
    arguments: ["exact", "network", "itself"])
  func targets(_ teacher: String) throws {
    let features = TimeFeatures(.fourier, count: 8, scale: 0.1, seed: 1)
    func network(_ divergence: Bool) -> MLP {
      MLP(dimension: 2, hidden: [10, 8], features: features, second: true, divergence: divergence)
    }
    func parameters(_ network: MLP, seed: UInt64) -> [Float] {
      let normals = NoiseStream(seed: seed, purpose: .weights).normals(count: 1, dimension: network.layout.count).values
      var values = zip(network.initialParameters(seed: 1), normals).map { $0 + Float(0.2 * $1) }
      // A divergence of 0.
      for entry in network.layout.entries where entry.parts[0].name.hasPrefix("divergence") {
        for i in entry.offset..<entry.offset + entry.count { values[i] = 0 }
      }
      return values
    }
    let kernel = VPSDE().makeKernel()
    func model(_ divergence: Bool, seed: UInt64) -> ScoreModel {
      let network = network(divergence)
      return ScoreModel(
        network, parameters: parameters(network, seed: seed), prediction: .edm, kernel: kernel, duration: 1,
        dataDeviation: 0.9)
    }
    let process = PreparedProcess(VPSDE())
    let exact = try #require(process.exactScore(of: DataLaw(try twoGaussians())))
    let taught = model(false, seed: 8)
    let rows = 24
    let times = (0..<rows).map { 1e-3 + 0.999 * (Double($0) + 0.5) / Double(rows) }
    let data = NoiseStream(seed: 4, purpose: .data).normals(count: rows, dimension: 2).values
    func loss(_ divergence: Bool) -> Double {
      let own = model(divergence, seed: 4)
      let given: Teacher? =
        switch teacher {
        case "exact": .score(exact)
        case "network": .network(taught)
        default: nil
        }
      let objective = LagrangianMap(
        TwoTimes(own, process: process, teacher: given, to: 1e-3, diagonal: 1),
        times: TrainingTimes(TrainingPlan(steps: 1, epsilon: 1e-3), kernel: kernel, duration: 1))
      return ObjectiveRun(objective, parameters: own.parameters, data: data.map { Float($0) }, times: times)
        .take(step: 7)
    }
    // The same states, and the divergence of the score there by central differences.
    let score: any Score =
      switch teacher {
      case "exact": exact
      case "network": taught.score()
      default: model(false, seed: 4).score()
      }
    let noise = NoiseStream(seed: 2, purpose: .trainingNoise).normals(count: rows, dimension: 2, step: 7).values
    let h = teacher == "exact" ? 1e-5 : 2e-3
    var sum = 0.0
    for i in 0..<rows {
      let m = kernel.moments(at: times[i])
      let x = (0..<2).map { m.scale * data[2 * i + $0] + m.deviation * noise[2 * i + $0] }
      var divergence = 0.0
      let span = RowSpan(first: 0, count: 1, dimension: 2)
      for j in 0..<2 {
        // A step of the noise's own size.
        let step = h * m.deviation.squareRoot()
        let values = try [1.0, -1].map { sign in
          try RowStorage.with(span, count: 2) { rows in
            for k in 0..<2 { rows[0][0, k] = x[k] + (j == k ? sign * step : 0) }
            try score.makeEvaluator(for: span).evaluate(rows[0], at: .all(times[i]), into: rows[1])
            return rows[1][0, j]
          }
        }
        divergence += (values[0] - values[1]) / (2 * step)
      }
      let q = -m.variance * divergence - 2 * m.variance / (m.scale * m.scale * 0.81 + m.variance)
      sum += q * q
    }
    let expected = sum / Double(2 * rows)
    let found = loss(true) - loss(false)
    // Floats of the network, over twice the step, weigh with the variance; the exact score's are doubles.
    #expect(abs(found / expected - 1) < (teacher == "exact" ? 1e-4 : 1e-2), "\(found), \(expected)")
    #expect(expected > 1e-4)
  }

  @Test("in many dimensions one probe is enough where the Jacobian is a multiple of 1") func probes() throws {
    let dimension = 12
    let network = MLP(
      dimension: dimension, hidden: [8], features: TimeFeatures(.fourier, count: 8, scale: 0.1, seed: 1), second: true,
      divergence: true)
    let process = PreparedProcess(VPSDE())
    let law = try GaussianMixture(weights: [1], means: [Array(repeating: 0, count: dimension)], deviations: [0.5])
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .edm, kernel: VPSDE().makeKernel(),
      duration: 1, dataDeviation: 0.5)
    let objective = LagrangianMap(
      TwoTimes(
        model, process: process, teacher: .score(try #require(process.exactScore(of: DataLaw(law)))), to: 1e-3,
        diagonal: 0.5, forward: 0.5),
      times: TrainingTimes(TrainingPlan(steps: 1, epsilon: 1e-3), kernel: model.kernel, duration: 1))
    // H is 0 as the network begins, and so it is right: none of the loss is of the divergence.
    let data = RowSource(NoiseStream(seed: 4, purpose: .data).normals(count: 64, dimension: dimension))
    let trainer = Trainer(objective, data: data, plan: TrainingPlan(steps: 1, batch: 64), seed: 5, threads: 1)
    var state = trainer.initialState()
    try trainer.run(&state)
    for entry in network.layout.entries where entry.parts[0].name == "divergence.bias" {
      // Adam's first step is of the learning rate's length for any gradient above rounding: 1e-8 of it stays still.
      #expect(abs(state.firstMoments[entry.offset]) < 1e-6, "\(state.firstMoments[entry.offset])")
    }
  }
}
