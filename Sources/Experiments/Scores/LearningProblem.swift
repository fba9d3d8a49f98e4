// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Glibc
import Models
import Networks
import Processes
import Solvers
import Tensors
import Training

/// How a network learns the score of a process: of states or of data, of x or of ln x, with a kernel or on simulated paths.
struct LearningProblem {
  /// The process that a network sees: that of ln x where there is one.
  let process: any SDE
  let objective: TrainingPlan.Objective
  private let isLogarithm: Bool
  private let seed: UInt64

  init(_ process: any SDE, objective: TrainingPlan.Objective, seed: UInt64) {
    self.process = process.logarithm ?? process
    isLogarithm = process.logarithm != nil
    self.objective = objective
    self.seed = seed
  }

  /// One with matrices, whose scores have a convention of their own.
  private var matrices: (any LinearSDE)? {
    objective != .denoising || process is any AffineSDE ? nil : process as? any LinearSDE
  }

  var isScalar: Bool { matrices == nil }

  /// Whether the noise of a state at each time is known without simulation.
  var hasKernel: Bool { objective == .denoising ? process is any LinearSDE : process.makeKernel() != nil }

  /// The process with its kernel of matrices; nil where it has none.
  var linear: (any LinearSDE)? { process as? any LinearSDE }

  /// Whether another problem's data are noised in the same way: equal kernels, to what an integrated one may be wrong by.
  func perturbs(as other: LearningProblem) -> Bool {
    guard let a = process as? any LinearSDE, let b = other.process as? any LinearSDE,
      isLogarithm == other.isLogarithm, a.blocks == b.blocks, a.dataBlocks == b.dataBlocks, a.duration == b.duration
    else { return false }
    let (mine, theirs) = (a.makeLinearKernel(), b.makeLinearKernel())
    return [0.01, 0.1, 0.4, 0.7, 1].allSatisfy { share in
      let (p, q) = (mine.moments(at: share * a.duration), theirs.moments(at: share * a.duration))
      return [(p.propagator, q.propagator), (p.covariance, q.covariance)].allSatisfy { p, q in
        let largest = q.values.reduce(0) { max($0, abs($1)) }
        return zip(p.values, q.values).allSatisfy { abs($0 - $1) <= 1e-6 * largest }
      }
    }
  }

  /// What a network is built for.
  func shape(of data: any DataSource) -> DataShape {
    let dimension = process.stateDimension(of: data.dimension)
    guard let matrices else { return DataShape(data) }
    return DataShape(
      dimension: dimension, image: dimension == data.dimension ? data.imageShape : nil,
      conditionShape: data.conditionShape,
      outputDimension: dimension / matrices.blocks * matrices.noiseBlocks)
  }

  /// Refuses what has no objective. `training` is nil for a network that is not trained.
  func check(
    _ training: TrainingPlan?, prediction: Prediction, dimension: Int, kind: String, _ options: Options
  ) throws {
    let text = objective.rawValue
    let isPositional = process.stateDimension(of: dimension) == dimension
    let most = Likelihood.largestExactDimension
    guard objective != .implicit || dimension <= most else {
      throw options.wrong(
        "training",
        "objective implicit takes \(dimension) derivatives a step; allowed: up to \(most) dimensions, or sliced")
    }
    guard objective == .denoising else {
      guard isPositional else {
        throw options.wrong("training", "objective \(text): \(kind) has states wider than the data; allowed: denoising")
      }
      if let weighting = training?.weighting, weighting == .likelihood || weighting == .flowMatching {
        guard process is any AffineSDE else {
          throw options.wrong("training", "weighting \(weighting.rawValue) needs a scalar diffusion g(t)")
        }
      }
      return
    }
    guard process is any LinearSDE else {
      throw options.wrong(
        "training",
        "objective denoising needs a process with a perturbation kernel; \(kind) has none: sliced or implicit")
    }
    if matrices != nil {
      guard prediction == .noise || prediction == .edm else {
        throw options.wrong("score", "prediction \(prediction.rawValue): a process with matrices allows noise, edm")
      }
      let weighting = prediction == .edm ? TrainingPlan.Weighting.edm : .uniform
      guard training?.weighting ?? weighting == weighting else {
        throw options.wrong(
          "training",
          "weighting: a process with matrices allows \(weighting.rawValue) with prediction \(prediction.rawValue)")
      }
    } else if prediction == .noise || prediction == .score, let kernel = process.makeKernel() {
      // The data in x_T is below what a float of noise tells.
      let end = kernel.moments(at: process.duration)
      guard end.scale > 1e-6 * end.deviation else {
        throw options.wrong(
          "score",
          "prediction \(prediction.rawValue): the signal at T is \(written(end.scale / end.deviation)) of the noise, too "
            + "little to find it by; allowed: data, velocity, edm, or an earlier T")
      }
    }
  }

  /// A network read as the score of the problem's process.
  /// - Parameter data: what it is or was trained on.
  func score(
    _ network: any Network, parameters: [Float], _ prediction: Prediction, dataDeviation: Double, data: Batch
  ) throws -> any LearnedScore {
    if let matrices {
      guard prediction == .noise || prediction == .edm else {
        throw InputError("prediction \(prediction.rawValue): a process with matrices allows noise, edm")
      }
      return LinearNetworkScore(
        network, parameters: parameters, prediction: prediction, process: matrices, dataDeviation: dataDeviation)
    }
    let kernel = try process.makeKernel() ?? PilotKernel(of: process, data: coordinates(data), seed: seed)
    return NetworkScore(
      network, parameters: parameters, prediction: prediction, kernel: kernel, duration: process.duration,
      dataDeviation: dataDeviation)
  }

  /// A network's score as one of the experiment's own process, and of rows with conditions.
  func source(_ score: any LearnedScore) -> ScoreSource {
    let classes = score.network.conditionShape.classCount
    return ScoreSource(conditionShape: classes > 0 ? .classes(classes) : .nothing, knowsNothing: classes == 0) {
      let bound = try score.with(parameters: nil, classes: RowClasses($0, classes: classes))
      return isLogarithm ? LogScore(bound) : bound
    }
  }

  /// The data as the problem's process has it.
  /// - Throws: `InputError` for data that have no logarithm.
  func coordinates(_ data: Batch) throws -> Batch {
    guard isLogarithm else { return data }
    if let place = data.values.firstIndex(where: { !($0 > 0) }) {
      throw InputError(
        "row \(place / data.dimension + 1) holds \(data.values[place]); the process needs values above 0", at: "data")
    }
    return Batch(values: data.values.map { log($0) }, dimension: data.dimension)
  }

  func source(_ dataset: Dataset) throws -> any TrainingSource {
    isLogarithm ? RowSource(try coordinates(dataset.training)) : dataset.source
  }

  /// The exact score of the problem's process.
  func exactScore(of law: DataLaw?) -> (any Score)? {
    guard let law else { return nil }
    if !isLogarithm { return process.score(of: law) }
    // Of ln x only the logarithm's own law is known.
    return law.isExponential ? process.score(of: DataLaw(law.mixture)) : nil
  }

  func trainer(_ score: any LearnedScore, _ dataset: Dataset, _ plan: TrainingPlan, threads: Int) throws -> Trainer {
    let (data, labels) = (try source(dataset), dataset.trainingConditions.listedClasses)
    if let score = score as? LinearNetworkScore {
      return Trainer(score, data: data, labels: labels, plan: plan, seed: seed, threads: threads)
    }
    guard let score = score as? NetworkScore else { preconditionFailure("a score of `score`") }
    return Trainer(score, process: process, data: data, labels: labels, plan: plan, seed: seed, threads: threads)
  }
}

extension RowClasses {
  /// - Throws: `InputError` for a row without a class, where the network knows `classes` of them.
  init(_ conditions: Conditions, classes: Int) throws {
    switch conditions {
    case .all(.label(let label)): self = .all(label)
    case .labels(let labels): self = .each(labels)
    case .inTurn: self = .inTurn
    default:
      guard classes == 0 else { throw InputError("the network knows \(classes) classes; every row needs one") }
      self = .inTurn
    }
  }
}
