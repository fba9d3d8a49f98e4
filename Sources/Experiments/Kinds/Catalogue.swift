// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Models
import Networks
import Processes
import Scores
import Solvers
import Tensors

/// Everything a config can name. A package of one's own adds kinds to `Catalogue.standard` and hands it to the command
/// line.
public struct Catalogue: Sendable {
  /// Data: `data`.
  public var data: Kinds<any DataSource>
  /// Coordinate maps: `coordinates`.
  public var coordinates: Kinds<any CoordinatesRecipe>
  /// Processes: `process`.
  public var processes: Kinds<any SDE>
  /// Noise schedules: `process.schedule`.
  public var schedules: Kinds<any NoiseSchedule>
  /// Scores: `score`.
  public var scores: Kinds<any ScoreRecipe>
  /// Networks: `score.network`.
  public var networks: Kinds<NetworkRecipe>
  /// Objectives: `training.objective`.
  public var objectives: Kinds<ObjectiveRecipe>
  /// Guidances: `sampling.guidance`.
  public var guidances: Kinds<any Guidance>
  /// What is seen of a row: `sampling.observation.operator`.
  public var operators: Kinds<any OperatorRecipe>
  /// Noise of what is seen: `sampling.observation.noise`.
  public var noises: Kinds<any NoiseRecipe>
  /// Where samples begin: `sampling.start`.
  public var starts: Kinds<any StartRecipe>
  /// Integrators of the probability flow.
  public var integrators: Kinds<IntegratorRecipe>
  /// Solvers: `sampling.solvers`.
  public var solvers: Kinds<any Solver>
  /// Predictors: `predictor` of a solver, and solvers of fixed steps.
  public var predictors: Kinds<any Predictor>
  /// Correctors: `corrector` of a solver.
  public var correctors: Kinds<any Corrector>
  /// Time grids: `sampling.grid`, and `grid` of a solver.
  public var grids: Kinds<any TimeGrid>
  /// Metrics: `evaluation.metrics`.
  public var metrics: Kinds<any Metric>
  /// Metrics of models: `evaluation.metrics`, too.
  public var modelMetrics: Kinds<any ModelMetric>

  /// All kinds that come with the toolkit.
  public static let standard = Catalogue(
    data: standardData, coordinates: standardCoordinates, processes: standardProcesses, schedules: standardSchedules,
    scores: standardScores, networks: standardNetworks, objectives: standardObjectives, guidances: standardGuidances,
    operators: standardOperators, noises: standardNoises, starts: standardStarts,
    integrators: standardIntegrators, solvers: standardSolvers, predictors: standardPredictors,
    correctors: standardCorrectors, grids: standardGrids, metrics: standardMetrics,
    modelMetrics: standardModelMetrics)

  /// What `sampling.solvers` may name: every predictor in a loop of steps, and the solvers that are more than that.
  var allSolvers: Kinds<any Solver> {
    Kinds(
      predictors.all.map { kind in
        Kind(kind.name, kind.about) { options, catalogue in
          try stepping(try kind.decode(options, catalogue), options, catalogue)
        }
      } + solvers.all)
  }
}
