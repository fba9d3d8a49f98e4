// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// Nodes t_k = T sin²(πk/2N), denser towards 0, where variances grow from nothing and their relative accuracy counts,
/// and towards T, where rates may be large.
struct GradedNodes {
  let duration: Double
  /// N
  let cells: Int

  func time(_ k: Int) -> Double {
    let root = sin(0.5 * .pi * Double(k) / Double(cells))
    return k == cells ? duration : duration * root * root
  }

  /// Where between its nodes a time lies.
  func place(of t: Double) -> (cell: Int, hermite: Hermite) {
    let position = asin(min(max(t / duration, 0), 1).squareRoot()) * 2 / .pi * Double(cells)
    let cell = min(Int(position), cells - 1)
    let (start, end) = (time(cell), time(cell + 1))
    return (cell, Hermite((min(t, duration) - start) / (end - start), width: end - start))
  }
}

/// Cubic Hermite interpolation at 0 ≤ u ≤ 1 of a cell.
struct Hermite {
  private let u, a, b: Double

  init(_ u: Double, width: Double) {
    self.u = u
    (a, b) = (u * u * (3 - 2 * u), width * u * (1 - u))
  }

  func callAsFunction(_ left: Double, _ right: Double, _ leftSlope: Double, _ rightSlope: Double) -> Double {
    left * (1 - a) + right * a + b * ((1 - u) * leftSlope - u * rightSlope)
  }
}
