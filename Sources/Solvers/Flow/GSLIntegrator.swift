// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import CKernels
import Core
import Glibc

/// GSL's odeiv2 steppers under adaptive control. All rows of a shard share the steps of an explicit method; an implicit
/// one solves D equations at a time and gives each row steps of its own.
public struct GSLIntegrator: Integrator {
  /// GSL's steppers, by their names there.
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
    /// Implicit Euler, error by step doubling
    case rk1imp
    /// Implicit midpoint rule, order 2, error by step doubling
    case rk2imp
    /// Implicit Gauss method of order 4, error by step doubling
    case rk4imp
    /// Bulirsch–Stoer with Bader and Deuflhard's implicit midpoint rule
    case bsimp
    /// Adams multistep of variable order 1 to 12, in Nordsieck form
    case msadams
    /// Backward differentiation of variable order 1 to 5, in Nordsieck form
    case msbdf

    /// Whether it needs the Jacobian.
    public var isImplicit: Bool {
      switch self {
      case .rk1imp, .rk2imp, .rk4imp, .bsimp, .msbdf: true
      case .rk2, .rk4, .rkf45, .rkck, .rk8pd, .msadams: false
      }
    }

    var type: UnsafePointer<gsl_odeiv2_step_type> {
      switch self {
      case .rk2: scoresde_odeiv2_rk2()
      case .rk4: scoresde_odeiv2_rk4()
      case .rkf45: scoresde_odeiv2_rkf45()
      case .rkck: scoresde_odeiv2_rkck()
      case .rk8pd: scoresde_odeiv2_rk8pd()
      case .rk1imp: scoresde_odeiv2_rk1imp()
      case .rk2imp: scoresde_odeiv2_rk2imp()
      case .rk4imp: scoresde_odeiv2_rk4imp()
      case .bsimp: scoresde_odeiv2_bsimp()
      case .msadams: scoresde_odeiv2_msadams()
      case .msbdf: scoresde_odeiv2_msbdf()
      }
    }
  }

  /// The largest error estimate that a component may have, with h the step's length.
  public enum Control: Sendable, Equatable {
    /// atol + rtol |x|
    case y
    /// atol + rtol h |dx/dt|
    case yp
    /// atol + rtol (a_y |x| + a_dydt h |dx/dt|)
    case standard(ay: Double, adydt: Double)
    /// atol s + rtol (a_y |x| + a_dydt h |dx/dt|), with one s for all components
    case scaled(ay: Double, adydt: Double, scale: Double)
  }

  /// The largest dimension of implicit methods, which factor dense Jacobians.
  private static let maximumImplicitDimension = 64

  /// The stepper.
  public let method: Method
  /// The tolerances: relative to the solution, and absolute.
  public let rtol, atol: Double
  /// What an error is compared with.
  public let control: Control
  /// The length of the first step that is tried, in t.
  public let firstStep: Double
  /// The most steps that a shard, or a row of an implicit method, may take.
  public let maximumSteps: Int

  public var requires: Requirements { method.isImplicit ? .jacobian : [] }

  /// - Parameters:
  ///   - method: GSL's stepper.
  ///   - rtol: the relative tolerance, at least 0.
  ///   - atol: the absolute tolerance, above 0.
  ///   - control: what the error of a component is measured by.
  ///   - firstStep: the length of the first step tried, above 0.
  ///   - maximumSteps: accepted and rejected together; the solve fails beyond it.
  public init(
    _ method: Method, rtol: Double = 1e-5, atol: Double = 1e-5, control: Control = .y, firstStep: Double = 0.01,
    maximumSteps: Int = 100_000
  ) {
    precondition(rtol >= 0 && atol > 0 && firstStep > 0 && maximumSteps > 0)
    self.method = method
    self.rtol = rtol
    self.atol = atol
    self.control = control
    self.firstStep = firstStep
    self.maximumSteps = maximumSteps
  }

  /// GSL would abort the program on an error; every status is checked here instead.
  private static let errorsAreReturned: Void = { _ = gsl_set_error_handler_off() }()

  public func integrate(
    _ x: Rows, from start: Double, to end: Double, field: any VectorField, dense: DenseOutput?,
    onStep: (_ step: Int, _ time: Double, _ x: Rows) throws -> Void
  ) throws -> StepCount {
    if start == end || x.count == 0 { return StepCount(accepted: 0) }
    _ = Self.errorsAreReturned
    guard method.isImplicit else {
      let solve = try Solve(self, x, field, from: start, to: end, dense)
      return try solve.run(x, dense, onStep)
    }
    guard x.dimension <= Self.maximumImplicitDimension else {
      throw InputError(
        "\(method.rawValue) factors Jacobians of \(x.dimension) × \(x.dimension); allowed: up to "
          + "\(Self.maximumImplicitDimension) dimensions")
    }
    let solve = try Solve(self, x.row(0), field, from: start, to: end, dense)
    var sum = StepCount(accepted: 0)
    for i in 0..<x.count {
      let count = try solve.run(x.row(i), dense, onStep)
      sum.accepted += count.accepted
      sum.rejected += count.rejected
    }
    return StepCount(accepted: sum.accepted / Double(x.count), rejected: sum.rejected / Double(x.count))
  }

  /// GSL's memory for systems of one size, between two times.
  private final class Solve {
    private let integrator: GSLIntegrator
    private let start, end: Double
    private let call: FieldCall
    private let system: UnsafeMutablePointer<gsl_odeiv2_system>
    private let driver: UnsafeMutablePointer<gsl_odeiv2_driver>
    /// A state between the ends of a step, where dense output is wanted.
    private let between: RowStorage?

    init(
      _ integrator: GSLIntegrator, _ x: Rows, _ field: any VectorField, from start: Double, to end: Double,
      _ dense: DenseOutput?
    ) throws {
      self.integrator = integrator
      (self.start, self.end) = (start, end)
      call = FieldCall(field, shape: x)
      between = dense == nil ? nil : RowStorage(x.span)
      system = .allocate(capacity: 1)
      system.initialize(
        to: gsl_odeiv2_system(
          function: { t, y, derivative, parameters in
            Unmanaged<FieldCall>.fromOpaque(parameters!).takeUnretainedValue().evaluate(t, y!, derivative!)
          },
          jacobian: { t, y, dfdy, dfdt, parameters in
            Unmanaged<FieldCall>.fromOpaque(parameters!).takeUnretainedValue().jacobian(t, y!, dfdy!, dfdt!)
          }, dimension: x.size, params: Unmanaged.passUnretained(call).toOpaque()))
      // Dense output reads the field at both ends from the stepper; all step types of GSL 2 keep it.
      let type = integrator.method.type
      precondition(type.pointee.can_use_dydt_in != 0 && type.pointee.gives_exact_dydt_out != 0)
      let (atol, rtol, h) = (integrator.atol, integrator.rtol, end > start ? 1.0 : -1.0)
      let made =
        switch integrator.control {
        case .y: gsl_odeiv2_driver_alloc_y_new(system, type, h, atol, rtol)
        case .yp: gsl_odeiv2_driver_alloc_yp_new(system, type, h, atol, rtol)
        case .standard(let ay, let adydt):
          gsl_odeiv2_driver_alloc_standard_new(system, type, h, atol, rtol, ay, adydt)
        case .scaled(let ay, let adydt, let scale):
          gsl_odeiv2_driver_alloc_scaled_new(
            system, type, h, atol, rtol, ay, adydt, [Double](repeating: scale, count: x.size))
        }
      guard let made else {
        system.deallocate()
        throw ComputationError.integrator(
          rows: x.first..<x.first + x.count, time: start, method: integrator.method.rawValue,
          reason: "no memory for its driver")
      }
      // Multistep and implicit methods look into the driver, so there is one; its parts are run below to see every
      // step.
      driver = made
    }

    deinit {
      gsl_odeiv2_driver_free(driver)
      system.deallocate()
    }

    func run(
      _ x: Rows, _ dense: DenseOutput?, _ onStep: (Int, Double, Rows) throws -> Void
    ) throws -> StepCount {
      let rows = x.first..<x.first + x.count
      call.begin(x)
      gsl_odeiv2_driver_reset(driver)
      let (evolve, control, step) = (driver.pointee.e!, driver.pointee.c!, driver.pointee.s!)
      var h = (end > start ? 1 : -1) * min(integrator.firstStep, abs(end - start))
      var t = start
      var accepted = 0
      var output = 0
      if let dense { writeDense(x, dense, &output) { $0 == start } }
      // What is left may be rounding alone: Newton's iterations find no step for it, and GSL cannot step back.
      while abs(end - t) > 4 * max(abs(start), abs(end)).ulp {
        let before = t
        let status = gsl_odeiv2_evolve_apply(evolve, control, step, system, &t, end, &h, x.values)
        if let error = call.error { throw error }
        guard status == GSL_SUCCESS else {
          // A multistep method shrinks its step in front of a NaN until GSL gives up.
          if let row = call.badRow {
            throw ComputationError.nonFinite(.state(row: row, step: accepted + 1, time: t))
          }
          throw ComputationError.integrator(
            rows: rows, time: t, method: integrator.method.rawValue, reason: String(cString: gsl_strerror(status)))
        }
        accepted += 1
        call.badRow = nil
        try onStep(accepted, t, x)
        if let dense { writeDense(x, from: before, to: t, dense, &output) }
        if accepted + Int(evolve.pointee.failed_steps) >= integrator.maximumSteps && t != end {
          throw ComputationError.stepLimit(
            rows: rows, steps: integrator.maximumSteps, time: t, method: integrator.method.rawValue)
        }
      }
      if let dense { writeDense(x, dense, &output) { _ in true } }
      return StepCount(accepted: Double(accepted), rejected: Double(evolve.pointee.failed_steps))
    }

    /// The wanted times of a step: y(u) by cubic Hermite interpolation, u = (time − from)/(to − from), between the
    /// states and fields that GSL keeps of its two ends.
    private func writeDense(_ x: Rows, from: Double, to: Double, _ dense: DenseOutput, _ output: inout Int) {
      let evolve = driver.pointee.e.pointee
      let between = between!.view(like: x)
      let h = to - from
      while output < dense.times.count, (dense.times[output] - to) * (end - start) <= 0 {
        let u = (dense.times[output] - from) / h
        let (a, b) = (u * u * (3 - 2 * u), u * (1 - u))
        ck_combine(between.values, 1 - a, evolve.y0, a, x.values, x.size)
        ck_combine3(
          between.values, 1, between.values, h * b * (1 - u), evolve.dydt_in, -h * b * u, evolve.dydt_out, x.size)
        dense.onOutput(output, dense.times[output], between)
        output += 1
      }
    }

    /// The wanted times at which x itself stands.
    private func writeDense(_ x: Rows, _ dense: DenseOutput, _ output: inout Int, while wanted: (Double) -> Bool) {
      while output < dense.times.count, wanted(dense.times[output]) {
        dense.onOutput(output, dense.times[output], x)
        output += 1
      }
    }
  }

  /// Carries the field into C, and an error out of it.
  private final class FieldCall {
    let field: any VectorField
    private var shape: Rows
    private(set) var error: (any Error)?
    /// A row whose field was not finite since the last accepted step.
    var badRow: Int?

    init(_ field: any VectorField, shape: Rows) {
      self.field = field
      self.shape = shape
    }

    func begin(_ x: Rows) {
      shape = x
      badRow = nil
    }

    private func caught(_ body: () throws -> Void) -> Int32 {
      do {
        try body()
        return Int32(GSL_SUCCESS)
      } catch {
        self.error = error
        return Int32(GSL_EBADFUNC)
      }
    }

    func evaluate(_ t: Double, _ y: UnsafePointer<Double>, _ derivative: UnsafeMutablePointer<Double>) -> Int32 {
      caught {
        try field.evaluate(t, shape.over(UnsafeMutablePointer(mutating: y)), into: shape.over(derivative))
        let bad = ck_first_nonfinite(derivative, shape.size)
        if bad < shape.size { badRow = shape.first + bad / shape.dimension }
      }
    }

    func jacobian(
      _ t: Double, _ y: UnsafePointer<Double>, _ dfdy: UnsafeMutablePointer<Double>,
      _ dfdt: UnsafeMutablePointer<Double>
    ) -> Int32 {
      caught { try field.jacobian(t, shape.over(UnsafeMutablePointer(mutating: y)), into: dfdy, dfdt) }
    }
  }
}
