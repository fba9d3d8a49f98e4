// SPDX-License-Identifier: GPL-3.0-or-later

/// The arcs of a sparse transport problem that are known so far, in runs by row, with the flow on each; and for every
/// column the list of arcs with flow.
final class TransportArcs {
  /// An arc: from a row to a column, at a cost, with a flow; the next and the one before in its column's list of arcs
  /// with flow, −1 at its ends.
  struct Arc {
    let row, column: Int32
    let cost: Double
    /// Cost less potential of the column when the arc became known; as potentials only fall, not above what it is now.
    let key: Double
    var flow = 0
    var next: Int32 = -1
    var previous: Int32 = -1
  }

  /// Arcs of a row that lie side by side, and the run that came after, −1 for none. Keys rise, but in the first run.
  struct Run {
    let first, end: Int32
    var next: Int32 = -1
  }

  private(set) var arcs: UnsafeMutablePointer<Arc>
  private(set) var runs: UnsafeMutablePointer<Run>
  private(set) var count = 0
  private var runCount = 0
  private var capacity, runCapacity: Int
  /// The first and the last run of each row, and the first arc with flow into each column, −1 for none.
  let firstRun, lastRun, firstFlow: UnsafeMutablePointer<Int32>
  /// The row for which a column was last seen to have an arc.
  private let seen: UnsafeMutablePointer<Int32>

  init(rows: Int, columns: Int) {
    (capacity, runCapacity) = (max(16, 32 * rows), max(16, 2 * rows))
    (arcs, runs) = (.allocate(capacity: capacity), .allocate(capacity: runCapacity))
    (firstRun, lastRun) = (.allocate(capacity: rows), .allocate(capacity: rows))
    (firstFlow, seen) = (.allocate(capacity: columns), .allocate(capacity: columns))
    firstRun.initialize(repeating: -1, count: rows)
    lastRun.initialize(repeating: -1, count: rows)
    firstFlow.initialize(repeating: -1, count: columns)
    seen.initialize(repeating: -1, count: columns)
  }

  deinit {
    arcs.deallocate()
    runs.deallocate()
    firstRun.deallocate()
    lastRun.deallocate()
    firstFlow.deallocate()
    seen.deallocate()
  }

  /// Adds arcs of a row, without those that are known.
  /// - Parameter list: after the first one of a row by rising keys, none of them below those of the last one.
  func add(_ row: Int, _ list: some Sequence<(column: Int, cost: Double, key: Double)>) {
    // Every column that the row has an arc to is marked with the row; marks of other rows are stale.
    var run = firstRun[row]
    while run >= 0 {
      for arc in runs[Int(run)].first..<runs[Int(run)].end { seen[Int(arcs[Int(arc)].column)] = Int32(row) }
      run = runs[Int(run)].next
    }
    let first = count
    for (column, cost, key) in list where seen[column] != row {
      seen[column] = Int32(row)
      if count == capacity { arcs = Self.grown(arcs, &capacity) }
      arcs[count] = Arc(row: Int32(row), column: Int32(column), cost: cost, key: key)
      count += 1
    }
    guard count > first else { return }
    if runCount == runCapacity { runs = Self.grown(runs, &runCapacity) }
    runs[runCount] = Run(first: Int32(first), end: Int32(count))
    if lastRun[row] < 0 { firstRun[row] = Int32(runCount) } else { runs[Int(lastRun[row])].next = Int32(runCount) }
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
