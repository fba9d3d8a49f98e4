// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// Potentials for a sparse transport problem by Sinkhorn's iteration with a falling entropy (Schmitzer 2019,
/// *Stabilized sparse scaling algorithms for entropy regularized transport problems*): not exact, and close enough for
/// the exact search to be short.
struct SparseEntropy {
  /// The arcs by row, and their order by column.
  private let start, columnStart: [Int]
  private let row, column: [Int32]
  private let byColumn: [Int32]
  private let cost: [Double]
  /// ln of what rows supply and columns demand.
  private let supply, demand: [Double]

  /// - Parameters:
  ///   - lists: the arcs of every row, each column once.
  ///   - supply, demand: of rows and columns, all above 0.
  init(_ lists: [[(column: Int, cost: Double)]], supply: [Int], demand: [Int]) {
    var (start, row, column, cost) = ([0], [Int32](), [Int32](), [Double]())
    var counts = [Int](repeating: 0, count: demand.count + 1)
    for (i, list) in lists.enumerated() {
      for arc in list {
        row.append(Int32(i))
        column.append(Int32(arc.column))
        cost.append(arc.cost)
        counts[arc.column + 1] += 1
      }
      start.append(cost.count)
    }
    for j in 0..<demand.count { counts[j + 1] += counts[j] }
    columnStart = counts
    var byColumn = [Int32](repeating: 0, count: cost.count)
    for (arc, j) in column.enumerated() {
      byColumn[counts[Int(j)]] = Int32(arc)
      counts[Int(j)] += 1
    }
    (self.start, self.row, self.column, self.cost, self.byColumn) = (start, row, column, cost, byColumn)
    (self.supply, self.demand) = (supply.map { log(Double($0)) }, demand.map { log(Double($0)) })
  }

  /// The potentials of columns after some turns.
  /// - Parameters:
  ///   - v: to begin with.
  ///   - epsilons: the entropies, falling.
  ///   - turns: for each of them.
  func potentials(_ v: [Double], epsilons: [Double], turns: Int) -> [Double] {
    var v = v
    var u = [Double](repeating: 0, count: supply.count)
    // u_i = ε (ln supply − ln Σ exp((v_j − c)/ε)), and the other way about; potentials hold ln of the scalings.
    for epsilon in epsilons where epsilon > 0 {
      for _ in 0..<turns {
        for i in u.indices {
          u[i] = Self.update(start[i]..<start[i + 1], supply[i], epsilon) { arc in v[Int(column[arc])] - cost[arc] }
        }
        for j in v.indices where columnStart[j] < columnStart[j + 1] {
          v[j] = Self.update(columnStart[j]..<columnStart[j + 1], demand[j], epsilon) { place in
            let arc = Int(byColumn[place])
            return u[Int(row[arc])] - cost[arc]
          }
        }
      }
    }
    return v
  }

  private static func update(
    _ range: Range<Int>, _ weight: Double, _ epsilon: Double, _ exponent: (Int) -> Double
  ) -> Double {
    var largest = -Double.infinity
    for k in range { largest = max(largest, exponent(k)) }
    var sum = 0.0
    for k in range { sum += exp((exponent(k) - largest) / epsilon) }
    return epsilon * (weight - log(sum)) - largest
  }
}
