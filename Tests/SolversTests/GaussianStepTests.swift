// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers
import Testing

/// Steps that are Gaussian given the state, against their formulas with the noise that they are to take.
@Suite("Gaussian steps") struct GaussianStepTests {
  struct Formula: Sendable, CustomTestStringConvertible {
    let testDescription: String
    let predictor: any Predictor
    /// Factors of state, score and noise from r = m_t/m_s, q = v_t − r² v_s and the variances at t and s.
    let factors: @Sendable (_ r: Double, _ q: Double, _ later: Double, _ earlier: Double) -> (Double, Double, Double)
  }

  static let formulas = [
    // x_s | x_t, x_0 with Tweedie's mean for x_0 (Ho et al. 2020, eq. 7; Song et al. 2021, appendix F).
    Formula(testDescription: "ancestral, posterior variance", predictor: Ancestral()) { r, q, later, earlier in
      (1 / r, q / r, (q * earlier / later).squareRoot())
    },
    Formula(testDescription: "ancestral, transition variance", predictor: Ancestral(variance: .transition)) {
      r, q, _, _ in (1 / r, q / r, q.squareRoot())
    },
    // Song et al. 2021, appendix E: the forward step is x_t = r x_s + √q z.
    Formula(testDescription: "reverse diffusion", predictor: ReverseDiffusion()) { r, q, _, _ in
      (2 - r, q, q.squareRoot())
    },
  ]

  @Test("one step is its formula, to rounding", arguments: formulas)
  func oneStep(_ formula: Formula) throws {
    let mixture = try GaussianMixture(weights: [1], means: [[0.4, -1]], deviations: [0.6])
    let process = VPSDE()
    let score = mixture.score(under: process)
    let problem = SamplingProblem(process: process, score: score, dimension: 2, seed: 5)
    let span = RowSpan(first: 3, count: 4, dimension: 2)
    let context = try SolveContext(problem, rows: span)
    let stepper = try formula.predictor.makeStepper(in: context)
    let (t, s, index) = (0.6, 0.45, 7)
    let (x, z, gradient) = (context.makeRows(), context.makeRows(), context.makeRows())
    NoiseStream(seed: 1, purpose: .prior).normals(into: x, step: 0)
    NoiseStream(seed: 5, purpose: .predictor).normals(into: z, step: index)
    try score.makeEvaluator(for: span).evaluate(x, at: .all(t), into: gradient)
    let (later, earlier) = (process.makeKernel().moments(at: t), process.makeKernel().moments(at: s))
    let r = later.scale / earlier.scale
    let factors = formula.factors(r, later.variance - r * r * earlier.variance, later.variance, earlier.variance)
    let expected = (0..<x.size).map {
      factors.0 * x.values[$0] + factors.1 * gradient.values[$0] + factors.2 * z.values[$0]
    }
    try stepper.step(x, Step(from: t, to: s, index: index, count: 20))
    for i in 0..<x.size { #expect(abs(x.values[i] - expected[i]) < 1e-13) }
  }
}
