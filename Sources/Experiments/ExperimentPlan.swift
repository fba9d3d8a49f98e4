// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Networks
import Processes
import Solvers
import Training
import Yams

/// A config, decoded and checked as a whole: what `run` will do. Each part is read in the file of its stage.
public struct ExperimentPlan: Sendable {
  /// The name of the experiment, and of its folder of results.
  public let name: String
  /// What a trained network depends on.
  public let model: ModelPlan
  /// What is drawn, and by which solvers.
  public let sampling: SamplingPlan
  /// How log densities are computed.
  public let likelihood: LikelihoodPlan
  /// How samples are judged.
  public let evaluation: EvaluationPlan
  /// Whether trainings write event files for TensorBoard, too: `log`.
  public let logsEvents: Bool
  /// The config with every default written out.
  public let resolved: String
  /// What is right, but should be known: old names that the config uses, and what reading the data guessed or skipped.
  /// A line each; `foreseen()` also has those for which rows are looked at.
  public let warnings: [String]
  /// What was taken from files of other programs, and what of them has no effect here. A line each.
  public let notes: [String]
  /// The `--set` texts that changed the config, and `KEY=VALUE` for what a sweep set in it, joined by blanks: what
  /// results are labelled with. Two plans with equal `resolved` are the same experiment, whatever stands here.
  public let overrides: String
  /// Where complaints about a section point to.
  let places: ConfigPlaces

  /// The seed of all random numbers.
  public var seed: UInt64 { model.seed }
  /// Where the data come from.
  public var data: any DataSource { model.data }
  /// The process with its kernel and prior.
  public var prepared: PreparedProcess { model.prepared }
  /// The process itself.
  public var process: any SDE { model.process }
  /// The kind of the process, as the config names it.
  public var processKind: String { model.processKind }
  /// How the score is made.
  public var score: any ScoreRecipe { model.score }
  /// The network of the score; nil where it has none.
  public var network: (any Network)? { model.network }
  /// How the network is trained; nil where it is not.
  public var training: TrainingPlan? { model.training }
  /// The part of the config that a trained network depends on; equal texts mean that a checkpoint can be used again.
  public var trainingIdentity: String { model.identity.text }

  /// Decodes a config and checks it as a whole.
  /// - Throws: `InputError` with file, line, key, what was found and what is allowed.
  public init(_ source: ConfigSource, catalogue: Catalogue = .standard) throws {
    if let sweep = source.sweep {
      throw InputError(
        "this config is a sweep, which `score-sde sweep \(source.path)` runs; allowed here: --set sweep=null, for the "
          + "config without it", at: source.location(of: "sweep", sweep))
    }
    try self.init(Options(source.root, path: "", source: source), catalogue)
  }

  /// Decodes options, which may only be described.
  init(_ options: Options, _ catalogue: Catalogue) throws {
    name = try Self.name(options)
    model = try ModelPlan(options, catalogue)
    let (process, data, score) = (model.prepared, model.seen, model.score)

    if !options.isDescribing {
      // What is wrong with the process is not left to its solvers to say.
      let epsilon = min(Self.epsilon(options, process), model.training?.epsilon ?? .infinity)
      let limits = ProcessLimits(process: process, epsilon: epsilon)
      try options.located("process", prefix: "\(model.processKind): ") { try limits.check() }
    }
    let sampling =
      model.trainsAutoencoder
      ? try Self.nothing(of: "sampling", options)
      : try options.section("sampling", required: true, "what is drawn, and by which solvers")
    self.sampling = try SamplingPlan(
      sampling, process: process, conditionShape: model.conditionShape, occurringClasses: model.occurringClasses,
      knowsNothing: model.knowsNothing, traits: model.traits, map: model.map, source: model.source,
      data: options.isDescribing ? nil : (own: model.data, seen: data), catalogue)
    try sampling.finish()
    if model.startsWithKnownRows, !options.isDescribing, self.sampling.condition != .rows(.heldOut) {
      throw sampling.wrong(
        "condition",
        "is not that of held-out rows, and the network is told conditions of pairs: samples begin with held-out rows of "
          + "source, of which these are known; allowed: {rows: held-out}")
    }
    let isMapAlone = model.map.map { !$0.isScore } ?? false
    let likelihood =
      model.trainsAutoencoder || isMapAlone
      ? try Self.nothing(
        of: "likelihood", options, because: isMapAlone ? "the network is a flow map alone, and no score" : nil)
      : try options.section("likelihood", "how log densities and codes are computed")
    self.likelihood = try LikelihoodPlan(
      likelihood, process: process, dimension: data.dimension, score: score, levels: model.levels,
      map: model.map, isAsked: options.has("likelihood"), catalogue)
    try likelihood.finish()
    if let start = self.sampling.start, start.needsFlow, !options.isDescribing {
      let flow = self.likelihood
      if let refusal = model.refusalOfFlows { throw sampling.wrong("start", refusal) }
      try sampling.located("start") {
        try flow.checkFlow(process, score, until: start.time ?? process.duration)
      }
    }
    let evaluation = try options.section("evaluation", "how samples are judged")
    self.evaluation = try EvaluationPlan(
      evaluation, hasRows: model.data.hasRows, ofAutoencoder: model.trainsAutoencoder,
      hasExactPaths: score.isExact && self.sampling.solvers.contains { $0.solver.limit != .law },
      hasExactMap: model.hasExactMap, map: model.map, catalogue)
    try evaluation.finish()
    let setting = ModelSetting(
      process: process, data: data, dequantises: model.levels != nil,
      hasLevels: model.levels != nil || self.likelihood.quantisation != nil,
      hasAutoencoder: model.trainsAutoencoder || model.coordinates.contains { $0 is AutoencoderCoordinatesRecipe },
      isScore: !model.trainsAutoencoder,
      hasFlow: !model.trainsAutoencoder && !model.traits.contains(.pathAlone), hasExactScore: model.hasExactMap,
      traits: model.traits, map: model.map, likelihood: self.likelihood)
    if let map = model.map, !map.isScore, let first = self.evaluation.modelMetrics.first, !options.isDescribing {
      throw evaluation.wrong(
        "metrics", "'\(first.name)' judges a score, and the network is a flow map alone; allowed: metrics of samples")
    }
    for (name, metric) in self.evaluation.modelMetrics {
      try evaluation.located("metrics", prefix: "\(name): ") { try metric.check(setting) }
      if metric.usesLikelihood, let refusal = model.refusalOfDensities {
        throw evaluation.wrong("metrics", "\(name): \(refusal)")
      }
      if metric.usesLikelihood { try self.likelihood.check(likelihood, process, data.dimension, score) }
    }
    logsEvents = try Self.logsEvents(options, trains: model.training != nil)
    if let solver = model.preview?.solver, !options.isDescribing {
      let traits = self.sampling.guidance?.traits(of: model.traits) ?? model.traits
      let setting = SamplingSetting(
        process, start: self.sampling.start?.time, epsilon: self.sampling.epsilon, grid: self.sampling.grid,
        traits: traits, map: self.sampling.guidance == nil ? model.map : nil)
      try options.located("training", prefix: "preview.solver: ") { try solver.check(setting) }
    }
    try options.finish(also: ["sweep"])
    resolved = options.resolvedYAML()
    places = ConfigPlaces(options)
    for note in model.data.notes { options.source?.warnings.add(places.at("data", note)) }
    warnings = options.source?.warnings.all ?? []
    notes = options.source?.notes.all ?? []
    overrides = options.source?.settings.joined(separator: " ") ?? ""
  }

  /// The options of a section that an autoencoder's experiment does not have, as nothing is drawn, or that of a flow
  /// map.
  private static func nothing(of key: String, _ options: Options, because reason: String? = nil) throws -> Options {
    if options.has(key) {
      throw options.wrong(key, "has no effect: \(reason ?? "an autoencoder draws no samples, and has no density")")
    }
    let isSampling = key == "sampling"
    let pairs: [(Node, Node)] = isSampling ? [(Node("count"), Node("0")), (Node("solvers"), Node([Node]()))] : []
    return Options(.mapping(Node.Mapping(pairs)), path: key, source: nil)
  }

  /// The key `name`.
  static func name(_ options: Options) throws -> String {
    let name = try options.text("name", example: "name", allowed: fileNameRule, "names the results folder")
    guard isFileName(name) else {
      throw options.wrong("name", "is '\(ConfigTree.oneLine(name))'; allowed: \(fileNameRule)")
    }
    return name
  }

  private static func logsEvents(_ options: Options, trains: Bool) throws -> Bool {
    let names = try options.names(
      "log", default: ["csv"], among: ["csv", "tensorboard"],
      "what a training writes while it runs: training.csv, and event files for TensorBoard")
    guard names.contains("csv") else {
      throw options.wrong("log", "leaves out csv, which `watch` and notebooks read; allowed: [csv], [csv, tensorboard]")
    }
    guard names.contains("tensorboard") else { return false }
    guard trains || options.isDescribing else {
      throw options.wrong("log", "tensorboard has no effect; it needs training")
    }
    return true
  }

  /// ε as it will be read: that of the config where it is allowed, else the process's.
  private static func epsilon(_ options: Options, _ process: PreparedProcess) -> Double {
    let section = options.value(of: "sampling").map { Options($0, path: "sampling", source: options.source) }
    let given = section?.value(of: "epsilon")?.scalar.flatMap { Spelling.number($0.string) }
    return given.flatMap { $0 > 0 && $0 < process.duration ? $0 : nil } ?? process.sde.samplingEpsilon
  }
}

/// Where the keys of a config stand.
struct ConfigPlaces: Sendable {
  private var places: [String: String] = [:]

  init(_ options: Options) {
    for key in options.declarations.map(\.key) { places[key] = options.wrong(key, "").location }
    if let node = options.node, let source = options.source { add(node, "", source) }
  }

  /// The keys of a mapping and of those in it. Elements of lists are numbers.
  private mutating func add(_ node: Node, _ path: String, _ source: ConfigSource) {
    for (key, value) in node.mapping ?? Node.Mapping([]) {
      let own = path.isEmpty ? key.scalar?.string ?? "?" : "\(path).\(key.scalar?.string ?? "?")"
      places[own] = source.location(of: own, value)
      add(value, own, source)
    }
    for (index, value) in (node.sequence ?? Node.Sequence([])).enumerated() where value.mapping != nil {
      add(value, "\(path).\(index)", source)
    }
  }

  /// A complaint about a key, with the file and the line where the key stands.
  func placed(_ error: InputError) -> InputError {
    places[error.location].map { InputError(error.message, at: $0) } ?? error
  }

  /// Runs `body`, whose complaints about keys get their lines.
  func placed<Value>(_ body: () throws -> Value) throws -> Value {
    do { return try body() } catch let error as InputError { throw placed(error) }
  }

  /// A line about a section.
  func at(_ key: String, _ text: String) -> String { "\(places[key] ?? key): \(text)" }
}

let fileNameRule = "letters, digits and . _ + - after a letter or digit, at most 100"

/// Whether a name can be a file's and leave its folder nowhere.
/// - Parameter longest: how long it may be.
func isFileName(_ name: String, longest: Int = 100) -> Bool {
  guard let first = name.first, first.isASCII, first.isLetter || first.isNumber, name.count <= longest else {
    return false
  }
  return name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._+-".contains($0)) }
}
