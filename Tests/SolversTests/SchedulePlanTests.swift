// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers
import Testing

/// What the ends of schedulers do not show: levels by hand, and what is refused.
@Suite("Plans of schedulers") struct SchedulePlanTests {
  private static func levels(_ count: Int = 1000) -> TrainedLevels {
    TrainedLevels(of: VPSDE().makeKernel(), duration: 1, count: count)
  }

  private func told(_ scheduler: Scheduler, _ steps: Int, _ count: Int = 1000) throws -> [Double] {
    try scheduler.plan(steps: steps, levels: Self.levels(count)).steps.map(\.level)
  }

  @Test("levels of each spacing, for methods that count them and for multistep ones") func spacings() throws {
    var ddim = Scheduler(.ddim(eta: 0))
    ddim.offset = 1
    #expect(try told(ddim, 4) == [751, 501, 251, 1])
    ddim.spacing = .trailing
    #expect(try told(ddim, 4) == [999, 749, 499, 249])
    ddim.spacing = .linspace
    #expect(try told(ddim, 4) == [999, 666, 333, 0])
    var solver = Scheduler(.dpmSolverPP(order: 2, isStochastic: false, correction: .published))
    #expect(try told(solver, 4) == [999, 749, 500, 250])
    solver.spacing = .leading
    #expect(try told(solver, 4) == [800, 600, 400, 200])
    var euler = Scheduler(.euler)
    #expect(try told(euler, 4) == [999, 666, 333, 0])
    #expect(try told(euler, 3) == [999, 499.5, 0])
    euler.spacing = .leading
    #expect(try told(euler, 4) == [750, 500, 250, 0])
  }

  @Test("PNDM calls the second level twice, or begins with four evaluations of three steps") func pndm() throws {
    var pndm = Scheduler(.pndm)
    pndm.offset = 1
    #expect(try told(pndm, 5) == [801, 601, 601, 401, 201, 1])
    #expect(try told(pndm, 1) == [1])
    pndm.startsWithRungeKutta = true
    #expect(try told(pndm, 5) == [801, 701, 701, 601, 601, 501, 501, 401, 401, 301, 301, 201, 201, 1])
    #expect(throws: InputError.self) { try told(pndm, 3) }
  }

  @Test("levels that are not there are refused") func refusals() throws {
    var ddim = Scheduler(.ddim(eta: 0))
    ddim.offset = 1
    let error = #expect(throws: InputError.self) { try told(ddim, 1000) }
    #expect(error?.message.contains("ask for level 1000; allowed: levels 0 to 999") == true)
    ddim.offset = 0
    #expect(try told(ddim, 1000).count == 1000)
    #expect(throws: InputError.self) { try told(ddim, 1001) }
  }

  @Test("of one point, any scheduler ends in it, under every process", arguments: Family.allCases)
  func point(family: Family) throws {
    let process = family.process
    let law = try GaussianMixture.gaussian(mean: [0.5, -1], deviation: 1e-4)
    let methods: [Scheduler.Method] = [
      .ddim(eta: 0), .ddim(eta: 0.5), .ddpm(.posterior), .pndm, .euler, .eulerAncestral, .heun, .lms,
      .dpmSolverPP(order: 2, isStochastic: false, correction: .published),
      .dpmSolverPP(order: 2, isStochastic: true, correction: .exact), .uniPC(order: 2, variant: .bh2), .deis(order: 3),
    ]
    let sampler = Sampler(process: process, score: law.score(under: process), dimension: 2, seed: 3)
    for method in methods {
      var scheduler = Scheduler(method)
      (scheduler.spacing, scheduler.lastSigma) = (.trailing, .zero)
      scheduler.endsWithoutNoise = true
      // DEIS goes to σ = 0 in logarithms: it ends at the first level.
      if case .deis = method { scheduler.lastSigma = .lowest }
      let solver = ScheduledSolver(scheduler, steps: 20)
      let samples = try sampler.draw(8, with: solver)
      for row in 0..<8 {
        for (j, mean) in [0.5, -1.0].enumerated() {
          #expect(abs(samples.batch[row, j] - mean) < 0.05, "\(method), \(family): \(samples.batch[row, j])")
        }
      }
      let calls = method == .pndm ? 21 : method == .heun ? 39 : 20
      #expect(samples.statistics.nfeMax == calls, "\(method): \(samples.statistics.nfeMax)")
    }
  }

  @Test("a constraint sees every step, with the noise that follows") func constraint() throws {
    struct Middle: StepConstraint {
      func apply(to x: Rows, noiseToSignal: Double?) { if noiseToSignal == nil { x.fill(0.25) } }
    }
    let process = VPSDE()
    let sampler = Sampler(
      process: process, score: try GaussianMixture.pair().score(under: process), dimension: 2, seed: 3)
    for method in [Scheduler.Method.euler, .pndm] {
      let solver = ScheduledSolver(Scheduler(method), steps: 5, constraint: Middle())
      #expect(try sampler.draw(3, with: solver).batch.values == [Double](repeating: 0.25, count: 6))
    }
  }
}
