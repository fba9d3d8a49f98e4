// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Processes
import Scores
import Solvers

/// A way of drawing samples under conditions: what `sampling.guidance` names. It makes a score for sampling of the
/// experiment's own, and may change how solvers go. A package adds its own as kinds of `Catalogue.guidances`.
public protocol Guidance: Sendable {
  /// What the guided score offers, given what the score offers.
  func traits(of traits: ScoreTraits) -> ScoreTraits

  /// Whether it looks at `sampling.observation`.
  var usesObservation: Bool { get }

  /// Whether it has no effect on samples of which nothing is known. Default: false.
  var usesCondition: Bool { get }

  /// Whether it takes another score in place of the experiment's, at which it does not look. Default: false.
  var replacesScore: Bool { get }

  /// Whether it asks for products with the Jacobian of the score that it is given. Default: false.
  var needsProducts: Bool { get }

  /// Whether the score that it makes has such products.
  /// - Parameter given: whether the score that it is given has them; default: the same.
  func offersProducts(_ given: Bool) -> Bool

  /// Whether it makes nothing of the score that it is given, so that guidances before it in a list would have no
  /// effect. Default: whether it replaces the score.
  var passesOverScore: Bool { get }

  /// Whether its solvers have their scores from it, so that guidances after it in a list would have no effect. Default:
  /// false.
  var endsList: Bool { get }

  /// Texts that it tells the score beside those of samples. Default: none.
  var texts: [String] { get }

  /// What samples can be told under the guidance, where the score can be told this: a classifier knows classes of which
  /// the score may know nothing. Default: the same.
  /// - Parameters:
  ///   - shape: what the score can be told; nil where that is not known yet.
  ///   - data: the data as a model sees them.
  func conditionShape(of shape: ConditionShape?, for data: any DataSource) -> ConditionShape?

  /// - Throws: `InputError` without a location for what the guidance is not made for. Nothing is loaded yet.
  func check(_ setting: GuidanceSetting) throws

  /// Whether its solvers begin with draws of their own, and so at no `sampling.start`. Default: false.
  var beginsByItself: Bool { get }

  /// - Throws: `InputError` without a location for a solver, as the config has it, that the guidance cannot use.
  ///   Nothing is loaded yet.
  func check(_ solver: any Solver) throws

  /// - Parameters:
  ///   - source: the experiment's score, which may be bound to several conditions: those of the samples, and nothing.
  ///   - conditions: those of the samples.
  ///   - problem: what else there is to guide by.
  /// - Throws: `InputError` for a score that cannot be guided so.
  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score

  /// A solver as the guidance wants it: one with particles, say, that takes the steps of the given one. Default: the
  /// solver itself.
  /// - Parameters:
  ///   - solver: as the config has it.
  ///   - source: the score that `guide` is given.
  ///   - conditions: those of the samples.
  ///   - problem: what else there is to guide by.
  /// - Throws: `InputError` without a location for a solver that the guidance cannot use.
  func solver(
    _ solver: any Solver, _ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem
  ) throws -> any Solver
}

extension Guidance {
  public func traits(of traits: ScoreTraits) -> ScoreTraits { [] }
  public var usesObservation: Bool { false }
  public var usesCondition: Bool { false }
  public var replacesScore: Bool { false }
  public var needsProducts: Bool { false }
  public var passesOverScore: Bool { replacesScore }
  public var endsList: Bool { false }
  public func offersProducts(_ given: Bool) -> Bool { given }
  public var texts: [String] { [] }
  public func conditionShape(of shape: ConditionShape?, for data: any DataSource) -> ConditionShape? { shape }
  public func check(_ setting: GuidanceSetting) throws {}
  public func check(_ solver: any Solver) throws {}
  public var beginsByItself: Bool { false }
  public func solver(
    _ solver: any Solver, _ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem
  ) throws -> any Solver { solver }
}

/// What a guidance can be checked against before anything is loaded.
public struct GuidanceSetting: Sendable {
  /// The process with its kernel and prior.
  public let process: PreparedProcess
  /// The data as a model sees them: with the law that they have there, up to numbers that are fitted.
  public let data: any DataSource
  /// What the score offers.
  public let traits: ScoreTraits
  /// What the score can be told of each row; nil where that is not known yet.
  public let conditionShape: ConditionShape?
  /// How rows are seen, in the units of the data; nil where the config has no observation.
  public let model: (any ObservationModel)?
  /// Whether the score knows rows of which nothing is said; nil where that is not known yet.
  public let knowsNothing: Bool?

  /// - Throws: `InputError` for a score that is known not to know rows of which nothing is said.
  func requireNothing(_ kind: String, orWithout: String = "") throws {
    guard knowsNothing == false else { return }
    throw InputError(Self.nothingNeeded(kind, orWithout))
  }

  /// What is said of a network that was not trained on rows without their condition.
  static func nothingNeeded(_ kind: String, _ orWithout: String = "") -> String {
    "\(kind) needs a network that also knows the score without a condition; train it with training.condition_dropout "
      + "above 0, as 0.1\(orWithout)"
  }

  /// - Parameters:
  ///   - linear: whether the method is for y = A x + Gaussian noise alone.
  ///   - allowsExact: whether it never divides by the noise, which may be 0 then.
  /// - Throws: `InputError` where there is no such observation.
  public func requireObservation(linear: Bool = false, allowsExact: Bool = false) throws {
    guard let model else { throw InputError("needs sampling.observation") }
    guard allowsExact || !model.isExact else {
      throw InputError("divides by the noise of the observation, which is 0; allowed: above 0")
    }
    guard !linear || model.linear != nil else {
      throw InputError("needs an observation y = A x + Gaussian noise; allowed for others: dps, smc")
    }
  }

  /// - Throws: `InputError` for a process without a kernel m(t) x₀ + σ(t) z.
  public func requireKernel() throws {
    guard process.scalarKernel != nil else {
      throw InputError("needs a process whose perturbation kernel is m(t) x₀ + σ(t) z")
    }
  }
}

/// What there is to guide by, once data are loaded.
public struct GuidanceProblem: Sendable {
  /// The process with its kernel and prior.
  public let process: PreparedProcess
  /// The data as a model sees them, with the law that they have there.
  public let data: any DataSource
  /// The rows of the data, as a model sees them.
  public let dataset: Dataset
  /// What was seen of the samples, in the coordinates of the model; nil where the config has no observation.
  public internal(set) var observation: Observation?
  /// The seed of the experiment.
  public let seed: UInt64
  /// How many workers compute; results do not depend on it.
  public let threads: Int
  /// Whether nothing is said on the way.
  public let quiet: Bool
  /// Where trained networks are kept.
  public let store: ModelStore
  /// The key `coordinates` of the config, with every default written out; empty where there are none.
  public let coordinates: String
  /// What a network depends on that is trained on these data under this process: seed, data, coordinates and process
  /// with every default written out, and a checksum of the data's files.
  public let identity: String
  /// Whether the guidance is only tried out before anything is computed: networks have initial weights.
  public let isRehearsal: Bool
  /// Every kind that a config may name.
  public let catalogue: Catalogue

  /// What a score of another network is made from.
  var scoreSetting: ScoreSetting {
    ScoreSetting(
      process: process, data: data, dataset: dataset, coordinates: coordinates, seed: seed, catalogue: catalogue,
      learned: nil)
  }

  /// The kernel, for a guidance that has asked for it in `check`.
  public func requireKernel() throws -> any PerturbationKernel {
    guard let kernel = process.scalarKernel else {
      throw InputError("needs a process whose perturbation kernel is m(t) x₀ + σ(t) z", at: "sampling.guidance")
    }
    return kernel
  }

  /// The observation, for a guidance that has asked for it in `check`.
  /// - Parameter linear: whether the method is for y = A x + Gaussian noise alone, in the coordinates of the model.
  /// - Throws: `InputError` where there is none.
  public func requireObservation(linear: Bool = false) throws -> Observation {
    guard let observation else { throw InputError("needs sampling.observation", at: "sampling.guidance") }
    guard !linear || observation.model.linear != nil else {
      throw InputError(
        "needs an observation y = A x + Gaussian noise in the coordinates that the model sees, which these are not; "
          + "allowed for others: dps, smc", at: "sampling.guidance")
    }
    return observation
  }
}

/// A solver of a config as it draws: under its guidance, with the score that this makes.
struct GuidedSolver: Sendable {
  /// The solver as the config has it.
  let named: SamplingPlan.NamedSolver
  /// The score that it is given.
  let score: any Score
  /// The solver as its guidance wants it.
  let solver: any Solver
  /// Solvers of equal numbers have the same guidance.
  let guidance: Int
}

extension Experiment {
  /// What there is to guide samples by.
  /// - Throws: `InputError` for an observation that cannot be made.
  /// - Parameter isRehearsal: whether nothing is computed with it.
  func guidanceProblem(_ data: DataInCoordinates, isRehearsal: Bool = false) throws -> GuidanceProblem {
    GuidanceProblem(
      process: plan.prepared, data: data.source, dataset: data.seen,
      observation: try plan.sampling.observation?.observation(of: data, seed: plan.seed), seed: plan.seed,
      threads: threads, quiet: quiet, store: store, coordinates: plan.model.coordinatesText,
      identity: plan.model.givenText, isRehearsal: isRehearsal, catalogue: catalogue)
  }

  /// What is known of the samples, as a score is told it.
  func conditions(of source: ScoreSource, _ data: DataInCoordinates) throws -> Conditions {
    let sampling = plan.sampling
    return try plan.places.placed {
      try sampling.condition.conditions(for: sampling.told(source), count: sampling.count, of: data.dataset)
    }
  }

  /// The score that samples are drawn with, unless their solver has a guidance of its own.
  func samplingScore(_ source: ScoreSource, _ data: DataInCoordinates) throws -> any Score {
    try samplingScore(source, data, given: conditions(of: source, data))
  }

  /// The same for other conditions than those of the samples.
  func samplingScore(
    _ source: ScoreSource, _ data: DataInCoordinates, given conditions: Conditions, isRehearsal: Bool = false
  ) throws -> any Score {
    guard let guidance = plan.sampling.guidance else { return try source.score(given: conditions) }
    return try plan.places.placed {
      try guidance.guide(source, given: conditions, in: guidanceProblem(data, isRehearsal: isRehearsal))
    }
  }

  /// Every solver with the score that it draws with.
  /// - Parameter isRehearsal: whether nothing is drawn with them.
  /// - Throws: `InputError` for conditions or a guidance that the score is not made for, and for rows that samples are
  ///   to begin with and that there are not.
  func guidedSolvers(
    _ source: ScoreSource, _ data: DataInCoordinates, isRehearsal: Bool = false
  ) throws -> [GuidedSolver] {
    try plan.places.placed { try boundSolvers(source, data, isRehearsal: isRehearsal) }
  }

  private func boundSolvers(
    _ source: ScoreSource, _ data: DataInCoordinates, isRehearsal: Bool
  ) throws -> [GuidedSolver] {
    let (sampling, repeats) = (plan.sampling, plan.evaluation.repeats)
    // Rows that there are not are told here, before anything is computed.
    _ = try sampling.start?.rows(of: data)
    let once = try conditions(of: source, data)
    let problem = try guidanceProblem(data, isRehearsal: isRehearsal)
    let guidances = sampling.guidances
    func score(_ index: Int, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
      guard let guidance = guidances[index] else { return try source.score(given: conditions) }
      if guidance.usesCondition, conditions == .nothing {
        throw InputError(SamplingPlan.nothingToLeadBy, at: "sampling.guidance")
      }
      return try guidance.guide(source, given: conditions, in: problem)
    }
    var scores: [Int: any Score] = [:]
    if guidances[0] != nil || sampling.solvers.isEmpty { scores[0] = try score(0, given: once, in: problem) }
    return try sampling.solvers.map { named in
      let index = named.guidance
      if guidances[index] == nil, source.conditionShape == .nothing, once != .nothing {
        throw InputError(
          "\(named.name): the score alone knows no classes, and no guidance tells it the samples'; allowed: guidance "
            + "{kind: classifier, weight: 0} for it", at: "sampling.solvers")
      }
      let first = try scores[index] ?? score(index, given: once, in: problem)
      scores[index] = first
      let conditions = sampling.repeated(once, repeats, by: first)
      var problem = problem
      if repeats > 1 { problem.observation?.period = SamplingPlan.stride(of: sampling.count, first) }
      let whole = repeats == 1 ? first : try score(index, given: conditions, in: problem)
      guard let guidance = guidances[index] else {
        return GuidedSolver(named: named, score: whole, solver: named.solver, guidance: index)
      }
      do {
        return GuidedSolver(
          named: named, score: whole,
          solver: try guidance.solver(named.solver, source, given: conditions, in: problem), guidance: index)
      } catch let error as InputError where error.location.isEmpty {
        throw InputError("\(named.name): \(error.message)", at: "sampling.solvers")
      }
    }
  }
}

extension SamplingPlan {
  /// A score as conditions of samples are made for it: one that knows no classes is told them where a guidance of the
  /// config knows them, and takes no notice.
  func told(_ source: ScoreSource) -> ScoreSource {
    guard let told = toldByGuidance, source.conditionShape == .nothing else { return source }
    return ScoreSource(conditionShape: told.shape, occurringClasses: told.occurring, knowsNothing: true) { _ in
      try source.score(given: .nothing)
    }
  }

  /// The conditions of the rows of all repeats: sample i of each is drawn for the same.
  func repeated(_ conditions: Conditions, _ repeats: Int, by score: any Score) -> Conditions {
    if case .all = conditions { return conditions }
    if repeats == 1 { return conditions }
    let stride = Self.stride(of: count, score)
    let last = (conditions.count ?? stride) - 1
    return conditions.only((0..<repeats * stride).map { min($0 % stride, last) })
  }
}
