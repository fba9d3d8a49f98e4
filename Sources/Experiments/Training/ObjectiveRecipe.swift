// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Scores
import Solvers
import Training

/// How to make what a training minimises: what `training.objective` decodes to. A package adds recipes of its own as
/// kinds of `Catalogue.objectives`.
public struct ObjectiveRecipe: Sendable {
  /// As a config names it.
  public let name: String
  /// Whether it asks for the process's perturbation kernel. Others learn from simulated paths of data-wide states, and
  /// a `PilotKernel` sets their scales where the process has no kernel of scalars.
  public let usesKernel: Bool
  /// The largest dimension that it is offered in; nil: any.
  public let largestDimension: Int?
  /// What a network that is trained so is.
  public let trains: Trains
  /// Whether its network is told two noise levels, and maps between any two times.
  public let isOfTwoTimes: Bool
  /// Options of `training` that have no effect on it.
  public let unused: [String]
  /// Whose flow the network learns to map along; nil: it needs none.
  public internal(set) var teacher: TeacherRecipe?
  /// The predictions that its formula is for; nil: any.
  public internal(set) var predictions: [Prediction]?

  /// Whether maps go from small times to large ones, too; then a network's divergence is trained with them.
  var goesForward = false
  /// Whether the weight of its loss at each noise level is trained with the network.
  var learnsWeight = false
  /// Whether a companion of the same layers is trained with the network.
  var hasCompanion = false
  /// The steps that its maps begin at; nil: any time.
  var starts: FlowMapRange.Starts?
  /// Whether each of these steps has a network of its own.
  var isSeparate = false

  /// What a network is.
  public enum Trains: String, Sendable {
    /// A score.
    case score
    /// The map of the flow, and no score.
    case map
    /// Both: at equal times the map's network is a score.
    case both
  }

  /// Whether it trains an autoencoder, and no score.
  private(set) var trainsAutoencoder = false
  /// The network by which it compares pictures, which is trained before; nil: none.
  private(set) var perceptual: PerceptualRecipe?
  /// How ends of paths at T go with rows of data; nil: it has no such ends, and so no source in place of the prior.
  var coupling: Coupling?
  /// The flow that makes the pairs which are trained on; nil: rows are those of the data.
  var reflow: Reflow?
  /// What the network then stands for, where it is no score.
  var traits: ScoreTraits = []
  /// Whether its network learns the reverse SDE of an interpolant, with the noise of the process.
  var learnsReverseDrift = false
  /// Whether the loss has a weighting of its own.
  var hasOwnWeighting = false
  private let build: @Sendable (ObjectiveSetting) throws -> any Objective

  /// - Parameters:
  ///   - name: as a config names it.
  ///   - usesKernel: whether it asks for the process's perturbation kernel.
  ///   - largestDimension: the largest dimension that it is offered in; nil: any.
  ///   - trains: what a network that is trained so is.
  ///   - isOfTwoTimes: whether its network is told two noise levels, and maps between any two times.
  ///   - teacher: whose flow is learned; nil: there is none.
  ///   - unused: options of `training` that have no effect on it.
  ///   - build: makes it, from what an experiment knows.
  public init(
    _ name: String, usesKernel: Bool, largestDimension: Int? = nil, trains: Trains = .score, isOfTwoTimes: Bool = false,
    teacher: TeacherRecipe? = nil, unused: [String] = [],
    build: @escaping @Sendable (ObjectiveSetting) throws -> any Objective
  ) {
    (self.trains, self.isOfTwoTimes, self.teacher, self.unused) = (trains, isOfTwoTimes, teacher, unused)
    self.name = name
    self.usesKernel = usesKernel
    self.largestDimension = largestDimension
    self.build = build
  }

  /// The network that is trained for it: the one given, or that with the weight of the loss, or one for each step, and
  /// a companion.
  /// - Parameters:
  ///   - end: ε of the training.
  ///   - process: of the network. Times that it has not are told by `LearningProblem.checkMap`.
  func trained(_ network: any Network, seed: UInt64, to end: Double, under process: PreparedProcess) -> any Network {
    if hasCompanion {
      guard isSeparate, let kernel = process.scalarKernel,
        let times = try? starts?.times(from: process.duration, to: end, kernel: kernel)
      else { return CompanionNetwork(network) }
      let levels = times.map { network.noiseInput.level(kernel.moments(at: $0), at: $0, of: process.duration) }
      return CompanionNetwork(StepNetworks(network, at: levels))
    }
    return learnsWeight ? WeightedNetwork(network, seed: seed) : network
  }

  /// Between which times its network maps, of one that maps.
  func map(to end: Double, hasDivergence: Bool) -> FlowMapRange {
    FlowMapRange(
      end: end, reachesAnyTime: isOfTwoTimes, isScore: trains == .both, goesForward: goesForward,
      hasDivergence: hasDivergence, starts: starts)
  }

  /// The objective for a model.
  public func objective(in setting: ObjectiveSetting) throws -> any Objective { try build(setting) }

  /// Denoising score matching, for processes with a perturbation kernel.
  public static let denoising = ObjectiveRecipe("denoising", usesKernel: true) { setting in
    DenoisingScoreMatching(
      setting.model, process: setting.process, weighting: setting.plan.weighting, times: setting.times)
  }

  /// Sliced score matching with reduced variance, on simulated paths: for any process.
  public static func sliced(projections: Int, steps: Int) -> ObjectiveRecipe {
    ObjectiveRecipe("sliced", usesKernel: false) { setting in
      SlicedScoreMatching(
        setting.model, process: setting.process, weighting: setting.plan.weighting, times: setting.times,
        projections: projections, steps: steps)
    }
  }

  /// The loss of a variational autoencoder.
  static func autoencoder(
    _ reconstruction: AutoencoderObjective.Reconstruction, klWeight: Double, perceptualWeight: Double,
    perceptual: PerceptualRecipe?
  ) -> ObjectiveRecipe {
    var recipe = ObjectiveRecipe("autoencoder", usesKernel: true) { setting in
      guard let network = setting.model.network as? AutoencoderNetwork else {
        throw InputError("objective autoencoder trains a network of score kind autoencoder", at: "training")
      }
      // Without one that is trained, as while nothing is computed yet, pictures are compared by their values alone.
      return AutoencoderObjective(
        network, reconstruction: reconstruction, klWeight: klWeight,
        perceptualWeight: setting.perceptual == nil ? 0 : perceptualWeight, perceptual: setting.perceptual,
        times: setting.times)
    }
    (recipe.trainsAutoencoder, recipe.perceptual) = (true, perceptual)
    return recipe
  }

  /// Implicit score matching with the exact trace, on simulated paths: for any process on few dimensions.
  public static func implicit(steps: Int) -> ObjectiveRecipe {
    ObjectiveRecipe("implicit", usesKernel: false, largestDimension: Likelihood.largestExactDimension) { setting in
      ImplicitScoreMatching(
        setting.model, process: setting.process, weighting: setting.plan.weighting, times: setting.times, steps: steps)
    }
  }
}

/// What an objective is made from.
public struct ObjectiveSetting: Sendable {
  /// The model that is trained; its parameters are the initial ones.
  public let model: ScoreModel
  /// The process in the coordinates that the model sees.
  public let process: PreparedProcess
  /// The options of `training`.
  public let plan: TrainingPlan
  /// A trained network by which pictures are compared, and its parameters; nil: none.
  let perceptual: (network: FeatureNetwork, parameters: [Float])?
  /// Whose flow is learned; nil: there is none.
  public internal(set) var teacher: Teacher?

  /// ε: the smallest time trained on, to which maps lead.
  public var end: Double { plan.epsilon }

  /// The teacher, for an objective that cannot do without.
  public func requireTeacher(for objective: String) throws -> Teacher {
    guard let teacher else {
      throw InputError("objective \(objective) needs a teacher", at: "training.objective.teacher")
    }
    return teacher
  }
  /// What the ends of paths at T are drawn from.
  var ends = PathEnds.prior

  /// What an objective is made from.
  /// - Parameters:
  ///   - model: the model that is trained, with its initial parameters.
  ///   - process: in the coordinates that the model sees.
  ///   - plan: the options of `training`.
  public init(model: ScoreModel, process: PreparedProcess, plan: TrainingPlan) {
    self.init(model: model, process: process, plan: plan, perceptual: nil)
  }

  init(
    model: ScoreModel, process: PreparedProcess, plan: TrainingPlan,
    perceptual: (network: FeatureNetwork, parameters: [Float])?
  ) {
    (self.model, self.process, self.plan, self.perceptual) = (model, process, plan, perceptual)
  }

  /// The law of the times that the plan asks for.
  public var times: TrainingTimes { TrainingTimes(plan, kernel: model.kernel, duration: model.duration) }
}

extension ObjectiveRecipe {
  /// Reads `training.objective`. Its options stood in `training` once.
  /// - Parameter usual: the kind that a config means which names none.
  init(_ options: Options, default usual: String = "denoising", _ catalogue: Catalogue) throws {
    self = try options.kind(
      "objective", of: catalogue.objectives, default: usual, in: catalogue,
      moved: [("projections", "1"), ("simulation_steps", "100")], "what is minimised")
  }
}
