// SPDX-License-Identifier: GPL-3.0-or-later

/// The cheapest way to carry what rows supply to what columns demand, by successive shortest paths (Ahuja, Magnanti and
/// Orlin 1993, *Network flows*, section 9.7), with arcs that are looked up when they are needed.
///
/// Potentials u of rows and v of columns leave no reduced cost c − u − v below 0, and those of arcs with flow are 0. A row
/// knows its arcs with c − v up to a horizon; as v only falls, no other arc comes before the horizon, and a search
/// that arrives there asks for more of them. The solution is therefore optimal among all arcs, but for rounding.
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
  private let isDone, isScanned: UnsafeMutablePointer<Bool>
  private var touched: [Int32] = []
  private var done: [Int32] = []
  private var scanned: [Int32] = []
  private var heap = DistanceHeap()

  /// What is known when a row asks for more arcs.
  enum Answer {
    /// The row has more arcs now, up to this horizon.
    case arcs(horizon: Double)
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
    isDone = filled([Bool](repeating: false, count: columns))
    isScanned = filled([Bool](repeating: false, count: rows))
  }

  deinit {
    for memory in [u, v, horizon, distance, rowDistance] { memory.deallocate() }
    for memory in [supply, demand] { memory.deallocate() }
    for memory in [way, rowWay] { memory.deallocate() }
    for memory in [isDone, isScanned] { memory.deallocate() }
  }

  /// Lets a row know arcs: all with c − v up to a horizon, which is not below the one it has.
  func add(_ row: Int, _ list: some Sequence<(column: Int, cost: Double)>, horizon: Double) {
    arcs.add(row, list)
    self.horizon[row] = max(self.horizon[row], horizon)
  }

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
    // Some row knows no horizon or some column has demand, as sums are equal: the heap is not empty before.
    while true {
      let (d, place) = heap.pop()
      if place >= columns {
        // Arcs of this row that are not known may be next.
        let row = place - columns
        guard case .arcs(let horizon) = try more(row) else { return nil }
        self.horizon[row] = max(self.horizon[row], horizon)
        relax(row)
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
    relax(row)
  }

  private func relax(_ row: Int) {
    let (base, shift) = (rowDistance[row], rowDistance[row] - u[row])
    let (all, runs) = (arcs.arcs, arcs.runs)
    var run = Int(arcs.lastRun[row])
    while run >= 0 {
      for a in Int(runs[run].first)..<Int(runs[run].end) {
        let j = Int(all[a].column)
        // Rounding may leave a reduced cost below 0.
        let d = max(base, shift + (all[a].cost - v[j]))
        guard d < distance[j] else { continue }
        if distance[j] == .infinity { touched.append(Int32(truncatingIfNeeded: j)) }
        distance[j] = d
        way[j] = Int32(truncatingIfNeeded: a)
        heap.push(d, j)
      }
      run = Int(runs[run].before)
    }
    if horizon[row] < .infinity { heap.push(max(base, shift + horizon[row]), columns + row) }
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
    touched.removeAll(keepingCapacity: true)
    done.removeAll(keepingCapacity: true)
    scanned.removeAll(keepingCapacity: true)
    heap.removeAll()
  }
}
