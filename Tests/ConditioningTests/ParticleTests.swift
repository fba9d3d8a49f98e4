// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

/// A mixture of isotropic components that is seen as y = a·x + noise, with its evidence and posterior in closed form.
struct SeenMixture {
  let weights: [Double], means: [[Double]], deviations: [Double]
  let a: [Double], noise: Double, y: Double

  var mixture: GaussianMixture {
    get throws { try GaussianMixture(weights: weights, means: means, deviations: deviations) }
  }

  var observation: Observation {
    get throws {
      let model = try LinearObservation(SparseMatrix(Matrix([a])), noise: .deviation(noise))
      return Observation(model, values: Batch(rows: [[y]]))
    }
  }

  private var parts: [(evidence: Double, mean: [Double])] {
    weights.indices.map { k in
      let (mu, v) = (means[k], deviations[k] * deviations[k])
      let along = zip(a, mu).reduce(0) { $0 + $1.0 * $1.1 }
      let s = v * a.reduce(0) { $0 + $1 * $1 } + noise * noise
      let r = y - along
      let evidence = weights[k] * exp(-0.5 * r * r / s) / (2 * .pi * s).squareRoot()
      return (evidence, zip(mu, a).map { $0 + v * $1 * r / s })
    }
  }

  var evidence: Double { parts.reduce(0) { $0 + $1.evidence } }
  /// The posterior's weight of each component, and its mean.
  var componentMeans: [[Double]] { parts.map(\.mean) }
  var shares: [Double] { parts.map { $0.evidence / evidence } }
  var mean: [Double] {
    a.indices.map { j in parts.reduce(0) { $0 + $1.evidence / evidence * $1.mean[j] } }
  }
}

@Suite struct ParticleTests {
  static let problem = SeenMixture(
    weights: [0.7, 0.3], means: [[-1, 0.5], [2, 1]], deviations: [0.5, 0.8], a: [1, 0.5], noise: 0.7, y: 1.2)
  static let process = PreparedProcess(VPSDE())

  private func draw(
    _ method: (any ObservationModel) throws -> any ParticleMethod, rows: Int, particles: Int, steps: Int = 60,
    threads: Int = 2, share: Double = 0.5, seed: UInt64 = 5, from first: Int = 0
  ) throws -> (samples: Batch, record: ParticleRecord, nfe: Double) {
    let (problem, process) = (Self.problem, Self.process)
    let score = MixtureScore(try problem.mixture, kernel: process.kernel!)
    let observation = try problem.observation
    let solver = try ParticleSolver(
      FixedSteps(Ancestral(), steps: steps, grid: LogSignalToNoiseGrid()), method: method(observation.model),
      score: score, observation: observation, particles: particles, share: share)
    let sampler = Sampler(
      process: process, score: FewerRows(score, rows: 256 / particles), dimension: 2, seed: seed, threads: threads)
    let samples = try sampler.draw(rows, from: first, with: solver)
    return (samples.batch, solver.record, samples.statistics.nfe)
  }

  static let methods: [(name: String, make: @Sendable (any ObservationModel) throws -> any ParticleMethod)] = [
    ("tds", { try TwistedMethod($0) }), ("isotropic", { try TwistedMethod($0, spread: .isotropic(deviation: 1.5)) }),
    ("jacobian", { try TwistedMethod($0, spread: .jacobian) }), ("mcg-diff", { try ConjugateMethod($0) }),
  ]

  /// The mean over many rows of the estimate of p(y) is p(y), whatever the method and with 4 particles alone; the
  /// effective numbers are between 1 and P.
  @Test(arguments: 0..<4) func evidence(_ index: Int) throws {
    let (rows, particles) = (2048, 4)
    let record = try draw(Self.methods[index].make, rows: rows, particles: particles, steps: 240).record
    let summaries = record.summaries(of: 0..<rows, observations: 1)
    #expect(summaries.count == 241 && summaries.allSatisfy { $0.effective >= 1 && $0.effective <= 4.000001 })
    let last = try #require(summaries.last)
    let interval = try #require(last.interval)
    // Four standard errors (the interval has 1.96 on either side), and the steps' own error: 0.007 with 240 of them,
    // 0.046 with 60.
    let margin = 4 * (interval.upperBound - interval.lowerBound) / (2 * 1.96) + 0.01
    #expect(abs(last.logEvidence - log(Self.problem.evidence)) < margin, "\(last), \(log(Self.problem.evidence))")
  }

  /// With 64 particles, the samples' mean and the weight of a mode are the posterior's.
  @Test(arguments: 0..<4) func posterior(_ index: Int) throws {
    let n = 4096
    let samples = try draw(Self.methods[index].make, rows: n, particles: 64, steps: 40).samples
    for j in 0..<2 {
      let mean = (0..<n).reduce(0) { $0 + samples[$1, j] } / Double(n)
      // Deviations of the posterior are below 1: 4 standard errors, and 0.03 for 40 steps and 64 particles.
      #expect(abs(mean - Self.problem.mean[j]) < 4 / Double(n).squareRoot() + 0.03, "x\(j + 1): \(mean)")
    }
  }

  /// A single particle is worse than many: without weights to choose by, the law is another.
  @Test func particlesMatter() throws {
    let n = 4096
    func error(_ particles: Int) throws -> Double {
      let samples = try draw({ try TwistedMethod($0) }, rows: n, particles: particles, steps: 40).samples
      let mean = (0..<n).reduce(0) { $0 + samples[$1, 0] } / Double(n)
      return abs(mean - Self.problem.mean[0])
    }
    let (one, many) = (try error(1), try error(64))
    #expect(one > 0.15 && many < 0.09, "\(one), \(many)")
  }

  /// A row's particles are its own: the same whatever the threads, the shards and the other rows.
  @Test func sameBytes() throws {
    for method in Self.methods {
      let many = try draw(method.make, rows: 300, particles: 8, steps: 10, threads: 2)
      let one = try draw(method.make, rows: 300, particles: 8, steps: 10, threads: 1)
      #expect(many.samples == one.samples, "\(method.name)")
      #expect(
        many.record.summaries(of: 0..<300, observations: 3) == one.record.summaries(of: 0..<300, observations: 3))
      let some = try draw(method.make, rows: 20, particles: 8, steps: 10, from: 32)
      #expect(Array(many.samples.values[64..<104]) == some.samples.values, "\(method.name)")
    }
  }

  @Test func evaluationsCount() throws {
    let found = try draw({ try TwistedMethod($0) }, rows: 10, particles: 8, steps: 10).nfe
    // 11 points with a score and a product each, and Tweedie's mean at the end.
    #expect(found == 8 * 11 * 2 + 1)
  }

  /// Systematic resampling gives every particle as many copies as its weight says, up to one.
  @Test func resampling() throws {
    let model = try Self.problem.observation.model
    let few = try draw({ _ in try TwistedMethod(model) }, rows: 64, particles: 16, share: 1)
    let never = try draw({ _ in try TwistedMethod(model) }, rows: 64, particles: 16, share: 0)
    let (a, b) = (
      few.record.summaries(of: 0..<64, observations: 1), never.record.summaries(of: 0..<64, observations: 1)
    )
    #expect(a[60].effective > b[60].effective)
  }

  @Test func refusals() throws {
    let observation = try Self.problem.observation
    let score = MixtureScore(try Self.problem.mixture, kernel: Self.process.kernel!)
    let method = try TwistedMethod(observation.model)
    for solver in [FixedSteps(DDIM(), steps: 5), FixedSteps(EDMHeun(), steps: 5)] {
      #expect(throws: InputError.self) {
        try ParticleSolver(
          solver, method: method, score: score, observation: observation, particles: 4, share: 0.5)
      }
    }
    let formula = try FormulaLikelihood("sum(normal(y, x1, 1))", dimension: 2, observed: 1)
    #expect(throws: InputError.self) { try ConjugateMethod(formula) }
    #expect(throws: InputError.self) { try TwistedMethod(formula, spread: .jacobian) }
    _ = try TwistedMethod(formula)
  }
}
