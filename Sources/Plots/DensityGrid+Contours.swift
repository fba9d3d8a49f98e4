// SPDX-License-Identifier: GPL-3.0-or-later

extension DensityGrid {
  /// The lines on which the values, taken as linear along the grid's edges, are `level`: marching squares (Lorensen and
  /// Cline 1987, in the plane). Where a square's corners alternate, the mean of the four says which ones are joined.
  /// - Returns: lines; a closed one ends where it began.
  public func contours(at level: Double) -> [[Mark.Point]] {
    // Edges: 2 k that from node k to the right, 2 k + 1 that from node k upwards.
    var neighbours: [Int: [Int]] = [:]
    func join(_ a: Int, _ b: Int) {
      neighbours[a, default: []].append(b)
      neighbours[b, default: []].append(a)
    }
    for row in 0..<rows - 1 {
      for column in 0..<columns - 1 {
        let node = row * columns + column
        let (bottom, left, right, top) = (2 * node, 2 * node + 1, 2 * (node + 1) + 1, 2 * (node + columns))
        let corners = [self[column, row], self[column + 1, row], self[column + 1, row + 1], self[column, row + 1]]
        guard corners.allSatisfy(\.isFinite) else { continue }
        let mask = corners.enumerated().reduce(0) { $0 | ($1.element > level ? 1 << $1.offset : 0) }
        let isHigh = corners.reduce(0, +) / 4 > level
        switch mask {
        case 1, 14: join(left, bottom)
        case 2, 13: join(bottom, right)
        case 4, 11: join(right, top)
        case 8, 7: join(top, left)
        case 3, 12: join(left, right)
        case 6, 9: join(bottom, top)
        case 5, 10:
          if (mask == 5) == isHigh {
            join(left, top)
            join(bottom, right)
          } else {
            join(left, bottom)
            join(right, top)
          }
        default: break
        }
      }
    }
    return chained(neighbours).map { $0.map { crossing($0, level) } }
  }

  /// Edges in the order in which lines pass them: open lines from an end, then closed ones.
  private func chained(_ neighbours: [Int: [Int]]) -> [[Int]] {
    var isSeen: Set<Int> = []
    var chains: [[Int]] = []
    let edges = neighbours.keys.sorted()
    for isOpen in [true, false] {
      for start in edges where !isSeen.contains(start) && (!isOpen || neighbours[start]?.count == 1) {
        var chain = [start]
        isSeen.insert(start)
        while let next = neighbours[chain[chain.count - 1]]?.first(where: { !isSeen.contains($0) }) {
          chain.append(next)
          isSeen.insert(next)
        }
        if !isOpen { chain.append(start) }
        chains.append(chain)
      }
    }
    return chains
  }

  /// Where an edge has the level.
  private func crossing(_ edge: Int, _ level: Double) -> Mark.Point {
    let (column, row) = (edge / 2 % columns, edge / 2 / columns)
    let isUp = edge % 2 == 1
    let (a, b) = (self[column, row], isUp ? self[column, row + 1] : self[column + 1, row])
    let share = a == b ? 0.5 : (level - a) / (b - a)
    return node(Double(column) + (isUp ? 0 : share), Double(row) + (isUp ? share : 0))
  }
}
