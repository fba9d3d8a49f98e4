// SPDX-License-Identifier: GPL-3.0-or-later

/// The share of pairs (x, y) with x > y, halves for equal ones: Mann and Whitney's U over n m (1947), with what each
/// value contributes.
struct PairShares {
  let share: Double
  /// For each x, the share of y below it; for each y, the share of x above it.
  let first, second: [Double]

  /// - Precondition: neither is empty.
  init(_ x: [Double], _ y: [Double]) {
    let (sortedX, sortedY) = (x.sorted(), y.sorted())
    /// How many values are below a bound, plus half of those that equal it.
    func below(_ bound: Double, _ sorted: [Double]) -> Double {
      func count(_ isBelow: (Double) -> Bool) -> Int {
        var (low, high) = (0, sorted.count)
        while low < high {
          let middle = (low + high) / 2
          if isBelow(sorted[middle]) { low = middle + 1 } else { high = middle }
        }
        return low
      }
      return Double(count { $0 < bound } + count { $0 <= bound }) / 2
    }
    first = x.map { below($0, sortedY) / Double(y.count) }
    second = y.map { 1 - below($0, sortedX) / Double(x.count) }
    share = first.reduce(0, +) / Double(x.count)
  }
}
