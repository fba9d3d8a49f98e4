// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Synchronization
import Testing

@Suite("GSL's integrators") struct GSLTests {
  private func error(_ a: Batch, _ b: Batch) -> Double {
    pairs(a.values, b.values).map { ($0 - $1) * ($0 - $1) }.mean.squareRoot()
  }

  @Test("a tighter tolerance comes nearer to the exact flow, by every method", arguments: GSLIntegrator.Method.allCases)
  func tolerance(method: GSLIntegrator.Method) throws {
    let sampler = sampler(.vp, try .pair())
    let exact = try sampler.draw(32, with: ProbabilityFlow(.rk8pd, rtol: 1e-12, atol: 1e-12), denoise: false).batch
    let tolerances = [1e-3, 1e-5, 1e-7]
    let results = try tolerances.map {
      try sampler.draw(32, with: ProbabilityFlow(method, rtol: $0, atol: $0), denoise: false)
    }
    let errors = results.map { error($0.batch, exact) }
    // bsimp's steps are few and its errors far below the tolerance, so that they fall in leaps.
    #expect(errors[2] < 0.1 * errors[0], "\(method): \(errors)")
    if method != .bsimp { #expect(errors[1] < 0.3 * errors[0] && errors[2] < 0.3 * errors[1], "\(method): \(errors)") }
    // Local errors per step, of which there may be thousands.
    for (error, tolerance) in pairs(errors, tolerances) { #expect(error < 1000 * tolerance, "\(method): \(errors)") }
    let steps = results.map(\.statistics.accepted)
    #expect(steps[0] <= steps[1] && steps[1] < steps[2], "\(method): \(steps)")
  }

  @Test("rows of an implicit method have steps and costs of their own") func rows() throws {
    let sampler = sampler(.vp, try .pair())
    let flow = ProbabilityFlow(.bsimp, rtol: 1e-6, atol: 1e-6)
    let many = try sampler.draw(300, with: flow)
    let one = try sampler.draw(1, with: flow)
    #expect(many.batch.row(0) == one.batch.row(0))
    #expect(many.statistics.nfe < Double(many.statistics.nfeMax))
    #expect(many.statistics.accepted != many.statistics.accepted.rounded())
  }

  @Test("every method runs under every control, and no tolerance crashes it", arguments: GSLIntegrator.Method.allCases)
  func combinations(method: GSLIntegrator.Method) throws {
    let sampler = sampler(.vp, try .pair())
    let controls: [GSLIntegrator.Control] = [
      .y, .yp, .standard(ay: 0, adydt: 0), .scaled(ay: 0.5, adydt: 2, scale: 1e3),
    ]
    for control in controls {
      for (rtol, atol, first) in [(0, 1e-3, 1e3), (10, 10, 1e-9), (1e-4, 1e-4, 0.01)] {
        let integrator = GSLIntegrator(method, rtol: rtol, atol: atol, control: control, firstStep: first)
        let result = try sampler.draw(3, with: ProbabilityFlow(integrator), denoise: false)
        #expect(result.batch.values.allSatisfy { $0.isFinite })
      }
    }
    // Asks for more than doubles hold: refused by GSL or by the limit of steps.
    let impossible = GSLIntegrator(method, rtol: 0, atol: 1e-30, maximumSteps: 200)
    #expect(throws: ComputationError.self) { try sampler.draw(3, with: ProbabilityFlow(impossible)) }
  }

  @Test("the limit of an implicit method's steps is for a row") func rowLimit() throws {
    let sampler = sampler(.vp, try .pair())
    let flow = ProbabilityFlow(GSLIntegrator(.rk2imp, rtol: 1e-8, atol: 1e-8, maximumSteps: 7))
    let error = #expect(throws: ComputationError.self) { try sampler.draw(300, with: flow) }
    guard case .stepLimit(let rows, 7, _, _) = error else {
      Issue.record("\(String(describing: error))")
      return
    }
    #expect(rows == 0..<1)
  }

  @Test("the field's Jacobian is that of central differences", arguments: Family.allCases) func jacobian(family: Family)
    throws
  {
    let process = family.process
    let mixture = try GaussianMixture(
      weights: [1, 2], means: [[0, 1, -1], [1, 0, 0.5]],
      covariances: [
        [[1, 0.3, 0], [0.3, 0.5, 0.1], [0, 0.1, 0.7]], [[0.4, 0, 0.1], [0, 0.6, -0.2], [0.1, -0.2, 1]],
      ])
    let problem = SamplingProblem(process: process, score: mixture.score(under: process), dimension: 3, seed: 1)
    var points = Batch(rows: [[0.3, -0.7, 1.1]])
    try points.withRows { x in
      let context = try SolveContext(problem, rows: x.span)
      let recorder = JacobianRecorder()
      _ = try ProbabilityFlow(recorder).transport(x, from: 0.4, to: 0.2, in: context)
      // Differences of length 1e-6 are right to 1e-10 of the field's curvature, of size 10 here.
      #expect(recorder.error.withLock { $0 } < 1e-7)
    }
  }

  @Test(
    "each control bounds what it says, and all reach the same end",
    arguments: [
      GSLIntegrator.Control.y, .yp, .standard(ay: 0.5, adydt: 0.5), .scaled(ay: 1, adydt: 0, scale: 0.1),
    ])
  func control(control: GSLIntegrator.Control) throws {
    let sampler = sampler(.vp, try .pair())
    let exact = try sampler.draw(64, with: ProbabilityFlow(.rk8pd, rtol: 1e-12, atol: 1e-12), denoise: false).batch
    func draw(_ control: GSLIntegrator.Control) throws -> Samples {
      try sampler.draw(
        64, with: ProbabilityFlow(GSLIntegrator(.rkf45, rtol: 1e-7, atol: 1e-7, control: control)), denoise: false)
    }
    let result = try draw(control)
    // A hundred steps of 1e-7 and less.
    #expect(error(result.batch, exact) < 1e-5)
    let plain = try draw(.y)
    switch control {
    case .y: #expect(result.batch == plain.batch)
    // Both ask for more than x alone does: h |dx/dt| is below |x|, and atol is a tenth.
    case .yp, .standard, .scaled: #expect(result.statistics.accepted > plain.statistics.accepted)
    }
  }

  @Test("dense output changes no step and costs nothing, and its error falls with h⁴") func dense() throws {
    let sampler = sampler(.vp, try .gaussian(mean: [0.7, -1.2], deviation: 0.8))
    let kernel = try #require(sampler.problem.kernel)
    let start = try sampler.prior(8)
    func worst(_ tolerance: Double) throws -> (error: Double, steps: Double) {
      let integrator = GSLIntegrator(.rk8pd, rtol: tolerance, atol: tolerance)
      let recorder = Recorder()
      let plain = try sampler.draw(8, with: ProbabilityFlow(integrator), denoise: false)
      let dense = try sampler.draw(8, with: ProbabilityFlow(integrator, dense: 50), denoise: false, observer: recorder)
      #expect(plain.batch == dense.batch && plain.statistics.accepted == dense.statistics.accepted)
      #expect(dense.statistics.nfe == plain.statistics.nfe)
      let states = recorder.states.withLock { $0 }
      #expect(states.map(\.step) == Array(0...50))
      #expect(states.last?.time == sampler.problem.epsilon && states.first?.time == 1)
      #expect(Array(states.last!.values.prefix(16)) == dense.batch.values)
      var worst = 0.0
      for state in states {
        let (from, to) = (kernel.moments(at: 1), kernel.moments(at: state.time))
        func deviation(_ m: Moments) -> Double { (m.scale * m.scale * 0.64 + m.variance).squareRoot() }
        for i in 0..<16 {
          let mean = [0.7, -1.2][i % 2]
          let exact =
            to.scale * mean + (start.values[i] - from.scale * mean) * deviation(to) / deviation(from)
          worst = max(worst, abs(state.values[i] - exact))
        }
      }
      return (worst, plain.statistics.accepted)
    }
    let coarse = try worst(1e-6)
    let fine = try worst(1e-12)
    // h⁴ for the ratio of mean steps, with a factor of 4 for steps that are not all in proportion.
    #expect(fine.error < 4 * coarse.error * pow(coarse.steps / fine.steps, 4), "\(coarse), \(fine)")
    #expect(fine.error < 1e-3 && coarse.error > fine.error, "\(coarse), \(fine)")
  }

  @Test(
    "implicit methods are refused where there is no exact Jacobian, or one too large",
    arguments: [
      GSLIntegrator.Method.rk1imp, .rk2imp, .rk4imp, .bsimp, .msbdf,
    ])
  func refused(method: GSLIntegrator.Method) throws {
    let learned = Sampler(process: VPSDE(), score: FormulaScore { -$0 }, dimension: 1, seed: 1)
    let error = #expect(throws: InputError.self) { try learned.draw(3, with: ProbabilityFlow(method)) }
    #expect(error?.message.contains("Jacobian is known in double precision") == true)
    let wide = try GaussianMixture(weights: [1], means: [[Double](repeating: 0, count: 65)], deviations: [1])
    let large = #expect(throws: InputError.self) { try sampler(.vp, wide).draw(3, with: ProbabilityFlow(method)) }
    #expect(large?.message.contains("up to 64") == true)
  }
}

/// Keeps every state that it is shown.
private final class Recorder: StepObserver {
  let states = Mutex<[(step: Int, time: Double, values: [Double])]>([])
  func reached(_ x: Rows, step: Int, at time: Double) {
    let values = (0..<x.size).map { x.values[$0] }
    states.withLock { $0.append((step, time, values)) }
  }
}

/// Moves nothing, and compares a field's Jacobian at its start with differences.
private final class JacobianRecorder: Integrator {
  let error = Mutex(0.0)

  func integrate(
    _ x: Rows, from start: Double, to end: Double, field: any VectorField, dense: DenseOutput?,
    onStep: (Int, Double, Rows) throws -> Void
  ) throws -> StepCount {
    let d = x.dimension
    var dfdx = [Double](repeating: 0, count: d * d)
    var dfdt = [Double](repeating: 0, count: d)
    try field.jacobian(start, x, into: &dfdx, &dfdt)
    try RowStorage.with(x.span, count: 3) { rows in
      func difference(_ t: Double, _ t2: Double, _ j: Int?, _ h: Double, into out: (Int, Double) -> Void) throws {
        rows[0].copy(x)
        if let j { rows[0].values[j] += h }
        try field.evaluate(t2, rows[0], into: rows[1])
        rows[0].copy(x)
        if let j { rows[0].values[j] -= h }
        try field.evaluate(t, rows[0], into: rows[2])
        for i in 0..<d { out(i, (rows[1].values[i] - rows[2].values[i])) }
      }
      let h = 1e-6
      for j in 0..<d {
        try difference(start, start, j, h) { i, value in
          error.withLock { $0 = max($0, abs(value / (2 * h) - dfdx[i * d + j])) }
        }
      }
      try difference(start - h, start + h, nil, 0) { i, value in
        error.withLock { $0 = max($0, abs(value / (2 * h) - dfdt[i])) }
      }
    }
    return StepCount(accepted: 0)
  }
}

/// What SciPy's solve_ivp gives for the flow of a mixture (Fixtures/make_flow.py).
private struct FlowFixture: Decodable {
  let weights: [Double]
  let means: [[Double]]
  let covariances: [[[Double]]]
  let start, end: Double
  let prior, data: [[Double]]
  let decoded, encoded: [String: [[Double]]]
}

@Suite("SciPy's flows") struct FlowPeerTests {
  @Test("every method goes where SciPy's methods go, in both directions", arguments: GSLIntegrator.Method.allCases)
  func scipy(method: GSLIntegrator.Method) throws {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/flow", withExtension: "json"))
    let fixture = try JSONDecoder().decode(FlowFixture.self, from: Data(contentsOf: url))
    let mixture = try GaussianMixture(
      weights: fixture.weights, means: fixture.means, covariances: fixture.covariances)
    let sampler = sampler(.vp, mixture)
    // Orders 1 and 2 get what some 10⁴ steps can do; SciPy's own methods agree to 1e-7, Radau at 1e-9 being the
    // coarsest.
    let (tolerance, allowed) =
      switch method {
      case .rk1imp: (1e-8, 1e-3)
      case .rk2imp: (1e-10, 1e-5)
      default: (1e-10, 1e-6)
      }
    let flow = ProbabilityFlow(method, rtol: tolerance, atol: tolerance)
    let down = try sampler.transport(Batch(rows: fixture.prior), from: fixture.start, to: fixture.end, with: flow).batch
    let up = try sampler.transport(Batch(rows: fixture.data), from: fixture.end, to: fixture.start, with: flow).batch
    #expect(fixture.decoded.count == 4 && fixture.encoded.count == 4)
    for (name, rows) in fixture.decoded { #expect(largestError(down, Batch(rows: rows)) < allowed, "\(name)") }
    for (name, rows) in fixture.encoded { #expect(largestError(up, Batch(rows: rows)) < allowed, "\(name)") }
  }
}
