// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Training

extension Benchmark {
  /// Objectives of few steps, on two half circles.
  static let fewSteps = ["few-step-consistency", "few-step-lagrangian"]

  /// Optimiser steps of consistency training over 18 intervals, or of Lagrangian self-distillation, whose derivative by
  /// the second time is a tangent: four layers of 256, batches of 1,024.
  static func fewStep(_ name: String) throws -> Benchmark {
    let (process, steps, end) = (VPSDE(), 100, 1e-3)
    let network = MLP(
      dimension: 2, hidden: [256, 256, 256, 256], features: TimeFeatures(.fourier, count: 64, scale: 0.2, seed: 1),
      second: name == "few-step-lagrangian")
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .velocity, kernel: process.makeKernel(),
      duration: 1)
    let plan = TrainingPlan(steps: steps, batch: 1024, decay: .constant, clip: 0, ema: 0)
    let times = TrainingTimes(plan, kernel: model.kernel, duration: model.duration)
    let objective: any Objective
    if name == "few-step-lagrangian" {
      objective = LagrangianMap(
        TwoTimes(model, process: PreparedProcess(process), teacher: nil, to: end, diagonal: 0.5), times: times)
    } else {
      objective = ConsistencyTraining(
        model, to: end, curriculum: .init(first: 18, largest: 18, doubling: steps), loss: .squared, times: times)
    }
    let data = try PlaneData(.twoMoons, noise: 0.05).load(seed: 1).training
    let trainer = Trainer(objective, data: RowSource(data), plan: plan, seed: 1)
    let initial = trainer.initialState()
    return Benchmark(units: steps) {
      var state = initial
      try trainer.run(&state)
    }
  }
}
