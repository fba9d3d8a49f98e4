// SPDX-License-Identifier: GPL-3.0-or-later

/// Optimal transport between n and m sorted numbers of equal weights for the cost (x − y)².
enum LineTransport {
  /// ∫₀¹ (F⁻¹ − G⁻¹)² dq, and the potentials f and g of the dual problem (Villani 2003, *Topics in optimal
  /// transportation*, section 2.2), for which Σ f/n + Σ g/m is the same number.
  ///
  /// The plan goes from the lowest pair to the highest, one row or one column at a time, and f_i + g_j is the cost of
  /// each of its pairs. Where both end at once, potentials are not unique: the mean of the two ways is taken.
  static func solve(
    _ x: UnsafePointer<Double>, _ n: Int, _ y: UnsafePointer<Double>, _ m: Int, f: UnsafeMutablePointer<Double>,
    g: UnsafeMutablePointer<Double>
  ) -> Double {
    func cost(_ i: Int, _ j: Int) -> Double { (x[i] - y[j]) * (x[i] - y[j]) }
    var (i, j) = (0, 0)
    // In units of 1/(n m), which are whole.
    var (place, sum) = (0, 0.0)
    f[0] = cost(0, 0)
    g[0] = 0
    while true {
      let (endX, endY) = ((i + 1) * m, (j + 1) * n)
      let end = min(endX, endY)
      sum += Double(end - place) * cost(i, j)
      place = end
      if endX < endY {
        i += 1
        f[i] = cost(i, j) - g[j]
      } else if endY < endX {
        j += 1
        g[j] = cost(i, j) - f[i]
      } else if i + 1 == n {
        return sum / (Double(n) * Double(m))
      } else {
        f[i + 1] = f[i] + 0.5 * (cost(i + 1, j) - cost(i, j) + cost(i + 1, j + 1) - cost(i, j + 1))
        g[j + 1] = cost(i + 1, j + 1) - f[i + 1]
        (i, j) = (i + 1, j + 1)
      }
    }
  }
}
