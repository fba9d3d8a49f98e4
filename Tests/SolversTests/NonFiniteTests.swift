// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Numbers that are not finite, in solvers") struct NonFiniteTests {
  static let loops: [(name: String, solver: any Solver)] = [
    ("euler-maruyama", FixedSteps(EulerMaruyama(), steps: 30)), ("rk4", FixedSteps(RungeKutta(.rk4), steps: 30)),
    ("dpm-solver-2", FixedSteps(DPMSolver(order: 2), steps: 30)), ("unipc", FixedSteps(UniPC(), steps: 30)),
    ("heun", FixedSteps(EDMHeun(), steps: 30)), ("shark", FixedSteps(AdditiveRungeKutta(.shark), steps: 30)),
    ("sscs", FixedSteps(SymmetricSplitting(), steps: 30)),
    ("langevin", FixedSteps(ReverseDiffusion(), corrector: Langevin(), steps: 30)),
    ("annealed-langevin", AnnealedLangevin(levels: 5, stepsPerLevel: 10)),
  ]

  @Test("a state that runs away is told from a score that is no number", arguments: loops.indices)
  func blowUp(index: Int) throws {
    let (name, solver) = Self.loops[index]
    // The step is far too long for a score that steep, which is a number at every state below 10^250.
    let sampler = Sampler(process: VPSDE(), score: FormulaScore { -1e60 * $0 }, dimension: 1, seed: 1)
    let error = #expect(throws: ComputationError.self) { try sampler.draw(40, with: solver) }
    let found = try #require(error.nonFinite, "\(name): \(String(describing: error))")
    #expect(found.quantity == .state && found.row == 0 && found.step != nil && found.time != nil, "\(name)")
    #expect(found.remedy.contains("more steps") && found.noiseToSignal != nil, "\(name)")
  }

  @Test("a score that is no number is named, in every loop", arguments: loops.indices) func score(index: Int) throws {
    let (name, solver) = Self.loops[index]
    let process = VPSDE()
    let score = PoisonedScore(base: try GaussianMixture.pair().score(under: process), poison: [33: 0.6])
    let sampler = Sampler(process: process, score: score, dimension: 2, seed: 1)
    let error = #expect(throws: ComputationError.self) { try sampler.draw(40, with: solver) }
    let found = try #require(error.nonFinite, "\(name)")
    #expect(found.quantity == .score && found.row == 33 && (found.time ?? 1) <= 0.6, "\(name): \(found)")
    #expect(found.description.contains("σ/m = ") && found.remedy.contains("score-sde score"))
  }

  @Test("an integrator that gives up names itself, the time and a remedy") func gaveUp() throws {
    let text = "\(ComputationError.integrator(rows: 3..<4, time: 0.5, method: "msbdf", reason: "iteration failed"))"
    for part in ["row 3", "msbdf", "t = 0.5", "iteration failed", "rtol", "rkf45"] { #expect(text.contains(part)) }
    let sampler = sampler(.vp, try .pair())
    let error = #expect(throws: ComputationError.self) {
      try sampler.draw(10, with: ProbabilityFlow(GSLIntegrator(.msadams, rtol: 1e-9, atol: 1e-9, maximumSteps: 3)))
    }
    for part in ["msadams", "max_steps", "t = "] { #expect(error?.description.contains(part) == true) }
    let tight = Adaptive(AdditiveRungeKutta(.shark), rtol: 0, atol: 1e-300)
    let stuck = #expect(throws: ComputationError.self) { try sampler.draw(10, with: tight) }
    for part in ["t = ", "loosen rtol and atol"] { #expect(stuck?.description.contains(part) == true) }
  }

  @Test("a bad row of a likelihood or an encoding costs that row alone", arguments: [1, 2])
  func badRows(threads: Int) throws {
    let sampler = sampler(.vp, try .pair(), threads: threads)
    let good = try GaussianMixture.pair().draw(300, from: NoiseStream(seed: 3, purpose: .data))
    var points = good
    let bad = [7: 1.7e308, 8: -1.7e308, 256: 1.7e308, 299: -1.7e308]
    for (row, value) in bad { points[row, 0] = value }
    let likelihood = Likelihood(GSLIntegrator(.rkf45, maximumSteps: 5000), divergence: .exact)
    #expect(throws: ComputationError.self) { try sampler.logDensities(of: points, with: likelihood) }
    let found = try sampler.logDensities(of: points, with: likelihood, badRows: .keepOthers)
    let whole = try sampler.logDensities(of: good, with: likelihood)
    #expect(found.failures.keys.sorted() == bad.keys.sorted())
    for row in 0..<300 {
      if bad[row] == nil {
        // Rows of a block share their steps, and the bad ones took none: within the tolerance.
        #expect(abs(found.values[row] - whole.values[row]) < 1e-3, "row \(row)")
      } else {
        #expect(found.values[row].isNaN && found.latents.row(row).allSatisfy(\.isNaN))
        #expect(found.failures[row]?.description.contains("row \(row)") == true, "\(found.failures)")
      }
    }
    let flow = ProbabilityFlow(GSLIntegrator(.rkf45, maximumSteps: 5000))
    let codes = try sampler.transport(points, from: 1e-5, to: 1, with: flow, badRows: .keepOthers)
    #expect(codes.failures.keys.sorted() == bad.keys.sorted())
    for row in 0..<300 { #expect(codes.batch.row(row).allSatisfy(\.isFinite) == (bad[row] == nil)) }
  }

  @Test("frames between points that have no codes are no numbers, and the others are") func badFrames() throws {
    let sampler = sampler(.vp, try .pair())
    var points = try GaussianMixture.pair().draw(5, from: NoiseStream(seed: 3, purpose: .data))
    points[2, 1] = 1.7e308
    let way = try sampler.interpolate(
      points, frames: 3, epsilon: 1e-5, with: ProbabilityFlow(GSLIntegrator(.rkf45, maximumSteps: 5000)),
      badRows: .keepOthers)
    #expect(way.failures.keys.sorted() == Array(3..<9))
    for row in 0..<12 { #expect(way.batch.row(row).allSatisfy(\.isFinite) == !(3..<9).contains(row)) }
  }

  @Test("wide rows under adaptive steps are few at a time, and do not depend on how many are asked for") func wide()
    throws
  {
    let dimension = 3000
    let mixture = try GaussianMixture.gaussian(mean: [Double](repeating: 0, count: dimension), deviation: 1)
    let sampler = sampler(.vp, mixture)
    let solver = Adaptive(AdditiveRungeKutta(.heun), rtol: 0.5, atol: 0.5)
    let (few, more) = (try sampler.draw(3, with: solver), try sampler.draw(20, with: solver))
    #expect(few.batch == more.batch.prefix(3))
    #expect(few.statistics.accepted > 1)
  }
}
