// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Synchronization
import Testing

@Suite("Time grids") struct GridTests {
  private func times(_ grid: any TimeGrid, _ process: any AffineSDE, steps: Int) throws -> [Double] {
    try grid.times(from: 1, to: process.samplingEpsilon, steps: steps, kernel: process.makeKernel())
  }

  @Test("Karras's σ/m follow the formula, from σ̃(T) to σ̃(ε) exactly", arguments: Family.allCases, [1.0, 3, 7])
  func formula(family: Family, rho: Double) throws {
    let process = family.process
    let kernel = process.makeKernel()
    let (high, low) = (kernel.moments(at: 1).noiseToSignal, kernel.moments(at: process.samplingEpsilon).noiseToSignal)
    for steps in [1, 17, 200] {
      let times = try times(KarrasGrid(rho: rho), process, steps: steps)
      #expect(times.count == steps + 1 && times[0] == 1 && times[steps] == process.samplingEpsilon)
      #expect(zip(times, times.dropFirst()).allSatisfy { $0 > $1 })
      for (i, t) in times.enumerated() {
        let share = Double(i) / Double(steps)
        let expected = pow(pow(high, 1 / rho) + share * (pow(low, 1 / rho) - pow(high, 1 / rho)), rho)
        // The inverse's 1e-13, the rounding of a power of 7, and of a sum that may cancel from σ̃(T) down.
        #expect(abs(kernel.moments(at: t).noiseToSignal - expected) < 1e-12 * expected + 1e-15 * high)
      }
    }
  }

  @Test("from 80 to 0.002 in 17 steps it is EDM's grid of 18 points") func paper() throws {
    let process = VESDE(GeometricSigma(0.002, 80))
    let kernel = process.makeKernel()
    let sigmas = try KarrasGrid().times(from: 1, to: 0, steps: 17, kernel: kernel).map {
      kernel.moments(at: $0).deviation
    }
    // Rounding, by the inverse's tolerance.
    // The fixture's grid ends with 0.
    let times = try HeunFixture.load().times.dropLast()
    for (sigma, expected) in pairs(sigmas, times) { #expect(abs(sigma / expected - 1) < 1e-12) }
  }

  @Test("no kernel, and a ratio without end, are refused") func refused() throws {
    #expect(throws: InputError.self) { try KarrasGrid().times(from: 1, to: 0.1, steps: 5, kernel: nil) }
    let endless = ClosedFormKernel { t in Moments(scale: 1 - t, variance: t * t) }
    #expect(throws: InputError.self) { try KarrasGrid().times(from: 1, to: 0.1, steps: 5, kernel: endless) }
  }

  @Test("quadratic steps are equal in √t, log-SNR steps in ln(m/σ)", arguments: Family.allCases)
  func others(family: Family) throws {
    let process = family.process
    let kernel = process.makeKernel()
    let epsilon = process.samplingEpsilon
    let roots = try times(QuadraticGrid(), process, steps: 7).map { $0.squareRoot() }
    let levels = try times(LogSignalToNoiseGrid(), process, steps: 7).map { log(kernel.moments(at: $0).noiseToSignal) }
    for values in [roots, levels] {
      let steps = zip(values, values.dropFirst()).map { $0 - $1 }
      // The inverse of σ/m is right to 1e-13; in √t and its logarithm that is at most 1e-9 at ε.
      #expect(steps.allSatisfy { abs($0 - steps[0]) < 1e-9 })
    }
    #expect(try times(QuadraticGrid(), process, steps: 7).last == epsilon)
    #expect(try times(LogSignalToNoiseGrid(), process, steps: 7).last == epsilon)
  }

  @Test("listed times are taken as they are, if they are N + 1 that fall from T to ε") func listed() throws {
    let process = VPSDE()
    let grid = try ListedTimes([1, 0.4, 0.1, 1e-3])
    #expect(try times(grid, process, steps: 3) == [1, 0.4, 0.1, 1e-3])
    #expect(throws: InputError.self) { try times(grid, process, steps: 4) }
    #expect(throws: InputError.self) { try times(try ListedTimes([0.9, 0.4, 1e-3]), process, steps: 2) }
    #expect(throws: InputError.self) { try times(try ListedTimes([1, 0.4, 1e-2]), process, steps: 2) }
    #expect(throws: InputError.self) { try ListedTimes([1, 0.4, 0.4, 1e-3]) }
    #expect(throws: InputError.self) { try ListedTimes([1]) }
  }

  @Test("every solver of fixed steps takes the problem's grid, or its own") func solvers() throws {
    let makers: [@Sendable ((any TimeGrid)?) -> any Solver] = [
      { FixedSteps(EulerMaruyama(), steps: 9, grid: $0) },
      { FixedSteps(ReverseDiffusion(), corrector: Langevin(), steps: 9, grid: $0) },
      { FixedSteps(Ancestral(), steps: 9, grid: $0) }, { FixedSteps(EDMHeun(), steps: 9, grid: $0) },
    ]
    let process = VPSDE()
    let uniform = try times(UniformGrid(), process, steps: 9)
    let karras = try times(KarrasGrid(), process, steps: 9)
    for make in makers {
      for (shared, own, expected) in [
        (UniformGrid() as any TimeGrid, nil as (any TimeGrid)?, uniform), (KarrasGrid(), nil, karras),
        (UniformGrid(), KarrasGrid(), karras), (KarrasGrid(), UniformGrid(), uniform),
      ] {
        let asked = AskedTimes()
        let score = WatchedScore(base: try GaussianMixture.pair().score(under: process), asked: asked)
        let sampler = Sampler(
          process: process, score: score, dimension: 2, seed: 1, grid: shared, threads: 1)
        _ = try sampler.draw(10, with: make(own))
        #expect(asked.sorted == expected)
      }
    }
  }
}

/// The distinct times that a score was asked at, falling.
private final class AskedTimes: Sendable {
  private let times = Mutex<Set<Double>>([])
  func insert(_ t: Double) { _ = times.withLock { $0.insert(t) } }
  var sorted: [Double] { times.withLock { $0.sorted(by: >) } }
}

/// A score that notes its times.
private struct WatchedScore: Score {
  let base: any Score
  let asked: AskedTimes

  func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(base: try base.makeEvaluator(for: rows), asked: asked)
  }

  final class Evaluator: ScoreEvaluator {
    private let base: any ScoreEvaluator
    private let asked: AskedTimes
    init(base: any ScoreEvaluator, asked: AskedTimes) { (self.base, self.asked) = (base, asked) }
    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      if case .all(let t) = times { asked.insert(t) }
      try base.evaluate(x, at: times, into: s)
    }
  }
}
