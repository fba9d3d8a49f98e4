// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Orders") struct OrderTests {
  struct Case: Sendable, CustomTestStringConvertible {
    let name: String
    let method: any Predictor
    /// From the first step on.
    let shipped: Double
    /// With the first `steps` states exact, for multistep methods.
    var exactStart: (steps: Int, order: Double)?
    /// A start of lower order is a small term that only wins in the end: it bounds the order from below.
    var isLowerBound = false
    var testDescription: String { name }
  }

  static let flows: [Case] = [
    Case(name: "ddim", method: DDIM(), shipped: 1),
    Case(name: "euler", method: RungeKutta(.euler), shipped: 1),
    Case(name: "heun", method: EDMHeun(), shipped: 2),
    Case(name: "rk4", method: RungeKutta(.rk4), shipped: 4),
    Case(name: "midpoint", method: RungeKutta(.midpoint), shipped: 2),
    Case(name: "heun in t", method: RungeKutta(.heun), shipped: 2),
    Case(name: "bogacki-shampine", method: RungeKutta(.bogackiShampine), shipped: 3),
    Case(name: "dpm-solver-2", method: DPMSolver(order: 2), shipped: 2),
    Case(name: "dpm-solver-3", method: DPMSolver(order: 3), shipped: 3),
    Case(name: "dpm-solver++-2m", method: DPMSolverPP(order: 2), shipped: 2),
    Case(name: "dpm-solver++-2m exact", method: DPMSolverPP(order: 2, correction: .exact), shipped: 2),
    // Half of what the third order needs, as published: see DPMSolverPP.
    Case(name: "dpm-solver++-3m", method: DPMSolverPP(order: 3), shipped: 2, exactStart: (2, 2)),
    // A first step of order 1 has a local error of h²: in the end that is the order of the whole.
    Case(
      name: "dpm-solver++-3m exact", method: DPMSolverPP(order: 3, correction: .exact), shipped: 2, exactStart: (2, 3)),
    // The corrector adds one to the order of the method, and makes the first step one of order 2.
    Case(name: "unipc 2", method: UniPC(order: 2), shipped: 3),
    Case(name: "unipc 3", method: UniPC(order: 3), shipped: 3, isLowerBound: true),
    Case(name: "unipc 3 bh1", method: UniPC(order: 3, variant: .bh1), shipped: 3, isLowerBound: true),
    Case(name: "deis 2", method: DEIS(order: 2), shipped: 2),
    Case(name: "deis 3", method: DEIS(order: 3), shipped: 2, exactStart: (2, 3)),
    Case(name: "deis 4", method: DEIS(order: 4), shipped: 2, exactStart: (3, 4)),
    Case(name: "lms 2", method: LinearMultistep(order: 2), shipped: 2, exactStart: (1, 2)),
    Case(name: "lms 4", method: LinearMultistep(order: 4), shipped: 2, exactStart: (3, 4)),
  ]

  /// Two components, stopped where σ/m is 0.06 or 0.09: further down every method needs more steps to show its order.
  private func study(_ family: Family, steps: [Int]) throws -> ConvergenceStudy {
    let process = family.process
    return ConvergenceStudy(
      process: PreparedProcess(process), score: try GaussianMixture.pair().score(under: process), dimension: 2, seed: 7,
      epsilon: family == .ve ? 0.3 : 0.02, steps: steps)
  }

  @Test(
    "methods for the probability flow have their order, as shipped and with exact starting values", arguments: flows)
  func flow(test: Case) throws {
    for family in [Family.vp, .ve] {
      let study = try study(family, steps: [80, 160, 320])
      let reference = try study.reference(isStochastic: false, grid: LogSignalToNoiseGrid())
      let shipped = try study.measure(test.method, grid: LogSignalToNoiseGrid(), against: reference)
      // The next term of the error is a share of 1/N: 0.15 for slopes measured up to order 3 between 80 and 320 steps.
      let order = try #require(shipped.order)
      if test.exactStart == nil && !test.isLowerBound {
        #expect(abs(order - test.shipped) < 0.15, "\(family): \(order), \(shipped.errors)")
      } else {
        #expect(order > test.shipped - 0.15, "\(family): \(order), \(shipped.errors)")
      }
      if let (steps, expected) = test.exactStart {
        let exact = try study.measure(test.method, grid: LogSignalToNoiseGrid(), against: reference, exactStart: steps)
        let order = try #require(exact.order)
        #expect(abs(order - expected) < 0.25, "\(family), exact start: \(order), \(exact.errors)")
      }
    }
  }

  static let paths: [(name: String, method: any Predictor, order: Double)] = [
    ("euler-maruyama", EulerMaruyama(), 1), ("reverse-diffusion", ReverseDiffusion(), 1),
    ("ancestral", Ancestral(variance: .transition), 1), ("ddim η = 1", DDIM(eta: 1), 1),
    ("stochastic-heun", AdditiveRungeKutta(.heun), 1),
    ("dpm-solver++-2m-sde", DPMSolverPP(order: 2, eta: 1), 1),
    ("dpm-solver++-3m-sde", DPMSolverPP(order: 3, eta: 1), 1),
    // On a Gaussian, where the drift is linear, the terms of order 1.5 vanish.
    ("sra1", AdditiveRungeKutta(.sra1), 2), ("shark", AdditiveRungeKutta(.shark), 2),
  ]

  @Test("on a Gaussian, methods for the reverse SDE converge pathwise", arguments: paths.indices)
  func gaussian(index: Int) throws {
    let (name, method, expected) = Self.paths[index]
    for family in [Family.vp, .ve] {
      let process = family.process
      let study = ConvergenceStudy(
        process: PreparedProcess(process),
        score: try GaussianMixture.gaussian(mean: [0.5, -1], deviation: 0.7).score(under: process),
        dimension: 2, seed: 7, epsilon: family == .ve ? 0.3 : 0.02, steps: [32, 64, 128, 256])
      let reference = try study.reference(isStochastic: true, grid: LogSignalToNoiseGrid())
      let result = try study.measure(method, grid: LogSignalToNoiseGrid(), against: reference)
      let order = try #require(result.order)
      // The next half order is a share of √(1/N) of paths' errors, that is some 0.1 between 32 and 256 steps.
      #expect(abs(order - expected) < 0.15, "\(name), \(family): \(order), \(result.errors)")
    }
  }

  @Test("on a mixture SRA1 and ShARK have strong order 1.5, where Heun's has 1") func additiveNoise() throws {
    for family in [Family.vp, .ve] {
      let study = try study(family, steps: [64, 128, 256, 512])
      let reference = try study.reference(isStochastic: true, grid: LogSignalToNoiseGrid())
      func order(_ method: any Predictor) throws -> (ClosedRange<Double>, [Double]) {
        let result = try study.measure(method, grid: LogSignalToNoiseGrid(), against: reference)
        return (try #require(result.interval), result.errors)
      }
      let (heun, heunErrors) = try order(AdditiveRungeKutta(.heun))
      for method in [AdditiveRungeKutta(.sra1), AdditiveRungeKutta(.shark)] as [any Predictor] {
        let (interval, errors) = try order(method)
        // A row near the border between components has most of the error: the intervals are wide, and must hold 1.5 or
        // more.
        #expect(interval.upperBound > 1.5 && interval.lowerBound > 1.1, "\(family), \(method): \(interval), \(errors)")
        #expect(errors.last! < 0.2 * heunErrors.last!)
      }
      #expect(heun.lowerBound < 1.05, "\(family): \(heun), \(heunErrors)")
    }
  }

  @Test("a first-order last step costs a method of higher order little on a grid in ln(m/σ), and is taken when asked")
  func lastStep() throws {
    let sampler = sampler(.vp, try .pair())
    func end(_ last: FixedSteps.LastStep, _ grid: any TimeGrid) throws -> Batch {
      try sampler.draw(
        256, with: FixedSteps(DPMSolverPP(order: 2), steps: 20, grid: grid, lastStep: last), denoise: false
      ).batch
    }
    // Equal steps of λ: auto leaves the last one as it is. Equal steps of t: from 0.051 to 0.001 λ grows by more than
    // twice the step before.
    #expect(try end(.auto, LogSignalToNoiseGrid()) == end(.full, LogSignalToNoiseGrid()))
    #expect(try end(.auto, UniformGrid()) == end(.first, UniformGrid()))
    #expect(try end(.first, UniformGrid()) != end(.full, UniformGrid()))
    let exact = try sampler.draw(256, with: ProbabilityFlow(.rk8pd, rtol: 1e-10, atol: 1e-10), denoise: false).batch
    func error(_ batch: Batch) -> Double { pairs(batch.values, exact.values).map { ($0 - $1) * ($0 - $1) }.mean }
    #expect(try error(end(.auto, UniformGrid())) < error(end(.full, UniformGrid())))
  }

  @Test("every method makes a first-order last step with one evaluation")
  func firstOrder() throws {
    let sampler = sampler(.vp, try .pair())
    for (method, evaluations) in [
      (EDMHeun(), 2), (RungeKutta(.rk4), 4), (RungeKutta(.bogackiShampine), 3), (DPMSolver(order: 2), 2),
      (DPMSolver(order: 3), 3), (AdditiveRungeKutta(.heun), 2),
      (AdditiveRungeKutta(.sra1), 2), (AdditiveRungeKutta(.shark), 2),
    ] as [(any Predictor, Int)] {
      let solver = FixedSteps(method, steps: 5, grid: LogSignalToNoiseGrid(), lastStep: .first)
      #expect(try sampler.draw(10, with: solver, denoise: false).statistics.nfeMax == 4 * evaluations + 1, "\(method)")
    }
  }
}
