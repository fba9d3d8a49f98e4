// SPDX-License-Identifier: GPL-3.0-or-later
import Solvers

/// A method for ordinary differential equations that a config can name, until it is told its tolerances.
public struct IntegratorRecipe: Sendable {
  /// Makes the integrator for tolerances.
  public let make: @Sendable (IntegratorSetting) -> any Integrator

  /// A recipe from what makes the integrator.
  public init(_ make: @escaping @Sendable (IntegratorSetting) -> any Integrator) { self.make = make }
}

/// What solvers and likelihoods say to an integrator.
public struct IntegratorSetting: Sendable {
  /// Relative and absolute tolerance.
  public let rtol, atol: Double
  /// The first step tried.
  public let firstStep: Double
  /// The most steps allowed, rejected ones included.
  public let maximumSteps: Int
  /// What GSL's tolerances are relative to.
  public let control: GSLIntegrator.Control

  /// - Parameters:
  ///   - rtol: the relative tolerance, above 0.
  ///   - atol: the absolute tolerance, above 0.
  ///   - firstStep: the first step tried, above 0.
  ///   - maximumSteps: the most steps allowed, rejected ones included.
  ///   - control: what GSL's tolerances are relative to.
  public init(
    rtol: Double, atol: Double, firstStep: Double = 0.01, maximumSteps: Int = 100_000,
    control: GSLIntegrator.Control = .y
  ) {
    (self.rtol, self.atol, self.firstStep) = (rtol, atol, firstStep)
    (self.maximumSteps, self.control) = (maximumSteps, control)
  }
}

extension Catalogue {
  /// GSL's odeiv2 steppers.
  static let standardIntegrators = Kinds<IntegratorRecipe>([
    gsl(.rk2, "Runge–Kutta (2, 3)"),
    gsl(.rk4, "classical Runge–Kutta of order 4, error by step doubling"),
    gsl(.rkf45, "Runge–Kutta–Fehlberg (4, 5)"),
    gsl(.rkck, "Runge–Kutta–Cash–Karp (4, 5)"),
    gsl(.rk8pd, "Runge–Kutta–Prince–Dormand (8, 9)"),
    gsl(.rk1imp, "implicit Euler, error by step doubling"),
    gsl(.rk2imp, "implicit midpoint rule, error by step doubling"),
    gsl(.rk4imp, "implicit Gauss method of order 4, error by step doubling"),
    gsl(.bsimp, "Bulirsch–Stoer with Bader and Deuflhard's implicit midpoint rule"),
    gsl(.msadams, "Adams multistep of variable order 1 to 12"),
    gsl(.msbdf, "backward differentiation of variable order 1 to 5"),
  ])

  private static func gsl(_ method: GSLIntegrator.Method, _ about: String) -> Kind<IntegratorRecipe> {
    Kind(method.rawValue, about) { _, _ in
      IntegratorRecipe { setting in
        GSLIntegrator(
          method, rtol: setting.rtol, atol: setting.atol, control: setting.control, firstStep: setting.firstStep,
          maximumSteps: setting.maximumSteps)
      }
    }
  }
}
