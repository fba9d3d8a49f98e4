// SPDX-License-Identifier: GPL-3.0-or-later

/// The cheapest way to carry what rows supply to what columns demand, by successive shortest paths (Ahuja, Magnanti and
/// Orlin 1993, *Network flows*, section 9.7), with arcs that are looked up when they are needed.
///
/// Potentials u of rows and v of columns leave no reduced cost c − u − v below 0, and those of arcs with flow are 0. A
/// row knows its arcs with c − v up to a horizon: the first ones, and others in rising order. As v only falls, no other
/// arc comes before the horizon, and a search that arrives there asks for more of them. The solution is therefore
/// optimal among all arcs, but for rounding.
final class SparseTransport {
  let arcs: TransportArcs
  let rows, columns: Int
  /// The potentials of rows and columns.
  let u, v: UnsafeMutablePointer<Double>
  /// Up to which c − v a row knows its arcs.
  private let horizon: UnsafeMutablePointer<Double>
  /// What a row has yet to send, and a column yet to get.
  private let supply, demand: UnsafeMutablePointer<Int>

  // The search of a shortest path: distances of columns and rows from its source, and the arc of each way.
  private let distance, rowDistance: UnsafeMutablePointer<Double>
  private let way, rowWay: UnsafeMutablePointer<Int32>
  /// Where the search is among the arcs of a row: a run, −1 after the last one, and an arc of it.
  private let run, place: UnsafeMutablePointer<Int32>
  /// The last run of a row that was seen to its end.
  private let lastSeen: UnsafeMutablePointer<Int32>
  /// The smallest distance of a column with demand that is known so far.
  private var nearest = Double.infinity
  private let isDone, isScanned: UnsafeMutablePointer<Bool>
  private var touched: [Int32] = []
  private var done: [Int32] = []
  private var scanned: [Int32] = []
  private var heap = DistanceHeap()

  /// What is known when a row asks for more arcs.
  enum Answer {
    /// The row has more arcs now, up to a farther horizon.
    case arcs
    /// Many rows have more arcs now: the search is to begin anew.
    case restart
  }

  /// - Parameters:
  ///   - supply, demand: of rows and columns, of equal sums.
  ///   - u, v: the first potentials of rows and columns, with no reduced cost below 0.
  init(supply: [Int], demand: [Int], u: [Double], v: [Double]) {
    (rows, columns) = (supply.count, demand.count)
    arcs = TransportArcs(rows: rows, columns: columns)
    func filled<T>(_ values: [T]) -> UnsafeMutablePointer<T> {
      let memory = UnsafeMutablePointer<T>.allocate(capacity: values.count)
      memory.initialize(from: values, count: values.count)
      return memory
    }
    (self.u, self.v) = (filled(u), filled(v))
    horizon = filled([Double](repeating: -.infinity, count: rows))
    (self.supply, self.demand) = (filled(supply), filled(demand))
    distance = filled([Double](repeating: .infinity, count: columns))
    rowDistance = filled([Double](repeating: 0, count: rows))
    way = filled([Int32](repeating: -1, count: columns))
    rowWay = filled([Int32](repeating: -1, count: rows))
    run = filled([Int32](repeating: -1, count: rows))
    place = filled([Int32](repeating: -1, count: rows))
    lastSeen = filled([Int32](repeating: -1, count: rows))
    isDone = filled([Bool](repeating: false, count: columns))
    isScanned = filled([Bool](repeating: false, count: rows))
  }

  deinit {
    for memory in [u, v, horizon, distance, rowDistance] { memory.deallocate() }
    for memory in [supply, demand] { memory.deallocate() }
    for memory in [way, rowWay, run, place, lastSeen] { memory.deallocate() }
    for memory in [isDone, isScanned] { memory.deallocate() }
  }

  /// Lets a row know arcs: all with c − v up to a horizon, which is not below the one it has.
  /// - Parameter list: with c − v as keys; after the first call, in rising order.
  func add(_ row: Int, _ list: some Sequence<(column: Int, cost: Double, key: Double)>, horizon: Double) {
    arcs.add(row, list)
    self.horizon[row] = max(self.horizon[row], horizon)
  }

  /// Up to which c − v a row knows its arcs.
  func horizon(of row: Int) -> Double { horizon[row] }

  /// Sends all that rows have.
  /// - Parameters:
  ///   - check: asked now and then; what it throws ends the work.
  ///   - more: asked for more arcs of a row, which it adds.
  func solve(_ check: () throws -> Void, more: (_ row: Int) throws -> Answer) throws {
    for i in 0..<rows {
      if i & 255 == 0 { try check() }
      while supply[i] > 0 {
        if let sink = try search(from: i, more) {
          let reach = distance[sink]
          for k in scanned { u[Int(k)] += reach - rowDistance[Int(k)] }
          for j in done { v[Int(j)] -= reach - distance[Int(j)] }
          send(from: i, to: sink)
        }
        forget()
      }
    }
  }

  /// The nearest column with demand; nil where the search is to begin anew.
  private func search(from source: Int, _ more: (Int) throws -> Answer) throws -> Int? {
    scan(source, 0, -1)
    // Sums of supply and demand are equal, so that some column has demand, and every row has an arc to it: the heap is
    // not empty before that.
    while true {
      let (d, place) = heap.pop()
      if place >= columns {
        // More arcs of this row may be next; where all that are known were seen, others are.
        let row = place - columns
        if run[row] < 0 {
          guard try more(row) == .arcs else { return nil }
          // The last run that was seen has a next one now, or the horizon is farther.
          run[row] = arcs.runs[Int(lastSeen[row])].next
          if run[row] >= 0 { self.place[row] = arcs.runs[Int(run[row])].first }
        }
        relax(row, d)
        continue
      }
      if isDone[place] || d > distance[place] { continue }
      isDone[place] = true
      if demand[place] > 0 { return place }
      done.append(Int32(truncatingIfNeeded: place))
      var arc = Int(arcs.firstFlow[place])
      while arc >= 0 {
        let k = Int(arcs.arcs[arc].row)
        if !isScanned[k] { scan(k, d, Int32(truncatingIfNeeded: arc)) }
        arc = Int(arcs.arcs[arc].next)
      }
    }
  }

  private func scan(_ row: Int, _ base: Double, _ arc: Int32) {
    isScanned[row] = true
    rowDistance[row] = base
    rowWay[row] = arc
    scanned.append(Int32(truncatingIfNeeded: row))
    run[row] = arcs.firstRun[row]
    place[row] = arcs.runs[Int(run[row])].first
    relax(row, base)
  }

  /// Goes along the arcs of a row that may lead to a distance of up to `reach`, and some more.
  private func relax(_ row: Int, _ reach: Double) {
    let (base, shift) = (rowDistance[row], rowDistance[row] - u[row])
    let all = arcs.arcs
    var (current, a) = (Int(run[row]), Int(place[row]))
    while current >= 0 {
      let end = Int(arcs.runs[current].end)
      while a < end {
        // Some at a time, as each return to a row costs a place in the heap.
        let next = min(a + 8, end)
        while a < next {
          let j = Int(all[a].column)
          // Rounding may leave a reduced cost below 0.
          let d = max(base, shift + (all[a].cost - v[j]))
          if d < distance[j] && d < nearest {
            if distance[j] == .infinity { touched.append(Int32(truncatingIfNeeded: j)) }
            distance[j] = d
            way[j] = Int32(truncatingIfNeeded: a)
            if demand[j] > 0 { nearest = d }
            heap.push(d, j)
          }
          a += 1
        }
        if a < end && current != Int(arcs.firstRun[row]) && shift + all[a].key > reach {
          (run[row], place[row]) = (Int32(truncatingIfNeeded: current), Int32(truncatingIfNeeded: a))
          push(row, max(base, shift + all[a].key))
          return
        }
      }
      lastSeen[row] = Int32(truncatingIfNeeded: current)
      current = Int(arcs.runs[current].next)
      if current >= 0 { a = Int(arcs.runs[current].first) }
    }
    run[row] = -1
    if horizon[row] < .infinity { push(row, max(base, shift + horizon[row])) }
  }

  /// Returns to a row at a distance, unless a column with demand is nearer.
  private func push(_ row: Int, _ distance: Double) {
    if distance < nearest { heap.push(distance, columns + row) }
  }

  private func send(from source: Int, to sink: Int) {
    var amount = min(supply[source], demand[sink])
    var column = sink
    while true {
      let back = Int(rowWay[Int(arcs.arcs[Int(way[column])].row)])
      if back < 0 { break }
      amount = min(amount, arcs.arcs[back].flow)
      column = Int(arcs.arcs[back].column)
    }
    supply[source] -= amount
    demand[sink] -= amount
    column = sink
    while true {
      let arc = Int(way[column])
      arcs.send(amount, along: arc)
      let back = Int(rowWay[Int(arcs.arcs[arc].row)])
      if back < 0 { break }
      arcs.send(-amount, along: back)
      column = Int(arcs.arcs[back].column)
    }
  }

  /// Ends a search.
  private func forget() {
    for j in touched {
      distance[Int(j)] = .infinity
      isDone[Int(j)] = false
    }
    for k in scanned { isScanned[Int(k)] = false }
    nearest = .infinity
    touched.removeAll(keepingCapacity: true)
    done.removeAll(keepingCapacity: true)
    scanned.removeAll(keepingCapacity: true)
    heap.removeAll()
  }
}
