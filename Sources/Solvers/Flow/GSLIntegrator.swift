// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import CKernels
import Core
import Glibc

/// GSL's odeiv2 steppers under adaptive control: a step is accepted where every component's error estimate is at most
/// atol + rtol |x|. All rows of a shard share the steps.
public struct GSLIntegrator: Integrator {
  public enum Method: String, Sendable, CaseIterable {
    /// Runge–Kutta (2, 3)
    case rk2
    /// Classical Runge–Kutta of order 4, error by step doubling
    case rk4
    /// Runge–Kutta–Fehlberg (4, 5)
    case rkf45
    /// Runge–Kutta–Cash–Karp (4, 5)
    case rkck
    /// Runge–Kutta–Prince–Dormand (8, 9)
    case rk8pd
    /// Adams multistep of variable order 1 to 12, in Nordsieck form
    case msadams

    var type: UnsafePointer<gsl_odeiv2_step_type> {
      switch self {
      case .rk2: scoresde_odeiv2_rk2()
      case .rk4: scoresde_odeiv2_rk4()
      case .rkf45: scoresde_odeiv2_rkf45()
      case .rkck: scoresde_odeiv2_rkck()
      case .rk8pd: scoresde_odeiv2_rk8pd()
      case .msadams: scoresde_odeiv2_msadams()
      }
    }
  }

  public let method: Method
  public let rtol, atol: Double
  public let firstStep: Double
  public let maximumSteps: Int

  /// - Parameters:
  ///   - rtol: relative tolerance, at least 0; `atol` absolute tolerance, above 0.
  ///   - firstStep: the length of the first step tried, above 0.
  ///   - maximumSteps: accepted and rejected together; the solve fails beyond it.
  public init(
    _ method: Method, rtol: Double = 1e-5, atol: Double = 1e-5, firstStep: Double = 0.01, maximumSteps: Int = 100_000
  ) {
    precondition(rtol >= 0 && atol > 0 && firstStep > 0 && maximumSteps > 0)
    self.method = method
    self.rtol = rtol
    self.atol = atol
    self.firstStep = firstStep
    self.maximumSteps = maximumSteps
  }

  /// GSL would abort the program on an error; every status is checked here instead.
  private static let errorsAreReturned: Void = { _ = gsl_set_error_handler_off() }()

  public func integrate(
    _ x: Rows, from start: Double, to end: Double,
    field: (_ t: Double, _ x: Rows, _ derivative: Rows) throws -> Void,
    onStep: (_ step: Int, _ time: Double) throws -> Void
  ) throws -> StepCount {
    if start == end { return StepCount(accepted: 0) }
    _ = Self.errorsAreReturned
    return try withoutActuallyEscaping(field) { field in
      let call = FieldCall(field: field, shape: x)
      return try withExtendedLifetime(call) { try run(x, from: start, to: end, call, onStep) }
    }
  }

  private func run(
    _ x: Rows, from start: Double, to end: Double, _ call: FieldCall, _ onStep: (Int, Double) throws -> Void
  ) throws -> StepCount {
    let rows = x.first..<x.first + x.count
    var system = gsl_odeiv2_system(
      function: { t, y, derivative, parameters in
        Unmanaged<FieldCall>.fromOpaque(parameters!).takeUnretainedValue().evaluate(t, y!, derivative!)
      },
      jacobian: nil, dimension: x.size, params: Unmanaged.passUnretained(call).toOpaque())
    return try withUnsafePointer(to: &system) { system in
      var h = (end > start ? 1 : -1) * min(firstStep, abs(end - start))
      // A driver, because multistep methods look into it; its parts are run here to see every step.
      guard let driver = gsl_odeiv2_driver_alloc_y_new(system, method.type, h, atol, rtol) else {
        throw ComputationError.integrator(rows: rows, time: start, reason: "GSL could not make its driver")
      }
      defer { gsl_odeiv2_driver_free(driver) }
      let (evolve, control, step) = (driver.pointee.e!, driver.pointee.c!, driver.pointee.s!)
      var t = start
      var accepted = 0
      while t != end {
        let status = gsl_odeiv2_evolve_apply(evolve, control, step, system, &t, end, &h, x.values)
        if let error = call.error { throw error }
        guard status == GSL_SUCCESS else {
          // A multistep method shrinks its step in front of a NaN until GSL gives up.
          if let row = call.badRow { throw ComputationError.nonFiniteState(row: row, step: accepted + 1, time: t) }
          throw ComputationError.integrator(rows: rows, time: t, reason: String(cString: gsl_strerror(status)))
        }
        accepted += 1
        call.badRow = nil
        try onStep(accepted, t)
        if accepted + Int(evolve.pointee.failed_steps) >= maximumSteps && t != end {
          throw ComputationError.stepLimit(rows: rows, steps: maximumSteps, time: t)
        }
      }
      return StepCount(accepted: accepted, rejected: Int(evolve.pointee.failed_steps))
    }
  }

  /// Carries the field into C, and an error out of it.
  private final class FieldCall {
    private let field: (Double, Rows, Rows) throws -> Void
    private let shape: Rows
    private(set) var error: (any Error)?
    /// A row whose field was not finite since the last accepted step.
    var badRow: Int?

    init(field: @escaping (Double, Rows, Rows) throws -> Void, shape: Rows) {
      self.field = field
      self.shape = shape
    }

    func evaluate(
      _ t: Double, _ y: UnsafePointer<Double>, _ derivative: UnsafeMutablePointer<Double>
    ) -> Int32 {
      func rows(_ values: UnsafeMutablePointer<Double>) -> Rows {
        Rows(values: values, first: shape.first, count: shape.count, dimension: shape.dimension)
      }
      do {
        try field(t, rows(UnsafeMutablePointer(mutating: y)), rows(derivative))
        let bad = ck_first_nonfinite(derivative, shape.size)
        if bad < shape.size { badRow = shape.first + bad / shape.dimension }
        return Int32(GSL_SUCCESS)
      } catch {
        self.error = error
        return Int32(GSL_EBADFUNC)
      }
    }
  }
}
