// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core
import Foundation
import Processes
import Scores
import Solvers
import Testing

@Suite("GSL's steps") struct GSLOrderTests {
  /// Orders of what is passed on: rk2, rkf45 and rkck pass on the better of their two results, so that they have one
  /// order more than the one that their error estimate stands for.
  static let orders: [(method: GSLIntegrator.Method, order: Double, steps: [Int])] = [
    (.rk2, 3, [16, 32, 64]), (.rk4, 4, [16, 32, 64]), (.rkf45, 5, [16, 32, 64]), (.rkck, 5, [16, 32, 64]),
    (.rk8pd, 8, [6, 9, 12]), (.rk1imp, 1, [64, 128, 256]), (.rk2imp, 2, [32, 64, 128]), (.rk4imp, 4, [16, 32, 64]),
  ]

  @Test("steps of one length have the method's order on a Gaussian's flow", arguments: orders)
  func order(method: GSLIntegrator.Method, order: Double, steps: [Int]) throws {
    let sampler = sampler(.vp, try .gaussian(mean: [0.7, -1.2], deviation: 0.8))
    let points = Batch(rows: [[1.5, -0.4], [-0.3, 0.9]])
    let exact = try sampler.transport(
      points, from: 0.6, to: 0.2, with: ProbabilityFlow(.rk8pd, rtol: 1e-14, atol: 1e-14)
    ).batch
    let errors = try steps.map {
      largestError(
        try sampler.transport(points, from: 0.6, to: 0.2, with: ProbabilityFlow(EqualSteps(method, $0))).batch, exact)
    }
    let measured = zip(zip(errors, errors.dropFirst()), zip(steps, steps.dropFirst())).map { errors, steps in
      log(errors.0 / errors.1) / log(Double(steps.1) / Double(steps.0))
    }
    // Half an order for steps that are not short yet, as in the higher ones they cannot be without rounding.
    #expect(measured.allSatisfy { abs($0 - order) < 0.5 }, "\(measured) from \(errors)")
  }

  @Test(
    "a stiff system takes implicit methods a tenth of the steps, and they are right",
    arguments: [GSLIntegrator.Method.bsimp, .msbdf, .rk4imp])
  func stiff(method: GSLIntegrator.Method) throws {
    func solve(_ method: GSLIntegrator.Method) throws -> (error: Double, steps: Double) {
      var batch = Batch(rows: [[1, 1.5], [1, 0.5]])
      var steps = 0.0
      let field = StiffField()
      try batch.withRows { x in
        let integrator = GSLIntegrator(method, rtol: 1e-6, atol: 1e-6)
        steps = try integrator.integrate(x, from: 0, to: 3, field: field, dense: nil) { _, _, _ in }.accepted
      }
      let error = (0..<2).map { max(abs(batch[$0, 0] - cos(3)), abs(batch[$0, 1] - sin(3))) }.max() ?? .nan
      return (error, steps)
    }
    let (explicit, implicit) = (try solve(.rkf45), try solve(method))
    // The system forgets errors within some 10⁻⁴ of time, so that the last steps alone count.
    #expect(implicit.error < 1e-5 && explicit.error < 1e-5, "\(implicit), \(explicit)")
    #expect(implicit.steps < 0.1 * explicit.steps, "\(implicit), \(explicit)")
  }

  @Test(
    "components far apart under a wide range of noise: implicit methods go where explicit ones go",
    arguments: [GSLIntegrator.Method.rk4imp, .bsimp, .msbdf])
  func separated(method: GSLIntegrator.Method) throws {
    let process = VESDE(GeometricSigma(0.01, 50))
    let mixture = try GaussianMixture(weights: [1, 2], means: [[-5, 0], [5, 1]], deviations: [0.01, 0.02])
    let sampler = Sampler(process: process, score: mixture.score(under: process), dimension: 2, seed: 2)
    func draw(_ method: GSLIntegrator.Method, _ tolerance: Double) throws -> Batch {
      try sampler.draw(16, with: ProbabilityFlow(method, rtol: tolerance, atol: tolerance)).batch
    }
    // Where points decide between the two they grow apart a hundredfold; steps err by 1e-9 each, hundreds of them.
    #expect(largestError(try draw(method, 1e-9), try draw(.rk8pd, 1e-12)) < 1e-4)
  }
}

/// x₀' = −λ (x₀ − cos t) − sin t and x₁' = −10 λ (x₁ − sin t) + cos t: after a moment x is (cos t, sin t).
private final class StiffField: VectorField {
  private let rate = 1000.0

  func evaluate(_ t: Double, _ x: Rows, into derivative: Rows) {
    for i in 0..<x.count {
      derivative[i, 0] = -rate * (x[i, 0] - cos(t)) - sin(t)
      derivative[i, 1] = -10 * rate * (x[i, 1] - sin(t)) + cos(t)
    }
  }

  func jacobian(
    _ t: Double, _ x: Rows, into dfdx: UnsafeMutablePointer<Double>, _ dfdt: UnsafeMutablePointer<Double>
  ) {
    (dfdx[0], dfdx[1], dfdx[2], dfdx[3]) = (-rate, 0, 0, -10 * rate)
    (dfdt[0], dfdt[1]) = (-rate * sin(t) - cos(t), 10 * rate * cos(t) - sin(t))
  }
}

/// GSL's step of a method, N times of equal length, a row at a time.
private struct EqualSteps: Integrator {
  let method: GSLIntegrator.Method
  let steps: Int

  init(_ method: GSLIntegrator.Method, _ steps: Int) { (self.method, self.steps) = (method, steps) }

  private final class Call {
    let field: any VectorField
    let row: Rows
    init(_ field: any VectorField, _ row: Rows) { (self.field, self.row) = (field, row) }
  }

  private var type: UnsafePointer<gsl_odeiv2_step_type>? {
    switch method {
    case .rk2: scoresde_odeiv2_rk2()
    case .rk4: scoresde_odeiv2_rk4()
    case .rkf45: scoresde_odeiv2_rkf45()
    case .rkck: scoresde_odeiv2_rkck()
    case .rk8pd: scoresde_odeiv2_rk8pd()
    case .rk1imp: scoresde_odeiv2_rk1imp()
    case .rk2imp: scoresde_odeiv2_rk2imp()
    case .rk4imp: scoresde_odeiv2_rk4imp()
    // Their order changes as they go.
    case .bsimp, .msadams, .msbdf: nil
    }
  }

  func integrate(
    _ x: Rows, from start: Double, to end: Double, field: any VectorField, dense: DenseOutput?,
    onStep: (Int, Double, Rows) throws -> Void
  ) throws -> StepCount {
    let d = x.dimension
    for i in 0..<x.count {
      let row = x.row(i)
      let call = Call(field, row)
      var system = gsl_odeiv2_system(
        function: { t, y, derivative, parameters in
          let call = Unmanaged<Call>.fromOpaque(parameters!).takeUnretainedValue()
          try! call.field.evaluate(
            t, call.row.over(UnsafeMutablePointer(mutating: y!)), into: call.row.over(derivative!))
          return 0
        },
        jacobian: { t, y, dfdx, dfdt, parameters in
          let call = Unmanaged<Call>.fromOpaque(parameters!).takeUnretainedValue()
          try! call.field.jacobian(t, call.row.over(UnsafeMutablePointer(mutating: y!)), into: dfdx!, dfdt!)
          return 0
        }, dimension: d, params: Unmanaged.passUnretained(call).toOpaque())
      let h = (end - start) / Double(steps)
      // The tolerance is where Newton's iterations stop; errors of steps are not looked at.
      let type = try #require(type)
      withUnsafeMutablePointer(to: &system) { system in
        let driver = gsl_odeiv2_driver_alloc_y_new(system, type, h, 1e-13, 1e-13)!
        defer { gsl_odeiv2_driver_free(driver) }
        var t = start
        for _ in 0..<steps {
          let (evolve, step) = (driver.pointee.e, driver.pointee.s)
          #expect(gsl_odeiv2_evolve_apply_fixed_step(evolve, nil, step, system, &t, h, row.values) == 0)
        }
      }
      withExtendedLifetime(call) {}
    }
    return StepCount(accepted: Double(steps))
  }
}
