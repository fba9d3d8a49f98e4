// SPDX-License-Identifier: GPL-3.0-or-later

/// What a step costs from each candidate time to each later one, where the costs of steps add up.
package struct StepCosts: Sendable {
  /// M: candidates 0 to M.
  package let count: Int
  /// The cost from i to j > i; infinite where there is none.
  private var values: [Double]

  package init(count: Int) {
    self.count = count
    values = [Double](repeating: .infinity, count: (count + 1) * (count + 1))
  }

  package subscript(from: Int, to: Int) -> Double {
    get { values[from * (count + 1) + to] }
    set { values[from * (count + 1) + to] = newValue }
  }

  /// The candidates of the N steps from 0 to M whose costs have the least sum, by dynamic programming: C_n(j) = min
  /// over i < j of C_{n−1}(i) + cost(i, j) (Watson et al. 2021). nil where every way costs infinitely much.
  /// - Precondition: 1 ≤ N ≤ M.
  package func cheapest(steps: Int) -> [Int]? {
    precondition(steps >= 1 && steps <= count, "1 ≤ N ≤ M")
    var least = (0...count).map { $0 == 0 ? 0 : Double.infinity }
    var ways: [[Int]] = []
    for _ in 0..<steps {
      var (next, way) = ([Double](repeating: .infinity, count: count + 1), [Int](repeating: -1, count: count + 1))
      for j in 1...count {
        for i in 0..<j where least[i] + self[i, j] < next[j] { (next[j], way[j]) = (least[i] + self[i, j], i) }
      }
      least = next
      ways.append(way)
    }
    guard least[count].isFinite else { return nil }
    var places = [count]
    for way in ways.reversed() { places.append(way[places[places.count - 1]]) }
    return places.reversed()
  }
}
