// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Optimised times") struct GridSearchTests {
  private static func sampler(seed: UInt64) throws -> Sampler {
    let (process, mixture) = (VPSDE(), try GaussianMixture.pair())
    return Sampler(
      process: process, score: mixture.score(under: process), dimension: 2, seed: seed, epsilon: 1e-3, threads: 2)
  }

  @Test("the cheapest way is that of all ways") func cheapest() throws {
    let m = 7
    var costs = StepCosts(count: m)
    let draws = NoiseStream(seed: 4, purpose: .data).uniforms(count: m, dimension: m + 1)
    for i in 0..<m { for j in i + 1...m { costs[i, j] = draws[i, j] } }
    func ways(_ steps: Int, from: Int) -> [[Int]] {
      if steps == 1 { return [[from, m]] }
      return (from + 1..<m).flatMap { next in ways(steps - 1, from: next).map { [from] + $0 } }
    }
    func cost(_ way: [Int]) -> Double { zip(way, way.dropFirst()).reduce(0) { $0 + costs[$1.0, $1.1] } }
    for steps in 1...m {
      let found = try #require(costs.cheapest(steps: steps))
      #expect(found.count == steps + 1 && found.first == 0 && found.last == m)
      let least = ways(steps, from: 0).map(cost).min() ?? .nan
      #expect(abs(cost(found) - least) < 1e-12, "\(steps)")
    }
    var broken = StepCosts(count: 3)
    broken[0, 3] = 1
    #expect(broken.cheapest(steps: 1) == [0, 3] && broken.cheapest(steps: 2) == nil)
  }

  @Test("candidates fall from T to ε, and places are the times' own", arguments: ["vp", "rectified", "uniform"])
  func candidates(kind: String) throws {
    let process: any SDE =
      switch kind {
      case "vp": VPSDE()
      case "rectified": RectifiedFlow()
      default: GeometricBrownianMotion()
      }
    let setting = SamplingSetting(
      PreparedProcess(process), epsilon: 1e-3, grid: UniformGrid(), traits: [])
    let candidates = CandidateTimes(setting, count: 40)
    let times = candidates.times
    #expect(times.count == 41 && times[0] == process.duration && times[40] == 1e-3)
    #expect(zip(times, times.dropFirst()).allSatisfy { $0 > $1 && $1 > 0 })
    for place in [0, 0.3, 7, 12.75, 39.9, 40] {
      #expect(abs(candidates.place(of: candidates.time(at: place)) - place) < 1e-9, "\(place)")
    }
  }

  /// One Gaussian component: the flow is linear in x, and so is a step of DDIM: J e is known.
  @Test("costs are the steps' errors as they are at ε") func costs() throws {
    let (process, deviation) = (VPSDE(), 0.7)
    let mixture = try GaussianMixture.gaussian(mean: [0], deviation: deviation)
    let sampler = Sampler(
      process: process, score: mixture.score(under: process), dimension: 1, seed: 2, epsilon: 1e-3, threads: 1)
    let candidates = CandidateTimes(sampler.problem.setting, count: 24)
    let loop = FixedSteps(DDIM(eta: 0), steps: 4)
    let found = try LocalErrors(sampler, loop, candidates, rows: 256, progress: nil)
    let kernel = try #require(sampler.problem.kernel)
    func spread(_ t: Double) -> Double {
      let moments = kernel.moments(at: t)
      return (moments.scale * moments.scale * deviation * deviation + moments.variance).squareRoot()
    }
    // x_t = S(t) u with one u for a row: a step of DDIM multiplies by m_s/m_t (1 − (σ̃_t − σ̃_s) σ̃_t m_t²/S_t²), and
    // the flow by S_s/S_t.
    let rows = try sampler.prior(256)
    let size = (rows.values.reduce(0) { $0 + $1 * $1 } / 256).squareRoot() / spread(process.duration)
    for (i, j) in [(0, 3), (3, 9), (9, 24), (20, 24), (0, 24)] {
      let (t, s) = (candidates.times[i], candidates.times[j])
      let (from, to) = (kernel.moments(at: t), kernel.moments(at: s))
      let gain = from.deviation * from.scale / (spread(t) * spread(t))
      let step = to.scale / from.scale * (1 - (from.noiseToSignal - to.noiseToSignal) * gain)
      let miss = abs(step * spread(t) - spread(s))
      let atEnd = miss * spread(1e-3) / spread(s) * size
      // Heun's adjoint over intervals of Δλ = 0.4 is off by some per cent.
      #expect(abs(found.costs[i, j] / atEnd - 1) < 0.05, "\(i) \(j): \(found.costs[i, j]) \(atEnd)")
    }
  }

  @Test(
    "no usual grid is better, on other rows either", arguments: ["ddim", "dpm-solver++-2m", "heun", "unipc", "euler"])
  func better(kind: String) throws {
    let predictor: any Predictor =
      switch kind {
      case "ddim": DDIM(eta: 0)
      case "heun": EDMHeun()
      case "unipc": UniPC(order: 3)
      case "euler": RungeKutta(.euler)
      default: DPMSolverPP(order: 2)
      }
    let loop = FixedSteps(predictor, steps: 6)
    let found = try GridSearch(
      Self.sampler(seed: 1), loop, OptimisedGrid(rows: 256, candidates: 32, trials: 120)
    ).run()
    #expect(found.times.count == 7 && found.times[0] == 1 && found.times[6] == 1e-3)
    let own = try #require(found.figures.first { $0.grid == "optimised" }).value
    for figure in found.figures { #expect(own <= figure.value, "\(figure)") }
    // The same on 1,024 other rows: they are far more than the five times that were fitted.
    let others = try Self.sampler(seed: 9)
    let exact = try others.draw(1024, with: ProbabilityFlow(.rk8pd, rtol: 1e-10, atol: 1e-10), denoise: false).batch
    let error = EndError(others, loop, exact: exact)
    let kernel = others.problem.kernel
    let best = EndError.size(try error.differences(found.times))
    for grid: any TimeGrid in [LogSignalToNoiseGrid(), KarrasGrid()] {
      let usual = EndError.size(try error.differences(grid.times(from: 1, to: 1e-3, steps: 6, kernel: kernel)))
      #expect(best <= usual, "\(best) \(usual)")
    }
    // The search is worth something: half the error of the better usual grid, or less, in six steps.
    #expect(best < 0.7 * (found.figures.filter { ["log-snr", "karras"].contains($0.grid) }.map(\.value).min() ?? 0))
  }

  @Test("alignment: the divergence is least among grids of the candidates, and threads change nothing")
  func alignment() throws {
    let loop = FixedSteps(DPMSolverPP(order: 2, eta: 1), steps: 6)
    let grid = OptimisedGrid(rows: 300, candidates: 32)
    let sampler = try Self.sampler(seed: 1)
    let found = try GridSearch(sampler, loop, grid).run()
    #expect(found.quantity == "divergence" && found.times.count == 7)
    let own = try #require(found.figures.first).value
    #expect(found.figures.count > 2 && found.figures.allSatisfy { own <= $0.value }, "\(found.figures)")
    let alone = Sampler(sampler.problem, threads: 1)
    #expect(try GridSearch(alone, loop, grid).run() == found)
  }

  @Test("what has no times to find is refused, and the grid itself has none") func refusals() throws {
    let setting = SamplingSetting(
      PreparedProcess(VPSDE()), epsilon: 1e-3, grid: OptimisedGrid(), traits: [.jacobian])
    #expect(throws: InputError.self) { try setting.times(steps: 5, grid: nil) }
    func refusal(_ solver: any Solver) -> String {
      do {
        _ = try setting.checkable(solver)
        return ""
      } catch { return "\(error)" }
    }
    #expect(refusal(FixedSteps(DDIM(eta: 0), steps: 5)).isEmpty)
    #expect(refusal(ProbabilityFlow(.rkf45)).isEmpty)
    #expect(refusal(FixedSteps(DDIM(eta: 0), corrector: Langevin(snr: 0.1), steps: 5)).contains("corrector"))
    #expect(refusal(FixedSteps(DDIM(eta: 0), steps: 501)).contains("up to 500"))
    let forced = OptimisedGrid(search: .localError)
    #expect(refusal(FixedSteps(DDIM(eta: 1), steps: 5, grid: forced)).contains("of the flow"))
    #expect(
      refusal(AnnealedLangevin(levels: 5, stepsPerLevel: 2, stepSize: 0.2, grid: OptimisedGrid())).contains(
        "plain loop"))
  }
}
