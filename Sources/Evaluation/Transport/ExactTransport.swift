// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Optimal transport between n and m rows of equal weights for the squared distance: the cost per unit of mass, and
/// potentials u and v of the dual problem, for which mean u + mean v is the same number.
///
/// Potentials from every fourth row and column, solved first, leave little to do; costs are computed in blocks, and only
/// arcs that a solution may use are kept. Memory is that of the arcs, some dozens a row. Equal rows are one row of more
/// weight.
struct ExactTransport: Sendable {
  let cost: Double
  /// The potentials of the rows of x and y.
  let u, v: [Double]

  /// How many arcs a row and a column know at first.
  private static let nearest = 16
  /// Above so many rows of both sides, every fourth row of each is solved first.
  private static let coarse = 256

  /// - Throws: `ComputationError.stopped`.
  init(_ x: Batch, _ y: Batch, threads: Int) throws {
    let (left, right) = (DistinctRows(x), DistinctRows(y))
    let common = Self.greatestDivisor(x.count, y.count)
    let supply = left.counts.map { $0 * (y.count / common) }
    let demand = right.counts.map { $0 * (x.count / common) }
    let (rows, columns) = (left.rows, right.rows)
    let panels = Panels(columns)

    // Potentials of rows, then of columns, each the largest that leaves no reduced cost below 0; arcs where it is least.
    let first = try Self.coarsePotentials(rows, columns, threads)
    let perRow = try Smallest(rows, panels, count: Self.nearest, offsets: first, threads: threads)
    let perColumn = try Smallest(columns, Panels(rows), count: Self.nearest, offsets: perRow.firsts, threads: threads)
    let solver = SparseTransport(supply: supply, demand: demand, u: perRow.firsts, v: perColumn.firsts)
    // As v is not below the first potentials, which horizons are measured by, those hold no longer.
    for i in 0..<rows.count {
      solver.add(i, perRow.of(i).map { ($0, $1 + (first?[$0] ?? 0)) }, horizon: -.infinity)
    }
    for j in 0..<columns.count {
      for (i, value) in perColumn.of(j) {
        solver.add(i, CollectionOfOne((column: j, cost: value + perRow.firsts[i])), horizon: -.infinity)
      }
    }
    let supplies = ArcSupply(rows, panels, solver, threads: threads)
    try supplies.all()
    try solver.solve(StopSignals.check, more: supplies.more)
    u = left.spread((0..<rows.count).map { solver.u[$0] })
    v = right.spread((0..<columns.count).map { solver.v[$0] })
    // The cost of the plan itself, from exact differences.
    var sum = 0.0
    for place in 0..<solver.arcs.count where solver.arcs.arcs[place].flow > 0 {
      let arc = solver.arcs.arcs[place]
      let (a, b) = (rows.row(Int(arc.row)), columns.row(Int(arc.column)))
      sum += Double(arc.flow) * zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }
    }
    cost = sum / Double(supply.reduce(0, +))
  }

  /// Potentials of columns from the solution for every fourth row and column; nil where there are few.
  private static func coarsePotentials(_ rows: Batch, _ columns: Batch, _ threads: Int) throws -> [Double]? {
    guard min(rows.count, columns.count) > coarse else { return nil }
    let fewer = rows.only(Array(stride(from: 0, to: rows.count, by: 4)))
    let solved = try ExactTransport(
      fewer, columns.only(Array(stride(from: 0, to: columns.count, by: 4))), threads: threads)
    return try Smallest(columns, Panels(fewer), count: 1, offsets: solved.u, threads: threads).firsts
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

  init(_ rows: Batch, _ panels: Panels, _ solver: SparseTransport, threads: Int) {
    (self.rows, self.panels, self.solver, self.threads) = (rows, panels, solver, threads)
    known = [Int](repeating: 0, count: rows.count)
  }

  private var offsets: [Double] { (0..<panels.count).map { solver.v[$0] } }

  /// Gives every row the arcs with the smallest c − v.
  func all(_ count: Int = 16) throws {
    let offsets = offsets
    let smallest = try Smallest(rows, panels, count: count, offsets: offsets, threads: threads)
    for i in 0..<rows.count { add(i, smallest, i, offsets) }
    asked = 0
  }

  func more(_ row: Int) throws -> SparseTransport.Answer {
    asked += 1
    if asked > max(64, rows.count / 16) {
      try all(32)
      return .restart
    }
    let offsets = offsets
    let smallest = try Smallest(
      rows.only([row]), panels, count: 2 * known[row], offsets: offsets, threads: 1)
    return .arcs(horizon: add(row, smallest, 0, offsets))
  }

  @discardableResult
  private func add(_ row: Int, _ smallest: Smallest, _ place: Int, _ offsets: [Double]) -> Double {
    let arcs = smallest.of(place)
    known[row] = max(known[row], arcs.count)
    // Where these are all columns, there is nothing beyond.
    let horizon = arcs.count == panels.count ? .infinity : arcs.last!.value
    solver.add(row, arcs.lazy.map { ($0, $1 + offsets[$0]) }, horizon: horizon)
    return horizon
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
