// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The kernel of any affine process, by integrating the moment equations
///
///     d ln m / dt = a(t),    dv/dt = 2 a(t) v + g(t)²
///
/// once, by GSL's Gauss–Legendre quadrature between nodes t_k = T sin²(πk/2N), and interpolating ln m and v by cubic Hermite
/// polynomials with these exact derivatives.
///
/// The error falls as nodes⁻⁴. The nodes are doubled until the largest difference at the middle of a cell (of ln m, and of v
/// relative to v) is below the tolerance, or there are `most` of them: `errorBound` is what was reached. Where a or g is not
/// finite the moments are NaN from there on.
public struct IntegratedKernel: PerturbationKernel {
  private let duration: Double
  private let logScale, variance: [Double]
  private let logScaleSlope, varianceSlope: [Double]
  /// The largest interpolation error that was found: of ln m, and of v relative to v.
  public let errorBound: Double

  public var nodes: Int { variance.count - 1 }

  public init(of process: some AffineSDE, tolerance: Double = 1e-11, most: Int = 32_768) {
    var cells = 256
    while true {
      let path = Path(process, cells: 2 * cells)
      let kernel = IntegratedKernel(process, path, errorBound: 0)
      var bound = 0.0
      for k in stride(from: 1, to: 2 * cells, by: 2) {
        let between = kernel.moments(at: path.nodes.time(k))
        bound = max(bound, abs(log(between.scale) - path.logScale[k]))
        if path.variance[k] > 0 { bound = max(bound, abs(between.variance / path.variance[k] - 1)) }
      }
      if bound <= tolerance || 2 * cells > most || !bound.isFinite {
        self.init(process, path, errorBound: bound)
        return
      }
      cells *= 2
    }
  }

  /// Every other point of a path is a node.
  private init(_ process: some AffineSDE, _ path: Path, errorBound: Double) {
    let nodes = Array(stride(from: 0, to: path.variance.count, by: 2))
    duration = process.duration
    logScale = nodes.map { path.logScale[$0] }
    variance = nodes.map { path.variance[$0] }
    let times = nodes.map { path.nodes.time($0) }
    logScaleSlope = times.map { process.driftRate(at: $0) }
    varianceSlope = zip(times, variance).map { t, v in
      let g = process.diffusion(at: t)
      return 2 * process.driftRate(at: t) * v + g * g
    }
    self.errorBound = errorBound
  }

  /// ln m and v at nodes.
  private struct Path {
    let nodes: GradedNodes
    var logScale: [Double]
    var variance: [Double]

    init(_ process: some AffineSDE, cells: Int) {
      nodes = GradedNodes(duration: process.duration, cells: cells)
      let rule = GaussLegendre(points: 5)
      logScale = [0.0]
      variance = [process.initialVariance]
      for cell in 0..<cells {
        let (start, end) = (nodes.time(cell), nodes.time(cell + 1))
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
    }
  }

  public func moments(at t: Double) -> Moments {
    let (i, hermite) = GradedNodes(duration: duration, cells: nodes).place(of: t)
    let logScale = hermite(logScale[i], logScale[i + 1], logScaleSlope[i], logScaleSlope[i + 1])
    let variance = hermite(variance[i], variance[i + 1], varianceSlope[i], varianceSlope[i + 1])
    return Moments(scale: exp(logScale), variance: variance < 0 ? 0 : variance)
  }
}
