// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Optimal transport along directions, one after the other: adds up the potentials of rows.
///
/// Three times over n samples and m held-out rows: the potentials that all rows give, those that the even rows give,
/// and those that the odd ones give.
struct LineSlices: ~Copyable {
  private let n, m: Int
  private let sums: UnsafeMutablePointer<Double>
  private let sorter: RadixOrder
  private let memory: UnsafeMutablePointer<Double>
  private let order: UnsafeMutablePointer<Int32>

  /// - Parameter sums: 3 (n + m) numbers that are added to.
  init(_ n: Int, _ m: Int, into sums: UnsafeMutablePointer<Double>) {
    (self.n, self.m, self.sums) = (n, m, sums)
    sorter = RadixOrder(capacity: max(n, m))
    // Sorted values and potentials of all rows and of a half.
    memory = .allocate(capacity: 4 * (n + m))
    order = .allocate(capacity: n + m)
  }

  deinit {
    memory.deallocate()
    order.deallocate()
  }

  /// Adds the potentials of a panel's directions.
  /// - Returns: the sum of the squared distances.
  func add(_ samples: Batch, _ heldOut: Batch, _ panel: Panels) -> Double {
    let (projectedX, projectedY) = (Self.projected(samples, panel), Self.projected(heldOut, panel))
    let (x, y, f, g) = (memory, memory + n, memory + n + m, memory + 2 * n + m)
    var sum = 0.0
    for direction in 0..<panel.count {
      projectedX.withUnsafeBufferPointer {
        sorter.sort($0.baseAddress! + direction, count: n, step: Panels.width, into: x, order: order)
      }
      projectedY.withUnsafeBufferPointer {
        sorter.sort($0.baseAddress! + direction, count: m, step: Panels.width, into: y, order: order + n)
      }
      sum += LineTransport.solve(x, n, y, m, f: f, g: g)
      for i in 0..<n { sums[Int(order[i])] += f[i] }
      for j in 0..<m { sums[n + Int(order[n + j])] += g[j] }
      if min(n, m) >= CrossFit.fewestRows { for odd in 0..<2 { addHalf(odd) } }
    }
    return sum
  }

  /// Adds the potentials that half of the rows give, of all rows.
  private func addHalf(_ odd: Int) {
    let (x, y) = (memory, memory + n)
    let half = memory + 2 * (n + m)
    var (countX, countY) = (0, 0)
    for i in 0..<n where Int(order[i]) & 1 == odd {
      half[countX] = x[i]
      countX += 1
    }
    let halfY = half + countX
    for j in 0..<m where Int(order[n + j]) & 1 == odd {
      halfY[countY] = y[j]
      countY += 1
    }
    let (f, g) = (halfY + countY, halfY + countY + countX)
    _ = LineTransport.solve(half, countX, halfY, countY, f: f, g: g)
    let out = sums + (1 + odd) * (n + m)
    Self.spread(half, f, countX, mates: (halfY[0], halfY[countY - 1]), over: x, n) { out[Int(order[$0])] += $1 }
    Self.spread(halfY, g, countY, mates: (half[0], half[countX - 1]), over: y, m) {
      out[n + Int(order[n + $0])] += $1
    }
  }

  /// A potential between and beyond the places where it is known: linear between them, and beyond as the cost of going
  /// to the last row of the other side changes.
  private static func spread(
    _ places: UnsafePointer<Double>, _ values: UnsafePointer<Double>, _ count: Int, mates: (Double, Double),
    over x: UnsafePointer<Double>, _ n: Int, _ add: (Int, Double) -> Void
  ) {
    var k = 0
    for i in 0..<n {
      while k + 1 < count && places[k + 1] <= x[i] { k += 1 }
      let gap = x[i] - places[k]
      let value: Double
      if gap < 0 || k + 1 == count {
        let mate = gap < 0 ? mates.0 : mates.1
        value = values[k] + gap * (x[i] + places[k] - 2 * mate)
      } else {
        value = values[k] + gap * (values[k + 1] - values[k]) / (places[k + 1] - places[k])
      }
      add(i, value)
    }
  }

  /// ⟨u, x⟩ of all rows and the directions of a panel.
  private static func projected(_ batch: Batch, _ panel: Panels) -> [Double] {
    [Double](unsafeUninitializedCapacity: batch.count * Panels.width) { out, count in
      batch.values.withUnsafeBufferPointer { rows in
        panel.products(rows.baseAddress!, rows: batch.count, into: out.baseAddress!)
      }
      count = batch.count * Panels.width
    }
  }
}
