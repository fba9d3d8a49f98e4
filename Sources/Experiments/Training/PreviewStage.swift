// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Scores
import Solvers

/// Draws the pictures of `training.preview`: samples from the averaged weights, by the conditions, guidance, grid, ε
/// and start of `sampling`. All pictures begin from the same draws of the prior, or the same rows, so that they can be
/// compared.
struct PreviewStage {
  let preview: TrainingPreview
  private let experiment: Experiment
  private let network: LearnedNetwork
  private let data: DataInCoordinates
  private let pictures: PictureStage

  /// - Throws: `InputError` for what the preview cannot be drawn with: conditions for fewer samples, a guidance that
  ///   does not fit.
  init(
    _ preview: TrainingPreview, _ experiment: Experiment, _ network: LearnedNetwork, _ data: DataInCoordinates
  ) throws {
    self.preview = preview
    (self.experiment, self.network, self.data) = (experiment, network, data)
    let source = experiment.plan.data
    pictures = PictureStage(
      shape: source.imageShape, heldOut: data.dataset.heldOutRows, columns: source.columnNames, law: source.law)
    guard preview.solver != nil else { return }
    do {
      _ = try score(experiment.score(data, learned: network.source(nil)), isRehearsal: true)
    } catch let error as InputError {
      throw InputError("\(error.message) (for the pictures of training.preview)", at: error.location)
    }
  }

  /// - Parameter source: of the network's weights.
  private func score(_ source: ScoreSource, isRehearsal: Bool = false) throws -> any Score {
    let sampling = experiment.plan.sampling
    let conditions = try sampling.condition.conditions(
      for: sampling.told(source), count: preview.count, of: data.dataset)
    return try experiment.samplingScore(source, data, given: conditions, isRehearsal: isRehearsal)
  }

  /// The picture, as PNG.
  /// - Throws: `ComputationError` where the samples are not finite, as those of a network that has hardly begun.
  func png(of weights: [Float]) throws -> Data {
    let plan = experiment.plan
    guard let solver = preview.solver else {
      return try Reconstructions(
        network.initial.network, weights, data.dataset, count: preview.count, threads: experiment.threads
      ).figure(title: "preview").png()
    }
    let source = try experiment.score(data, learned: network.source(weights))
    let score = try score(source)
    let beginning = try plan.sampling.beginning(
      experiment.startStates(source, data), plan.prepared, seed: plan.seed, repeats: 1, by: score)
    let sampler = Sampler(
      process: plan.prepared, score: score, dimension: data.source.dimension, seed: plan.seed,
      epsilon: plan.sampling.epsilon, grid: plan.sampling.grid, beginning: beginning, threads: experiment.threads)
    let samples = try sampler.draw(preview.count, with: solver)
    return try pictures.png(of: data.decoded(samples.batch), title: "preview")
  }
}
