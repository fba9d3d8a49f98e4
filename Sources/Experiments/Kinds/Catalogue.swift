// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Processes
import ScoreNetworks
import Solvers

/// Everything a config can name. A package of one's own adds kinds to `Catalogue.standard` and hands it to the command
/// line.
public struct Catalogue: Sendable {
  public var data: Kinds<any DataSource>
  public var processes: Kinds<any SDE>
  public var scores: Kinds<ScoreRecipe>
  public var networks: Kinds<NetworkRecipe>
  public var solvers: Kinds<any Solver>
  public var predictors: Kinds<any Predictor>
  public var correctors: Kinds<any Corrector>
  public var grids: Kinds<any TimeGrid>
  public var metrics: Kinds<any Metric>

  /// All kinds that come with the toolkit.
  public static let standard = Catalogue(
    data: standardData, processes: standardProcesses, scores: standardScores, networks: standardNetworks,
    solvers: standardSolvers, predictors: standardPredictors, correctors: standardCorrectors, grids: standardGrids,
    metrics: standardMetrics)
}

/// Makes a network for data of a dimension; the seed draws what is fixed in it.
public typealias NetworkRecipe = @Sendable (_ dimension: Int, _ seed: UInt64) -> any ScoreNetwork

/// How an experiment gets its score.
public enum ScoreRecipe: Sendable {
  /// A network, trained by the experiment. σ_d is the standard deviation of all training values where none is given.
  case network(Prediction, dataDeviation: Double?, NetworkRecipe)
  /// The score of the data's own law, which must be a mixture.
  case exact
  /// The score of the training set itself.
  case empirical
  /// A network trained by another experiment.
  case checkpoint(path: String)
}
