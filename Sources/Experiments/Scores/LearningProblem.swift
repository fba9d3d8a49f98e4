// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Scores
import Solvers
import Training

/// How a network learns the score of a process: in coordinates in which the process is linear, where there are such,
/// with a kernel or on simulated paths.
struct LearningProblem {
  /// The process that a network sees.
  let process: PreparedProcess
  let objective: ObjectiveRecipe
  /// Between the process's own states and those that a network sees; nil where they are the same.
  private let coordinates: (any ElementwiseCoordinates)?
  private let seed: UInt64

  init(_ process: PreparedProcess, objective: ObjectiveRecipe, seed: UInt64) {
    self.process = process.transformed?.process ?? process
    coordinates = process.transformed?.coordinates
    self.objective = objective
    self.seed = seed
  }

  /// The kernel that a model is read by; nil where a pilot stands in for it.
  private var kernel: (any PerturbationKernel)? { objective.usesKernel ? process.kernel : process.scalarKernel }

  /// Whether moments are scalars, so that every prediction is defined.
  var isScalar: Bool { kernel?.isScalar ?? true }

  /// Whether the noise of a state at each time is known without simulation.
  var hasKernel: Bool { kernel != nil }

  /// Whether another problem's data are noised in the same way: equal kernels, to what an integrated one may be wrong
  /// by.
  func perturbs(as other: LearningProblem) -> Bool {
    guard let a = process.kernel, let b = other.process.kernel, (coordinates == nil) == (other.coordinates == nil),
      a.blocks == b.blocks, process.duration == other.process.duration
    else { return false }
    return [0.01, 0.1, 0.4, 0.7, 1].allSatisfy { share in
      let (p, q) = (a.moments(at: share * process.duration), b.moments(at: share * process.duration))
      let pairs = [(p.propagator, q.propagator), (p.covariance.matrix, q.covariance.matrix)]
      return pairs.allSatisfy { p, q in
        let largest = q.values.reduce(0) { max($0, abs($1)) }
        return p.values.count == q.values.count
          && p.values.indices.allSatisfy { abs(p.values[$0] - q.values[$0]) <= 1e-6 * largest }
      }
    }
  }

  /// What a network is built for.
  func shape(of data: any DataSource) -> DataShape {
    let dimension = process.sde.stateDimension(of: data.dimension)
    guard let blocks = kernel?.blocks, blocks.count > 1 else { return DataShape(data) }
    return DataShape(
      dimension: dimension, image: dimension == data.dimension ? data.imageShape : nil,
      conditionShape: data.conditionShape, texts: data.texts,
      outputDimension: dimension / blocks.count * blocks.noise)
  }

  /// Refuses what has no objective.
  /// - Parameters:
  ///   - training: nil for a network that is not trained.
  ///   - prediction: what the network's output stands for.
  ///   - dimension: the data's.
  ///   - kind: the process's, as the config names it.
  ///   - options: where complaints point to.
  func check(
    _ training: TrainingPlan?, prediction: Prediction, dimension: Int, kind: String, _ options: Options
  ) throws {
    let weighting = training?.weighting
    guard !isOfFewSteps || coordinates == nil && process.scalarKernel != nil && process.hasScalarDiffusion else {
      throw options.wrong(
        "training",
        "objective \(objective.name) needs a process whose perturbation kernel is m(t) x₀ + σ(t) z; \(kind) has none")
    }
    if let largest = objective.largestDimension, dimension > largest {
      throw options.wrong(
        "training",
        "objective \(objective.name) takes \(dimension) derivatives a step; allowed: up to \(largest) dimensions, or sliced"
      )
    }
    guard objective.usesKernel else {
      guard process.sde.stateDimension(of: dimension) == dimension else {
        throw options.wrong(
          "training", "objective \(objective.name): \(kind) has states wider than the data; allowed: denoising")
      }
      guard weighting?.needsDiffusion != true || process.hasScalarDiffusion else {
        throw options.wrong("training", "weighting \(weighting?.rawValue ?? "") needs a scalar diffusion g(t)")
      }
      return
    }
    if objective.coupling != nil {
      guard coordinates == nil, process.scalarKernel != nil, process.sde is any AffineSDE else {
        throw options.wrong(
          "training",
          "objective \(objective.name) needs a process x_t = m(t) x₀ + σ(t) z of numbers m and σ; \(kind) is none")
      }
    }
    if objective.learnsReverseDrift, let end = process.kernel?.moments(at: process.duration) {
      // 20 of a usual VP process, 1000 of a cosine schedule and 2000 of straight paths, whose first steps of noise
      // leave all data behind.
      let g = process.scalarDiffusion(at: process.duration)
      guard g * g * process.duration <= 1e3 * end.variance else {
        throw options.wrong(
          "training",
          "objective \(objective.name) learns the reverse SDE, and the noise g of \(kind) grows without bound at T; "
            + "allowed: learns: velocity, or a process as vp")
      }
    }
    guard let kernel = process.kernel else {
      throw options.wrong(
        "training",
        "objective denoising needs a process with a perturbation kernel; \(kind) has none: sliced or implicit")
    }
    if !kernel.isScalar {
      guard prediction == .noise || prediction == .edm else {
        throw options.wrong("score", "prediction \(prediction.rawValue): a process with matrices allows noise, edm")
      }
      let allowed = prediction == .edm ? Weighting.edm : .uniform
      guard weighting ?? allowed == allowed else {
        throw options.wrong(
          "training",
          "weighting: a process with matrices allows \(allowed.rawValue) with prediction \(prediction.rawValue)")
      }
      return
    }
    guard weighting?.needsDiffusion != true || process.hasScalarDiffusion else {
      throw options.wrong("training", "weighting \(weighting?.rawValue ?? "") needs a scalar diffusion g(t)")
    }
    if prediction == .noise || prediction == .score {
      // Below this share of the noise, a float that holds both does not tell the data.
      let end = kernel.moments(at: process.duration)
      guard end.scale > 1e-6 * end.deviation else {
        throw options.wrong(
          "score",
          "prediction \(prediction.rawValue): the signal at T is \(written(end.scale / end.deviation)) of the noise, too "
            + "little to find it by; allowed: data, velocity, edm, or an earlier T")
      }
    }
  }

  /// Whether the objective is one of few steps.
  private var isOfFewSteps: Bool { objective.trains != .score || objective.teacher != nil }

  /// Refuses what an objective of few steps is not made for.
  /// - Parameters:
  ///   - prediction: what the network's output stands for.
  ///   - network: told two noise levels where the objective is of two times.
  ///   - plan: of the training.
  ///   - options: where complaints point to.
  func checkMap(_ prediction: Prediction, _ network: any Network, _ plan: TrainingPlan, _ options: Options) throws {
    func wrong(_ text: String) -> InputError { options.wrong("training", "objective \(objective.name) \(text)") }
    guard !network.hasDivergence || objective.goesForward else {
      throw wrong("trains no divergence; allowed: divergence: false, or objective lagrangian with forward above 0")
    }
    guard isOfFewSteps else { return }
    guard network.conditionShape != .text else { throw wrong("trains no network that is told texts") }
    guard !objective.isOfTwoTimes || network.takesSecond else {
      throw wrong("maps between two times; allowed: a network with second: true (mlp, unet)")
    }
    guard objective.predictions == nil || !network.takesRawInput else {
      throw wrong("wants a network that sees scaled states; allowed: scale_output: false")
    }
    if let allowed = objective.predictions, !allowed.contains(prediction) {
      let names = allowed.map(\.rawValue).joined(separator: ", ")
      throw wrong("is made for the coordinates of prediction \(names); it is \(prediction.rawValue); allowed: \(names)")
    }
    if objective.teacher == .exact, network.conditionShape != .nothing {
      throw wrong(
        "has an exact teacher, which is told nothing, and a network that is told conditions; allowed: a "
          + "checkpoint as its teacher")
    }
    if let starts = objective.starts, let kernel = process.kernel {
      try options.located("training", prefix: "objective \(objective.name): ") {
        _ = try starts.times(from: process.duration, to: plan.epsilon, kernel: kernel)
      }
      guard plan.batch >= starts.count else {
        throw wrong(
          "trains \(starts.count) steps, each by rows of its own, and batch is \(plan.batch); allowed: "
            + "\(starts.count) or more")
      }
    }
  }

  /// A network read as a model of the problem's process.
  /// - Parameters:
  ///   - parameters: a flat buffer of the network's layout.
  ///   - prediction: what its output stands for.
  ///   - dataDeviation: σ_d
  ///   - data: what it is or was trained on, in the process's own states.
  func model(
    _ network: any Network, parameters: [Float], _ prediction: Prediction, dataDeviation: Double, data: any DataRows
  ) throws -> ScoreModel {
    let kernel =
      try kernel ?? PilotKernel(of: process, data: encoded(data.prefix(PilotKernel.standardRows)), seed: seed)
    guard kernel.isScalar || prediction == .noise || prediction == .edm else {
      throw InputError("prediction \(prediction.rawValue): a process with matrices allows noise, edm")
    }
    return ScoreModel(
      network, parameters: parameters, prediction: prediction, kernel: kernel, duration: process.duration,
      dataDeviation: dataDeviation)
  }

  /// A model as a score of the experiment's own process, once the conditions of rows are known.
  /// - Parameters:
  ///   - dropsConditions: whether it was trained on rows that had lost their condition.
  ///   - occurringClasses: the classes of the rows that it was trained on; nil: all.
  func source(_ model: ScoreModel, dropsConditions: Bool, occurringClasses: [Int]?) -> ScoreSource {
    let shape = model.network.conditionShape
    let knowsNothing = shape == .nothing || dropsConditions && model.knowsNothing
    let classes = shape.classCount > 0 ? occurringClasses : nil
    let traits = objective.traits
    return ScoreSource(conditionShape: shape, occurringClasses: classes, knowsNothing: knowsNothing) { conditions in
      try model.check(conditions)
      let bound = model.score(given: conditions)
      if let coordinates { return TransformedScore(bound, coordinates) }
      return traits.isEmpty ? bound : LimitedScore(bound, traits)
    }
  }

  /// The data as the problem's process has it.
  /// - Throws: `InputError` for data that has no coordinates.
  func encoded(_ data: Batch) throws -> Batch {
    guard let coordinates else { return data }
    var (data, result) = (data, Batch(count: data.count, dimension: data.dimension))
    do {
      try data.withRows { x in
        try result.withRows { try coordinates.encode(x, into: $0, from: NoiseStream(seed: seed, purpose: .data)) }
      }
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: "data")
    }
    return result
  }

  /// The same for rows that are not in memory: all are tried now, and computed when they are asked for.
  /// - Throws: `InputError` for data that has no coordinates.
  func encoded(_ data: any DataRows) throws -> any DataRows {
    guard let coordinates else { return data }
    do {
      return try EncodedRows(data, in: coordinates, from: NoiseStream(seed: seed, purpose: .data), step: 0)
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: "data")
    }
  }

  /// What training draws its rows from.
  func trainingSource(_ dataset: Dataset) throws -> any TrainingSource {
    coordinates == nil ? dataset.source : RowSource(try encoded(dataset.trainingRows))
  }

  /// The exact score of the problem's process, of rows of which this is known. Where the law has no classes, that of
  /// all rows.
  func exactScore(of law: DataLaw?, given conditions: Conditions) -> (any Score)? {
    guard let law else { return nil }
    let known: Conditions = law.classes == nil ? .nothing : conditions
    guard let coordinates else { return process.exactScore(of: law, given: known) }
    return (coordinates as? any LawCoordinates)?.law(of: law).flatMap { process.exactScore(of: $0, given: known) }
  }

  /// The training of a model.
  /// - Parameters:
  ///   - perceptual: a trained network by which an autoencoder's pictures are compared.
  ///   - ends: what the ends of paths at T are drawn from.
  ///   - pairs: rows that are trained on in place of the data's, each with the end of its number, and their conditions.
  ///   - teacher: whose flow is learned; nil: there is none.
  ///   - initial: weights to begin with; nil: the network's own.
  func trainer(
    _ model: ScoreModel, _ dataset: Dataset, _ plan: TrainingPlan,
    perceptual: (network: FeatureNetwork, parameters: [Float])? = nil, ends: PathEnds = .prior,
    pairs: (data: Batch, conditions: Conditions)? = nil, teacher: Teacher? = nil, initial: [Float]? = nil, threads: Int
  ) throws -> Trainer {
    var setting = ObjectiveSetting(model: model, process: process, plan: plan, perceptual: perceptual)
    (setting.ends, setting.teacher) = (ends, teacher)
    return Trainer(
      try objective.objective(in: setting), data: try pairs.map { RowSource($0.data) } ?? trainingSource(dataset),
      conditions: pairs?.conditions ?? dataset.trainingConditions, plan: plan, seed: seed, initial: initial,
      threads: threads)
  }
}
