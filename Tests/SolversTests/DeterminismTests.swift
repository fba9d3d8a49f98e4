// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Pairs
import Processes
import Solvers
import Testing

@Suite("Determinism and costs") struct DeterminismTests {
  enum Kind: String, CaseIterable, Sendable {
    case fixed, fixedCoupled, batchMean, adaptive, implicit, churned, multistep, shark, adaptiveSDE, mala, annealed

    var solver: any Solver {
      switch self {
      case .fixed: FixedSteps(EulerMaruyama(), corrector: Langevin(), steps: 20)
      case .fixedCoupled: FixedSteps(Ancestral(), steps: 20)
      case .batchMean: FixedSteps(ReverseDiffusion(), corrector: Langevin(rule: .batchMean), steps: 20)
      case .adaptive: ProbabilityFlow(.rkf45)
      case .implicit: ProbabilityFlow(.bsimp)
      case .churned: FixedSteps(EDMHeun(churn: .init(4)), steps: 10, grid: KarrasGrid())
      case .multistep: FixedSteps(UniPC(), steps: 10, grid: LogSignalToNoiseGrid())
      case .shark: FixedSteps(AdditiveRungeKutta(.shark), steps: 20)
      case .adaptiveSDE: Adaptive.jolicoeurMartineau()
      case .mala: FixedSteps(DPMSolverPP(order: 2, eta: 1), corrector: MetropolisLangevin(), steps: 10)
      case .annealed: AnnealedLangevin(levels: 5, stepsPerLevel: 10, grid: LogSignalToNoiseGrid())
      }
    }

    var path: (any BrownianPath)? {
      self == .fixedCoupled ? CoupledPath(seed: 1, duration: 1, depth: CoupledPath.depth(for: 20)) : nil
    }
  }

  private func draw(_ count: Int, _ kind: Kind, seed: UInt64 = 1, threads: Int = 2) throws -> Samples {
    try sampler(.vp, .pair(), seed: seed, path: kind.path, threads: threads).draw(count, with: kind.solver)
  }

  @Test("the same bytes on 1, 2 and 3 threads", arguments: Kind.allCases) func threads(kind: Kind) throws {
    let one = try draw(700, kind, threads: 1)
    for threads in [2, 3] {
      let other = try draw(700, kind, threads: threads)
      #expect(other.batch == one.batch)
      #expect(other.statistics.nfe == one.statistics.nfe && other.statistics.accepted == one.statistics.accepted)
    }
  }

  @Test("the first 300 rows of 700 are a draw of 300", arguments: Kind.allCases) func prefixes(kind: Kind) throws {
    #expect(try draw(700, kind).batch.prefix(300) == draw(300, kind).batch)
  }

  @Test("different seeds give different samples", arguments: [Kind.fixed, .batchMean, .adaptive, .churned])
  func seeds(kind: Kind) throws {
    let (a, b) = (try draw(300, kind, seed: 1).batch, try draw(300, kind, seed: 2).batch)
    // Continuous draws of 53 bits do not meet.
    #expect(pairs(a.values, b.values).allSatisfy { $0 != $1 })
  }

  @Test("every solver starts from the same prior draws, √priorVariance times one stream", arguments: Family.allCases)
  func sharedPrior(family: Family) throws {
    let sampler = sampler(family, try .pair(), seed: 8)
    let prior = try sampler.prior(700)
    #expect(try sampler.draw(700, with: Idle(), denoise: false).batch == prior)
    let deviation = family.process.priorCovariance.values[0].squareRoot()
    let z = NoiseStream(seed: 8, purpose: .prior).normals(count: 700, dimension: 2)
    // One rounding of a product.
    #expect(largestError(prior, Batch(values: z.values.map { deviation * $0 }, dimension: 2)) < 1e-15)
  }

  @Test("a draw of nothing is empty") func nothing() throws {
    let samples = try draw(0, .fixed)
    #expect(samples.batch.count == 0 && samples.batch.dimension == 2)
  }

  @Test(
    "N steps with k corrections cost N (1 + k) + 1 evaluations, one less without denoising",
    arguments: [0, 1, 3], [1, 17])
  func fixedCost(corrections: Int, steps: Int) throws {
    let corrector = corrections > 0 ? Langevin(steps: corrections) : nil
    let sampler = sampler(.vp, try .pair())
    for predictor in [EulerMaruyama(), ReverseDiffusion(), Ancestral()] as [any Predictor] {
      let solver = FixedSteps(predictor, corrector: corrector, steps: steps)
      #expect(solver.steps == steps)
      for denoise in [true, false] {
        let statistics = try sampler.draw(300, with: solver, denoise: denoise).statistics
        let cost = steps * (1 + corrections) + (denoise ? 1 : 0)
        #expect(statistics.nfe == Double(cost) && statistics.nfeMax == cost)
        #expect(statistics.accepted == Double(steps) && statistics.rejected == 0)
      }
    }
  }

  @Test("the flow costs what it evaluates, one less without denoising", arguments: GSLIntegrator.Method.allCases)
  func flowCost(method: GSLIntegrator.Method) throws {
    let sampler = sampler(.vp, try .pair())
    let with = try sampler.draw(300, with: ProbabilityFlow(method)).statistics
    let without = try sampler.draw(300, with: ProbabilityFlow(method), denoise: false).statistics
    #expect(without.nfe >= without.accepted && without.accepted >= 1)
    // Means over 300 rows of whole numbers below 10⁴: rounding only.
    #expect(abs(with.nfe - without.nfe - 1) < 1e-9)
    #expect(with.nfeMax == without.nfeMax + 1 && with.accepted == without.accepted)
    #expect(ProbabilityFlow(method).steps == nil)
  }
}
