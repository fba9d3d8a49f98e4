// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// The Sinkhorn divergence OT_ε(P, Q) − ½ OT_ε(P, P) − ½ OT_ε(Q, Q), where OT_ε is optimal transport for the squared
/// distance with an entropic penalty ε KL(π ‖ P ⊗ Q) (Genevay et al. 2018; Feydy et al. 2019, *Interpolating between
/// optimal transport and MMD*). ε is a multiple of the squared median distance among the first 1,000 held-out rows.
///
/// Its interval covers the expected value at these counts: the influence of a sample is f_PQ − f_PP, the difference of
/// its potentials, and that of a held-out row g_PQ − g_QQ and what it does to ε (Goldfeld et al. 2024, *Limit theorems
/// for entropic optimal transport maps and Sinkhorn divergence*), whose second-order noise `CrossFit` finds.
///
/// Sums of exponentials are formed in float, relative to the median distance, and everything else in double: the value
/// is right to about 10⁻⁶ of the squared median distance.
public struct SinkhornDivergence: Metric {
  /// ε in units of the squared median distance.
  public let epsilon: Double
  /// How many iterations there are at most for each of the three problems.
  static let mostIterations = 2000
  /// The mean relative error of the plan's row sums at which a problem counts as solved; that of the value is of the
  /// order of its square.
  static let tolerance = 1e-4

  /// - Parameter epsilon: in units of the squared median distance, above 0.
  public init(epsilon: Double = 0.1) {
    precondition(epsilon > 0)
    self.epsilon = epsilon
  }

  public var fewestRows: Int { 2 }
  public var comparesAllPairs: Bool { true }

  public func evaluate(_ comparison: Comparison) throws -> Double { try solve(comparison).value }

  public func estimate(_ comparison: Comparison) throws -> Estimate {
    let solved = try solve(comparison)
    let (x, y, own, threads) = (solved.x, solved.y, solved.own, comparison.threads)
    var excess = Estimate.Excess()
    if min(x.count, y.count) >= CrossFit.fewestRows {
      let halves = try [0, 1].map { part in
        let (rowsX, rowsY) = (Deal.rows(part, of: 2, count: x.count), Deal.rows(part, of: 2, count: y.count))
        let (halfX, halfY) = (x.only(rowsX), y.only(rowsY))
        // Potentials of all rows are a good beginning.
        let aloneX = try potential(halfX, first: rowsX.map { solved.alone[$0] }, threads: threads)
        let aloneY = try potential(halfY, first: rowsY.map { own[$0] }, threads: threads)
        let (f, g) = try potentials(halfX, halfY, first: rowsY.map { solved.g[$0] }, threads: threads)
        func minimum(_ of: FloatPanels, _ over: FloatPanels, _ potential: [Double]) throws -> [Double] {
          try of.softMinimum(over, potential, epsilon: epsilon, threads: threads)
        }
        return (
          zip(try minimum(x, halfY, g), try minimum(x, halfX, aloneX)).map { solved.scale * ($0 - $1) },
          zip(try minimum(y, halfX, f), try minimum(y, halfY, aloneY)).map { solved.scale * ($0 - $1) }
        )
      }
      // In many dimensions a row's plan with its own kind stays with the row itself, which halves that do not hold it
      // cannot say: only what goes elsewhere counts.
      excess.samples = away(solved.alone) * CrossFit.excess(solved.samples, (halves[0].0, halves[1].0))
      excess.heldOut = away(own) * CrossFit.excess(solved.heldOut, (halves[0].1, halves[1].1))
    }
    // The median distance sets ε: d S/d ln median = 2 d S/d ln ε.
    let median = comparison.reference.once("median distance and influences") { MedianDistance(comparison.heldOut) }
    let slope = 2 * solved.scale * (try derivative(solved, threads: threads))
    return Estimate(
      solved.value, sampleInfluences: solved.samples,
      heldOutInfluences: zip(solved.heldOut, median.influences).map { $0 + slope * $1 }, scale: .square, excess: excess)
  }

  /// The share of the mass of a plan of rows with themselves that does not stay where it is.
  private func away(_ potential: [Double]) -> Double {
    let count = Double(potential.count)
    return 1 - min(1, potential.reduce(0) { $0 + exp(2 * $1 / epsilon) } / (count * count))
  }

  /// The derivative by ln ε, in units of the squared median distance. Potentials are optimal, so that it is that of the
  /// dual problem mean f + mean g − ε (mean exp((f + g − c)/ε) − 1) where they stand still.
  private func derivative(_ solved: Solution, threads: Int) throws -> Double {
    let step = 0.01
    func mass(_ x: FloatPanels, _ y: FloatPanels, _ f: [Double], _ g: [Double], _ epsilon: Double) throws -> Double {
      let minimum = try x.softMinimum(y, g, epsilon: epsilon, threads: threads)
      return zip(f, minimum).reduce(0) { $0 + exp(($1.0 - $1.1) / epsilon) } / Double(f.count)
    }
    func slope(_ x: FloatPanels, _ y: FloatPanels, _ f: [Double], _ g: [Double]) throws -> Double {
      let (low, high) = (epsilon * (1 - step), epsilon * (1 + step))
      return (low * (try mass(x, y, f, g, low) - 1) - high * (try mass(x, y, f, g, high) - 1)) / (2 * step)
    }
    return try slope(solved.x, solved.y, solved.f, solved.g) - 0.5
      * slope(solved.x, solved.x, solved.alone, solved.alone)
      - 0.5 * slope(solved.y, solved.y, solved.own, solved.own)
  }

  /// A solution: rows and potentials in units of the median distance, value and influences in those of the data.
  private struct Solution {
    let x, y: FloatPanels
    /// The potentials of samples with themselves, of held-out rows with themselves, and of both with each other.
    let alone, own, f, g: [Double]
    let samples, heldOut: [Double]
    let value, scale: Double
  }

  private func solve(_ comparison: Comparison) throws -> Solution {
    try comparison.requireFinite(atLeast: fewestRows)
    let (heldOut, threads) = (comparison.heldOut, comparison.threads)
    let median = try comparison.reference.medianDistance()
    let centre = (0..<heldOut.dimension).map { j in
      (0..<heldOut.count).reduce(0) { $0 + heldOut[$1, j] } / Double(heldOut.count)
    }
    let (y, own) = try comparison.reference.once("sinkhorn \(epsilon)") {
      let y = FloatPanels(heldOut, centre: centre, scale: median)
      return (y, try potential(y, first: [Double](repeating: 0, count: y.count), threads: threads))
    }
    let x = FloatPanels(comparison.samples, centre: centre, scale: median)
    let alone = try potential(x, first: [Double](repeating: 0, count: x.count), threads: threads)
    let (f, g) = try potentials(x, y, first: own, threads: threads)
    let (samples, rows) = (zip(f, alone).map { $0 - $1 }, zip(g, own).map { $0 - $1 })
    let (meanX, meanY) = (samples.reduce(0, +) / Double(x.count), rows.reduce(0, +) / Double(y.count))
    let scale = median * median
    return Solution(
      x: x, y: y, alone: alone, own: own, f: f, g: g, samples: samples.map { scale * ($0 - meanX) },
      heldOut: rows.map { scale * ($0 - meanY) }, value: try finite(max(0, scale * (meanX + meanY))), scale: scale)
  }

  /// The potential of rows with themselves, f = softmin f: by the mean of both sides, which contracts (Feydy et al.
  /// 2019, section 3.1).
  private func potential(_ x: FloatPanels, first: [Double], threads: Int) throws -> [Double] {
    var f = first
    for iteration in 1...Self.mostIterations {
      let next = try x.softMinimum(x, f, epsilon: epsilon, threads: threads)
      let error = error(f, next)
      f = zip(f, next).map { 0.5 * ($0 + $1) }
      if error < tolerance(f) { break }
      try check(iteration, error)
    }
    return f
  }

  /// f = softmin g and g = softmin f, in turns (Sinkhorn 1964; Cuturi 2013).
  /// - Parameter first: g to begin with.
  private func potentials(
    _ x: FloatPanels, _ y: FloatPanels, first: [Double], threads: Int
  ) throws -> (f: [Double], g: [Double]) {
    var g = first
    for iteration in 1...Self.mostIterations {
      let f = try x.softMinimum(y, g, epsilon: epsilon, threads: threads)
      let next = try y.softMinimum(x, f, epsilon: epsilon, threads: threads)
      let error = error(g, next)
      g = next
      // The value is Σ f/n + Σ g/m where the plan has all its mass, which it has after each half of a turn.
      if error < tolerance(g) { return (f, g) }
      try check(iteration, error)
    }
    preconditionFailure("the last iteration throws")
  }

  /// The mean relative error of the plan's sums under the old potential.
  private func error(_ old: [Double], _ new: [Double]) -> Double {
    zip(old, new).reduce(0) { $0 + min(1, abs($1.0 - $1.1) / epsilon) } / Double(old.count)
  }

  /// Potentials go into floats: far rows have large ones, which are known to some units in the last place of a float.
  private func tolerance(_ potential: [Double]) -> Double {
    let largest = potential.reduce(0) { max($0, $1.magnitude) }
    return max(Self.tolerance, 4 * Double(Float.ulpOfOne) * largest / epsilon)
  }

  private func check(_ iteration: Int, _ error: Double) throws {
    guard iteration < Self.mostIterations else {
      throw InputError(
        "Sinkhorn's iteration has an error of \(error) after \(iteration) turns; allowed: a larger epsilon than \(epsilon)"
      )
    }
  }
}
