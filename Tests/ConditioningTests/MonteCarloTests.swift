// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite struct MonteCarloTests {
  static let process = PreparedProcess(VPSDE())

  /// Moments of draws of p(x₀ | x_t) against quadrature of prior × kernel on a line.
  @Test(arguments: [0.02, 0.3, 1.0]) func conditionals(_ t: Double) throws {
    let moments = Self.process.scalarKernel!.moments(at: t)
    let mixture = try GaussianMixture(weights: [0.4, 0.6], means: [[-1], [1.5]], deviations: [0.3, 0.6])
    let box = try UniformBox(low: [-1], high: [2])
    let density: [(any ConditionalLaw, (Double) -> Double)] = [
      (mixture, { 0.4 / 0.3 * exp(-0.5 * pow(($0 + 1) / 0.3, 2)) + exp(-0.5 * pow(($0 - 1.5) / 0.6, 2)) }),
      (box, { $0 >= -1 && $0 <= 2 ? 1 : 0 }),
    ]
    for (law, prior) in density {
      for state in [-1.2, 0.1, 1.9] {
        let conditional = law.makeConditional()
        var x = state
        conditional.look(at: &x, moments)
        let (n, low, high) = (200_000, -5.0, 6.0)
        var sums = (0.0, 0.0, 0.0)
        for i in 0..<n {
          let z = low + (high - low) * (Double(i) + 0.5) / Double(n)
          let p = prior(z) * exp(-0.5 * pow(state - moments.scale * z, 2) / moments.variance)
          sums = (sums.0 + p, sums.1 + p * z, sums.2 + p * z * z)
        }
        let mean = sums.1 / sums.0
        let variance = sums.2 / sums.0 - mean * mean
        var exact = 0.0
        conditional.writeMean(into: &exact)
        // The sum's step is 5.5e-5, and the box ends within one.
        #expect(abs(exact - mean) < 1e-4 * variance.squareRoot() + 5.5e-5)
        let count = 40_000
        RowStorage.with(RowSpan(first: 0, count: count, dimension: 1), count: 1) { rows in
          conditional.draw(into: rows[0], row: 7, seed: 1, step: 3)
          let values = (0..<count).map { rows[0][$0, 0] }
          let found = values.reduce(0, +) / Double(count)
          let spread = values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / Double(count)
          // Four standard errors, of the variance for laws with a kurtosis of at most 3.
          #expect(abs(found - mean) < 4 * (variance / Double(count)).squareRoot())
          #expect(abs(spread - variance) < 4 * variance * (2 / Double(count)).squareRoot())
        }
      }
    }
  }

  /// Draws far outside the box, where normal quantiles end.
  @Test func farOut() throws {
    let box = try UniformBox(low: [-1, -1], high: [1, 1])
    let conditional = box.makeConditional()
    let moments = Moments(scale: 1, variance: 1e-4)
    let x = [1.5, 0.2]
    conditional.look(at: x, moments)
    RowStorage.with(RowSpan(first: 0, count: 10_000, dimension: 2), count: 1) { rows in
      conditional.draw(into: rows[0], row: 0, seed: 1, step: 0)
      let distances: [Double] = (0..<10_000).map { 1 - rows[0][$0, 0] }
      #expect(distances.allSatisfy { $0 >= 0 })
      // Exponential with rate 50 deviations: 2e-4 about, less 2/50² of it.
      let mean = distances.reduce(0, +) / 10_000
      #expect(abs(mean - 2e-4) < 9e-6)
    }
  }

  /// A mixture with full covariances, against its own score: E[x₀ | x_t] by Tweedie.
  @Test func fullCovariances() throws {
    let mixture = try GaussianMixture(
      weights: [0.5, 0.5], means: [[0, 0], [2, 1]],
      covariances: [[[1, 0.6], [0.6, 0.5]], [[0.2, -0.1], [-0.1, 0.3]]])
    let kernel = Self.process.scalarKernel!
    let moments = kernel.moments(at: 0.4)
    let evaluator = try MixtureScore(mixture, kernel: kernel).makeEvaluator(
      for: RowSpan(first: 0, count: 1, dimension: 2))
    let conditional = mixture.makeConditional()
    try RowStorage.with(RowSpan(first: 0, count: 1, dimension: 2), count: 2) { rows in
      (rows[0][0, 0], rows[0][0, 1]) = (0.7, -0.3)
      try evaluator.evaluate(rows[0], at: .all(0.4), into: rows[1])
      conditional.look(at: rows[0].values, moments)
      var mean = [0.0, 0.0]
      conditional.writeMean(into: &mean)
      for j in 0..<2 {
        let tweedie = (rows[0][0, j] + moments.variance * rows[1][0, j]) / moments.scale
        #expect(abs(mean[j] - tweedie) < 1e-12)
      }
      RowStorage.with(RowSpan(first: 0, count: 40_000, dimension: 2), count: 1) { draws in
        conditional.draw(into: draws[0], row: 0, seed: 3, step: 0)
        for j in 0..<2 {
          let found = (0..<40_000).reduce(0) { $0 + draws[0][$1, j] } / 40_000
          #expect(abs(found - mean[j]) < 4 * 1.0 / 200)
        }
      }
    }
  }

  /// The root mean square error of the guided score against the exact score of the posterior, over 64 rows.
  private func error(candidates: Int, jackknife: Bool = false, bias: Bool = false, rows n: Int = 2000) throws
    -> Double
  {
    let problem = ParticleTests.problem
    let kernel = Self.process.scalarKernel!
    let posterior = try problem.posterior
    let exact = try MixtureScore(posterior, kernel: kernel).makeEvaluator(
      for: RowSpan(first: 0, count: 1, dimension: 2))
    let score = MonteCarloScore(
      try problem.mixture, kernel: kernel, observation: try problem.observation, candidates: candidates,
      jackknife: jackknife, seed: 9)
    return try RowStorage.with(RowSpan(first: 0, count: n, dimension: 2), count: 3) { rows in
      // The same state in all rows.
      for i in 0..<n { (rows[0][i, 0], rows[0][i, 1]) = (0.4, 0.1) }
      try score.makeEvaluator(for: rows[0].span).evaluate(rows[0], at: .all(0.3), into: rows[1])
      try exact.evaluate(rows[0].row(0), at: .all(0.3), into: rows[2].row(0))
      var square = 0.0
      for j in 0..<2 {
        let errors = (0..<n).map { rows[1][$0, j] - rows[2][0, j] }
        if bias {
          let mean = errors.reduce(0, +) / Double(n)
          square += mean * mean
        } else {
          square += errors.reduce(0) { $0 + $1 * $1 } / Double(n)
        }
      }
      return square.squareRoot()
    }
  }

  /// Errors fall as N^−½: sixteen times the candidates, a quarter of the error.
  @Test func errorFalls() throws {
    let (few, many) = (try error(candidates: 64), try error(candidates: 1024))
    // A ratio of two root mean squares of 4,000 errors each: 5 % of it, and what is left of order 1/N.
    #expect(few / many > 3.6 && few / many < 4.6, "\(few), \(many)")
  }

  /// The jackknife takes off most of the bias of few candidates.
  @Test func bias() throws {
    let rows = 200_000
    let plain = try error(candidates: 16, bias: true, rows: rows)
    let corrected = try error(candidates: 16, jackknife: true, bias: true, rows: rows)
    #expect(plain > 0.03 && corrected < 0.5 * plain, "\(plain), \(corrected)")
  }

  /// In two dimensions, where candidates are whole points; in eight of which one direction is seen, where they are
  /// drawn along it alone.
  static let problems = [
    ParticleTests.problem,
    SeenMixture(
      weights: [0.7, 0.3], means: [[-1, 0.5, 0, 1, 0, -1, 0.5, 0], [2, 1, -1, 0, 1, 0, 0, 0.5]],
      deviations: [0.5, 0.8],
      a: [1, 0.5, -0.2, 0.3, 0, 0.4, -0.1, 0.2], noise: 0.3, y: 1.2),
  ]

  /// Candidates along directions, completed: draws of the same law as whole candidates, E[x₀ | x_t] and the variance of
  /// a mixture whose parts are far enough apart that one coordinate's variance is more than one component's.
  @Test func directions() throws {
    let (d, n) = (6, 20_000)
    let mixture = try GaussianMixture(
      weights: [0.4, 0.6], means: [[-1, 0, 1, 0, 0.5, 0], [1, 1, 0, 0, -0.5, 0.2]], deviations: [0.3, 0.6])
    var directions = Matrix(rows: 2, columns: d)
    (directions[0, 0], directions[0, 3]) = (0.6, 0.8)
    directions[1, 5] = 1
    let conditional = try #require(mixture.makeConditional(along: directions))
    let moments = Moments(scale: 0.8, variance: 0.6)
    let x = [0.2, 0.1, 0.4, -0.3, 0, 0.5]
    conditional.look(at: x, moments)
    // Components given x_t, one by one.
    let parts = (0..<2).map { k -> (weight: Double, mean: [Double], variance: Double) in
      let v = k == 0 ? 0.09 : 0.36
      let total = 0.64 * v + 0.6
      let gaps = (0..<d).map { x[$0] - 0.8 * mixture.means[k, $0] }
      let weight = mixture.weights[k] * exp(-0.5 * gaps.reduce(0) { $0 + $1 * $1 } / total) / pow(total, 3)
      return (weight, (0..<d).map { mixture.means[k, $0] + 0.8 * v / total * gaps[$0] }, 0.6 * v / total)
    }
    let sum = parts[0].weight + parts[1].weight
    var prior = [Double](repeating: 0, count: d)
    conditional.writeMean(into: &prior)
    RowStorage.with(RowSpan(first: 0, count: n, dimension: 2), count: 1) { rows in
      conditional.drawAlong(into: rows[0], row: 4, seed: 1, step: 2)
      let points = (0..<n).map { i in
        var point = [Double](repeating: 0, count: d)
        // A row for each, as the rest is keyed by the row and the step.
        conditional.complete(i, of: rows[0], row: i, seed: 1, step: 2, into: &point)
        return point
      }
      for (i, point) in points.enumerated() {
        #expect(abs(0.6 * point[0] + 0.8 * point[3] - rows[0][i, 0]) < 1e-12)
        #expect(abs(point[5] - rows[0][i, 1]) < 1e-12)
      }
      func moments(_ of: (Int) -> Double) -> (mean: Double, variance: Double) {
        let mean = (0..<n).reduce(0) { $0 + of($1) } / Double(n)
        return (mean, (0..<n).reduce(0) { $0 + (of($1) - mean) * (of($1) - mean) } / Double(n))
      }
      for j in 0..<d {
        let mean = parts.reduce(0) { $0 + $1.weight / sum * $1.mean[j] }
        let variance = parts.reduce(0) { $0 + $1.weight / sum * ($1.variance + pow($1.mean[j] - mean, 2)) }
        #expect(abs(prior[j] - mean) < 1e-12)
        let found = moments { points[$0][j] }
        // Four standard errors, of the variance for laws with a kurtosis of at most 4.
        #expect(abs(found.mean - mean) < 4 * (variance / Double(n)).squareRoot(), "\(j)")
        #expect(abs(found.variance / variance - 1) < 4 * (3 / Double(n)).squareRoot(), "\(j)")
      }
      // Across coordinates the parts' distance is all of the covariance: the rest is drawn apart from what is seen.
      let (a, b) = (0, 1)
      let means = (0..<d).map { j in parts.reduce(0) { $0 + $1.weight / sum * $1.mean[j] } }
      let covariance = parts.reduce(0) {
        $0 + $1.weight / sum * ($1.mean[a] - means[a]) * ($1.mean[b] - means[b])
      }
      let found = points.reduce(0) { $0 + ($1[a] - means[a]) * ($1[b] - means[b]) } / Double(n)
      // Four standard errors of a mean of products of two values with deviations below 0.8.
      #expect(abs(found - covariance) < 4 * 0.64 / Double(n).squareRoot())
    }
  }

  /// Draws by transitions have the posterior's law in few steps, with few candidates.
  @Test(arguments: 0..<2) func transitions(_ place: Int) throws {
    let problem = Self.problems[place]
    let d = problem.a.count
    let law = try problem.mixture
    let solver = try PosteriorTransitions(
      FixedSteps(Ancestral(), steps: 12, grid: LogSignalToNoiseGrid()), law: law,
      observation: try problem.observation, candidates: 16)
    let n = 8192
    func draw(_ threads: Int) throws -> Batch {
      try Sampler(
        process: Self.process, score: MixtureScore(law, kernel: Self.process.kernel!), dimension: d, seed: 2,
        threads: threads
      ).draw(n, with: solver, denoise: false).batch
    }
    let samples = try draw(2)
    let posterior = try problem.posterior
    let (mean, covariance) = (posterior.mean, posterior.covariance)
    for j in 0..<d {
      let found = (0..<n).reduce(0) { $0 + samples[$1, j] } / Double(n)
      let variance = (0..<n).reduce(0) { $0 + (samples[$1, j] - found) * (samples[$1, j] - found) } / Double(n)
      // Four standard errors; for the variance, those of a law whose kurtosis is at most 4.
      #expect(abs(found - mean[j]) < 4 * (covariance[j][j] / Double(n)).squareRoot(), "\(found), \(mean[j])")
      #expect(
        abs(variance / covariance[j][j] - 1) < 4 * (3 / Double(n)).squareRoot(), "\(variance), \(covariance[j][j])")
    }
    #expect(try draw(1) == samples)
  }

  /// The rows of two observations as two populations: the posterior of each, and its evidence, in few steps, the same
  /// for any number of threads.
  @Test(arguments: 0..<2) func population(_ place: Int) throws {
    let problem = Self.problems[place]
    let d = problem.a.count
    let other = SeenMixture(
      weights: problem.weights, means: problem.means, deviations: problem.deviations, a: problem.a,
      noise: problem.noise, y: -0.5)
    let law = try problem.mixture
    let observation = Observation(try problem.observation.model, values: Batch(rows: [[1.2], [-0.5]]))
    let n = 8192
    func draw(_ threads: Int) throws -> (samples: Batch, record: ParticleRecord) {
      let solver = try PosteriorPopulation(
        FixedSteps(Ancestral(), steps: 12, grid: LogSignalToNoiseGrid()), law: law, observation: observation,
        candidates: 16, threads: threads)
      let sampler = Sampler(
        process: Self.process, score: MixtureScore(law, kernel: Self.process.kernel!), dimension: d, seed: 2,
        threads: threads)
      return (try sampler.draw(n, with: solver, denoise: false).batch, solver.record)
    }
    let (samples, record) = try draw(2)
    for (k, problem) in [problem, other].enumerated() {
      let posterior = try problem.posterior
      let (mean, covariance) = (posterior.mean, posterior.covariance)
      for j in 0..<d {
        let values = stride(from: k, to: n, by: 2).map { samples[$0, j] }
        let count = Double(values.count)
        let found = values.reduce(0, +) / count
        let variance = values.reduce(0) { $0 + ($1 - found) * ($1 - found) } / count
        // Six standard errors of independent draws, as resampling leaves them dependent.
        #expect(abs(found - mean[j]) < 6 * (covariance[j][j] / count).squareRoot(), "\(found), \(mean[j])")
        #expect(abs(variance / covariance[j][j] - 1) < 6 * (3 / count).squareRoot())
      }
      let last = try #require(record.summaries(of: 0..<2, observations: 2).last { $0.observation == k })
      // 4,096 rows, whose mean weights vary by a few at all steps together: 3 % of p(y) and less.
      #expect(abs(last.logEvidence - log(problem.evidence)) < 0.06, "\(last), \(log(problem.evidence))")
    }
    let alone = try draw(1)
    #expect(alone.samples == samples)
    #expect(alone.record.summaries(of: 0..<2, observations: 2) == record.summaries(of: 0..<2, observations: 2))
  }

  /// Where no candidate can have made the observation, the score is that without one.
  @Test func observationThatNothingExplains() throws {
    let law = try UniformBox(low: [-1], high: [1])
    let model = try FormulaLikelihood("uniform(y1 - x1, 5, 6)", dimension: 1, observed: 1)
    let score = MonteCarloScore(
      law, kernel: Self.process.scalarKernel!, observation: Observation(model, values: Batch(rows: [[0]])),
      candidates: 8, jackknife: false, seed: 1)
    let plain = try #require(Self.process.exactScore(of: BoxMixture(law)))
    let span = RowSpan(first: 0, count: 1, dimension: 1)
    try RowStorage.with(span, count: 3) { rows in
      rows[0][0, 0] = 0.3
      try score.makeEvaluator(for: span).evaluate(rows[0], at: .all(0.5), into: rows[1])
      try plain.makeEvaluator(for: span).evaluate(rows[0], at: .all(0.5), into: rows[2])
      // Equal weights, and all of the candidates' scatter taken off: the score without an observation.
      #expect(abs(rows[1][0, 0] - rows[2][0, 0]) < 1e-9)
    }
  }

  @Test func refusals() throws {
    let law = try UniformBox(low: [-1], high: [1])
    let model = try FormulaLikelihood("normal(y1, x1, 1)", dimension: 1, observed: 1)
    let observation = Observation(model, values: Batch(rows: [[0]]))
    for solver in [FixedSteps(DDIM(), steps: 5), FixedSteps(Ancestral(variance: .transition), steps: 5)] {
      #expect(throws: InputError.self) {
        try PosteriorTransitions(solver, law: law, observation: observation, candidates: 8)
      }
    }
  }
}

extension SeenMixture {
  /// p(x | y)
  var posterior: GaussianMixture {
    get throws {
      let covariances = weights.indices.map { k in
        let v = deviations[k] * deviations[k]
        let s = v * a.reduce(0) { $0 + $1 * $1 } + noise * noise
        return a.indices.map { i in a.indices.map { j in (i == j ? v : 0) - v * a[i] * v * a[j] / s } }
      }
      return try GaussianMixture(weights: shares, means: componentMeans, covariances: covariances)
    }
  }
}
