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
  public var processes: Kinds<any SDE>
  public var schedules: Kinds<any NoiseSchedule>
  public var scores: Kinds<ScoreRecipe>
  public var networks: Kinds<NetworkRecipe>
  public var solvers: Kinds<any Solver>
  public var predictors: Kinds<any Predictor>
  public var correctors: Kinds<any Corrector>
  public var grids: Kinds<any TimeGrid>
  public var metrics: Kinds<any Metric>

  /// All kinds that come with the toolkit.
  public static let standard = Catalogue(
    data: standardData, processes: standardProcesses, schedules: standardSchedules, scores: standardScores,
    networks: standardNetworks,
    solvers: standardSolvers, predictors: standardPredictors, correctors: standardCorrectors, grids: standardGrids,
    metrics: standardMetrics)

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

/// What a network is built for.
public struct DataShape: Sendable, Equatable {
  public let dimension: Int
  /// nil for data that are no images.
  public let image: ImageShape?
  /// 0 for data without classes.
  public let classes: Int
  /// How many values the network's output has for each row: fewer than `dimension` where noise acts on some alone.
  public let outputDimension: Int

  public init(dimension: Int, image: ImageShape? = nil, classes: Int = 0, outputDimension: Int? = nil) {
    self.dimension = dimension
    self.outputDimension = outputDimension ?? dimension
    self.image = image
    self.classes = classes
  }

  init(_ data: any DataSource) {
    self.init(dimension: data.dimension, image: data.imageShape, classes: data.classes)
  }
}

/// How to build a network for data of some shape.
public struct NetworkRecipe: Sendable {
  /// Builds it, with a seed for what is random and fixed; throws for data that it is not for.
  public let build: @Sendable (DataShape, UInt64) throws -> any ScoreNetwork
  /// For a network with weights of its own: what they were trained for.
  public var pretrained: Pretrained?

  public struct Pretrained: Sendable {
    /// The noise levels of a discrete model; nil where the process says them all.
    public let schedule: DiscreteBeta?
    public let prediction: Prediction?
    /// Changes with the files.
    public let fingerprint: String
  }

  public init(
    pretrained: Pretrained? = nil, _ build: @escaping @Sendable (DataShape, UInt64) throws -> any ScoreNetwork
  ) {
    self.pretrained = pretrained
    self.build = build
  }

  /// Builds it and looks at its shape.
  func build(for shape: DataShape, seed: UInt64) throws -> any ScoreNetwork {
    let network = try build(shape, seed)
    guard network.dimension == shape.dimension, network.outputDimension == shape.outputDimension else {
      throw InputError(
        "it maps \(network.dimension) values to \(network.outputDimension); the process asks for \(shape.dimension) to "
          + "\(shape.outputDimension)")
    }
    return network
  }
}

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

  /// What the score will offer.
  var traits: ScoreTraits {
    switch self {
    case .exact, .empirical: [.logDensity, .jacobian]
    case .network, .checkpoint: []
    }
  }

  var isCheckpoint: Bool { if case .checkpoint = self { true } else { false } }
}
