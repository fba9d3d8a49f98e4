// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Testing
import Training

/// Losses against what they stand for, ‖σ s + z‖², with the noise that they are to take.
@Suite("Losses by hand") struct ExactLossTests {
  /// An objective works on a network's output; here the same loss comes from the model's score.
  @Test("denoising's loss is ‖σ s + z‖² for every prediction", arguments: Prediction.allCases)
  func denoisingByHand(prediction: Prediction) throws {
    let network = mlp([16, 16])
    let normals = NoiseStream(seed: 4, purpose: .weights).normals(count: 1, dimension: network.layout.count)
    let parameters = normals.values.map { Float(0.3 * $0) }
    let process = VPSDE()
    let model = model(network, prediction, process, parameters: parameters, dataDeviation: 0.8)
    let (count, step, batch, seed) = (6, 3, 10, UInt64(8))
    var times = (0..<count).map { 0.1 + 0.15 * Double($0) }
    let data = NoiseStream(seed: 1, purpose: .data).normals(count: count, dimension: 2).values.map { Float($0) }
    let loss = ObjectiveRun(
      denoising(model, process), parameters: parameters, data: data, times: times, first: 2, batch: batch, seed: seed
    ).take(step: step)

    // The rows of the batch are 2 to 7: their noise is that of their places.
    let noise = NoiseStream(seed: seed, purpose: .trainingNoise).normals(count: 8, dimension: 2, step: step)
    let kernel = process.makeKernel()
    var (x, s) = (Batch(count: count, dimension: 2), Batch(count: count, dimension: 2))
    for i in 0..<count {
      let moments = kernel.moments(at: times[i])
      for j in 0..<2 { x[i, j] = moments.scale * Double(data[2 * i + j]) + moments.deviation * noise[i + 2, j] }
    }
    let evaluator = try model.score().makeEvaluator(for: RowSpan(first: 0, count: count, dimension: 2))
    try x.withRows { x in
      try s.withRows { s in
        try times.withUnsafeMutableBufferPointer {
          try evaluator.evaluate(x, at: .each(UnsafePointer($0.baseAddress!)), into: s)
        }
      }
    }
    var expected = 0.0
    for i in 0..<count {
      let deviation = kernel.moments(at: times[i]).deviation
      for j in 0..<2 {
        let rest = deviation * s[i, j] + noise[i + 2, j]
        expected += rest * rest / Double(batch * 2)
      }
    }
    // Floats: some hundred roundings of 6e-8.
    #expect(abs(Double(loss) - expected) < 1e-5 * expected)
  }

  /// One draw for each bin, at its middle.
  @Test("a bin of one draw is the loss at its middle") func middleOfABin() throws {
    let process = VPSDE()
    // N(0, I) stays N(0, I) under the process: s = −x.
    let law = try GaussianMixture(weights: [1], means: [[0]], deviations: [1])
    let data = Batch(values: [0.7], dimension: 1)
    let loss = try LossByTime(
      of: law.score(under: process), kernel: process.makeKernel(), duration: 1, data: data, from: 0.2, seed: 6, bins: 4,
      draws: 1)
    let noise = NoiseStream(seed: 6, purpose: .lossNoise).normals(count: 4, dimension: 1)
    for (i, bin) in loss.bins.enumerated() {
      let moments = process.makeKernel().moments(at: 0.2 + 0.2 * (Double(i) + 0.5))
      let x = moments.scale * 0.7 + moments.deviation * noise[i, 0]
      let rest = -moments.deviation * x + noise[i, 0]
      #expect(abs(bin.loss - rest * rest) < 1e-12)
    }
  }

  /// Adam's first step is its rate in every coordinate, as both moments are those of one gradient (Kingma and Ba 2015).
  @Test("the first step moves each parameter by the learning rate", arguments: [0.01, 0.001])
  func firstStep(rate: Double) throws {
    var plan = TrainingPlan(steps: 10, batch: 64, learningRate: rate, decay: .constant)
    plan.clip = 0
    let trainer = try trainer(plan)
    var state = trainer.initialState()
    let before = state.parameters
    try trainer.run(&state) { _ in false }
    let moves = zip(state.parameters, before).map { abs(Double($0 - $1)) }
    // Where the gradient is near ε = 1e-8 or 0, less; parameters are floats of size up to 1.
    #expect(moves.allSatisfy { $0 < rate * 1.001 + 1e-7 })
    #expect(moves.filter { abs($0 - rate) < 1e-3 * rate + 1e-7 }.count > moves.count / 2)
  }
}
