// SPDX-License-Identifier: GPL-3.0-or-later
import AllocationCounter
import Core
import Processes
import Scores
import Solvers
import Testing

/// Notes at each step how many blocks its thread has taken from the heap so far, in memory that it has from the start.
private final class HeapWatch: StepObserver, @unchecked Sendable {
  private let counts: UnsafeMutableBufferPointer<Int>

  init(steps: Int) {
    counts = .allocate(capacity: steps + 1)
    counts.initialize(repeating: 0)
  }

  deinit { counts.deallocate() }

  func reached(_ x: Rows, step: Int, at time: Double) { counts[step] = Int(allocation_count()) }

  /// How many blocks were taken between the ends of two steps.
  func blocks(between first: Int, and last: Int) -> Int { counts[last] - counts[first] }
}

@Suite("Steps without allocations") struct AllocationTests {
  static let methods: [(name: String, predictor: any Predictor, corrector: (any Corrector)?)] = [
    ("euler-maruyama", EulerMaruyama(), nil), ("heun", EDMHeun(), nil),
    ("heun with churn", EDMHeun(churn: .init(10)), nil),
    ("reverse-diffusion and langevin", ReverseDiffusion(), Langevin()),
    ("ancestral and mala", Ancestral(), MetropolisLangevin()),
    ("euler", RungeKutta(.euler), nil), ("rk4", RungeKutta(.rk4), nil),
    ("bogacki-shampine", RungeKutta(.bogackiShampine), nil), ("sra1", AdditiveRungeKutta(.sra1), nil),
    ("shark", AdditiveRungeKutta(.shark), nil), ("stochastic-heun", AdditiveRungeKutta(.heun), nil),
    ("ddim", DDIM(eta: 0.5), nil),
    ("dpm-solver-3", DPMSolver(order: 3), nil), ("dpm-solver++-3m", DPMSolverPP(order: 3), nil),
    ("unipc", UniPC(), nil),
    ("deis", DEIS(order: 4), nil), ("lms", LinearMultistep(order: 4), nil),
  ]

  /// Multistep methods have seen all that they keep after four steps; from the fifth on there is nothing new.
  @Test("a step in steady state takes nothing from the heap", arguments: methods.indices)
  func steadyState(index: Int) throws {
    let (name, predictor, corrector) = Self.methods[index]
    let steps = 60
    for family in Family.allCases {
      let process = family.process
      let watch = HeapWatch(steps: steps)
      let problem = SamplingProblem(
        process: process, score: try GaussianMixture.pair().score(under: process), dimension: 2, seed: 1)
      var batch = Batch(count: 256, dimension: 2)
      try batch.withRows { x in
        problem.prior.draw(into: x, from: NoiseStream(seed: 1, purpose: .prior))
        let context = try SolveContext(problem, rows: x.span, observer: watch)
        let solver = FixedSteps(predictor, corrector: corrector, steps: steps, grid: LogSignalToNoiseGrid())
        _ = try solver.solve(x, in: context)
      }
      #expect(watch.blocks(between: 5, and: steps) == 0, "\(name), \(family)")
    }
  }

  /// The counter itself must see what happens.
  @Test func theCounterCounts() {
    let before = allocation_count()
    let after = RowStorage.with(RowSpan(first: 0, count: 8, dimension: 8), count: 3) { _ in allocation_count() }
    #expect(after - before >= 3, "three blocks of rows")
  }
}
