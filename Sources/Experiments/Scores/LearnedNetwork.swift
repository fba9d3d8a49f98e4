// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// The network of an experiment, read as a score by the conventions of its process.
struct LearnedNetwork {
  let problem: LearningProblem
  /// The model with initial weights, or those that the network came with.
  let initial: ScoreModel
  /// The classes that it learns; nil: all that it knows.
  let occurringClasses: [Int]?
  /// Whether it is trained on rows that have lost their condition.
  let dropsConditions: Bool

  /// - Parameters:
  ///   - plan: of a score that has a network.
  ///   - network: that of the plan.
  init(_ plan: ModelPlan, _ network: any Network, _ recipe: NetworkScoreRecipe, _ dataset: Dataset) throws {
    problem = LearningProblem(plan.prepared, objective: plan.objective, seed: plan.seed)
    occurringClasses = plan.occurringClasses
    // The empty text is one that a network from elsewhere knows.
    dropsConditions = plan.training?.conditionDropout ?? 0 > 0 || plan.knowsTextsAlready
    let data = try problem.encoded(dataset.trainingRows)
    initial = try problem.model(
      network, parameters: network.initialParameters(seed: plan.seed), recipe.prediction,
      dataDeviation: try Self.dataDeviation(recipe.dataDeviation, recipe.prediction, plan.training, data),
      data: dataset.trainingRows
    ).with(map: plan.map)
  }

  /// σ_d as given or of the data; 1 where nothing asks for it. The same data gives the same number.
  private static func dataDeviation(
    _ given: Double?, _ prediction: Prediction, _ training: TrainingPlan?, _ data: any DataRows
  ) throws -> Double {
    if let given { return given }
    guard prediction == .edm || training?.weighting == .edm else { return 1 }
    let deviation = data.deviation
    guard deviation > 0, deviation.isFinite else {
      throw InputError("edm needs data with a standard deviation above 0; it is \(deviation). Give score.sigma_data")
    }
    return deviation
  }

  /// The model with these parameters; nil: the initial ones.
  func model(_ parameters: [Float]?) -> ScoreModel { parameters.map { initial.with(parameters: $0) } ?? initial }

  /// Its score, as the experiment's process and its conditions want it.
  func source(_ parameters: [Float]?) -> ScoreSource {
    problem.source(model(parameters), dropsConditions: dropsConditions, occurringClasses: occurringClasses)
  }
}
