// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// Any method with an embedded error estimate under a step-size controller. A step is accepted where in every row the
/// root mean square of (error/tolerance) is at most 1; all rows of a block share the steps. Noise comes from a Brownian
/// path that does not depend on the steps, so that a rejected step is tried again on the same path and leaves no bias.
public struct Adaptive: Solver {
  /// What an error is measured by.
  public enum Tolerance: String, Sendable, CaseIterable {
    /// atol + rtol max(|x_t|, |x_s|), as in ODE codes
    case sum
    /// max(atol, rtol max(|x′_s|, |x′_t|)) with the states x′ of the less accurate method (Jolicoeur-Martineau et al.
    /// 2021)
    case largest
  }

  /// h ← h · clip(safety · E^{−(I + P)/k} · E_last^{P/k}, shrink, grow) with k the method's error order.
  public struct Controller: Sendable, Equatable {
    /// I, P, the safety factor, and the least and the largest factor.
    public let integral, proportional, safety, shrink, grow: Double

    /// - Parameters:
    ///   - integral: I
    ///   - proportional: P
    ///   - safety: the share of the step that would just do.
    ///   - shrink: the least factor.
    ///   - grow: the largest factor.
    /// - Precondition: I > 0, P ≥ 0, 0 < safety ≤ 1, 0 ≤ shrink < 1 < grow.
    public init(
      integral: Double = 1, proportional: Double = 0, safety: Double = 0.9, shrink: Double = 0.2, grow: Double = 10
    ) {
      precondition(
        integral > 0 && proportional >= 0 && safety > 0 && safety <= 1 && shrink >= 0 && shrink < 1 && grow > 1)
      self.integral = integral
      self.proportional = proportional
      self.safety = safety
      self.shrink = shrink
      self.grow = grow
    }

    package func factor(_ error: Double, _ last: Double, order: Double) -> Double {
      if error.isNaN { return max(shrink, 0.1) }
      let factor = safety * pow(error, -(integral + proportional) / order) * pow(last, proportional / order)
      return min(grow, max(shrink, factor))
    }
  }

  /// The method that takes the steps.
  public let method: any EmbeddedPredictor
  /// The relative and the absolute tolerance, and the first step: in t/T, or in λ for methods that count in it.
  public let rtol, atol, firstStep: Double
  /// What an error is compared with.
  public let tolerance: Tolerance
  /// How step lengths follow from errors.
  public let controller: Controller
  /// The most steps, accepted or rejected, that a block of rows may take.
  public let maximumSteps: Int

  public var steps: Int? { nil }
  public var requires: Requirements { method.requires }
  public var limit: Limit { method.limit }
  public var needsBrownianPath: Bool { method.isStochastic }

  /// - Parameters:
  ///   - method: one with an error estimate.
  ///   - rtol: the relative tolerance, at least 0.
  ///   - atol: the absolute tolerance, above 0.
  ///   - firstStep: in t/T, or in λ for methods that count in it.
  ///   - tolerance: what an error is compared with.
  ///   - controller: how step lengths follow from errors.
  ///   - maximumSteps: accepted and rejected together; the solve fails beyond it.
  public init(
    _ method: any EmbeddedPredictor, rtol: Double = 0.01, atol: Double = 0.01, firstStep: Double = 0.01,
    tolerance: Tolerance = .sum, controller: Controller = Controller(), maximumSteps: Int = 100_000
  ) {
    precondition(rtol >= 0 && atol > 0 && firstStep > 0 && maximumSteps > 0)
    precondition(method.embedded != nil, "a method with an error estimate")
    self.method = method
    self.rtol = rtol
    self.atol = atol
    self.firstStep = firstStep
    self.tolerance = tolerance
    self.controller = controller
    self.maximumSteps = maximumSteps
  }

  /// Algorithm 1 of Jolicoeur-Martineau et al. 2021, on an unbiased path and with one step size for a block of rows:
  /// Heun's stochastic step, safety 0.9, exponent r = 0.9, the tolerance of the less accurate method's states.
  /// - Parameters:
  ///   - rtol: the relative tolerance, at least 0.
  ///   - atol: the absolute tolerance; 1/256 of the data's range in the paper, which is 0.0078 for images in [−1, 1].
  ///   - firstStep: in t/T.
  ///   - maximumSteps: accepted and rejected together; the solve fails beyond it.
  public static func jolicoeurMartineau(
    rtol: Double = 0.05, atol: Double = 0.0078, firstStep: Double = 0.01, maximumSteps: Int = 100_000
  ) -> Adaptive {
    let method = AdditiveRungeKutta(.heun)
    // The exponent is I/k with the method's k.
    return Adaptive(
      method, rtol: rtol, atol: atol, firstStep: firstStep, tolerance: .largest,
      controller: Controller(integral: 0.9 * method.errorOrder, shrink: 0, grow: .infinity),
      maximumSteps: maximumSteps)
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let problem = context.problem
    let stepper = try method.makeEmbeddedStepper(in: context)
    let (next, lower, lowerBefore) = (context.makeRows(), context.makeRows(), context.makeRows())
    let (start, end) = (problem.setting.start, problem.epsilon)
    let ruler = try Ruler(method.clock, problem, start: start, end: end)
    lowerBefore.copy(x)
    context.started(at: start, x)
    var (position, t) = (0.0, start)
    var h = min(method.clock == .time ? firstStep * start : firstStep, ruler.length)
    var (accepted, rejected) = (0, 0)
    var lastError = 1.0
    var failures = 0
    while t > end {
      let isLast = position + h >= ruler.length * (1 - 1e-12)
      let s = isLast ? end : ruler.time(at: position + h)
      if accepted + rejected >= maximumSteps {
        throw ComputationError.stepLimit(
          rows: x.first..<x.first + x.count, steps: maximumSteps, time: t, method: "this method")
      }
      guard s < t else {
        // Steps also shrink in front of a state that is not finite: the last one tried is in `next`.
        try context.requireFinite(step: accepted + 1, at: t, next)
        throw ComputationError.stepSize(
          rows: x.first..<x.first + x.count, time: t,
          reason: "the tolerance asks for steps below the last digit of t: loosen rtol and atol")
      }
      let step = Step(from: t, to: s, index: accepted, count: nil)
      try stepper.attempt(x, step, into: next, lower: lower)
      let error =
        switch tolerance {
        case .sum:
          ck_error_ratio(
            next.values, lower.values, x.values, next.values, atol, rtol, 1, x.count, x.dimension)
        case .largest:
          ck_error_ratio(
            next.values, lower.values, lower.values, lowerBefore.values, atol, rtol, 0, x.count, x.dimension)
        }
      if error <= 1 {
        (position, t) = (position + h, s)
        x.copy(next)
        lowerBefore.copy(lower)
        accepted += 1
        try context.finished(step: accepted, at: t, x)
      } else {
        rejected += 1
      }
      // Shorter steps cannot repair a state that is not finite, so stop here.
      failures = error.isNaN ? failures + 1 : 0
      if failures == 10 {
        try context.requireFinite(step: accepted + 1, at: s, next)
        throw ComputationError.stepSize(
          rows: x.first..<x.first + x.count, time: t,
          reason: "the error estimate is not a number: take a smaller first_step, or another method")
      }
      h = min(h * controller.factor(error, lastError, order: method.errorOrder), ruler.length - position)
      if error <= 1 { lastError = max(error, 1e-8) }
    }
    return StepCount(accepted: Double(accepted), rejected: Double(rejected))
  }

  /// Lengths from T on, in the clock of a method.
  private struct Ruler {
    let clock: Clock
    let start, end: Double
    let kernel: (any PerturbationKernel)?
    let logStart: Double
    let length: Double

    init(_ clock: Clock, _ problem: SamplingProblem, start: Double, end: Double) throws {
      self.clock = clock
      (self.start, self.end) = (start, end)
      switch clock {
      case .time:
        (kernel, logStart, length) = (nil, 0, start - end)
      case .logSignalToNoise:
        let kernel = try problem.requireKernel(for: "steps of ln(m/σ)")
        self.kernel = kernel
        logStart = -log(kernel.moments(at: start).noiseToSignal)
        length = -log(kernel.moments(at: end).noiseToSignal) - logStart
        guard length.isFinite else { throw InputError("steps of ln(m/σ) need noise above 0 at ε and below ∞ at T") }
      }
    }

    func time(at position: Double) -> Double {
      guard let kernel else { return start - position }
      return kernel.time(ofNoiseToSignal: exp(-(logStart + position)), from: end, to: start)
    }
  }
}
