// SPDX-License-Identifier: GPL-3.0-or-later
import AllocationCounter
import Conditioning
import Core
import Processes
import Scores
import Solvers
import Testing

/// Notes at each step how many blocks its thread has taken from the heap so far.
private final class HeapWatch: StepObserver, @unchecked Sendable {
  private let counts: UnsafeMutableBufferPointer<Int>
  init(steps: Int) {
    counts = .allocate(capacity: steps + 1)
    counts.initialize(repeating: 0)
  }
  deinit { counts.deallocate() }
  func reached(_ x: Rows, step: Int, at time: Double) { counts[step] = Int(allocation_count()) }
  func blocks(between first: Int, and last: Int) -> Int { counts[last] - counts[first] }
}

/// Every method in solves of many rows.
@Suite("Solves of posteriors") struct PosteriorSolveTests {
  /// A score, and a solver that draws with it.
  private static func methods() throws -> [(name: String, score: any Score, solver: any Solver)] {
    let process = VPSDE()
    let prior = try DenseProblem.mixture()
    let base = prior.score(under: process)
    let dense = try DenseProblem.observations()[0]
    let mask = try DenseProblem.observations()[1]
    let curved = Observation(
      CurvedObservation(noise: .deviation(0.4)), values: Batch(rows: [[0.4, 0.1], [-0.3, 0.5]]))
    func guided(_ method: any LikelihoodScore, _ observation: Observation) -> any Score {
      PosteriorScore(base, kernel: process.makeKernel(), observation: observation, likelihood: method)
    }
    func steps(_ method: any PosteriorStep, _ observation: Observation) -> any Solver {
      FixedSteps(PosteriorSteps(method, observation), steps: 12)
    }
    let plain = FixedSteps(Ancestral(), steps: 12)
    let law = PosteriorLaw(prior, dense.model.linear!)
    return [
      ("exact", ScoreByObservation(law.mixtures(given: dense.values).map { $0.score(under: process) }), plain),
      ("dps", guided(DPS(), dense), plain), ("pigdm", guided(PiGDM(), dense), plain),
      ("tmpd", guided(TMPD(), dense), plain), ("mmps", guided(MMPS(), dense), plain),
      ("mmps, curved", guided(MMPS(), curved), plain), ("dps step", base, steps(DPSStep(scale: 0.1), dense)),
      ("ddnm", base, steps(try DDNM(dense), dense)), ("ddrm", base, steps(try DDRM(dense), dense)),
      ("diffpir", base, steps(try DiffPIR(dense), dense)),
      ("repaint", base, try RePaint(mask, steps: 12, jump: 3, resamplings: 2)),
      ("daps", base, try DAPS(dense, steps: 12)),
      ("daps, langevin", base, try DAPS(dense, steps: 12, langevinSteps: 5)),
    ]
  }

  @Test("a step in steady state takes nothing from the heap") func steadyState() throws {
    for (name, score, solver) in try Self.methods() {
      let steps = try #require(solver.steps)
      let watch = HeapWatch(steps: steps)
      let problem = SamplingProblem(process: VPSDE(), score: score, dimension: 3, seed: 1, grid: LogSignalToNoiseGrid())
      var batch = Batch(count: 64, dimension: 3)
      try batch.withRows { x in
        problem.prior.draw(into: x, from: NoiseStream(seed: 1, purpose: .prior))
        let context = try SolveContext(problem, rows: x.span, observer: watch)
        _ = try solver.solve(x, in: context)
      }
      #expect(watch.blocks(between: 2, and: steps) == 0, "\(name)")
    }
  }

  /// Shards of 256 rows: 600 rows are three, of which the last is filled up.
  @Test("rows are the same whatever the threads and the number of rows") func bytes() throws {
    for (name, score, solver) in try Self.methods() {
      func draw(_ count: Int, threads: Int) throws -> [Double] {
        try Sampler(
          process: VPSDE(), score: score, dimension: 3, seed: 1, grid: LogSignalToNoiseGrid(), threads: threads
        )
        .draw(count, with: solver).batch.values
      }
      let all = try draw(600, threads: 1)
      #expect(try draw(600, threads: 3) == all, "\(name)")
      #expect(try draw(270, threads: 2) == Array(all.prefix(270 * 3)), "\(name)")
    }
  }

  @Test("a score without Jacobian products is refused") func noProducts() throws {
    struct Plain: Score {
      func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { Evaluator() }
      final class Evaluator: ScoreEvaluator {
        func evaluate(_ x: Rows, at times: Times, into s: Rows) { for i in 0..<x.size { s.values[i] = -x.values[i] } }
      }
    }
    let guided = PosteriorScore(
      Plain(), kernel: VPSDE().makeKernel(), observation: try DenseProblem.observations()[0], likelihood: DPS())
    #expect(throws: InputError.self) {
      try Sampler(process: VPSDE(), score: guided, dimension: 3, seed: 1).draw(
        4, with: FixedSteps(Ancestral(), steps: 3))
    }
  }
}
