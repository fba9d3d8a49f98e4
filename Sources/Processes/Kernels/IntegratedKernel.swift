// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The kernel of any affine process, by integrating the moment equations
///
///     d ln m / dt = a(t),    dv/dt = 2 a(t) v + g(t)²
///
/// once, by GSL's Gauss–Legendre quadrature between nodes t_k = T sin²(πk/2N), and interpolating ln m and v/t^q by cubic Hermite
/// polynomials with exact derivatives, with the power q by which v grows from 0. Before the first node both are integrated.
///
/// The error falls as nodes⁻⁴. The nodes are doubled until the largest difference is below the tolerance, at the middle of cells from
/// interpolation and at nodes from quadrature in cells twice as long; or there are `most` of them: `errorBound` is what was reached. It
/// is that of ln m, and of v relative to v or to 1e-10 of its largest value. Where a or g is not finite the moments are NaN from there
/// on.
public struct IntegratedKernel: PerturbationKernel {
  private let path: Path
  private let logScaleSlope: [Double]
  /// q: v ~ t^q where t is small; 0 where v does not begin at 0.
  private let power: Double
  /// v/t^q of nodes, and its derivative.
  private let scaled, scaledSlope: [Double]
  /// The largest error that was found, as above.
  public let errorBound: Double

  public var nodes: Int { path.variance.count - 1 }

  public init(of process: some AffineSDE, tolerance: Double = 1e-11, most: Int = 32_768) {
    var cells = min(256, most)
    var coarse = Path(process, cells: cells)
    // The quadrature's largest difference so far, halved with the cells: across a jump it falls with them, but not steadily.
    var quadrature = 0.0
    while true {
      let fine = Path(process, cells: 2 * cells)
      let kernel = IntegratedKernel(process, fine.everyOther, errorBound: 0)
      var (bound, gap) = (0.0, 0.0)
      let largest = fine.variance.reduce(0) { max($0, $1) }
      func difference(_ logScale: Double, _ variance: Double, from k: Int) -> Double {
        let size = max(fine.variance[k], 1e-10 * largest)
        let error = max(abs(logScale - fine.logScale[k]), size == 0 ? 0 : abs(variance - fine.variance[k]) / size)
        return error.isNaN || fine.variance[k].isNaN ? .infinity : error
      }
      for k in 0..<cells {
        let between = kernel.moments(at: fine.nodes.time(2 * k + 1))
        bound = max(bound, difference(log(between.scale), between.variance, from: 2 * k + 1))
        gap = max(gap, difference(coarse.logScale[k + 1], coarse.variance[k + 1], from: 2 * k + 2))
      }
      quadrature = max(0.5 * quadrature, gap)
      // Three times, as across a pole it may fall with the root of a cell alone.
      bound = max(bound, 3 * quadrature)
      if bound <= tolerance || 2 * cells > most || !bound.isFinite {
        self.init(process, kernel.path, errorBound: bound)
        return
      }
      cells *= 2
      coarse = fine
    }
  }

  private init(_ process: some AffineSDE, _ path: Path, errorBound: Double) {
    self.path = path
    let times = path.variance.indices.map { path.nodes.time($0) }
    logScaleSlope = times.map { process.driftRate(at: $0) }
    func slope(_ t: Double, _ v: Double) -> Double {
      let g = process.diffusion(at: t)
      return 2 * process.driftRate(at: t) * v + g * g
    }
    // d ln v/d ln t, where next to nothing but the first power is left; to six digits, as it is a round number if any.
    let early = 1e-12 * process.duration
    let first = path.step(process, to: early, from: 0).variance
    let found = path.variance[0] == 0 ? (1e6 * early * slope(early, first) / first).rounded() / 1e6 : 0
    let power = found.isFinite && found > 0 && found < 100 ? found : 0
    self.power = power
    scaled = zip(times, path.variance).map { $1 / pow($0, power) }
    scaledSlope = zip(times, path.variance).map { (slope($0, $1) - power * $1 / $0) / pow($0, power) }
    self.errorBound = errorBound
  }

  /// ln m and v at nodes.
  private struct Path: Sendable {
    let process: any AffineSDE
    let nodes: GradedNodes
    var logScale: [Double]
    var variance: [Double]

    init(_ process: some AffineSDE, cells: Int) {
      self.process = process
      nodes = GradedNodes(duration: process.duration, cells: cells)
      logScale = [0.0]
      variance = [process.initialVariance]
      for cell in 0..<cells {
        let step = step(process, to: nodes.time(cell + 1), from: cell)
        logScale.append(step.logScale)
        variance.append(step.variance)
      }
    }

    private init(_ process: any AffineSDE, _ nodes: GradedNodes, _ logScale: [Double], _ variance: [Double]) {
      (self.process, self.nodes, self.logScale, self.variance) = (process, nodes, logScale, variance)
    }

    var everyOther: Path {
      let kept = Array(stride(from: 0, to: variance.count, by: 2))
      return Path(
        process, GradedNodes(duration: nodes.duration, cells: nodes.cells / 2), kept.map { logScale[$0] },
        kept.map { variance[$0] })
    }

    private static let rule = GaussLegendre(points: 5)
    /// Of the first cells, in which rates may change as much as a power of t does.
    private static let rules = (first: GaussLegendre(points: 32), early: GaussLegendre(points: 12))

    /// ln m and v at a time, from the node before.
    func step(_ process: some AffineSDE, to end: Double, from cell: Int) -> (logScale: Double, variance: Double) {
      let start = nodes.time(cell)
      func integral(_ from: Double, _ f: (Double) -> Double) -> Double {
        if cell >= 16 { return Self.rule.integrate(from, end, f) }
        return (cell == 0 ? Self.rules.first : Self.rules.early).integrateByRoot(from, end, f)
      }
      let growth = integral(start) { process.driftRate(at: $0) }
      // v(end) = (m(end)/m(start))² v(start) + ∫ (m(end)/m(u))² g(u)² du
      let added = integral(start) { u in
        let g = process.diffusion(at: u)
        return exp(2 * integral(u) { process.driftRate(at: $0) }) * g * g
      }
      return (logScale[cell] + growth, exp(2 * growth) * variance[cell] + added)
    }
  }

  public func moments(at t: Double) -> Moments {
    let (i, hermite) = path.nodes.place(of: t)
    if i == 0 {
      let first = path.step(path.process, to: min(max(t, 0), path.nodes.duration), from: 0)
      return Moments(scale: exp(first.logScale), variance: first.variance)
    }
    let logScale = hermite(path.logScale[i], path.logScale[i + 1], logScaleSlope[i], logScaleSlope[i + 1])
    let variance =
      hermite(scaled[i], scaled[i + 1], scaledSlope[i], scaledSlope[i + 1]) * pow(min(t, path.nodes.duration), power)
    return Moments(scale: exp(logScale), variance: variance < 0 ? 0 : variance)
  }
}
