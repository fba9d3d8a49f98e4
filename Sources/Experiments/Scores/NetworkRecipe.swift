// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Tensors

/// The score of a network, which the experiment trains or which comes with weights of its own.
public struct NetworkScoreRecipe: ScoreRecipe {
  /// What the network's output stands for.
  public let prediction: Prediction
  /// σ_d; nil: the standard deviation of all training values.
  public let dataDeviation: Double?
  /// How the network is built.
  public let recipe: NetworkRecipe

  /// The score of a network.
  /// - Parameters:
  ///   - prediction: what the network's output stands for.
  ///   - dataDeviation: σ_d; nil: the standard deviation of all training values.
  ///   - recipe: how the network is built.
  public init(_ prediction: Prediction, dataDeviation: Double? = nil, _ recipe: NetworkRecipe) {
    self.prediction = prediction
    self.dataDeviation = dataDeviation
    self.recipe = recipe
  }

  public var network: NetworkScoreRecipe? { self }
  public var conditionShape: ConditionShape? { nil }

  public func resolve(in setting: ScoreSetting) throws -> ScoreSource {
    guard let learned = setting.learned else { throw InputError("there is no network", at: "score") }
    return learned
  }
}

/// How to build a network for data of some shape.
public struct NetworkRecipe: Sendable {
  /// Builds it, with a seed for what is random and fixed; throws for data that it is not for.
  public let build: @Sendable (DataShape, UInt64) throws -> any Network
  /// What the weights were trained for, where the network comes with weights of its own.
  public var pretrained: Pretrained?

  /// What weights from elsewhere were trained for.
  public struct Pretrained: Sendable {
    /// The noise levels that a network from elsewhere knows.
    public enum Levels: Sendable {
      /// Those of a discrete model, under a variance-preserving process.
      case discrete(DiscreteBeta)
      /// Those of a network that is told σ, under a variance-exploding process; nil: the process says them.
      case exploding(GeometricSigma?)
    }

    /// The noise levels that the network knows.
    public let levels: Levels
    /// What the output stands for; nil where the network's files leave it open.
    public let prediction: Prediction?
    /// Changes with the files.
    public var fingerprint: String

    /// What a folder of diffusers says.
    public init(_ folder: DiffusersFolder) {
      levels =
        folder.network.noiseInput == .logNoiseToSignal ? .exploding(folder.sigmas) : .discrete(folder.schedule)
      (prediction, fingerprint) = (folder.prediction, folder.fingerprint)
    }
  }

  /// A recipe.
  /// - Parameters:
  ///   - pretrained: what its weights were trained for; nil: the network begins at random.
  ///   - build: the network for data of a shape, with a seed for its initial weights.
  public init(
    pretrained: Pretrained? = nil, _ build: @escaping @Sendable (DataShape, UInt64) throws -> any Network
  ) {
    self.pretrained = pretrained
    self.build = build
  }

  /// Builds it and looks at its shape.
  func build(for shape: DataShape, seed: UInt64) throws -> any Network {
    let network = try build(shape, seed)
    guard network.dimension == shape.dimension, network.outputDimension == shape.outputDimension else {
      throw InputError(
        "it maps \(network.dimension) values to \(network.outputDimension); the process asks for \(shape.dimension) to "
          + "\(shape.outputDimension)")
    }
    return network
  }
}

/// What a network is built for.
public struct DataShape: Sendable, Equatable {
  /// How many values a row has.
  public let dimension: Int
  /// nil for data that are no images.
  public let image: ImageShape?
  /// What is known of each row.
  public let conditionShape: ConditionShape
  /// Texts that have all words of the conditions, where these are texts, and one as long as the longest.
  public let texts: [String]
  /// How many values the network's output has for each row: fewer than `dimension` where noise acts on some alone.
  public let outputDimension: Int

  /// The shape of some data.
  /// - Parameters:
  ///   - dimension: how many values a row has.
  ///   - image: how a row is to be seen as an image, where it is one.
  ///   - conditionShape: what is known of each row.
  ///   - texts: what a tokenizer of the conditions is learned from, where these are texts.
  ///   - outputDimension: how many values the output has for each row; nil: `dimension`.
  public init(
    dimension: Int, image: ImageShape? = nil, conditionShape: ConditionShape = .nothing, texts: [String] = [],
    outputDimension: Int? = nil
  ) {
    self.dimension = dimension
    self.outputDimension = outputDimension ?? dimension
    self.image = image
    self.conditionShape = conditionShape
    self.texts = texts
  }

  init(_ data: any DataSource) {
    self.init(
      dimension: data.dimension, image: data.imageShape, conditionShape: data.conditionShape,
      texts: data.texts)
  }
}
