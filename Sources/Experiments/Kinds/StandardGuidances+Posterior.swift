// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Scores
import Solvers

/// Posterior methods. A score of the posterior is taken by every solver; a method with steps of its own takes the grid
/// of the solver that it is used with, and stands in for its steps.
extension Kind<any Guidance> {
  static let exact = Kind("exact", "the exact posterior of data that is a Gaussian mixture, seen as y = A x + noise") {
    _, _ in ExactPosterior()
  }

  static let dps = Kind("dps", "diffusion posterior sampling (Chung et al. 2023), for every kind of observation") {
    options, _ in
    let scale = try options.number("scale", default: 1, in: .positive, "ζ: what its gradient is multiplied by")
    let weighting = try options.choice(
      "weighting", default: DPSWeighting.likelihood,
      "likelihood: the gradient of log p(y | x̂₀); residual: the paper's, −ζ times that of the residual's norm after each "
        + "step of ancestral or ddim")
    switch weighting {
    case .likelihood: return LikelihoodGuidance(DPS(scale: scale), needs: .likelihood)
    case .residual:
      return StepGuidance(needs: .expectation, usesProducts: true) { observation, steps, eta in
        let method = DPSStep(scale: scale, eta: eta)
        let row = RowSpan(first: 0, count: 1, dimension: observation.model.dimension)
        _ = try method.makeTerm(for: observation, rows: row)
        return FixedSteps(PosteriorSteps(method, observation), steps: steps.count, grid: steps.grid)
      }
    }
  }

  static let pigdm = Kind("pigdm", "ΠGDM (Song et al. 2023): x₀ given x_t has covariance r² I") { options, _ in
    LikelihoodGuidance(
      PiGDM(
        dataVariance: try options.number(
          "data_variance", default: 1, in: .positive, "ς² of r² = v ς²/(v + m² ς²); the paper has 1")), needs: .gaussian
    )
  }

  static let tmpd = Kind(
    "tmpd", "TMPD (Boys et al. 2023): the covariance of what is seen is diagonal, its row sums by the score's Jacobian"
  ) { _, _ in LikelihoodGuidance(TMPD(), needs: .gaussian) }

  static let mmps = Kind(
    "mmps", "MMPS (Rozet et al. 2024): x₀ given x_t has its own covariance, by the score's Jacobian"
  ) { options, _ in
    LikelihoodGuidance(
      MMPS(
        iterations: try options.integer(
          "iterations", default: 5, atLeast: 1, atMost: 10_000, "steps of conjugate gradients; each takes a product")),
      needs: .gaussian)
  }

  static let ddnm = Kind("ddnm", "DDNM+ (Wang et al. 2023): null-space steps, of ancestral or ddim with η above 0") {
    _, _ in
    StepGuidance(needs: .matrix, addsNoise: true) { observation, steps, eta in
      FixedSteps(PosteriorSteps(try DDNM(observation, eta: eta), observation), steps: steps.count, grid: steps.grid)
    }
  }

  static let ddrm = Kind("ddrm", "DDRM (Kawar et al. 2022): steps in the operator's singular directions") {
    options, _ in
    let eta = try options.number("eta", default: 0.85, in: .closed(0, 1), "η: noise made anew in each step")
    let observed = try options.number("eta_b", default: 1, in: .closed(0, 1), "η_b: weight of what was seen")
    return StepGuidance(needs: .matrix, ancestralOnly: "ddrm") { observation, steps, _ in
      FixedSteps(
        PosteriorSteps(try DDRM(observation, eta: eta, observedEta: observed), observation), steps: steps.count,
        grid: steps.grid)
    }
  }

  static let diffpir = Kind("diffpir", "DiffPIR (Zhu et al. 2023): a proximal step, and noise made anew") {
    options, _ in
    let lambda = try options.number("lambda", default: 7, in: .positive, "λ: weight of the denoised mean")
    let zeta = try options.number("zeta", default: 0.3, in: .closed(0, 1), "ζ: share of fresh noise")
    return StepGuidance(needs: .noisyMatrix, ancestralOnly: "diffpir") { observation, steps, _ in
      FixedSteps(
        PosteriorSteps(try DiffPIR(observation, lambda: lambda, zeta: zeta), observation), steps: steps.count,
        grid: steps.grid)
    }
  }

  static let repaint = Kind("repaint", "RePaint (Lugmayr et al. 2022): inpainting, with jumps back") { options, _ in
    let jump = try options.integer("jump", default: 10, atLeast: 1, atMost: 1_000_000, "j: steps of a jump back")
    let resamplings = try options.integer(
      "resamplings", default: 10, atLeast: 1, atMost: 10_000, "r: times that each stretch is gone; 1: no jumps")
    return StepGuidance(needs: .mask, ancestralOnly: "repaint") { observation, steps, _ in
      try RePaint(observation, steps: steps.count, jump: jump, resamplings: resamplings, grid: steps.grid)
    }
  }

  static let daps = Kind("daps", "DAPS (Zhang et al. 2024): decoupled annealing of the posterior") { options, _ in
    let flow = try options.integer(
      "flow_steps", default: 5, atLeast: 1, atMost: 10_000, "scores of the flow to x̂₀ at each level")
    let langevin = try options.integer(
      "langevin_steps", default: 0, atLeast: 0, atMost: 1_000_000,
      "Langevin steps of x₀ at each level; 0: an exact draw, for linear observations")
    let size = try options.only(if: langevin > 0, needs: "langevin_steps above 0") {
      try options.number("step_size", default: 1e-4, in: .positive, "η of the Langevin steps at T")
    }
    return StepGuidance(needs: langevin > 0 ? .likelihood : .noisyMatrix, ancestralOnly: "daps") {
      observation, steps, _ in
      try DAPS(
        observation, steps: steps.count, flowSteps: flow, langevinSteps: langevin, stepSize: size, grid: steps.grid)
    }
  }
}

enum DPSWeighting: String, CaseIterable { case likelihood, residual }

/// What a method needs of an observation.
enum ObservationNeed {
  /// A likelihood.
  case likelihood
  /// An expected value with derivatives; no noise.
  case expectation
  /// Gaussian noise about an expected value with derivatives.
  case gaussian
  /// y = A x + Gaussian noise.
  case noisyMatrix
  /// y = A x, perhaps with noise.
  case matrix
  /// The same, with a mask A.
  case mask

  func check(_ setting: GuidanceSetting) throws {
    try setting.requireKernel()
    // What divides by the noise is told below which methods do not.
    try setting.requireObservation(linear: [.noisyMatrix, .matrix, .mask].contains(self), allowsExact: true)
    guard let model = setting.model else { return }
    if [.likelihood, .gaussian, .noisyMatrix].contains(self), model.linear?.hasNoise == false {
      throw InputError(
        "divides by the noise of the observation, which is 0; allowed without noise: ddnm, ddrm, repaint, dps with "
          + "weighting residual")
    }
    if self == .gaussian, model.linear == nil, (model as? any MaybeGaussian)?.gaussianNoise == nil {
      throw InputError(
        "needs an observation with Gaussian noise; allowed for others: dps, smc, daps with langevin_steps")
    }
    if self == .mask { _ = try RePaint.columns(model) }
  }
}

/// The exact posterior of a mixture.
struct ExactPosterior: Guidance {
  var usesObservation: Bool { true }
  var passesOverScore: Bool { true }
  func offersProducts(_ given: Bool) -> Bool { true }
  func traits(of traits: ScoreTraits) -> ScoreTraits { [.logDensity, .jacobian] }

  /// The numbers that the posteriors of all observations may hold: 8 GiB.
  static let largestLaw = 1 << 30

  func check(_ setting: GuidanceSetting) throws {
    try setting.requireObservation()
    guard setting.model?.linear != nil else {
      throw InputError("exact needs an observation y = A x + Gaussian noise; allowed for others: dps, smc")
    }
    guard setting.model?.linear?.hasNoise == true else {
      throw InputError("exact divides by the noise of the observation, which is 0; allowed: above 0")
    }
    guard let law = setting.data.law, !law.isExponential else {
      throw InputError("exact needs data that is a Gaussian mixture; allowed for others: mmps, pigdm, tmpd, dps, smc")
    }
    guard setting.process.exactScore(of: law) != nil else {
      throw InputError("exact: the process knows no exact score of a Gaussian mixture")
    }
  }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    guard case .all(.nothing) = conditions else {
      throw InputError("exact knows no law of single conditions; allowed: no condition", at: "sampling.guidance")
    }
    let observation = try problem.requireObservation()
    guard let law = problem.posteriorLaw else {
      throw InputError("exact needs data that is a Gaussian mixture, and y = A x + noise", at: "sampling.guidance")
    }
    let (d, k) = (law.prior.dimension, law.prior.componentCount)
    guard Double(d) * Double(d) * Double(k) * Double(observation.values.count) < Double(Self.largestLaw) else {
      throw InputError(
        "exact: \(observation.values.count) posteriors of \(k) components of dimension \(d) are more than 8 GiB",
        at: "sampling.guidance")
    }
    return ScoreByObservation(
      try law.mixtures(given: observation.values).map { mixture in
        guard let score = problem.process.exactScore(of: DataLaw(mixture)) else {
          throw InputError("exact: the process knows no exact score of a Gaussian mixture", at: "sampling.guidance")
        }
        return score
      })
  }
}

extension GuidanceProblem {
  /// The exact posterior in the coordinates of the model, whatever is observed; nil where it is not known.
  public var posteriorLaw: PosteriorLaw? {
    guard let linear = observation?.model.linear, linear.hasNoise, let law = data.law, !law.isExponential,
      law.mixture.dimension == linear.dimension
    else { return nil }
    return PosteriorLaw(law.mixture, linear)
  }
}

/// A method that adds an estimate of ∇ log pₜ(y | x) to the score.
struct LikelihoodGuidance: Guidance {
  let method: any LikelihoodScore
  let need: ObservationNeed

  init(_ method: any LikelihoodScore, needs need: ObservationNeed) { (self.method, self.need) = (method, need) }

  var usesObservation: Bool { true }
  var needsProducts: Bool { true }
  func offersProducts(_ given: Bool) -> Bool { false }
  func check(_ setting: GuidanceSetting) throws { try need.check(setting) }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    let (base, observation) = (try source.score(given: conditions), try problem.requireObservation())
    let guided = PosteriorScore(
      base, kernel: try problem.requireKernel(), observation: observation, likelihood: method)
    try requireProducts(base, problem)
    _ = try method.makeTerm(for: observation, rows: RowSpan(first: 0, count: 1, dimension: problem.data.dimension))
    return guided
  }
}

/// - Throws: `InputError` for a score without products with its Jacobian.
func requireProducts(_ score: any Score, _ problem: GuidanceProblem) throws {
  let span = RowSpan(first: 0, count: 1, dimension: problem.data.dimension)
  let evaluator = try score.makeEvaluator(for: span)
  do {
    try RowStorage.with(span, count: 3) { rows in
      try evaluator.linearise(rows[0], at: .all(problem.process.duration), into: rows[1])
      try evaluator.pullback(rows[0], into: rows[2])
    }
  } catch let error as InputError where error.location.isEmpty {
    throw InputError("the guidance needs products with the score's Jacobian: \(error.message)", at: "sampling.guidance")
  }
}
