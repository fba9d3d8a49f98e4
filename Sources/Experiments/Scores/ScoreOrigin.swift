// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Scores

/// Where an experiment's score comes from.
enum ScoreOrigin {
  /// It is at hand: exact, empirical, borrowed, or that of a network which came with its weights.
  case ready(ScoreSource)
  /// That of a network which this experiment trains. `source` has its initial weights.
  case trained(TrainingStage, source: ScoreSource)

  /// The score as far as it is known before a training.
  var source: ScoreSource {
    switch self {
    case .ready(let source), .trained(_, let source): source
    }
  }

  /// - Throws: `InputError` for whatever can be known to be wrong before anything is computed.
  init(_ experiment: Experiment, _ data: DataInCoordinates) throws {
    let plan = experiment.plan.model
    guard let recipe = plan.score.network, let network = plan.network else {
      self = .ready(try experiment.score(data, learned: nil))
      return
    }
    // Their deviation is asked for, and takes long where one thread finds it.
    if recipe.dataDeviation == nil, recipe.prediction == .edm || plan.training?.weighting == .edm {
      try data.prepare(threads: experiment.threads)
    }
    let learned = try LearnedNetwork(plan, network, recipe, data.seen)
    // A recipe that wraps the network refuses here what it cannot wrap.
    let initial = try experiment.score(data, learned: learned.source(nil))
    guard let training = plan.training else {
      self = .ready(initial)
      return
    }
    self = .trained(try TrainingStage(experiment, learned, training, data), source: initial)
  }
}

extension Experiment {
  /// The experiment's score.
  /// - Parameter learned: that of its network, where it has one.
  func score(_ data: DataInCoordinates, learned: ScoreSource?) throws -> ScoreSource {
    let plan = plan.model
    return try plan.score.resolve(
      in: ScoreSetting(
        process: plan.prepared, data: data.source, dataset: data.seen, coordinates: plan.coordinatesText,
        seed: plan.seed,
        catalogue: catalogue,
        learned: learned))
  }

  /// The score, which must be at hand.
  /// - Throws: `InputError` where a network is to be used that nobody trained.
  func score(_ origin: ScoreOrigin, _ data: DataInCoordinates) throws -> ScoreSource {
    try score(origin, data, unfinished: false).source
  }

  /// As above, where an unfinished network may be allowed.
  /// - Returns: the score, and how far its network's training is where that is unfinished.
  func score(
    _ origin: ScoreOrigin, _ data: DataInCoordinates, unfinished: Bool
  ) throws -> (source: ScoreSource, progress: String?) {
    switch origin {
    case .ready(let source): return (source, nil)
    case .trained(let training, _):
      let (weights, progress) = try training.requireTrained(allowingUnfinished: unfinished)
      return (try score(data, learned: training.network.source(weights)), progress)
    }
  }

  /// The data as a model sees them, in coordinates where the config has such, and the score that samples are drawn
  /// with: for commands of a package's own.
  /// - Throws: `InputError` where the score has a network that nobody has trained yet.
  public func open() throws -> (dataset: Dataset, score: any Score) {
    try requireScore()
    let data = try loadData()
    return (data.seen, try samplingScore(score(ScoreOrigin(self, data), data), data))
  }

  /// - Throws: `InputError` where the experiment trains an autoencoder or a flow map alone, which have no score.
  func requireScore() throws {
    if let map = plan.model.map, !map.isScore {
      throw InputError("is a flow map alone, which is no score; allowed: train, sample, evaluate, run", at: "score")
    }
    guard plan.model.trainsAutoencoder else { return }
    throw InputError("is of kind autoencoder, which is no score; allowed: train, evaluate, run, export", at: "score")
  }

  /// The autoencoder that the experiment trained, with the scale of its latents.
  /// - Throws: `InputError` where it trains none, or where nobody has trained it.
  func trainedAutoencoder() throws -> Autoencoder {
    guard case .trained(let training, _) = try ScoreOrigin(self, loadData()) else {
      throw InputError("is no autoencoder that this experiment trains", at: "score")
    }
    return try training.requireAutoencoder()
  }

  /// The weights of the experiment's network.
  /// - Throws: `InputError` where it has none, or where nobody has trained it.
  func trainedWeights() throws -> [Float] {
    switch try ScoreOrigin(self, loadData()) {
    case .trained(let training, _): return try training.requireTrained().weights
    case .ready:
      guard let network = plan.network else { throw InputError("the score is not a network", at: "score") }
      return network.initialParameters(seed: plan.seed)
    }
  }
}
