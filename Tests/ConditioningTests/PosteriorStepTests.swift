// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Posterior steps") struct PosteriorStepTests {
  /// One step from t to s with given noise.
  private func step(_ method: any PosteriorStep, _ problem: DenseProblem, to s: Double, noise: Batch) throws -> Batch {
    let span = RowSpan(first: 0, count: 4, dimension: 3)
    let kernel = problem.process.makeKernel()
    let state = DenoisedState(
      try problem.prior.score(under: problem.process).makeEvaluator(for: span), kernel, problem.observation, span)
    let term = try method.makeTerm(for: problem.observation, rows: span)
    var (from, x, noise) = (problem.x, problem.x, noise)
    try from.withRows { from in
      try state.evaluate(from, at: .all(problem.t), forProducts: term.usesProducts)
      try x.withRows { x in
        try noise.withRows { noise in
          try term.step(
            x, state, noise: noise, StepLevels(from: kernel.moments(at: problem.t), to: kernel.moments(at: s)))
        }
      }
    }
    return x
  }

  private let noise = NoiseStream(seed: 8, purpose: .data).normals(count: 4, dimension: 3)

  /// What a value in a direction becomes: x, x̂₀ and noise there, and what was seen of it with which deviation, if it
  /// was.
  private typealias Rule = (_ x: Double, _ mean: Double, _ z: Double, _ seen: (y: Double, d: Double)?) -> Double

  /// Each formula direction by direction, with eigenvectors of Aᵀ C⁻¹ A: of the space of data, where the methods work
  /// in that of observations.
  @Test("DDNM+, DDRM and DiffPIR are their formulas", arguments: 0..<3, [(0.9, 0.7), (0.3, 0.2), (0.05, 0.01)])
  func formulas(index: Int, times: (Double, Double)) throws {
    let observation = try DenseProblem.observations()[index]
    let problem = DenseProblem(prior: try DenseProblem.mixture(), observation: observation, t: times.0)
    let kernel = problem.process.makeKernel()
    let (later, earlier) = (kernel.moments(at: times.0), kernel.moments(at: times.1))
    let (m, v, ms, vs) = (later.scale, later.variance, earlier.scale, earlier.variance)
    let (r, q) = earlier.transition(to: later)
    let (high, low) = ((v / (m * m)).squareRoot(), (vs / (ms * ms)).squareRoot())
    let (eta, etaB, lambda, zeta) = (0.6, 0.8, 2.0, 0.3)
    // The mean of x_s given x_t and x₀ is (r v_s x + m_s q x₀)/v, its variance v_s q/v.
    let added = (vs * q / v).squareRoot()
    let ddnm: Rule = { x, mean, z, seen in
      let (b, a) = (r * vs / v, ms * q / v)
      guard let (y, d) = seen else { return b * x + a * mean + added * z }
      let w = added >= a * d ? 1 : added / (a * d)
      let left = w < 1 ? 0 : (added * added - a * d * a * d).squareRoot()
      return b * x + a * (mean + w * (y - mean)) + left * z
    }
    let ddrm: Rule = { x, mean, z, seen in
      let kept = (1 - eta * eta).squareRoot()
      guard let (y, d) = seen else { return ms * (mean + kept * low * (x / m - mean) / high + eta * low * z) }
      if low < d { return ms * (mean + kept * low * (y - mean) / d + eta * low * z) }
      let left = (low * low - d * d * etaB * etaB).squareRoot()
      return ms * ((1 - etaB) * mean + etaB * y + left * z)
    }
    let diffpir: Rule = { x, mean, z, seen in
      var mean = mean
      if let (y, d) = seen {
        let rho = lambda / (high * high)
        mean = (y / (d * d) + rho * mean) / (1 / (d * d) + rho)
      }
      let e = (x - m * mean) / v.squareRoot()
      let noise = (1 - zeta).squareRoot() * e + zeta.squareRoot() * z
      return ms * mean + vs.squareRoot() * noise
    }
    let methods: [(String, any PosteriorStep, Rule)] = [
      ("ddnm", try DDNM(observation), ddnm),
      ("ddrm", try DDRM(observation, eta: eta, observedEta: etaB), ddrm),
      ("diffpir", try DiffPIR(observation, lambda: lambda, zeta: zeta), diffpir),
    ]
    let precision = problem.a.transpose * problem.c.inverse * problem.a
    let (values, vectors) = precision.symmetricEigen
    let means = try problem.means()
    for (name, method, rule) in methods {
      let found = try step(method, problem, to: times.1, noise: noise)
      for row in 0..<4 {
        func along(_ e: Int, _ x: [Double]) -> Double { (0..<3).reduce(0.0) { $0 + vectors[$1, e] * x[$1] } }
        let back = (problem.a.transpose * problem.c.inverse * problem.y(row)).values
        var expected = [0.0, 0, 0]
        for e in 0..<3 {
          let seen = values[e] > 1e-9 ? (y: along(e, back) / values[e], d: 1 / values[e].squareRoot()) : nil
          let value = rule(
            along(e, Array(problem.x.row(row))), along(e, means[row].mean.values), along(e, Array(noise.row(row))), seen
          )
          for j in 0..<3 { expected[j] += value * vectors[j, e] }
        }
        for j in 0..<3 {
          #expect(abs(found[row, j] - expected[j]) < 1e-10 * max(1, abs(expected[j])), "\(name) \(row)")
        }
      }
    }
  }

  /// The norm's gradient by central differences of x̂₀ along lines is in `field`: here by the Jacobian, densely.
  @Test("DPS's own step is ancestral sampling less ζ ∇‖y − A x̂₀‖, for scores as well", arguments: 0..<3)
  func dpsStep(index: Int) throws {
    let observation = try DenseProblem.observations()[index]
    let problem = DenseProblem(prior: try DenseProblem.mixture(), observation: observation, t: 0.4)
    let kernel = problem.process.makeKernel()
    let (later, earlier) = (kernel.moments(at: 0.4), kernel.moments(at: 0.3))
    let (r, q) = earlier.transition(to: later)
    let found = try step(DPSStep(scale: 0.7), problem, to: 0.3, noise: noise)
    for (row, own) in try problem.means().enumerated() {
      let residual = problem.y(row) - problem.a * own.mean
      let norm = residual.values.reduce(0.0) { $0 + $1 * $1 }.squareRoot()
      let gradient: Matrix = (-1 / norm) * (own.slope.transpose * problem.a.transpose * residual)
      let s = try problem.scores()[row].s
      let deviation = (earlier.variance * q / later.variance).squareRoot()
      for j in 0..<3 {
        // Ancestral sampling with the score s + g, g = −ζ (r/q) ∇‖r‖.
        let score = s.values[j] - 0.7 * r / q * gradient.values[j]
        let expected = (problem.x[row, j] + q * score) / r + deviation * noise[row, j]
        #expect(abs(found[row, j] - expected) < 1e-10)
      }
    }
  }

  // MARK: Laws in one dimension

  /// The mean and deviation of x ~ N(0, 1) after steps x_s = f x + g + h z with what a method makes of f, g and h.
  private func law(
    _ levels: [Moments], from start: (Double, Double) = (0, 1),
    _ step: (_ high: Moments, _ low: Moments) -> (f: Double, g: Double, h: Double)
  ) -> (mean: Double, deviation: Double) {
    var (mean, variance) = (start.0, start.1)
    for i in 1..<levels.count {
      let (f, g, h) = step(levels[i - 1], levels[i])
      (mean, variance) = (f * mean + g, f * f * variance + h * h)
    }
    return (mean, variance.squareRoot())
  }

  /// Every method is affine in one dimension, so that its law is a recursion; 5 standard errors of 20,000 draws.
  @Test("samples have the law that each method's recursion says", arguments: 0..<4) func laws(index: Int) throws {
    let observation = LikelihoodScoreTests.observation
    let (y, d, steps, process) = (1.5, 0.5, 40, VPSDE())
    let prior = try GaussianMixture(weights: [1], means: [[0]], deviations: [1])
    let setting = SamplingSetting(
      PreparedProcess(process), epsilon: 1e-3, grid: LogSignalToNoiseGrid(), traits: [])
    let levels = try setting.times(steps: steps, grid: nil).map { process.makeKernel().moments(at: $0) }
    // x̂₀ = m x, as m² + v = 1.
    let found: Batch
    let expected: (mean: Double, deviation: Double)
    func draw(_ solver: any Solver) throws -> Batch {
      try Sampler(
        process: process, score: prior.score(under: process), dimension: 1, seed: 3, epsilon: 1e-3,
        grid: LogSignalToNoiseGrid()
      ).draw(20_000, with: solver, denoise: false).batch
    }
    switch index {
    case 0:
      found = try draw(FixedSteps(PosteriorSteps(try DDNM(observation), observation), steps: steps))
      expected = law(levels) { high, low in
        let (r, q) = low.transition(to: high)
        let (b, a) = (r * low.variance / high.variance, low.scale * q / high.variance)
        let c = (low.variance * q / high.variance).squareRoot()
        let w = min(1, c / (a * d))
        return (b + a * (1 - w) * high.scale, a * w * y, max(0, c * c - pow(a * w * d, 2)).squareRoot())
      }
    case 1:
      found = try draw(FixedSteps(PosteriorSteps(try DDRM(observation), observation), steps: steps))
      let first = levels[0]
      expected = law(
        levels, from: (first.scale * y, first.variance - pow(first.scale * d, 2))
      ) { high, low in
        let level = low.noiseToSignal
        if level >= d { return (0, low.scale * y, low.scale * (level * level - d * d).squareRoot()) }
        let kept = (1 - 0.85 * 0.85).squareRoot() * level / d
        return (low.scale * (1 - kept) * high.scale, low.scale * kept * y, low.scale * 0.85 * level)
      }
    case 2:
      found = try draw(FixedSteps(PosteriorSteps(try DiffPIR(observation), observation), steps: steps))
      expected = law(levels) { high, low in
        let rho = 7 / pow(high.noiseToSignal, 2)
        let precision = 1 / (d * d)
        let (gain, own) = (precision / (precision + rho), rho / (precision + rho) * high.scale)
        let e = 0.7.squareRoot() * low.deviation / high.deviation
        return (
          low.scale * own + e * (1 - high.scale * own), (low.scale - e * high.scale) * gain * y,
          low.deviation * 0.3.squareRoot()
        )
      }
    default:
      found = try draw(try DAPS(observation, steps: steps, flowSteps: 1))
      expected = law(levels) { high, low in
        // x₀ ~ N(x̂₀, r²) given y.
        let square = pow(high.noiseToSignal, 2)
        let variance = 1 / (1 / square + 1 / (d * d))
        return (
          low.scale * variance / square * high.scale, low.scale * variance / (d * d) * y,
          (low.scale * low.scale * variance + low.variance).squareRoot()
        )
      }
    }
    let own = moments(found.values)
    #expect(abs(own.mean - expected.mean) < 5 * expected.deviation / 20_000.squareRoot())
    #expect(abs(own.deviation - expected.deviation) < 5 * expected.deviation / 40_000.squareRoot())
  }

  /// The Langevin chain's own law at one level, where steps are small: that of the exact draw.
  @Test("DAPS by Langevin steps agrees with exact draws") func langevin() throws {
    let observation = LikelihoodScoreTests.observation
    let process = VPSDE()
    let prior = try GaussianMixture(weights: [1], means: [[0]], deviations: [1])
    let sampler = Sampler(
      process: process, score: prior.score(under: process), dimension: 1, seed: 3, epsilon: 1e-2,
      grid: LogSignalToNoiseGrid())
    let exact = moments(
      try sampler.draw(4000, with: try DAPS(observation, steps: 12, flowSteps: 3), denoise: false).batch.values)
    let chain = moments(
      try sampler.draw(
        4000, with: try DAPS(observation, steps: 12, flowSteps: 3, langevinSteps: 400, stepSize: 0.02), denoise: false
      ).batch.values)
    // 5 standard errors of the difference, and 2 % for the chain's step.
    #expect(abs(exact.mean - chain.mean) < 5 * exact.deviation * (2 / 4000).squareRoot() + 0.02 * exact.deviation)
    #expect(
      abs(exact.deviation - chain.deviation) < 5 * exact.deviation * (1 / 4000).squareRoot() + 0.02 * exact.deviation)
  }

  // MARK: RePaint

  /// By the paper's `get_schedule_jump` for 6 steps, jumps of 2, 2 resamplings.
  @Test("RePaint's schedule is the paper's") func schedule() throws {
    let observation = Observation(
      try LinearObservation(SparseMatrix(picking: [0], of: 2), noise: .deviation(0.1)), values: Batch(rows: [[1]]))
    // Heights 6 5 4 3 2 | 3 4 | 3 2 1 0 | 1 2 | 1 0: two jumps, of two steps each that are gone again.
    #expect(try RePaint(observation, steps: 6, jump: 2, resamplings: 2).steps == 10)
    #expect(try RePaint(observation, steps: 6, jump: 2, resamplings: 1).steps == 6)
    #expect(try RePaint(observation, steps: 100, jump: 10, resamplings: 10).steps == 100 + 9 * 9 * 10)
  }

  /// Of two values with correlation 0.8 the first is seen as 1: the second is N(0.8, 0.36). Without resampling, steps
  /// never tell the second value enough of the first.
  @Test("resampling brings RePaint to the conditional law") func repaint() throws {
    let prior = try GaussianMixture(weights: [1], means: [[0, 0]], covariances: [[[1, 0.8], [0.8, 1]]])
    let observation = Observation(
      try LinearObservation(SparseMatrix(Matrix([[2, 0]])), noise: .deviation(0.01)), values: Batch(rows: [[2]]))
    let process = VPSDE()
    let sampler = Sampler(
      process: process, score: prior.score(under: process), dimension: 2, seed: 3, epsilon: 1e-3,
      grid: LogSignalToNoiseGrid())
    func second(_ resamplings: Int) throws -> (mean: Double, deviation: Double) {
      let batch = try sampler.draw(
        4000, with: try RePaint(observation, steps: 50, jump: 5, resamplings: resamplings, grid: nil), denoise: false
      ).batch
      let first = moments((0..<batch.count).map { batch[$0, 0] })
      let level = process.makeKernel().moments(at: 1e-3)
      #expect(abs(first.mean - level.scale) < 5 * level.deviation / 4000.squareRoot())
      return moments((0..<batch.count).map { batch[$0, 1] })
    }
    let (once, often) = (try second(1), try second(10))
    #expect(abs(often.mean - 0.8) < abs(once.mean - 0.8))
    // Found: 0.48 and 0.64, then 0.75 and 0.56, which is what 50 steps leave; standard errors are 0.01.
    #expect(abs(often.mean - 0.8) < 0.1 && abs(often.deviation - 0.6) < 0.07, "\(once), \(often)")
  }

  @Test("methods refuse what they are not made for") func refusals() throws {
    let sum = Observation(
      try LinearObservation(SparseMatrix(Matrix([[1, 1]])), noise: .deviation(0.1)), values: Batch(rows: [[1]]))
    #expect(throws: InputError.self) { try RePaint(sum, steps: 3) }
    let curved = Observation(CurvedObservation(noise: .deviation(0.1)), values: Batch(rows: [[1, 1]]))
    #expect(throws: InputError.self) { try DDNM(curved) }
    #expect(throws: InputError.self) { try DDRM(curved) }
    #expect(throws: InputError.self) { try DiffPIR(curved) }
    #expect(throws: InputError.self) { try DAPS(curved, steps: 3) }
    #expect(throws: InputError.self) { try RePaint(curved, steps: 3) }
  }
}
