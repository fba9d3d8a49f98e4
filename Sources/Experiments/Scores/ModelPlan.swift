// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// The part of a config that decides what a trained network is: data, process, score, training and seed.
public struct ModelPlan: Sendable {
  /// The seed of all random numbers.
  public let seed: UInt64
  /// Where the data come from.
  public let data: any DataSource
  /// The maps that the data go through before a model sees them.
  public let coordinates: [any CoordinatesRecipe]
  /// The data as a model sees them.
  public let seen: any DataSource
  /// What x_T has the law of in place of the prior; nil: the prior.
  public let source: SourceLaw?
  /// The levels that the coordinates spread into intervals; nil where they do not.
  let levels: Quantisation?
  /// The process, with its kernel and prior, which are made here once.
  public let prepared: PreparedProcess
  /// The kind that the config names.
  public let processKind: String
  /// How the score is made.
  public let score: any ScoreRecipe
  /// The score's network; nil where it has none.
  public let network: (any Network)?
  /// How that is trained; nil where it is not.
  public let training: TrainingPlan?
  /// How often it is kept while it runs.
  public let checkpointInterval: CheckpointInterval
  /// Pictures that it draws while it runs; nil: none.
  public let preview: TrainingPreview?
  /// What the training minimises.
  public let objective: ObjectiveRecipe
  /// A checkpoint whose averaged weights the training begins with; nil: the network's own.
  public let initial: String?
  /// Between which times the score's network maps; nil: it is a score alone.
  public let map: FlowMapRange?
  /// The key `coordinates` of the config with every default written out; empty where there are none.
  public let coordinatesText: String
  /// The seed and the key `data` as a text: what drawn data depends on.
  let dataText: String
  /// What a network depends on that is trained on these data under this process: seed, data, coordinates and process.
  let givenText: String
  /// This part of the config as a text.
  public let identity: TrainingIdentity
  /// The identity that the text of a checkpoint stands for, if the present program wrote it: an older one wrote fewer
  /// options. nil for a text that is no such config any more.
  let reread: @Sendable (_ text: String) -> TrainingIdentity?

  /// The process itself.
  public var process: any SDE { prepared.sde }

  init(_ options: Options, _ catalogue: Catalogue) throws {
    let seed = try options.integer("seed", default: 1, atLeast: 0, "of all random numbers")
    self.seed = UInt64(seed)
    let trainsAutoencoder = options.kindName(of: "score") == AutoencoderScoreRecipe.kind
    let (data, _) = try options.namedKind("data", of: catalogue.data, in: catalogue, "where the data comes from")
    coordinates = try options.kinds(
      "coordinates", of: catalogue.coordinates, in: catalogue, "maps that the data go through, one after the other")
    let recipes = coordinates
    let sourceData = try options.kind(
      "source", of: catalogue.data, or: "prior", in: catalogue,
      "the law of x_T in place of the prior, as data: for objectives that couple it with the data, as flow-matching")
    levels = (coordinates.first as? DequantiseRecipe).flatMap { $0.levels ?? data.levels }
    let seen: any DataSource =
      try coordinates.isEmpty ? data : options.located("coordinates") { try SeenData(data, recipes: recipes) }
    self.seen = seen
    var (process, processKind): (any SDE, String) = (VPSDE(), "none")
    if trainsAutoencoder {
      // Any process stands in for none: the trainer draws times, at which no autoencoder looks.
      if !coordinates.isEmpty { throw options.wrong("coordinates", "have no effect: an autoencoder sees the data") }
      if options.has("process") { throw options.wrong("process", "has no effect: score kind autoencoder has none") }
    } else {
      (process, processKind) = try options.namedKind(
        "process", of: catalogue.processes, in: catalogue, "the forward SDE")
    }
    let (score, _) = try options.namedKind("score", of: catalogue.scores, in: catalogue, "where the score comes from")
    if !options.isDescribing {
      try options.located("process", prefix: "\(processKind): ") { try process.requireDimension(seen.dimension) }
    }
    var training: TrainingPlan?
    var objective = ObjectiveRecipe.denoising
    var interval = CheckpointInterval()
    var preview: TrainingPreview?
    var initial: String?
    var fingerprints = ""
    var map = score.map(in: catalogue)
    var network: (any Network)?
    let pretrained = score.network?.recipe.pretrained
    if let pretrained, let recipe = score.network {
      process = try Pretraining(pretrained).adapted(process, processKind, recipe.prediction, options, catalogue)
    }
    let prepared = PreparedProcess(process)
    self.prepared = prepared
    if !options.isDescribing { try options.located("score") { try score.check(prepared, seen) } }
    if let recipe = score.network {
      // A network with weights of its own may go without.
      if pretrained == nil || options.has("training") {
        let section = try options.section("training", required: true, "how the network is trained")
        training = try TrainingPlan(
          section, duration: process.duration,
          firstLevel: prepared.firstLevel ?? Self.usualEnd(section, process, catalogue))
        if !options.isDescribing, !data.hasRows {
          throw options.wrong("data", "has no rows; a training needs some: allowed: another kind, or no training")
        }
        objective = try ObjectiveRecipe(section, default: trainsAutoencoder ? "autoencoder" : "denoising", catalogue)
        if objective.hasOwnWeighting {
          try section.refuse("weighting", needs: "an objective other than \(objective.name), which has its own")
        }
        if sourceData != nil, objective.coupling != nil, objective.traits.isEmpty { objective.traits = .flowAlone }
        if !options.isDescribing {
          try Self.check(objective, trainsAutoencoder, section)
          try options.located("training", prefix: "objective autoencoder: ") { try objective.perceptual?.check(data) }
        }
        for key in objective.unused where !options.isDescribing {
          try section.refuse(key, needs: "another objective than \(objective.name)")
        }
        initial = try Self.initial(section)
        if !options.isDescribing {
          if trainsAutoencoder { try section.refuse("initial", needs: "a score") }
          fingerprints = try Self.fingerprints(objective, initial, section)
        }
        if let training, objective.trains != .score {
          map = objective.map(to: training.epsilon, hasDivergence: false)
        }
        interval = try CheckpointInterval(section)
        preview = try TrainingPreview.read(
          section, isImage: data.imageShape != nil, process: prepared, samples: !trainsAutoencoder, map: map,
          catalogue)
        try section.finish()
      }
      if !options.isDescribing {
        let problem = LearningProblem(prepared, objective: objective, seed: UInt64(seed))
        try problem.check(
          training, prediction: recipe.prediction, dimension: seen.dimension, kind: processKind, options)
        network = try options.located("score", prefix: "network: ") {
          objective.trained(
            try recipe.recipe.build(for: problem.shape(of: seen), seed: UInt64(seed)), seed: UInt64(seed),
            to: training?.epsilon ?? 0, under: problem.process)
        }
        if let network, let training { try Self.check(network, training, data, options) }
        if let network, let training {
          try problem.checkMap(recipe.prediction, network, training, options)
          if objective.trains != .score {
            map = objective.map(to: training.epsilon, hasDivergence: network.hasDivergence)
          }
          if objective.teacher == .exact {
            try options.located("training", prefix: "objective \(objective.name): teacher: ") {
              try ExactScoreRecipe().check(prepared, seen)
            }
          }
        }
        if let reflow = objective.reflow {
          try options.located("training", prefix: "objective reflow: ") {
            try reflow.check(prepared, seen, told: network?.conditionShape ?? .nothing)
          }
        }
        if recipe.prediction != .edm && training?.weighting != .edm {
          try options.read("score")?.refuse("sigma_data", needs: "prediction: edm, or training.weighting: edm")
        }
      }
    } else if options.has("training") {
      throw options.wrong("training", "has no use, as the score is not a network of this experiment")
    }
    let isPaired = objective.coupling == .pairs && objective.reflow == nil
    let isTold = network?.conditionShape ?? .nothing != .nothing
    let source = sourceData.map { SourceLaw($0, seed: UInt64(seed), isPaired: isPaired, isTold: isTold) }
    self.source = source
    if !options.isDescribing {
      if let source {
        guard objective.coupling != nil || score is CheckpointScoreRecipe else {
          throw options.wrong(
            "source",
            "has no effect; it needs training.objective flow-matching, bridge-matching or reflow, or a checkpoint of one"
          )
        }
        try options.located("source") { try source.check(data) }
      } else if isPaired {
        throw options.wrong(
          "training",
          "objective \(objective.name): coupling pairs needs source, whose row i goes with row i of data")
      }
    }
    (self.data, self.processKind, self.score) = (data, processKind, score)
    (self.network, self.training, self.objective) = (network, training, objective)
    (checkpointInterval, self.preview, self.initial, self.map) = (interval, preview, initial, map)
    // The checksum of files stands for their paths.
    func text(_ keys: String..., omittingFiles: Bool = false) -> String {
      options.resolvedYAML(only: keys, for: .identity(omittingFiles: omittingFiles))
    }
    // A checksum stands for the files of a map, too.
    let maps = recipes.map(\.fingerprint).filter { !$0.isEmpty }
    coordinatesText =
      text("coordinates", omittingFiles: !maps.isEmpty)
      + (maps.isEmpty ? "" : Self.mapPrefix + maps.joined(separator: " ") + "\n")
    dataText = text("seed", "data")
    let given =
      text("seed") + text("data", omittingFiles: !data.fingerprint.isEmpty) + coordinatesText
      + text("process")
    givenText = given + (data.fingerprint.isEmpty ? "" : "fingerprint: \(data.fingerprint)\n")
    identity = TrainingIdentity(
      given + text("score", omittingFiles: pretrained != nil)
        + text("training", omittingFiles: !fingerprints.isEmpty) + fingerprints
        + (data.fingerprint.isEmpty ? "" : "fingerprint: \(data.fingerprint)\n")
        + (source == nil ? "" : text("source", omittingFiles: source?.data.fingerprint.isEmpty == false))
        + (source.map { $0.data.fingerprint.isEmpty ? "" : "source_fingerprint: \($0.data.fingerprint)\n" } ?? "")
        + (objective.reflow.map { $0.fingerprint.isEmpty ? "" : "teacher: \($0.fingerprint)\n" } ?? "")
        + (pretrained.map { "pretrained: \($0.fingerprint)\n" } ?? "")
        + (network.map { "parameters: \(Self.checksum(of: $0.layout))\n" } ?? ""))
    let path = options.source?.path ?? ""
    reread = { Self.identity(rereading: $0, path: path, catalogue) }
  }

  /// Reads `training.initial`.
  static func initial(_ section: Options) throws -> String? {
    try section.optionalFile(
      "initial", allowed: "a results folder or checkpoint.safetensors",
      "a trained network of the same layers, whose averaged weights this one begins with"
    ).map(TeacherRecipe.file)
  }

  /// ε of a training where its config does not say it: maps end where samplers do. nil: as for other trainings.
  private static func usualEnd(_ section: Options, _ process: any SDE, _ catalogue: Catalogue) -> Double? {
    let kind = catalogue.objectives[section.kindName(of: "objective")]
    guard let recipe = try? kind?.decode(.describing(), catalogue), recipe.trains != .score || recipe.teacher != nil
    else { return nil }
    return process.samplingEpsilon
  }

  /// What a training depends on beside its config: the contents of the checkpoints that it names.
  private static func fingerprints(
    _ objective: ObjectiveRecipe, _ initial: String?, _ section: Options
  ) throws -> String {
    var text = ""
    if case .checkpoint(let path) = objective.teacher {
      let found = try section.located("objective", prefix: "teacher: ") { try TeacherRecipe.fingerprint(ofFile: path) }
      text += "teacher: \(found)\n"
    }
    if let initial {
      text += "initial: \(try section.located("initial") { try TeacherRecipe.fingerprint(ofFile: initial) })\n"
    }
    return text
  }

  /// Begins a line of an identity that stands for the files of a map.
  static let mapPrefix = "map: "

  /// Why no density of the data is known; nil: all maps have a determinant.
  var refusalOfDensities: String? {
    if trainsAutoencoder { return "needs a density, and an autoencoder has none; allowed: none" }
    if source != nil { return "needs the density of x_T, and that of a source is not known; allowed: no source" }
    if let refusalOfFlows { return refusalOfFlows }
    guard coordinates.contains(where: { !$0.hasDeterminant }) else { return nil }
    return "needs the determinant of the coordinates, and kind autoencoder has none, as latents do not tell all of a "
      + "picture: no density of the data is known; allowed: coordinates without it"
  }

  /// Whether the network is told conditions of rows that a coupling pairs: then samples begin with held-out rows of the
  /// source, whose conditions are known.
  var startsWithKnownRows: Bool {
    objective.coupling == .pairs && objective.reflow == nil && network?.conditionShape ?? .nothing != .nothing
  }

  /// Whether the exact score of the data's law is known.
  var hasExactMap: Bool { (try? ExactScoreRecipe().check(prepared, seen)) != nil }

  /// Why rows cannot be carried along the probability flow; nil: they can.
  var refusalOfFlows: String? {
    guard traits.contains(.pathAlone) else { return nil }
    return "needs the probability flow, and a network of objective \(objective.name) knows the reverse SDE alone"
  }

  /// What the score offers, and what the objective leaves of it.
  var traits: ScoreTraits { score.traits.union(training == nil ? [] : objective.traits) }

  /// Whether an autoencoder is trained, and no score.
  var trainsAutoencoder: Bool { score is AutoencoderScoreRecipe }

  /// Refuses the objective of a score for an autoencoder, the other way round, and options that only scores have.
  private static func check(_ objective: ObjectiveRecipe, _ trainsAutoencoder: Bool, _ section: Options) throws {
    guard objective.trainsAutoencoder == trainsAutoencoder else {
      throw section.wrong(
        "objective",
        "is \(objective.name); allowed: \(trainsAutoencoder ? "autoencoder" : "those of scores; autoencoder needs score kind autoencoder")"
      )
    }
    guard trainsAutoencoder else { return }
    for key in ["condition_dropout", "weighting", "noise_levels", "p_mean", "p_std", "epsilon"] {
      try section.refuse(key, needs: "a score")
    }
  }

  /// Refuses conditions that the data does not have, and dropout of none.
  private static func check(
    _ network: any Network, _ training: TrainingPlan, _ data: any DataSource, _ options: Options
  ) throws {
    let (wanted, known) = (network.conditionShape, data.conditionShape)
    let fits =
      switch (wanted, known) {
      case (.nothing, _): true
      case (.classes(let wanted), .classes(let known)), (.classes(let wanted), .both(let known, _)): known <= wanted
      default: wanted == known
      }
    guard fits else {
      throw options.wrong("score", "network: is told \(wanted.text); the data to train on has \(known.text)")
    }
    guard training.conditionDropout == 0 || wanted != .nothing && network.knowsNothing else {
      throw options.wrong(
        "training",
        "condition_dropout is \(written(training.conditionDropout)); the network is told nothing that could be "
          + "dropped")
    }
  }

  private static func identity(rereading text: String, path: String, _ catalogue: Catalogue) -> TrainingIdentity? {
    func isChecksum(_ line: Substring) -> Bool {
      let prefixes = [
        "fingerprint: ", "pretrained: ", "parameters: ", "source_fingerprint: ", "teacher: ", "initial: ", mapPrefix,
      ]
      return prefixes.contains { line.hasPrefix($0) }
    }
    func lines(_ text: String) -> [Substring] { text.split(separator: "\n") }
    let config = lines(text).filter { !isChecksum($0) }.joined(separator: "\n")
    guard let source = try? ConfigSource(text: config, path: path),
      let plan = try? ModelPlan(Options(source.root, path: "", source: source), catalogue)
    else { return nil }
    // The files and the network's code may have changed since then: their checksums are those of the text.
    var all = lines(plan.identity.text).filter { !isChecksum($0) } + lines(text).filter(isChecksum)
    // Older programs wrote no checksum of the parameters, whose names and shapes are compared when they are read.
    if !all.contains(where: { $0.hasPrefix("parameters: ") }) {
      all += lines(plan.identity.text).filter { $0.hasPrefix("parameters: ") }
    }
    return TrainingIdentity(all.joined(separator: "\n") + "\n")
  }

  /// The checksum of the names and shapes of the parameters: a network's code may change while its options stay.
  private static func checksum(of layout: ParameterLayout) -> String {
    Checksum.text(of: layout.entries.flatMap(\.parts).map { "\($0.name) \($0.shape)" }.joined(separator: "\n"))
  }

  /// What the score can be told of each row; nil where that is known only after it has been read.
  var conditionShape: ConditionShape? {
    if let network { return network.conditionShape }
    return score.conditionShape(for: seen)
  }

  /// Whether the score knows rows of which nothing is said; nil where that is known only after it has been read.
  var knowsNothing: Bool? {
    guard let network else { return score.isExact ? true : nil }
    guard network.conditionShape != .nothing else { return true }
    let dropsConditions = training?.conditionDropout ?? 0 > 0
    return (dropsConditions || knowsTextsAlready) && network.knowsNothing
  }

  /// Whether the network comes from elsewhere and is told texts, of which the empty one is nothing.
  var knowsTextsAlready: Bool { score.network?.recipe.pretrained != nil && network?.conditionShape == .text }

  /// The classes that the network learns from the data, in rising order; nil: all that it can be told.
  ///
  /// A network that comes with weights of its own knows classes that this data may not have.
  var occurringClasses: [Int]? {
    if score.isExact { return seen.law?.occurringClasses }
    guard let known = network?.conditionShape.classCount, known > 0, training != nil,
      score.network?.recipe.pretrained == nil
    else { return nil }
    let classes = data.occurringClasses ?? Array(0..<data.conditionShape.classCount)
    return classes.count == known ? nil : classes
  }
}
