// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// What is asked of square matrices that stand row after row in memory.
enum SquareMatrix {
  /// ln |det A| by elimination with row exchanges; −∞ for a singular matrix. It takes n³/3 products.
  /// - Parameters:
  ///   - a: n × n values, which are overwritten.
  ///   - n: the order.
  static func logDeterminant(_ a: UnsafeMutablePointer<Double>, _ n: Int) -> Double {
    var sum = 0.0
    for k in 0..<n {
      var pivot = k
      for i in k..<n where abs(a[i * n + k]) > abs(a[pivot * n + k]) { pivot = i }
      if pivot != k {
        for j in k..<n { (a[k * n + j], a[pivot * n + j]) = (a[pivot * n + j], a[k * n + j]) }
      }
      let diagonal = a[k * n + k]
      // A value that is not a number is no pivot, and stays one.
      if diagonal == 0 { return -.infinity }
      sum += log(abs(diagonal))
      for i in k + 1..<n {
        let share = a[i * n + k] / diagonal
        for j in k + 1..<n { a[i * n + j] -= share * a[k * n + j] }
      }
    }
    return sum
  }
}
