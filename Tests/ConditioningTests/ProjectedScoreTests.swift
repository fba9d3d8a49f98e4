// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Pairs
import Processes
import Scores
import Solvers
import Testing

/// Adaptive projected guidance against its algorithm, written out on a mixture whose scores are known.
@Suite("Projected guidance") struct ProjectedScoreTests {
  private func largest(_ a: Batch, _ b: Batch) -> Double {
    pairs(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  /// x̂₀ of both branches of a row, by the mixture's own formula.
  private func data(_ mixture: ClassMixture, _ x: [Double], at t: Double, _ label: Int?) -> [Double] {
    let (m, v) = mixture.moments(at: t)
    return zip(x, mixture.score(x, at: t, label)).map { ($0 + v * $1) / m }
  }

  /// Sadat et al.'s algorithm 1 for one row, in x̂₀.
  /// - Parameter before: Δ̄ before; it becomes the new one.
  private func guided(
    _ mixture: ClassMixture, _ x: [Double], at t: Double, _ label: Int, _ score: ProjectedScore, before: inout [Double]
  ) -> [Double] {
    let (m, v) = mixture.moments(at: t)
    let (c, n) = (data(mixture, x, at: t, label), data(mixture, x, at: t, nil))
    var step = zip(c, n).map { $0 - $1 }
    step = zip(step, before).map { $0 + score.momentum * $1 }
    before = step
    let norm = step.reduce(0) { $0 + $1 * $1 }.squareRoot()
    if let r = score.threshold { step = step.map { $0 * min(1, r / norm) } }
    let length = c.reduce(0) { $0 + $1 * $1 }.squareRoot()
    let along = zip(step, c).reduce(0) { $0 + $1.0 * $1.1 / length }
    let parallel = c.map { along * $0 / length }
    let result = c.indices.map { j in
      c[j] + (score.weight - 1) * (step[j] - parallel[j] + score.parallel * parallel[j])
    }
    return zip(result, x).map { (m * $0 - $1) / v }
  }

  @Test("the field is the algorithm's", arguments: [(0.0, nil), (0.3, 0.2), (1, 0.05)] as [(Double, Double?)])
  func field(parallel: Double, threshold: Double?) throws {
    let mixture = ClassMixture.plane()
    let kernel = try #require(mixture.process.scalarKernel)
    let x = somePoints(8, dimension: 2)
    let score = ProjectedScore(
      try mixture.pair(given: .inTurn(classes: 2)), weight: 4, parallel: parallel, threshold: threshold,
      kernel: kernel)
    #expect(score.traits == [])
    for t in [0.05, 0.4, 0.9] {
      let exact = Batch(
        rows: (0..<8).map { i in
          var before = [0.0, 0]
          return guided(mixture, Array(x.row(i)), at: t, i % 2, score, before: &before)
        })
      // Divided by σ²: relative to the largest value.
      let size = exact.values.reduce(1) { max($0, abs($1)) }
      #expect(largest(try score.values(x, at: .all(t)), exact) < GuidedScoreTests.tolerance * size)
    }
  }

  @Test("with all of the parallel part, and nothing else, it is classifier-free guidance") func whole() throws {
    let mixture = ClassMixture.plane(VESDE(GeometricSigma(0.01, 20)))
    let kernel = try #require(mixture.process.scalarKernel)
    let x = somePoints(8, dimension: 2)
    let pair = try mixture.pair(given: .inTurn(classes: 2))
    let projected = ProjectedScore(pair, weight: 4, parallel: 1, kernel: kernel)
    for t in [0.3, 0.6, 1] {
      let free = try ExtrapolatedScore(pair, weight: 4).values(x, at: .all(t))
      #expect(largest(try projected.values(x, at: .all(t)), free) < GuidedScoreTests.tolerance)
    }
  }

  /// The times of a method of two evaluations a step: 1, 0.8 | 0.8, 0.5 | 0.5, and a step tried again from 0.5.
  @Test("momentum goes on as time falls, and not within a time") func momentum() throws {
    let mixture = ClassMixture.plane()
    let kernel = try #require(mixture.process.scalarKernel)
    let score = ProjectedScore(
      try mixture.pair(given: .inTurn(classes: 2)), weight: 3, parallel: 0, momentum: -0.5, kernel: kernel)
    #expect(score.traits == .memory)
    let span = RowSpan(first: 0, count: 4, dimension: 2)
    for repetition in 0..<2 {
      // A new evaluator remembers nothing.
      let evaluator = try score.makeEvaluator(for: span)
      var (average, before) = ([[Double]](repeating: [0, 0], count: 4), [[Double]](repeating: [0, 0], count: 4))
      var lowest = Double.infinity
      for (k, t) in [1, 0.8, 0.8, 0.5, 0.5, 0.6, 0.2].enumerated() {
        let x = Batch(values: somePoints(4, dimension: 2).values.map { $0 + 0.1 * Double(k) }, dimension: 2)
        if t < lowest { (lowest, before) = (t, average) }
        let exact = Batch(
          rows: (0..<4).map { i in
            var own = before[i]
            let row = guided(mixture, Array(x.row(i)), at: t, i % 2, score, before: &own)
            average[i] = own
            return row
          })
        let size = exact.values.reduce(1) { max($0, abs($1)) }
        let found = try score.values(x, at: .all(t), by: evaluator, span)
        #expect(largest(found, exact) < GuidedScoreTests.tolerance * size, "\(repetition), \(k)")
      }
    }
  }

  @Test("rows depend on themselves alone, whatever the threads and the solver") func rows() throws {
    let mixture = ClassMixture.plane()
    let kernel = try #require(mixture.process.scalarKernel)
    let score = ProjectedScore(
      try mixture.pair(given: .inTurn(classes: 2)), weight: 3, parallel: 0.2, threshold: 1, momentum: -0.7,
      kernel: kernel)
    let problem = SamplingProblem(process: mixture.process, score: score, dimension: 2, seed: 1)
    let solvers: [any Solver] = [
      FixedSteps(EDMHeun(), steps: 6), FixedSteps(EulerMaruyama(), corrector: Langevin(snr: 0.1), steps: 6),
      ProbabilityFlow(.rk2, rtol: 1e-2, atol: 1e-2),
    ]
    for solver in solvers {
      let whole = try Sampler(problem, threads: 2).draw(300, with: solver)
      #expect(try Sampler(problem, threads: 1).draw(300, with: solver).batch == whole.batch)
      // The second shard, drawn alone.
      let last = try Sampler(problem, threads: 1).draw(100, from: 128, with: solver)
      #expect(last.batch.values == Array(whole.batch.values[256..<456]))
    }
  }
}
