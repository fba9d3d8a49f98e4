// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Testing

/// What the tree of Brownian paths draws within a cell has the law of Brownian motion, to the last digits where the
/// draw is a linear map that can be read off.
@Suite struct BridgeLawTests {
  /// W and H of both halves from four independent numbers: W/√w, H/√(w/12) of the cell, and two normals.
  private func halves(_ numbers: [Double], width: Double) -> [Double] {
    let (w, h) = (width.squareRoot() * numbers[0], (width / 12).squareRoot() * numbers[1])
    return [Int32(0), 1].flatMap { half in
      var (start, integral, increment, area) = ([0.0], [0.0], [0.0], [0.0])
      ck_bridge_half(
        &start, &integral, &increment, &area, [0], [0], [w], [h], [numbers[2]], [numbers[3]], width, half, 1)
      return [increment[0], area[0]]
    }
  }

  @Test func halvesAreIndependentWithVariancesOfTheirWidth() {
    let width = 0.7
    let map = Matrix(
      (0..<4).map { k in halves((0..<4).map { $0 == k ? 1 : 0 }, width: width) })
    let covariance = map.transpose * map
    let expected = Matrix.diagonal([width / 2, width / 24, width / 2, width / 24])
    for (a, b) in zip(covariance.values, expected.values) { #expect(abs(a - b) < 1e-15) }
  }

  /// Cov(W(s), W(t)), Cov(W(s), J(t)) and Cov(J(s), J(t)) for J(t) = ∫₀ᵗ W.
  private func covariance(_ s: Double, _ t: Double) -> Matrix {
    let (a, b) = (min(s, t), max(s, t))
    func mixed(_ s: Double, _ t: Double) -> Double { s <= t ? s * t - s * s / 2 : t * t / 2 }
    return Matrix([[a, mixed(s, t)], [mixed(t, s), a * a * b / 2 - a * a * a / 6]])
  }

  /// What is left of W(t) and J(t) when their means given both ends of the cell are taken away: its covariance is
  /// small, so that small errors of the draw show.
  @Test(arguments: [0.3, 0.5, 0.9]) func pointsInsideACellHaveTheLawGivenItsEnds(_ share: Double) {
    let count = 20_000
    // A tree of two cells; the first is [0, ½].
    let path = CoupledPath(seed: 7, duration: 1, depth: 1)
    let rows = RowSpan(first: 0, count: count, dimension: 1)
    /// W(t) and J(t), from the increment and the area of the step from 0.
    func points(_ t: Double) -> [(w: Double, j: Double)] {
      let draw = CoupledPathTests.areas(path, [0, t], rows: rows)[0]
      return (0..<count).map { i in
        (t.squareRoot() * draw.z[i], t * t.squareRoot() * (draw.z[i] / 2 + draw.area[i] / 12.0.squareRoot()))
      }
    }
    let t = 0.5 * share
    let (inside, ends) = (points(t), points(0.5))
    let gain = covariance(t, 0.5) * covariance(0.5, 0.5).inverse
    let expected = covariance(t, t) - gain * covariance(0.5, 0.5) * gain.transpose
    var found = Matrix(rows: 2, columns: 2)
    for i in 0..<count {
      let rest = [
        inside[i].w - gain[0, 0] * ends[i].w - gain[0, 1] * ends[i].j,
        inside[i].j - gain[1, 0] * ends[i].w - gain[1, 1] * ends[i].j,
      ]
      for a in 0..<2 { for b in 0..<2 { found[a, b] += rest[a] * rest[b] / Double(count) } }
    }
    for a in 0..<2 {
      for b in 0..<2 {
        let scale = (expected[a, a] * expected[b, b]).squareRoot()
        // A product of normals of deviations s and s′ has a deviation of at most √2 s s′.
        #expect(abs(found[a, b] - expected[a, b]) < 5 * (2 / Double(count)).squareRoot() * scale, "\(a), \(b)")
      }
    }
  }

  /// The whole path is one step: its increment and area are standard normals too.
  @Test func theWholePathHasUnitAreas() {
    let count = 40_000
    let path = CoupledPath(seed: 8, duration: 3, depth: 4)
    let draw = CoupledPathTests.areas(path, [3, 0], rows: RowSpan(first: 0, count: count, dimension: 1))[0]
    for values in [draw.z, draw.area] {
      let square = values.reduce(0) { $0 + $1 * $1 } / Double(count)
      #expect(abs(square - 1) < 5 * (2 / Double(count)).squareRoot())
    }
  }
}
