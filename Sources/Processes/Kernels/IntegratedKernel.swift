// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Glibc

/// The kernel of any affine process, by integrating the moment equations
///
///     d ln m / dt = a(t),    dv/dt = 2 a(t) v + g(t)²
///
/// once, by Gauss–Legendre quadrature on each of `nodes` cells, and interpolating ln m and v by cubic Hermite polynomials
/// with these exact derivatives. The error falls as nodes⁻⁴: about 5e-10 of v with 4,096 nodes under a linear β.
public struct IntegratedKernel: PerturbationKernel {
  private let duration: Double
  private let logScale, variance: [Double]
  private let logScaleSlope, varianceSlope: [Double]

  public init(of process: some AffineSDE, nodes: Int = 4096) {
    duration = process.duration
    let h = duration / Double(nodes)
    let rule = GaussLegendre(points: 5)
    var logScale = [0.0]
    var variance = [process.initialVariance]
    for cell in 0..<nodes {
      let start = Double(cell) * h
      let end = start + h
      let rate = { (from: Double, to: Double) in rule.integrate(from, to) { process.driftRate(at: $0) } }
      let growth = rate(start, end)
      // v(end) = (m(end)/m(start))² v(start) + ∫ (m(end)/m(u))² g(u)² du
      let added = rule.integrate(start, end) { u in
        let g = process.diffusion(at: u)
        return exp(2 * rate(u, end)) * g * g
      }
      logScale.append(logScale[cell] + growth)
      variance.append(exp(2 * growth) * variance[cell] + added)
    }
    self.logScale = logScale
    self.variance = variance
    let times = (0...nodes).map { Double($0) * h }
    logScaleSlope = times.map { process.driftRate(at: $0) }
    varianceSlope = zip(times, variance).map { t, v in
      let g = process.diffusion(at: t)
      return 2 * process.driftRate(at: t) * v + g * g
    }
  }

  public func moments(at t: Double) -> Moments {
    let cells = variance.count - 1
    let position = min(max(t / duration, 0), 1) * Double(cells)
    let i = min(Int(position), cells - 1)
    let u = position - Double(i)
    let h = duration / Double(cells)
    func hermite(_ y: [Double], _ slope: [Double]) -> Double {
      let (a, b) = (u * u * (3 - 2 * u), u * (1 - u))
      return y[i] * (1 - a) + y[i + 1] * a + h * b * ((1 - u) * slope[i] - u * slope[i + 1])
    }
    return Moments(scale: exp(hermite(logScale, logScaleSlope)), variance: max(0, hermite(variance, varianceSlope)))
  }
}

/// A Gauss–Legendre rule from GSL's tables, exact for polynomials up to degree 2 · points − 1.
struct GaussLegendre {
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
}
