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
import Training

/// A config, decoded and checked as a whole: what `run` will do.
public struct ExperimentPlan: Sendable {
  public let name: String
  public let seed: UInt64
  public let data: any DataSource
  public let process: any SDE
  /// The kind that the config names.
  public let processKind: String
  public let score: ScoreRecipe
  /// Where the score is a network of this experiment.
  public let network: (any ScoreNetwork)?
  /// Where that is to be trained.
  public let training: TrainingPlan?
  public let sampling: SamplingPlan
  public let likelihood: LikelihoodPlan
  public let metrics: [(name: String, metric: any Metric)]
  /// Whether solvers are compared with exact solutions of their own problem.
  public let pathError: Bool
  /// The config with every default written out.
  public let resolved: String
  /// The part of it that a trained network depends on; equal texts mean that a checkpoint can be used again.
  public let trainingIdentity: String

  public struct SamplingPlan: Sendable {
    public let count: Int
    /// Of a network that is conditioned on classes.
    public let classes: RowClasses
    public let epsilon: Double
    public let path: PathKind
    public let grid: any TimeGrid
    public let format: Format
    /// nil: none are kept.
    public let trajectories: TrajectoryPlan?
    public let solvers: [NamedSolver]
  }

  public enum PathKind: String, Sendable, CaseIterable { case independent, coupled }
  public enum Format: String, Sendable, CaseIterable { case csv, npy }

  public struct NamedSolver: Sendable {
    public let name: String
    public let kind: String
    public let solver: any Solver
    public let denoise: Bool
  }

  public init(_ source: ConfigSource, catalogue: Catalogue = .standard) throws {
    let options = Options(source.root, path: "", source: source)
    self = try Self.decode(options, catalogue)
    try options.finish()
  }

  static func decode(_ options: Options, _ catalogue: Catalogue) throws -> ExperimentPlan {
    let name = try options.text("name", example: "name", allowed: fileNameRule, "names the results folder")
    guard isFileName(name) else { throw options.wrong("name", "is '\(name)'; allowed: \(fileNameRule)") }
    let seed = try options.integer("seed", default: 1, atLeast: 0, "of all random numbers")

    let (data, _) = try kind("data", of: catalogue.data, options, catalogue, "where the data comes from")
    var (process, processKind) = try kind("process", of: catalogue.processes, options, catalogue, "the forward SDE")
    let (score, _) = try kind("score", of: catalogue.scores, options, catalogue, "where the score comes from")
    if !options.isDescribing { try check(process, processKind, data, score, options) }
    var training: TrainingPlan?
    var network: (any ScoreNetwork)?
    var pretrained: NetworkRecipe.Pretrained?
    if case .network(let prediction, _, let recipe) = score {
      pretrained = recipe.pretrained
      if let pretrained { process = try adapted(process, to: pretrained, prediction, options) }
      // A network with weights of its own may go without.
      if pretrained == nil || options.has("training") {
        let section = try options.section("training", required: true, "how the network is trained")
        training = try TrainingPlan(section, duration: process.duration)
        try section.finish()
      }
      if !options.isDescribing {
        let problem = LearningProblem(process, objective: training?.objective ?? .denoising, seed: UInt64(seed))
        try problem.check(training, prediction: prediction, dimension: data.dimension, kind: processKind, options)
        do {
          network = try recipe.build(for: problem.shape(of: data), seed: UInt64(seed))
        } catch let error as InputError where error.location.isEmpty {
          throw options.wrong("score", "network: \(error.message)")
        }
        if let network, training != nil, network.classCount > 0, data.classes == 0 {
          throw options.wrong(
            "score", "network: is conditioned on \(network.classCount) classes; the data to train on has none")
        }
      }
    } else if options.has("training") {
      throw options.wrong("training", "has no use, as the score is not a network of this experiment")
    }
    let identity = options.resolvedYAML(only: ["seed", "data", "process", "score", "training"])

    let samplingSection = try options.section("sampling", required: true, "what is drawn, and by which solvers")
    let sampling = try SamplingPlan(
      samplingSection, process: process, classes: score.isCheckpoint ? nil : network?.classCount ?? 0,
      traits: score.traits, catalogue)
    try samplingSection.finish()
    let likelihoodSection = try options.section("likelihood", "how log densities and codes are computed")
    let likelihood = try LikelihoodPlan(
      likelihoodSection, process: process, dimension: data.dimension, score: score, isAsked: options.has("likelihood"))
    try likelihoodSection.finish()
    let evaluation = try options.section("evaluation", "how samples are judged")
    let (metrics, pathError) = try readEvaluation(evaluation, catalogue)
    try evaluation.finish()
    return ExperimentPlan(
      name: name, seed: UInt64(seed), data: data, process: process, processKind: processKind, score: score,
      network: network, training: training, sampling: sampling, likelihood: likelihood,
      metrics: try metrics.map { ($0, try catalogue.metrics[$0]!.decode(.describing(), catalogue)) },
      pathError: pathError, resolved: options.resolvedYAML(),
      trainingIdentity: identity + (data.fingerprint.isEmpty ? "" : "fingerprint: \(data.fingerprint)\n")
        + (pretrained.map { "pretrained: \($0.fingerprint)\n" } ?? ""))
  }

  static func readEvaluation(_ options: Options, _ catalogue: Catalogue) throws -> (metrics: [String], pathError: Bool)
  {
    (
      try options.names(
        "metrics", default: catalogue.metrics.names, among: catalogue.metrics.names, "against held-out data"),
      try options.flag(
        "path_error", default: false,
        "a column more: RMS distance from the exact flow, or from the reverse SDE on the same Brownian paths")
    )
  }

  /// Refuses data or a score that the process is not made for.
  private static func check(
    _ process: any SDE, _ kind: String, _ data: any DataSource, _ score: ScoreRecipe, _ options: Options
  ) throws {
    do {
      try process.requireDimension(data.dimension)
    } catch let error as InputError where error.location.isEmpty {
      throw options.wrong("process", "\(kind): \(error.message)")
    }
    if case .exact = score {
      guard let law = data.law else {
        throw options.wrong("score", "kind exact needs data that is a Gaussian mixture; use empirical or network")
      }
      guard process.score(of: law) != nil else {
        throw options.wrong(
          "score",
          law.isExponential
            ? "kind exact needs a process that is made for exponentials of mixtures; use empirical or network"
            : "kind exact: the process knows no exact score of a Gaussian mixture; use network")
      }
    }
  }

  /// The process with the noise levels of a network that comes with its own.
  private static func adapted(
    _ process: any SDE, to pretrained: NetworkRecipe.Pretrained, _ prediction: Prediction, _ options: Options
  ) throws -> any SDE {
    if let own = pretrained.prediction, own != prediction {
      throw options.wrong("score", "prediction is \(prediction.rawValue); the network's scheduler says \(own.rawValue)")
    }
    guard let schedule = pretrained.schedule else { return process }
    guard process is VPSDE else {
      throw options.wrong(
        "process", "a diffusers network of discrete noise levels needs process vp, whose levels it sets")
    }
    return VPSDE(schedule)
  }

  private init(
    name: String, seed: UInt64, data: any DataSource, process: any SDE, processKind: String, score: ScoreRecipe,
    network: (any ScoreNetwork)?, training: TrainingPlan?, sampling: SamplingPlan,
    likelihood: LikelihoodPlan, metrics: [(name: String, metric: any Metric)], pathError: Bool, resolved: String,
    trainingIdentity: String
  ) {
    self.name = name
    self.seed = seed
    self.data = data
    self.process = process
    self.processKind = processKind
    self.score = score
    self.network = network
    self.training = training
    self.sampling = sampling
    self.likelihood = likelihood
    self.metrics = metrics
    self.pathError = pathError
    self.resolved = resolved
    self.trainingIdentity = trainingIdentity
  }

  private static func kind<Value>(
    _ key: String, of kinds: Kinds<Value>, _ options: Options, _ catalogue: Catalogue, _ about: String
  ) throws -> (Value, String) {
    let section = try options.section(key, required: true, about)
    let value = try section.kind(of: kinds, in: catalogue)
    try section.finish(also: ["kind"])
    return (value, section.kindName)
  }
}

let fileNameRule = "letters, digits and . _ + - after a letter or digit, at most 100"

/// Whether a name can be a file's and leave its folder nowhere.
func isFileName(_ name: String) -> Bool {
  guard let first = name.first, first.isASCII, first.isLetter || first.isNumber, name.count <= 100 else { return false }
  return name.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "._+-".contains($0)) }
}

extension ExperimentPlan.SamplingPlan {
  init(_ options: Options, process: any SDE, classes: Int?, traits: ScoreTraits, _ catalogue: Catalogue) throws {
    count = try options.integer("count", atLeast: 0, atMost: 100_000_000, "samples a solver draws")
    let label = try options.number(
      "class", or: "in-turn", in: .nonNegative,
      "of every sample, for a class-conditional network; or row i mod their number")
    // Of a checkpoint nobody knows yet.
    if let label, let classes, !options.isDescribing {
      guard classes > 0 else { throw options.wrong("class", "is \(written(label)); the network knows no classes") }
      guard label == label.rounded(), label < Double(classes) else {
        throw options.wrong("class", "is \(written(label)); allowed: whole numbers below \(classes), or in-turn")
      }
    }
    self.classes = label.map { .all(Int($0)) } ?? .inTurn
    epsilon = try options.number(
      "epsilon", default: process.samplingEpsilon, in: .between(0, process.duration),
      "where solvers stop; default by process")
    grid = try options.kind(
      "grid", of: catalogue.grids, default: process.samplingSpacing.rawValue, in: catalogue,
      "the spacing of fixed steps; default by process")
    path = try options.choice(
      "path", default: ExperimentPlan.PathKind.independent,
      "noise: fresh for every step, or one Brownian path per row for all solvers")
    format = try options.choice(
      "format", default: ExperimentPlan.Format.csv, "of sample files; always npy above 256 columns")
    let setting = SamplingSetting(process: process, epsilon: epsilon, grid: grid, traits: traits)
    if options.has("trajectories") || options.isDescribing {
      let section = try options.section("trajectories", "rows to follow: trajectories.csv, film strips, animations")
      trajectories = try TrajectoryPlan(section, count: max(1, count))
      try section.finish()
    } else {
      trajectories = nil
    }
    var solvers: [ExperimentPlan.NamedSolver] = []
    for section in try options.sections("solvers", required: true, "each with `name`, `kind` and the kind's options") {
      let name = try section.text("name", allowed: fileNameRule, "names the solver's files; used once")
      guard isFileName(name) else { throw section.wrong("name", "is '\(name)'; allowed: \(fileNameRule)") }
      guard !solvers.contains(where: { $0.name == name }) else {
        throw section.wrong("name", "'\(name)' names two solvers; allowed: once")
      }
      let solver = try section.kind(of: catalogue.allSolvers, in: catalogue)
      let denoise = try section.flag("denoise", default: true, "end with Tweedie's mean at ε, one more evaluation")
      try section.finish(also: ["kind"])
      do {
        try solver.check(setting)
      } catch let error as InputError where error.location.isEmpty {
        throw section.wrong("kind", "\(section.kindName): \(error.message)")
      }
      solvers.append(
        ExperimentPlan.NamedSolver(name: name, kind: section.kindName, solver: solver, denoise: denoise))
    }
    if count == 0 && !solvers.isEmpty {
      throw options.wrong("count", "is 0, and there are solvers; allowed: 1 or more")
    }
    self.solvers = solvers
  }
}

extension Options {
  /// The `kind` that was read.
  var kindName: String {
    for case (key: "kind", value: .scalar(let name)) in resolved { return name }
    return ""
  }
}

extension TrainingPlan {
  init(_ options: Options, duration: Double) throws {
    self.init(steps: 1)
    steps = try options.integer("steps", example: 5000, atLeast: 1, "optimiser steps")
    batch = try options.integer("batch", default: 256, atLeast: 1, atMost: 10_000_000, "rows a step")
    learningRate = try options.number("learning_rate", default: 1e-3, in: .positive, "the largest learning rate")
    decay = try options.choice(
      "decay", default: Decay.cosine, "the learning rate after warm-up: to 0 along a cosine, or constant")
    warmup = try options.integer("warmup", default: 0, atLeast: 0, "steps over which the learning rate rises")
    optimiser = try options.choice("optimiser", default: Optimiser.adam, "Adam, or with decoupled weight decay")
    weightDecay = try options.number(
      "weight_decay", default: 0, in: .nonNegative, "of adamw, per unit of learning rate")
    if weightDecay > 0 && optimiser == .adam {
      throw options.wrong("weight_decay", "needs optimiser: adamw")
    }
    beta1 = try options.number("beta1", default: 0.9, in: .from(0, below: 1), "decay of the first moment")
    beta2 = try options.number("beta2", default: 0.999, in: .from(0, below: 1), "decay of the second moment")
    clip = try options.number("clip", default: 1, in: .nonNegative, "largest norm of the gradient; 0 leaves it")
    ema = try options.number("ema", default: 0.999, in: .from(0, below: 1), "decay of the averaged weights that sample")
    weighting = try options.choice(
      "weighting", default: Weighting.uniform, "of ‖σ s + z‖²: 1, g²/σ², 1 + σ̃²/σ_d² with σ̃ = σ/m, or g⁴/4σ²")
    noiseLevels = try options.choice(
      "noise_levels", default: NoiseLevels.uniform, "t uniform, or ln(σ/m) normal, within ε and T")
    logMean = try options.number("p_mean", default: -1.2, "mean of ln(σ/m), for log-normal")
    logDeviation = try options.number("p_std", default: 1.2, in: .positive, "deviation of ln(σ/m), for log-normal")
    if noiseLevels != .logNormal {
      if logMean != -1.2 { throw options.wrong("p_mean", "needs noise_levels: log-normal") }
      if logDeviation != 1.2 { throw options.wrong("p_std", "needs noise_levels: log-normal") }
    }
    epsilon = try options.number(
      "epsilon", default: safeEpsilon(1e-5, duration), in: .between(0, duration), "the smallest time trained on")
    objective = try options.choice(
      "objective", default: Objective.denoising,
      "denoising score matching; sliced or implicit score matching on simulated paths, for any process")
    projections = try options.integer(
      "projections", default: 1, atLeast: 1, atMost: 64, "random directions, of sliced")
    simulationSteps = try options.integer(
      "simulation_steps", default: 100, atLeast: 1, atMost: 100_000,
      "steps of simulation from 0 to T, of sliced and implicit")
    if objective != .sliced && projections != 1 { throw options.wrong("projections", "needs objective: sliced") }
    if objective == .denoising && simulationSteps != 100 {
      throw options.wrong("simulation_steps", "needs objective: sliced or implicit")
    }
  }
}
