// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

extension DataRows {
  /// σ_d: the standard deviation of all values about their one mean, whatever their row and column (Karras et al. 2022;
  /// 0.5 for CIFAR-10).
  public var deviation: Double {
    if count == 0 { return 0 }
    let n = Double(count) * Double(dimension)
    func sum(_ term: (Double) -> Double) -> Double {
      var sum = 0.0
      forEachChunk { x in for i in 0..<x.size { sum += term(x.values[i]) } }
      return sum
    }
    let mean = sum { $0 } / n
    return (sum { ($0 - mean) * ($0 - mean) } / n).squareRoot()
  }
}
