// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers

/// How log densities, codes and what lies between points are computed.
public struct LikelihoodPlan: Sendable {
  /// How log densities are computed by the probability-flow ODE.
  public let likelihood: Likelihood
  /// How they are computed by the map of the flow; nil: by the ODE.
  public let mapped: FlowMapLikelihood?
  /// nil where the data's values are not of a finite number.
  public let quantisation: Quantisation?
  /// Whether points get uniform noise one spacing wide first.
  public let dequantises: Bool
  /// The flow by which points are encoded and decoded.
  public var flow: ProbabilityFlow { ProbabilityFlow(likelihood.integrator) }

  /// Between which times the score's network maps; nil: it is a score alone.
  private let map: FlowMapRange?

  private enum Divergence: String, CaseIterable { case auto, exact, hutchinson }
  private enum Method: String, CaseIterable {
    case ode
    case flowMap = "flow-map"
  }
  private enum Determinant: String, CaseIterable { case auto, jacobian, divergence }

  /// - Parameters:
  ///   - process, dimension, score: what densities are asked of.
  ///   - levels: those that the coordinates dequantise; nil where they do not.
  ///   - map: between which times the score's network maps; nil: it is a score alone.
  ///   - isAsked: whether the config has this section, so that it must be possible.
  init(
    _ options: Options, process: PreparedProcess, dimension: Int, score: any ScoreRecipe,
    levels dequantised: Quantisation? = nil, map: FlowMapRange? = nil,
    isAsked: Bool,
    _ catalogue: Catalogue
  ) throws {
    self.map = map
    let method = try options.choice(
      "method", default: Method.ode,
      "of log densities: the probability-flow ODE, or the flow map that the network is, in a few steps")
    // A map knows times from its own ε on.
    let mapped = method == .flowMap ? map : nil
    let epsilon = try options.number(
      "epsilon", default: mapped?.end ?? process.firstLevel ?? safeEpsilon(1e-5, process.duration),
      in: .from(0, below: process.duration),
      "where the flow begins: the noise that points have")
    let terminal = try options.choice(
      "terminal", default: Likelihood.Terminal.prior, "the density at T: the prior's, or the score's own")
    let steps = try options.only(if: method == .flowMap, needs: "method: flow-map") {
      (
        count: try options.integer("steps", default: 8, atLeast: 1, atMost: 1_000_000, "of the map, from ε to T"),
        grid: try options.kind(
          "grid", of: catalogue.grids, default: "log-snr", in: catalogue, "where these begin and end"),
        determinant: try options.choice(
          "determinant", default: Determinant.auto,
          "of the map: by its Jacobian, or by the network's divergence; auto: that where the network has it")
      )
    }
    let kind = try options.only(if: method == .ode, needs: "method: ode") {
      try options.choice(
        "divergence", default: Divergence.auto,
        "exact, up to \(Likelihood.largestExactDimension) dimensions, or estimated; auto: exact up to 16")
    }
    let isExact = kind == .exact || kind == .auto && dimension <= 16
    let (probe, probes) = try options.only(
      if: !isExact && method == .ode,
      needs: "divergence: hutchinson" + (kind == .auto ? ", as auto is exact up to 16 dimensions" : "")
    ) {
      (
        try options.choice("probe", default: Likelihood.Probe.rademacher, "of hutchinson: ±1, or normal"),
        try options.integer(
          "probes", default: 16, atLeast: 1, atMost: 100_000, "of hutchinson, a row; their spread is the standard error"
        )
      )
    }
    let integrator = try options.kind(
      "integrator", of: catalogue.integrators, default: "rkf45", in: catalogue, "the stepper, an explicit one")
    let rtol = try options.number("rtol", default: 1e-5, in: .nonNegative, "relative tolerance")
    let atol = try options.number("atol", default: 1e-5, in: .positive, "absolute tolerance")
    let maximumSteps = try options.integer(
      "max_steps", default: 100_000, atLeast: 1, "steps allowed, rejected ones included")
    let levels = try options.number(
      "levels", or: "none", in: .atLeast(2), "how many values the data can have, for bits per dimension")
    let (low, high) = try options.only(if: levels != nil, needs: "levels") {
      (
        try options.number("low", default: -1, "the smallest of them"),
        try options.number("high", default: 1, "the largest of them")
      )
    }
    let dequantiseNeeds = dequantised == nil ? "levels" : "coordinates that do not dequantise"
    dequantises = try options.only(if: levels != nil && dequantised == nil, needs: dequantiseNeeds) {
      try options.flag("dequantise", default: true, "with levels: give points uniform noise one spacing wide first")
    }
    if let levels, levels != levels.rounded() || levels > 1e9 {
      throw options.wrong("levels", "is \(written(levels)); allowed: whole numbers of 2 or more, or none")
    }
    guard low < high else { throw options.wrong("high", "is \(written(high)); allowed: above low") }
    quantisation = levels.map { Quantisation(levels: Int($0), low: low, high: high) }

    if let dequantised, let quantisation, quantisation != dequantised {
      throw options.wrong(
        "levels",
        "says other levels than coordinates, which dequantise \(dequantised.levels) from \(written(dequantised.low)) to "
          + "\(written(dequantised.high)); allowed: none")
    }
    likelihood = Likelihood(
      integrator.make(IntegratorSetting(rtol: rtol, atol: atol, maximumSteps: maximumSteps)), epsilon: epsilon,
      terminal: terminal,
      divergence: isExact ? .exact : .hutchinson(probes: probes, probe))
    let determinant: LogDeterminant =
      switch steps.determinant {
      case .auto: map?.hasDivergence == true ? .divergence : .jacobian
      case .jacobian: .jacobian
      case .divergence: .divergence
      }
    self.mapped =
      method == .ode
      ? nil
      : FlowMapLikelihood(
        steps: steps.count, grid: steps.grid, epsilon: epsilon, terminal: terminal, determinant: determinant)
    if isAsked { try check(options, process, dimension, score) }
  }

  /// The same by the map of the flow, or by the ODE where there is none.
  init(_ plan: LikelihoodPlan, mapped: FlowMapLikelihood?) {
    (likelihood, quantisation, dequantises) = (plan.likelihood, plan.quantisation, plan.dequantises)
    (map, self.mapped) = (plan.map, mapped)
  }

  /// Refuses what cannot be computed: with its key where the config asks for likelihoods, else when a command does.
  func check(_ options: Options?, _ process: PreparedProcess, _ dimension: Int, _ score: any ScoreRecipe) throws {
    func wrong(_ key: String, _ message: String) -> InputError {
      options?.wrong(key, message) ?? InputError(message, at: "likelihood.\(key)")
    }
    func named<Value>(_ key: String, _ prefix: String, _ body: () throws -> Value) throws -> Value {
      do {
        return try body()
      } catch let error as InputError where error.location.isEmpty {
        throw wrong(key, prefix + error.message)
      }
    }
    let setting = SamplingSetting(
      process, epsilon: likelihood.epsilon, grid: UniformGrid(), traits: score.traits, map: map)
    try named("terminal", "\(likelihood.terminal.rawValue): ") { try setting.require(likelihood.requires) }
    try named("integrator", "") { try likelihood.requireExplicitIntegrator() }
    if let mapped {
      _ = try named("method", "flow-map: ") {
        try mapped.times(process, traits: score.traits, map: map, dimension: dimension)
      }
    } else {
      try named("divergence", "") { try likelihood.requireDimension(dimension) }
    }
    try named("epsilon", "") { try requireNoise(setting, score) }
  }

  /// Refuses a flow that cannot carry rows from ε to a time.
  /// - Throws: `InputError` without a location.
  func checkFlow(_ process: PreparedProcess, _ score: any ScoreRecipe, until time: Double) throws {
    let epsilon = likelihood.epsilon
    guard time > epsilon else {
      throw InputError("is at the time \(written(time)); allowed: above likelihood.epsilon, \(written(epsilon))")
    }
    let setting = SamplingSetting(process, epsilon: epsilon, grid: UniformGrid(), traits: score.traits, map: map)
    try setting.require(flow.requires)
    do {
      try requireNoise(setting, score)
    } catch let error as InputError {
      throw InputError("likelihood.epsilon \(error.message)")
    }
  }

  /// - Throws: `InputError` without a location where the flow begins without noise, and the score is not known there.
  private func requireNoise(_ setting: SamplingSetting, _ score: any ScoreRecipe) throws {
    let epsilon = likelihood.epsilon
    guard !score.isDefinedWithoutNoise, let kernel = setting.kernel, kernel.moments(at: epsilon).variance == 0 else {
      return
    }
    throw InputError("is \(written(epsilon)), where there is no noise; allowed with this score: above 0")
  }
}
