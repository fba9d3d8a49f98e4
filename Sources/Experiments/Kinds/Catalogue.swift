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
  public var data: Kinds<any DataSource>
  public var coordinates: Kinds<any CoordinatesRecipe>
  public var processes: Kinds<any SDE>
  public var schedules: Kinds<any NoiseSchedule>
  public var scores: Kinds<any ScoreRecipe>
  public var networks: Kinds<NetworkRecipe>
  public var objectives: Kinds<ObjectiveRecipe>
  public var guidances: Kinds<any Guidance>
  public var integrators: Kinds<IntegratorRecipe>
  public var solvers: Kinds<any Solver>
  public var predictors: Kinds<any Predictor>
  public var correctors: Kinds<any Corrector>
  public var grids: Kinds<any TimeGrid>
  public var metrics: Kinds<any Metric>
  public var modelMetrics: Kinds<any ModelMetric>

  /// All kinds that come with the toolkit.
  public static let standard = Catalogue(
    data: standardData, coordinates: standardCoordinates, processes: standardProcesses, schedules: standardSchedules,
    scores: standardScores, networks: standardNetworks, objectives: standardObjectives, guidances: Kinds([]),
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
