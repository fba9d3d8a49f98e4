// SPDX-License-Identifier: GPL-3.0-or-later

/// The arcs of a sparse transport problem that are known so far, in runs by row, with the flow on each; and for every
/// column the list of arcs with flow.
final class TransportArcs {
  /// An arc: from a row to a column, at a cost, with a flow; the next and the one before in its column's list of arcs
  /// with flow, −1 at its ends.
  struct Arc {
    let row, column: Int32
    let cost: Double
    var flow = 0
    var next: Int32 = -1
    var previous: Int32 = -1
  }

  /// Arcs of a row that lie side by side, and the run that came before.
  struct Run {
    let first, end, before: Int32
  }

  private(set) var arcs: UnsafeMutablePointer<Arc>
  private(set) var runs: UnsafeMutablePointer<Run>
  private(set) var count = 0
  private var runCount = 0
  private var capacity, runCapacity: Int
  /// The last run of each row, and the first arc with flow into each column, −1 for none.
  let lastRun, firstFlow: UnsafeMutablePointer<Int32>
  /// The row for which a column was last seen to have an arc.
  private let seen: UnsafeMutablePointer<Int32>

  init(rows: Int, columns: Int) {
    (capacity, runCapacity) = (max(16, 32 * rows), max(16, 2 * rows))
    (arcs, runs) = (.allocate(capacity: capacity), .allocate(capacity: runCapacity))
    (lastRun, firstFlow, seen) = (
      .allocate(capacity: rows), .allocate(capacity: columns), .allocate(capacity: columns)
    )
    lastRun.initialize(repeating: -1, count: rows)
    firstFlow.initialize(repeating: -1, count: columns)
    seen.initialize(repeating: -1, count: columns)
  }

  deinit {
    arcs.deallocate()
    runs.deallocate()
    lastRun.deallocate()
    firstFlow.deallocate()
    seen.deallocate()
  }

  /// Adds arcs of a row, without those that are known.
  func add(_ row: Int, _ list: some Sequence<(column: Int, cost: Double)>) {
    // Every column that the row has an arc to is marked with the row; marks of other rows are stale.
    var run = lastRun[row]
    while run >= 0 {
      for arc in runs[Int(run)].first..<runs[Int(run)].end { seen[Int(arcs[Int(arc)].column)] = Int32(row) }
      run = runs[Int(run)].before
    }
    let first = count
    for (column, cost) in list where seen[column] != row {
      seen[column] = Int32(row)
      if count == capacity { arcs = Self.grown(arcs, &capacity) }
      arcs[count] = Arc(row: Int32(row), column: Int32(column), cost: cost)
      count += 1
    }
    guard count > first else { return }
    if runCount == runCapacity { runs = Self.grown(runs, &runCapacity) }
    runs[runCount] = Run(first: Int32(first), end: Int32(count), before: lastRun[row])
    lastRun[row] = Int32(runCount)
    runCount += 1
  }

  private static func grown<T>(_ memory: UnsafeMutablePointer<T>, _ capacity: inout Int) -> UnsafeMutablePointer<T> {
    let larger = UnsafeMutablePointer<T>.allocate(capacity: 2 * capacity)
    larger.moveInitialize(from: memory, count: capacity)
    memory.deallocate()
    capacity *= 2
    return larger
  }

  /// Adds to the flow of an arc, or takes from it.
  func send(_ amount: Int, along arc: Int) {
    let before = arcs[arc].flow
    arcs[arc].flow = before + amount
    let column = Int(arcs[arc].column)
    if before == 0 && amount > 0 {
      (arcs[arc].previous, arcs[arc].next) = (-1, firstFlow[column])
      if firstFlow[column] >= 0 { arcs[Int(firstFlow[column])].previous = Int32(arc) }
      firstFlow[column] = Int32(arc)
    } else if before > 0 && arcs[arc].flow == 0 {
      let (previous, next) = (arcs[arc].previous, arcs[arc].next)
      if previous >= 0 { arcs[Int(previous)].next = next } else { firstFlow[column] = next }
      if next >= 0 { arcs[Int(next)].previous = previous }
    }
  }
}
