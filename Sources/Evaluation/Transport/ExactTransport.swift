// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Optimal transport between n and m rows of equal weights for the squared distance: the cost per unit of mass, and
/// potentials u and v of the dual problem, for which mean u + mean v is the same number.
///
/// Potentials from a quarter of the rows and columns, which is solved first, leave little to do; costs are computed in
/// blocks, and only arcs that a solution may use are kept. Memory is that of the arcs, some dozens a row. Equal rows
/// are one row of more weight.
struct ExactTransport: Sendable {
  let cost: Double
  /// The potentials of the rows of x and y.
  let u, v: [Double]

  /// How many arcs a row and a column know at first.
  private static let nearest = 16
  /// Above so many rows of both sides, a quarter of each is solved first.
  private static let coarse = 256

  /// - Throws: `ComputationError.stopped`.
  init(_ x: Batch, _ y: Batch, threads: Int) throws {
    let (left, right) = (DistinctRows(x), DistinctRows(y))
    let common = Self.greatestDivisor(x.count, y.count)
    let supply = left.counts.map { $0 * (y.count / common) }
    let demand = right.counts.map { $0 * (x.count / common) }
    let (rows, columns) = (left.rows, right.rows)
    let panels = Panels(columns)

    let first = try Self.relaxed(rows, columns, panels, supply, demand, threads)
    // Potentials of rows, then of columns, then of rows, each the largest that leaves no reduced cost below 0; and the
    // arcs where it is least.
    let rowPanels = Panels(rows)
    let u = try first.map { try Smallest(rows, panels, count: 1, offsets: $0, threads: threads).firsts }
    let perColumn = try Smallest(columns, rowPanels, count: Self.nearest, offsets: u, threads: threads)
    let v = perColumn.firsts
    let perRow = try Smallest(rows, panels, count: Self.nearest, offsets: v, threads: threads)
    let solver = SparseTransport(supply: supply, demand: demand, u: perRow.firsts, v: v)
    let lists = Self.lists(perRow, v, perColumn, u)
    let supplies = ArcSupply(rows, panels, solver, threads: threads)
    for i in 0..<rows.count { supplies.add(i, lists[i].map { ($0, $1, $1 - v[$0]) }, perRow, i) }
    try solver.solve(StopSignals.check, more: supplies.more)
    self.u = left.spread((0..<rows.count).map { solver.u[$0] })
    self.v = right.spread((0..<columns.count).map { solver.v[$0] })
    // The cost of the plan itself, from exact differences.
    var sum = 0.0
    for place in 0..<solver.arcs.count where solver.arcs.arcs[place].flow > 0 {
      let arc = solver.arcs.arcs[place]
      let (a, b) = (rows.row(Int(arc.row)), columns.row(Int(arc.column)))
      sum += Double(arc.flow) * zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    cost = sum / Double(supply.reduce(0, +))
  }

  /// Potentials of columns that are close to those of the solution; nil where there are few rows. The solution for a
  /// quarter of the rows and columns says where mass goes, and entropy on few arcs settles who gets which row.
  private static func relaxed(
    _ rows: Batch, _ columns: Batch, _ panels: Panels, _ supply: [Int], _ demand: [Int], _ threads: Int
  ) throws -> [Double]? {
    guard min(rows.count, columns.count) > coarse else { return nil }
    let fewer = columns.only(Deal.rows(0, of: 4, count: columns.count))
    let solved = try ExactTransport(rows.only(Deal.rows(0, of: 4, count: rows.count)), fewer, threads: threads)
    let u = try Smallest(rows, Panels(fewer), count: 1, offsets: solved.v, threads: threads).firsts
    let perColumn = try Smallest(columns, Panels(rows), count: nearest, offsets: u, threads: threads)
    let v = perColumn.firsts
    let perRow = try Smallest(rows, panels, count: nearest, offsets: v, threads: threads)
    // How far apart the reduced costs of a row's arcs are.
    let gaps = (0..<rows.count).map { perRow.last(of: $0) - perRow.firsts[$0] }.sorted()
    let gap = gaps[gaps.count / 2]
    return SparseEntropy(lists(perRow, v, perColumn, u), supply: supply, demand: demand).potentials(
      v, epsilons: [1, 0.5, 0.25, 0.125, 0.0625].map { $0 * gap }, turns: 40)
  }

  /// The arcs of each row: its nearest columns, and columns that it is near to.
  private static func lists(
    _ perRow: Smallest, _ v: [Double], _ perColumn: Smallest, _ u: [Double]?
  ) -> [[(column: Int, cost: Double)]] {
    var lists = (0..<perRow.values.count / perRow.count).map { i in
      perRow.of(i).map { (column: $0.index, cost: $0.value + v[$0.index]) }
    }
    for j in v.indices {
      for (i, value) in perColumn.of(j)
      where !lists[i].prefix(perRow.count).contains(where: { $0.column == j }) {
        lists[i].append((j, value + (u?[i] ?? 0)))
      }
    }
    return lists
  }

  private static func greatestDivisor(_ a: Int, _ b: Int) -> Int { b == 0 ? a : greatestDivisor(b, a % b) }
}

/// Looks up arcs for a solver: of one row, or of all rows at once, which takes as long as some dozens on their own.
private final class ArcSupply {
  private let rows: Batch
  private let panels: Panels
  private let solver: SparseTransport
  private let threads: Int
  /// How many arcs a row was last given.
  private var known: [Int]
  /// How many rows asked since all were given arcs.
  private var asked = 0
  /// c − v of a row.
  private var keys: [Double]

  init(_ rows: Batch, _ panels: Panels, _ solver: SparseTransport, threads: Int) {
    (self.rows, self.panels, self.solver, self.threads) = (rows, panels, solver, threads)
    known = [Int](repeating: 0, count: rows.count)
    keys = [Double](repeating: 0, count: panels.count)
  }

  /// Gives every row the arcs with the smallest c − v.
  private func all() throws {
    let offsets = (0..<panels.count).map { solver.v[$0] }
    let smallest = try Smallest(rows, panels, count: 32, offsets: offsets, threads: threads)
    for i in 0..<rows.count { add(i, smallest.of(i).map { ($0, $1 + offsets[$0], $1) }, smallest, i) }
    asked = 0
  }

  /// Gives a row about twice as many arcs as it had: all with c − v up to a bound that a sample of them sets.
  func more(_ row: Int) throws -> SparseTransport.Answer {
    asked += 1
    if asked > max(64, rows.count / 4) {
      try all()
      return .restart
    }
    let (v, m) = (solver.v, panels.count)
    rows.values.withUnsafeBufferPointer { values in
      panels.forEachBlock(values.baseAddress!, row..<row + 1) { block in
        for j in 0..<block.columns { keys[block.firstColumn + j] = block.values[j] - v[block.firstColumn + j] }
      }
    }
    let step = max(1, m / 256)
    let sample = stride(from: 0, to: m, by: step).map { keys[$0] }.sorted()
    let bound = sample.dropFirst(2 * known[row] / step).first { $0 > solver.horizon(of: row) } ?? .infinity
    let list = (0..<m).filter { keys[$0] <= bound }.sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
    known[row] = max(known[row], list.count)
    solver.add(row, list.lazy.map { ($0, self.keys[$0] + v[$0], self.keys[$0]) }, horizon: bound)
    return .arcs
  }

  /// Gives a row a list of arcs, which are all up to those of its smallest ones.
  func add(_ row: Int, _ list: [(column: Int, cost: Double, key: Double)], _ smallest: Smallest, _ place: Int) {
    known[row] = max(known[row], smallest.count)
    // Where these are all columns, there is nothing beyond.
    solver.add(row, list, horizon: smallest.count == panels.count ? .infinity : smallest.last(of: place))
  }
}

/// Rows without repetitions, in the order of their first occurrence.
struct DistinctRows {
  let rows: Batch
  /// How often each of them occurs.
  let counts: [Int]
  /// For each row of the batch, the distinct row it equals.
  private let places: [Int]

  init(_ batch: Batch) {
    var (known, kept, counts, places): ([ArraySlice<Double>: Int], [Int], [Int], [Int]) = ([:], [], [], [])
    for i in 0..<batch.count {
      let place = known[batch.row(i), default: kept.count]
      if place == kept.count {
        known[batch.row(i)] = place
        kept.append(i)
        counts.append(0)
      }
      counts[place] += 1
      places.append(place)
    }
    rows = batch.only(kept)
    (self.counts, self.places) = (counts, places)
  }

  /// A number of each distinct row, for each row of the batch.
  func spread(_ values: [Double]) -> [Double] { places.map { values[$0] } }
}
