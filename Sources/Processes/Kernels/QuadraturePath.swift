// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// ln m and v/t^q of an affine process at nodes, by quadrature from node to node, with the power q by which v grows
/// from 0. Before the first node both are integrated.
struct QuadraturePath: MomentPath {
  private let knots: Knots
  private let logScaleSlope: [Double]
  /// q: v ~ t^q where t is small; 0 where v does not begin at 0.
  private let power: Double
  /// v/t^q of nodes, and its derivative.
  private let scaled, scaledSlope: [Double]

  var nodes: Int { knots.variance.count - 1 }

  /// Doubles the nodes until the largest difference is below the tolerance: at the middle of cells from interpolation,
  /// and at nodes from quadrature in cells twice as long.
  static func refined(
    _ process: some AffineSDE, tolerance: Double, maximum: Int
  ) -> (path: QuadraturePath, bound: Double) {
    var cells = min(256, maximum)
    var coarse = Knots(process, cells: cells)
    // The quadrature's largest difference so far, halved with the cells: across a jump it falls with them, but not
    // steadily.
    var quadrature = 0.0
    while true {
      let fine = Knots(process, cells: 2 * cells)
      let path = QuadraturePath(process, fine.everyOther)
      var (bound, gap) = (0.0, 0.0)
      let largest = fine.variance.reduce(0) { max($0, $1) }
      func difference(_ logScale: Double, _ variance: Double, from k: Int) -> Double {
        let size = max(fine.variance[k], 1e-10 * largest)
        let error = max(abs(logScale - fine.logScale[k]), size == 0 ? 0 : abs(variance - fine.variance[k]) / size)
        return error.isNaN || fine.variance[k].isNaN ? .infinity : error
      }
      for k in 0..<cells {
        let between = path.moments(at: fine.nodes.time(2 * k + 1))
        bound = max(bound, difference(log(between.scale), between.variance, from: 2 * k + 1))
        gap = max(gap, difference(coarse.logScale[k + 1], coarse.variance[k + 1], from: 2 * k + 2))
      }
      quadrature = max(0.5 * quadrature, gap)
      // Three times, as across a pole it may fall with the root of a cell alone.
      bound = max(bound, 3 * quadrature)
      if bound <= tolerance || 2 * cells > maximum || !bound.isFinite { return (path, bound) }
      cells *= 2
      coarse = fine
    }
  }

  private init(_ process: some AffineSDE, _ knots: Knots) {
    self.knots = knots
    let times = knots.variance.indices.map { knots.nodes.time($0) }
    logScaleSlope = times.map { process.driftRate(at: $0) }
    func slope(_ t: Double, _ v: Double) -> Double {
      let g = process.diffusion(at: t)
      return 2 * process.driftRate(at: t) * v + g * g
    }
    // d ln v/d ln t, where next to nothing but the first power is left; to six digits, as it is a round number if any.
    let early = 1e-12 * process.duration
    let first = knots.step(process, to: early, from: 0).variance
    let found = knots.variance[0] == 0 ? (1e6 * early * slope(early, first) / first).rounded() / 1e6 : 0
    let power = found.isFinite && found > 0 && found < 100 ? found : 0
    self.power = power
    scaled = zip(times, knots.variance).map { $1 / pow($0, power) }
    scaledSlope = zip(times, knots.variance).map { (slope($0, $1) - power * $1 / $0) / pow($0, power) }
  }

  func moments(at t: Double) -> Moments {
    let (i, hermite) = knots.nodes.place(of: t)
    if i == 0 {
      let first = knots.step(knots.process, to: min(max(t, 0), knots.nodes.duration), from: 0)
      return Moments(scale: exp(first.logScale), variance: first.variance)
    }
    let logScale = hermite(knots.logScale[i], knots.logScale[i + 1], logScaleSlope[i], logScaleSlope[i + 1])
    let variance =
      hermite(scaled[i], scaled[i + 1], scaledSlope[i], scaledSlope[i + 1]) * pow(min(t, knots.nodes.duration), power)
    return Moments(scale: exp(logScale), variance: variance < 0 ? 0 : variance)
  }

  /// ln m and v at nodes.
  private struct Knots: Sendable {
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

    var everyOther: Knots {
      let kept = Array(stride(from: 0, to: variance.count, by: 2))
      return Knots(
        process, GradedNodes(duration: nodes.duration, cells: nodes.cells / 2), kept.map { logScale[$0] },
        kept.map { variance[$0] })
    }

    private static let rule = GaussLegendre(points: 5)
    /// The first cells' rules: there rates may change as much as a power of t does.
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
}
