// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// Samples as a scheduler of diffusers does, under any process with a scalar kernel: its levels are N equal steps of
/// time, and the state at noise σ̃ is kept in the process's own units, in which √(m² + σ²) is that of the level told.
///
/// Methods are our own where the arithmetic is the same: DDIM in y = x/m is Euler's step in σ̃, with η = 1 it is Euler
/// ancestral sampling, and Heun's, DPM-Solver++, UniPC and DEIS need but the scheduler's σ̃.
///
/// It ends with the data, or where the scheduler does; no denoising follows. NFE a row: 1 a step, of `heun` 2 but for
/// the last, of `pndm` one more.
public struct ScheduledSolver: Solver {
  /// Method and conventions.
  public let scheduler: Scheduler
  /// N
  public let count: Int
  /// The levels of the network; nil: N equal steps of the process's time, as many as `levelCount`.
  public let levels: TrainedLevels?
  /// How many levels are taken where they are not given.
  public let levelCount: Int
  /// Where it begins.
  public let start: Start
  /// What is done to states after every step.
  public let constraint: (any StepConstraint)?

  /// Where a scheduled solver begins.
  public enum Start: Sendable, Equatable {
    /// With noise, scaled as the scheduler asks for.
    case noise
    /// At one of its steps, of PNDM one of its calls, with states of the noise there.
    case step(Int)
  }

  /// How many steps there are is not known to grids: the scheduler has its own.
  public var steps: Int? { nil }
  public var requires: Requirements { .kernel }
  /// It begins below T and ends beyond ε, so that its ends are no others' to any accuracy.
  public var limit: Limit { .law }
  /// It ends at the data, whatever ε is.
  public var endsWithData: Bool { true }

  /// - Parameters:
  ///   - scheduler: method and conventions.
  ///   - steps: N, at least 1.
  ///   - levels: of the network; nil: equal steps of the process's time.
  ///   - levelCount: how many there are, where `levels` is nil.
  ///   - start: where it begins.
  ///   - constraint: what is done to states after every step.
  public init(
    _ scheduler: Scheduler, steps: Int, levels: TrainedLevels? = nil, levelCount: Int = 1000, start: Start = .noise,
    constraint: (any StepConstraint)? = nil
  ) {
    precondition(steps > 0 && levelCount > 0)
    self.scheduler = scheduler
    count = steps
    self.levels = levels
    self.levelCount = levelCount
    self.start = start
    self.constraint = constraint
  }

  public func check(_ setting: SamplingSetting) throws {
    try setting.require(requires)
    guard first == 0 || !scheduler.startsWithRungeKutta else {
      throw InputError("begins with Runge and Kutta's steps; allowed: no other start, or skip_prk_steps")
    }
    guard start != .noise || setting.start == setting.process.duration else {
      throw InputError("begins with noise at T; allowed: no other start")
    }
    if let kernel = setting.kernel { _ = try plan(kernel, setting.process.duration) }
  }

  private func plan(_ kernel: any PerturbationKernel, _ duration: Double) throws -> (SchedulePlan, TrainedLevels) {
    let levels = levels ?? TrainedLevels(of: kernel, duration: duration, count: levelCount)
    return (try scheduler.plan(steps: count, levels: levels), levels)
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let kernel = try context.problem.requireKernel(for: "scheduler")
    let duration = context.problem.process.duration
    let (plan, levels) = try plan(kernel, duration)
    let places = LevelPlaces(kernel: kernel, duration: duration, count: levels.count)
    if start == .noise {
      let size = places.unit(at: duration)
      let scale = plan.initialScale * places.unit(at: places.time(of: plan.steps[0].level)) / size
      if scale != 1 { ck_combine(x.values, scale, x.values, 0, x.values, x.size) }
    }
    if scheduler.method == .pndm {
      return try PNDM(self, plan, levels, places, first: first).solve(x, in: context)
    }
    return try follow(Array(plan.steps.dropFirst(first)), after: plan.steps.prefix(first), places, x, context)
  }

  private var first: Int { if case .step(let step) = start { step } else { 0 } }

  private func follow(
    _ steps: [SchedulePlan.Step], after skipped: ArraySlice<SchedulePlan.Step>, _ places: LevelPlaces, _ x: Rows,
    _ context: SolveContext
  ) throws -> StepCount {
    // Node 2i is where step i begins, node 2i + 1 where it ends.
    var nodes: [ScheduledNode] = []
    for (i, step) in steps.enumerated() {
      nodes.append(places.node(noise: step.from, level: step.level))
      nodes.append(places.node(noise: step.to, level: i + 1 < steps.count ? steps[i + 1].level : nil))
    }
    // DDIM clips by itself.
    let isDDIM = if case .ddim = scheduler.method { true } else { false }
    let inner = SolveContext(
      within: context, process: ScheduledProcess(base: context.problem.process, moments: nodes.map(\.moments)),
      ScheduledEvaluator(context.score, nodes, scheduler.held, isDDIM ? .none : scheduler.clipping),
      // Two levels that were rounded to the same one have no increment of a path between them.
      path: context.path is CoupledPath ? IndependentPath(seed: context.problem.seed) : context.path)
    let stepper = try predictor(after: skipped).makeStepper(in: inner)
    // DDPM adds no noise after the first level.
    let last = scheduler.isDDPM ? try Ancestral(variance: .posterior).makeStepper(in: inner) : stepper
    context.started(at: nodes.first?.time ?? 0, x)
    for (i, step) in steps.enumerated() {
      try (step.level == 0 ? last : stepper).step(
        x,
        Step(
          from: -Double(2 * i), to: -Double(2 * i + 1), index: i, count: count, maximumOrder: step.maximumOrder))
      let next = i + 1 < steps.count ? steps[i + 1] : nil
      constraint?.apply(to: x, noiseToSignal: next?.from)
      // Methods that begin with σ̃ times noise keep x/m to the end, and do not multiply by m where noise is left.
      if next == nil, step.to > 0, scheduler.beginsWithSigma {
        ck_combine(x.values, (1 + step.to * step.to).squareRoot(), x.values, 0, x.values, x.size)
      }
      try context.finished(step: i + 1, at: nodes[2 * i + 1].time, x)
    }
    return StepCount(accepted: Double(steps.count))
  }

  /// The method that takes the steps.
  /// - Parameter skipped: the steps before the first that is taken.
  private func predictor(after skipped: ArraySlice<SchedulePlan.Step>) -> any Predictor {
    switch scheduler.method {
    case .ddim(let eta):
      if scheduler.clipping == .none { return DDIM(eta: eta) }
      return ClippedDDIM(eta: eta, clipping: scheduler.clipping)
    case .ddpm(let variance): return Ancestral(variance: variance)
    case .euler, .pndm: return DDIM()
    case .eulerAncestral: return DDIM(eta: 1)
    case .heun: return EDMHeun()
    case .lms: return LinearMultistep(order: 4, earlierNoise: skipped.reversed().map(\.from))
    case .dpmSolverPP(let order, let isStochastic, let correction):
      return DPMSolverPP(
        order: max(2, order), eta: isStochastic ? 1 : 0, correction: order == 3 ? .published : correction,
        startingCorrection: correction)
    case .uniPC(let order, let variant): return UniPC(order: max(2, order), variant: variant)
    case .deis(let order): return DEIS(order: order)
    }
  }
}

/// What is done to the states of a solver after every step, as an inpainting puts back what is known.
public protocol StepConstraint: Sendable {
  /// - Parameters:
  ///   - x: the states, with m² + σ² = 1 under a process that keeps unit variance.
  ///   - noiseToSignal: σ̃ at which the next step begins; nil after the last.
  func apply(to x: Rows, noiseToSignal: Double?)
}

/// Where the levels of a network stand in a process.
struct LevelPlaces {
  let kernel: any PerturbationKernel
  let duration: Double
  let count: Int

  func time(of level: Double) -> Double { min(duration, (level + 1) * duration / Double(count)) }

  /// √(m² + σ²)
  func unit(at time: Double) -> Double {
    let moments = kernel.moments(at: time)
    return (moments.scale * moments.scale + moments.variance).squareRoot()
  }

  /// The state of a call.
  func node(call: SchedulePlan.Step) -> ScheduledNode { node(noise: call.from, level: call.level) }

  /// A state of noise σ̃ at which a level is told; nil: at the end, at time 0.
  func node(noise: Double, level: Double?) -> ScheduledNode {
    let time = level.map(time(of:)) ?? 0
    let told = kernel.moments(at: time)
    // Without noise of its own the level told is that of the state, to the last bit.
    if told.noiseToSignal == noise { return ScheduledNode(moments: told, time: time, told: told) }
    let total = told.scale * told.scale + told.variance
    let scale = (total / (1 + noise * noise)).squareRoot()
    return ScheduledNode(
      moments: Moments(scale: scale, variance: noise * noise * scale * scale), time: time, told: told)
  }
}
