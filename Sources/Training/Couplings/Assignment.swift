// SPDX-License-Identifier: GPL-3.0-or-later

/// The cheapest way to give each of n rows one of n columns: optimal transport between equally many points of equal
/// weights, where some plan of least cost is a permutation.
///
/// Shortest augmenting paths on a dense matrix of costs (Jonker and Volgenant 1987; Crouse 2016, whose algorithm
/// SciPy's `linear_sum_assignment` has): potentials u of rows and v of columns leave no reduced cost c − u − v below 0,
/// and each row is added by Dijkstra's method along arcs of reduced costs, in O(n²). Column reduction and a first pass
/// of free rows leave few rows to add. Exact for batches of some hundred rows, in memory of n² numbers;
/// `ExactTransport` of the floor Evaluation is for many thousand rows.
public struct Assignment: Sendable {
  /// The column of each row.
  public let columns: [Int]

  /// The cost of a plan, the mean over rows.
  public func cost(_ costs: [Double]) -> Double {
    let n = columns.count
    return (0..<n).reduce(0) { $0 + costs[$1 * n + columns[$1]] } / Double(max(1, n))
  }

  /// - Parameters:
  ///   - costs: n × n, row by row; finite.
  ///   - n: how many rows and columns there are.
  public init(_ costs: [Double], count n: Int) {
    precondition(costs.count == n * n, "n × n costs")
    var search = Search(n)
    columns = costs.withUnsafeBufferPointer { search.run($0) }
  }

  private struct Search {
    private let n: Int
    private var u, v, distances: [Double]
    private var rowOfColumn, columnOfRow, ways: [Int]
    private var isDone: [Bool]

    init(_ n: Int) {
      self.n = n
      (u, v) = ([Double](repeating: 0, count: n), [Double](repeating: 0, count: n))
      distances = u
      (rowOfColumn, columnOfRow) = ([Int](repeating: -1, count: n), [Int](repeating: -1, count: n))
      ways = rowOfColumn
      isDone = [Bool](repeating: false, count: n)
    }

    mutating func run(_ costs: UnsafeBufferPointer<Double>) -> [Int] {
      guard n > 0 else { return [] }
      // The least cost of each column, and of what is left of each row: a row that nobody else wants has its column.
      for j in 0..<n { v[j] = (0..<n).reduce(Double.infinity) { min($0, costs[$1 * n + j]) } }
      for i in 0..<n {
        var (best, place) = (Double.infinity, 0)
        for j in 0..<n where costs[i * n + j] - v[j] < best { (best, place) = (costs[i * n + j] - v[j], j) }
        u[i] = best
        if rowOfColumn[place] < 0 { (rowOfColumn[place], columnOfRow[i]) = (i, place) }
      }
      for i in 0..<n where columnOfRow[i] < 0 { add(i, costs) }
      return columnOfRow
    }

    /// Gives a row a column, along a shortest path that may move others.
    private mutating func add(_ row: Int, _ costs: UnsafeBufferPointer<Double>) {
      for j in 0..<n { (distances[j], isDone[j], ways[j]) = (.infinity, false, row) }
      var (i, least, sink) = (row, 0.0, -1)
      var done: [Int] = []
      while sink < 0 {
        let (base, shift) = (i * n, least - u[i])
        var (next, best) = (-1, Double.infinity)
        for j in 0..<n where !isDone[j] {
          let d = costs[base + j] - v[j] + shift
          if d < distances[j] { (distances[j], ways[j]) = (d, i) }
          // Where several columns are equally near, a free one ends the search.
          if distances[j] < best || distances[j] == best && next >= 0 && rowOfColumn[j] < 0 {
            (best, next) = (distances[j], j)
          }
        }
        // Costs that are no numbers leave no order: any free column then.
        if next < 0 { next = (0..<n).first { rowOfColumn[$0] < 0 } ?? 0 }
        least = best.isFinite ? best : least
        isDone[next] = true
        if rowOfColumn[next] < 0 {
          sink = next
        } else {
          done.append(next)
          i = rowOfColumn[next]
        }
      }
      u[row] += least
      for j in done {
        u[rowOfColumn[j]] += least - distances[j]
        v[j] -= least - distances[j]
      }
      var j = sink
      while true {
        let owner = ways[j]
        rowOfColumn[j] = owner
        swap(&columnOfRow[owner], &j)
        if owner == row { return }
      }
    }
  }
}
