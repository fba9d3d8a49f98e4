// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Foundation
import Processes
import Scores
import Solvers
import Testing

@Suite("Failures and processes without a kernel") struct FailureTests {
  private func poisoned(_ poison: [Int: Double], threads: Int = 2) throws -> Sampler {
    let process = VPSDE()
    let score = PoisonedScore(base: try GaussianMixture.pair().score(under: process), poison: poison)
    return Sampler(process: process, score: score, dimension: 2, seed: 1, threads: threads)
  }

  @Test("a score that turns NaN in one row stops a fixed-step solver with that row, step and time")
  func fixedStep() throws {
    let sampler = try poisoned([301: 0.55])
    let times = UniformGrid().times(from: 1, to: sampler.problem.epsilon, steps: 10)
    // times[5] is the first at or below 0.55: step 6 uses it.
    #expect(times[4] > 0.55 && times[5] <= 0.55)
    // The error tells when the score was asked, and how much noise there was.
    let noise = VPSDE().makeKernel().moments(at: times[5]).noiseToSignal
    func found(_ solver: FixedSteps) -> NonFinite? {
      let error = #expect(throws: ComputationError.self) { try sampler.draw(700, with: solver) }
      #expect(error.map { "\($0)".contains("\n") } == false && error.nonFinite?.remedy.isEmpty == false)
      var found = error.nonFinite
      found?.remedy = ""
      return found
    }
    let expected = NonFinite(.score, row: 301, step: 6, time: times[5], noiseToSignal: noise)
    for predictor in [EulerMaruyama(), ReverseDiffusion(), Ancestral()] as [any Predictor] {
      #expect(found(FixedSteps(predictor, steps: 10)) == expected)
    }
    // Heun's step 5 ends at times[5], and asks for the score there.
    var early = expected
    early.step = 5
    #expect(found(FixedSteps(EDMHeun(), steps: 10)) == early)
    #expect(found(FixedSteps(EulerMaruyama(), corrector: Langevin(), steps: 10)) == expected)
  }

  @Test("a score that turns NaN in one row stops the flow there", arguments: GSLIntegrator.Method.allCases)
  func flow(method: GSLIntegrator.Method) throws {
    let sampler = try poisoned([301: 0.55])
    let error = #expect(throws: ComputationError.self) { try sampler.draw(700, with: ProbabilityFlow(method)) }
    let found = try #require(error.nonFinite)
    // The score was asked at or below 0.55.
    let (step, time) = (try #require(found.step), try #require(found.time))
    #expect(found.quantity == .score && found.row == 301 && step >= 2)
    #expect(time <= 0.55 + 1e-9 && time >= sampler.problem.epsilon && (found.noiseToSignal ?? 0) > 0)
  }

  @Test("the error thrown is that of the lowest failing shard, whenever the others fail", arguments: 1...3)
  func lowestShard(threads: Int) throws {
    // Row 600 fails at once, row 301 late, row 5 never: 0.0005 lies below ε.
    let sampler = try poisoned([5: 0.0005, 301: 0.2, 600: 1], threads: threads)
    for solver in [FixedSteps(EulerMaruyama(), steps: 50), ProbabilityFlow(.rkf45)] as [any Solver] {
      let error = #expect(throws: ComputationError.self) { try sampler.draw(700, with: solver) }
      #expect(error.nonFinite?.row == 301 && (error.nonFinite?.time ?? 1) <= 0.2, "\(String(describing: error))")
    }
  }

  @Test("a score's own error passes through every solver unchanged") func ownError() throws {
    let failure = InputError("no score here")
    let sampler = Sampler(process: VPSDE(), score: FormulaScore { _ in throw failure }, dimension: 1, seed: 1)
    for solver in [FixedSteps(EulerMaruyama(), steps: 5), ProbabilityFlow(.rkf45), ProbabilityFlow(.msadams)]
      as [any Solver]
    {
      #expect(throws: failure) { try sampler.draw(10, with: solver) }
    }
  }

  @Test("a process that hides its kernel is solved as it is, by Euler–Maruyama and the flow") func hidden() throws {
    let score = try GaussianMixture.pair().score(under: VPSDE())
    let open = Sampler(process: VPSDE(), score: score, dimension: 2, seed: 2)
    let closed = Sampler(process: Hidden(), score: score, dimension: 2, seed: 2)
    #expect(closed.problem.kernel == nil)
    for solver in [FixedSteps(EulerMaruyama(), steps: 30), ProbabilityFlow(.rkf45)] as [any Solver] {
      let a = try open.draw(300, with: solver, denoise: false).batch
      #expect(try closed.draw(300, with: solver, denoise: false).batch == a)
    }
  }

  @Test("what needs a kernel throws InputError where there is none, and says what is missing") func kernelNeeded()
    throws
  {
    for process in [Hidden(), Stationary()] as [any SDE] {
      let sampler = Sampler(process: process, score: FormulaScore { -$0 }, dimension: 1, seed: 1)
      func fails(_ start: String, _ solver: any Solver, for missing: String = "perturbation kernel") {
        let error = #expect(throws: InputError.self) { try sampler.draw(10, with: solver, denoise: false) }
        #expect(error?.message.hasPrefix(start) == true)
        #expect(error?.message.contains(missing) == true)
      }
      fails("needs", FixedSteps(ReverseDiffusion(), steps: 5))
      fails("needs", FixedSteps(Ancestral(), steps: 5))
      fails("needs", FixedSteps(Ancestral(variance: .transition), steps: 5))
      fails("needs", FixedSteps(EulerMaruyama(), corrector: Langevin(), steps: 5))
      fails("needs", FixedSteps(EDMHeun(), steps: 5))
      let karras = FixedSteps(EulerMaruyama(), steps: 5, grid: KarrasGrid())
      fails("the karras grid", karras, for: "whose noise σ/m is known")
    }
  }

  @Test("with state-dependent noise, a process at rest in N(0, 1) stays there, and its flow stands still")
  func stateDependent() throws {
    let count = 20_000
    let sampler = Sampler(process: Stationary(), score: FormulaScore { -$0 }, dimension: 1, seed: 3)
    let prior = try sampler.prior(count)
    // f = ½ (D s + D′) exactly cancels in the field; two roundings a term.
    let still = try sampler.draw(count, with: ProbabilityFlow(.rkf45), denoise: false).batch
    #expect(largestError(still, prior) < 1e-13)
    let moved = try sampler.draw(count, with: FixedSteps(EulerMaruyama(), steps: 400), denoise: false).batch
    #expect(largestError(moved, prior) > 1)
    // Four standard errors, √(1/n) and √(2/n), and a bias of first order in the step 1/400.
    #expect(abs(moved.column(0).mean) < 4 * (1 / Double(count)).squareRoot())
    #expect(abs(moved.column(0).variance - 1) < 4 * (2 / Double(count)).squareRoot() + 4.0 / 400)
  }
}

/// The variance-preserving process as a plain SDE, its kernel unknown.
struct Hidden: SDE {
  private let base = VPSDE()
  var duration: Double { base.duration }
  var samplingEpsilon: Double { base.samplingEpsilon }
  func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows) {
    base.addDrift(x, at: t, times: times, to: out)
  }
  func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    base.addScoreDrift(s, x, at: t, times: times, to: out)
  }
  func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    base.addNoise(z, x, at: t, times: times, to: out)
  }
  func makePrior() -> any Prior { base.makePrior() }
}

/// dx = ½ (D′ − D x) dt + √D dw with D = 1 + x²/4 in every coordinate: N(0, 1) is stationary, its score −x, and the
/// reverse process is the same as the forward one.
private struct Stationary: SDE {
  var duration: Double { 1 }
  var samplingEpsilon: Double { 0 }
  private func add(_ out: Rows, _ value: (Int) -> Double) {
    for i in 0..<out.size { out.values[i] += value(i) }
  }
  func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows) {
    add(out) { i in times * 0.5 * (x.values[i] / 2 - (1 + x.values[i] * x.values[i] / 4) * x.values[i]) }
  }
  func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    add(out) { i in times * ((1 + x.values[i] * x.values[i] / 4) * s.values[i] + x.values[i] / 2) }
  }
  func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    add(out) { i in times * (1 + x.values[i] * x.values[i] / 4).squareRoot() * z.values[i] }
  }
  func makePrior() -> any Prior { NormalPrior(variance: 1) }
}
