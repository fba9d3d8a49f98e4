// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Scores
import Tensors
import Testing
import Training

@Suite("EDM's training") struct EDMTests {
  private static let processes: [any AffineSDE] = [VPSDE(), SubVPSDE(), VESDE(GeometricSigma(0.002, 80))]

  @Test("log-normal noise levels have the quantiles of N(P_mean, P_std²), cut at ε and T", arguments: 0..<3)
  func quantiles(process index: Int) throws {
    let process = Self.processes[index]
    let kernel = process.makeKernel()
    let plan = TrainingPlan(steps: 1, noiseLevels: .logNormal, logMean: -0.8, logDeviation: 1.1, epsilon: 1e-5)
    let times = TrainingTimes(plan, kernel: kernel, duration: 1)
    let (low, high) = (kernel.moments(at: 1e-5).noiseToSignal, kernel.moments(at: 1).noiseToSignal)
    for i in 0..<1000 {
      let u = (Double(i) + 0.37) / 1000
      let t = times.time(atQuantile: u)
      let z = (log(kernel.moments(at: t).noiseToSignal) + 0.8) / 1.1
      if t > 1e-5 && t < 1 {
        // Φ(z) = ½ erfc(−z/√2); ln σ̃ is right to 1e-13, Φ' is below 0.4.
        #expect(abs(0.5 * erfc(-z / 2.0.squareRoot()) - u) < 1e-12)
      } else {
        let end = t == 1 ? high : low
        #expect((0.5 * erfc(-(log(end) + 0.8) / 1.1 / 2.0.squareRoot()) - u) * (t == 1 ? 1 : -1) < 1e-12)
      }
    }
    #expect(times.time(atQuantile: 0) == 1e-5)
  }

  @Test("a step's levels, spread evenly, have the moments of the normal far better than draws would") func moments()
    throws
  {
    let kernel = VESDE(GeometricSigma(1e-4, 1e4)).makeKernel()
    let times = TrainingTimes(TrainingPlan(steps: 1, noiseLevels: .logNormal), kernel: kernel, duration: 1)
    for offset in [0.01, 0.5, 0.83] {
      let levels = (0..<256).map { i in
        log(kernel.moments(at: times.time(atQuantile: (Double(i) + offset) / 256)).noiseToSignal)
      }
      let mean = levels.reduce(0, +) / 256
      let variance = levels.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 256
      // Half a cell of offset moves every level by half of the way to its neighbour: half of the range together, of 8
      // deviations, where independent draws err by 1.2/16. A tail's square may be 16 where its cell's mean is 8.
      #expect(abs(mean + 1.2) < 4 * 1.2 / 256 && abs(variance - 1.44) < 8 * 1.44 / 256, "\(mean), \(variance)")
    }
  }

  @Test("uniform times are as they were") func uniform() throws {
    let kernel = VPSDE().makeKernel()
    let times = TrainingTimes(TrainingPlan(steps: 1, epsilon: 0.1), kernel: kernel, duration: 1)
    #expect(times.time(atQuantile: 0) == 0.1 && abs(times.time(atQuantile: 0.5) - 0.55) < 1e-15)
  }

  /// Rows z and −z + 2 shift: mean `shift` in both columns.
  private func data(shift: Double) -> Batch {
    let z = NoiseStream(seed: 8, purpose: .data).normals(count: 2000, dimension: 2)
    return Batch(values: z.values.map { 0.4 * $0 + shift } + z.values.map { -0.4 * $0 + shift }, dimension: 2)
  }

  /// The loss of a network that answers 0.
  private func lossOfZero(_ plan: TrainingPlan, _ data: Batch, _ process: any AffineSDE) throws -> Double {
    let start = model(mlp([4]), .edm, process, dataDeviation: data.deviation)
    let trainer = Trainer(
      denoising(start, process, plan), data: RowSource(data), plan: plan, seed: 3, threads: 2)
    var state = trainer.initialState()
    for i in state.parameters.indices { state.parameters[i] = 0 }
    var loss = 0.0
    try trainer.run(&state) {
      loss = $0.loss
      return true
    }
    return loss
  }

  @Test("under EDM's weighting a network that answers 0 loses 1 at every noise level", arguments: 0..<3)
  func unitLoss(process index: Int) throws {
    // The target (x_0 − c_skip y)/c_out has second moment 1 for data of mean 0 and deviation σ_d; data of mean μ adds
    // (1 − c_skip)² μ²/c_out² = σ̃² μ²/(σ_d² (σ̃² + σ_d²)).
    for shift in [0, 0.3] {
      let data = data(shift: shift)
      let d2 = data.deviation * data.deviation
      for logRatio in [-4, -1.2, 0, 3] {
        let plan = TrainingPlan(
          steps: 1, batch: 16_384, weighting: .edm, noiseLevels: .logNormal, logMean: logRatio, logDeviation: 1e-9)
        let s2 = exp(2 * logRatio)
        let expected = 1 + s2 * shift * shift / (d2 * (s2 + d2))
        // 4 standard errors of the mean of 2 · 16,384 squares of normals of mean square `expected`: √(2/32768) of it
        // or less.
        let loss = try lossOfZero(plan, data, Self.processes[index])
        #expect(abs(loss / expected - 1) < 4 * (2.0 / 32_768).squareRoot(), "\(shift), \(logRatio): \(loss)")
      }
    }
    let plan = TrainingPlan(steps: 1, batch: 16_384, weighting: .edm, noiseLevels: .logNormal)
    #expect(abs(try lossOfZero(plan, data(shift: 0), Self.processes[index]) - 1) < 4 * (2.0 / 32_768).squareRoot())
  }

  @Test("the deviation of data is that of all values about one mean") func deviation() {
    #expect(Batch(rows: [[1, 2], [3, 6]]).deviation == 3.5.squareRoot())
    #expect(Batch(rows: [[2, 2]]).deviation == 0)
  }
}
