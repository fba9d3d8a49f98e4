// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Glibc

/// A Gauss–Legendre rule from GSL's tables, exact for polynomials up to degree 2 · points − 1.
struct GaussLegendre: Sendable {
  private let nodes: [(x: Double, weight: Double)]

  /// The rule on [0, 1].
  init(points: Int) {
    let table = gsl_integration_glfixed_table_alloc(points)
    defer { gsl_integration_glfixed_table_free(table) }
    nodes = (0..<points).map { index in
      var x = 0.0
      var weight = 0.0
      gsl_integration_glfixed_point(0, 1, index, &x, &weight, table)
      return (x, weight)
    }
  }

  func integrate(_ from: Double, _ to: Double, _ f: (Double) -> Double) -> Double {
    var sum = 0.0
    for node in nodes { sum += node.weight * f(from + (to - from) * node.x) }
    return sum * (to - from)
  }

  /// The same by x^⅓, for functions that behave as a power of x, whole or not.
  /// - Precondition: 0 ≤ from.
  func integrateByRoot(_ from: Double, _ to: Double, _ f: (Double) -> Double) -> Double {
    integrate(cbrt(from), cbrt(to)) { root in 3 * root * root * f(root * root * root) }
  }
}

/// GSL's adaptive quadrature QAG: for functions with kinks, jumps or poles nearby, where a fixed rule is not to be
/// trusted.
package final class AdaptiveQuadrature {
  /// Halvings allowed.
  private static let most = 100_000
  private static let errorsAreReturned: Void = { _ = gsl_set_error_handler_off() }()
  private let workspace = gsl_integration_workspace_alloc(most)

  package init() { Self.errorsAreReturned }
  deinit { gsl_integration_workspace_free(workspace) }

  private struct Integrand {
    let f: (Double) -> Double
  }

  /// ∫ f from a to b, to a relative 1e-10 where rounding allows it; NaN where f is not finite.
  package func integrate(_ from: Double, _ to: Double, _ f: (Double) -> Double) -> Double {
    withoutActuallyEscaping(f) { f in
      withUnsafePointer(to: Integrand(f: f)) { integrand in
        var function = gsl_function(
          function: { x, parameters in
            parameters!.assumingMemoryBound(to: Integrand.self).pointee.f(x)
          }, params: UnsafeMutableRawPointer(mutating: integrand))
        var (value, error) = (Double.nan, 0.0)
        let key = Int32(GSL_INTEG_GAUSS21)
        _ = gsl_integration_qag(&function, from, to, 0, 1e-10, Self.most, key, workspace, &value, &error)
        return value
      }
    }
  }
}
