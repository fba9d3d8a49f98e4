// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// The entropic transport plan between n points and n points of equal weights,
///
///     π = argmin Σ π c + Σ π ln π = diag(a) exp(−c) diag(b),   rows and columns of sum 1/n,
///
/// which is the coupling of a Schrödinger bridge where c is −ln of the reference process's transition density (Léonard
/// 2014). By Sinkhorn's iterations on a kernel that takes the potentials in whenever the scalings grow (Schmitzer
/// 2019). They end where the plan's rows are wrong by less than 1e-5 of all mass together, or after 500 turns: where
/// costs differ by many units of the entropy, iterations go on for very long, and the plan says how wrong it is.
package struct EntropicPlan {
  private let count: Int
  /// π, row by row.
  private let plan: [Double]
  /// Σ_i |Σ_j π_ij − 1/n| as the last turn found it; columns are exact then.
  package let marginalError: Double

  /// Whether iterations went on until the marginals were right.
  package var isConverged: Bool { marginalError < Self.tolerance }

  package static let mostTurns = 500
  private static let tolerance = 1e-5
  private static let largestScaling = 1e50

  /// - Parameters:
  ///   - costs: n × n, row by row, in units of the entropy.
  ///   - count: n
  package init(_ costs: [Double], count n: Int) {
    count = n
    var (f, g) = ([Double](repeating: 0, count: n), [Double](repeating: 0, count: n))
    // Potentials with which no entry is above 1, and every row and column has one that is 1.
    for i in 0..<n { f[i] = (0..<n).reduce(Double.infinity) { min($0, costs[i * n + $1]) } }
    for j in 0..<n { g[j] = (0..<n).reduce(Double.infinity) { min($0, costs[$1 * n + j] - f[$1]) } }
    var kernel = [Double](repeating: 0, count: n * n)
    var (a, b) = ([Double](repeating: 1, count: n), [Double](repeating: 1, count: n))
    func absorb() {
      for i in 0..<n { f[i] += log(a[i]) }
      for j in 0..<n { g[j] += log(b[j]) }
      for i in 0..<n { for j in 0..<n { kernel[i * n + j] = exp(f[i] + g[j] - costs[i * n + j]) } }
      (a, b) = ([Double](repeating: 1, count: n), [Double](repeating: 1, count: n))
    }
    absorb()
    let share = 1 / Double(n)
    var error = 0.0
    for _ in 0..<Self.mostTurns {
      var sums = [Double](repeating: 0, count: n)
      for i in 0..<n { for j in 0..<n { sums[j] += kernel[i * n + j] * a[i] } }
      for j in 0..<n where sums[j] > 0 { b[j] = share / sums[j] }
      error = 0
      for i in 0..<n {
        var sum = 0.0
        for j in 0..<n { sum += kernel[i * n + j] * b[j] }
        error += abs(a[i] * sum - share)
        if sum > 0 { a[i] = share / sum }
      }
      if error < Self.tolerance { break }
      let largest = max(a.max() ?? 1, b.max() ?? 1)
      if !(largest < Self.largestScaling) { absorb() }
    }
    marginalError = error
    plan = (0..<n * n).map { kernel[$0] * a[$0 / n] * b[$0 % n] }
  }

  /// A column for each row, drawn from π given the row.
  /// - Parameter uniforms: one in [0, 1) for each row.
  package func columns(_ uniforms: [Double]) -> [Int] {
    (0..<count).map { i in
      let row = plan[i * count..<(i + 1) * count]
      var left = uniforms[i] * row.reduce(0, +)
      for (j, share) in row.enumerated() {
        left -= share
        if left < 0 { return j }
      }
      return row.enumerated().max { $0.element < $1.element }?.offset ?? i
    }
  }

  /// π of a row and a column.
  package subscript(row: Int, column: Int) -> Double { plan[row * count + column] }
}
