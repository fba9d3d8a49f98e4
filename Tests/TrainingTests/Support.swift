// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// Two round Gaussians in the plane, unequal.
func twoGaussians() throws -> GaussianMixture {
  try GaussianMixture(weights: [1, 2], means: [[-1, -0.5], [0.8, 0.6]], deviations: [0.3, 0.5])
}

func mlp(_ hidden: [Int] = [64, 64], dimension: Int = 2) -> MLP {
  MLP(
    dimension: dimension, hidden: hidden, features: TimeFeatures(.fourier, count: 16, scale: 0.1, seed: 1))
}

func model(
  _ network: MLP = mlp(), _ prediction: Prediction = .noise, _ process: any KernelSDE = VPSDE(),
  parameters: [Float]? = nil, dataDeviation: Double = 1
) -> ScoreModel {
  ScoreModel(
    network, parameters: parameters ?? network.initialParameters(seed: 1), prediction: prediction,
    kernel: process.makeKernel(), duration: process.duration, dataDeviation: dataDeviation)
}

/// The law of times that a plan asks for.
func times(_ plan: TrainingPlan, _ model: ScoreModel) -> TrainingTimes {
  TrainingTimes(plan, kernel: model.kernel, duration: model.duration)
}

/// Denoising, by the plan.
func denoising(
  _ model: ScoreModel, _ process: any SDE = VPSDE(), _ plan: TrainingPlan = TrainingPlan(steps: 1)
) -> DenoisingScoreMatching {
  DenoisingScoreMatching(
    model, process: PreparedProcess(process), weighting: plan.weighting, times: times(plan, model))
}

func trainer(
  _ plan: TrainingPlan, network: MLP = mlp([16, 16]), seed: UInt64 = 5, threads: Int = 2
) throws -> Trainer {
  let data = try MixtureData(twoGaussians(), count: 500, heldOut: 1).load(seed: 1).training
  return Trainer(
    denoising(model(network), VPSDE(), plan), data: RowSource(data), plan: plan, seed: seed, threads: threads)
}

/// All bits of a state, so that even NaN equals itself.
func bits(_ state: TrainingState) -> [[UInt32]] {
  [[UInt32(state.step)]]
    + [state.parameters, state.averages, state.firstMoments, state.secondMoments].map { $0.map(\.bitPattern) }
}

func norm(_ values: [Float]) -> Double { values.reduce(0.0) { $0 + Double($1) * Double($1) }.squareRoot() }
