// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// One Brownian motion per row, the same for every solver whatever its steps: strong errors can be compared.
///
/// A dyadic bridge (Lévy's construction) down to cells of width h = duration / 2^depth, its normals keyed by node. Inside
/// a cell [a, b] the path is W(a) + (t − a)/h (W(b) − W(a)) + √((t − a)(b − t)/h) z with one normal z per cell, so a
/// solver sees exact Brownian increments as long as no cell holds two of its times; `depth(for:)` gives such a depth.
public struct CoupledPath: BrownianPath {
  public let stream: NoiseStream
  public let duration: Double
  public let depth: Int

  /// - Parameter depth: 1 to 48.
  public init(seed: UInt64, duration: Double, depth: Int) {
    precondition((1...48).contains(depth) && duration > 0)
    stream = NoiseStream(seed: seed, purpose: .bridge)
    self.duration = duration
    self.depth = depth
  }

  /// log₂ of the number of steps, rounded up, plus 2: every step spans at least three cells.
  public static func depth(for steps: Int) -> Int {
    max(1, Int.bitWidth - max(0, steps - 1).leadingZeroBitCount) + 2
  }

  /// As above, for the times of any grid: by the shortest of their steps. At most 48.
  public static func depth(for times: [Double], duration: Double) -> Int {
    let shortest = zip(times, times.dropFirst()).map { abs($0 - $1) }.min() ?? duration
    return depth(for: Int(min(duration / shortest * (1 - 1e-9), 0x1p46).rounded(.up)))
  }

  public func makeWalker(for rows: RowSpan) -> any BrownianWalker { Walker(path: self, rows: rows) }

  final class Walker: BrownianWalker {
    private let path: CoupledPath
    private let start, end, noise: RowStorage
    private let middles: [RowStorage]
    /// The cell of each level on the way to the last time asked for, and its two ends.
    private var cells: [Int]
    private var left, right: [Rows]
    private var here, there: RowStorage
    private var hereTime = Double.nan

    init(path: CoupledPath, rows: RowSpan) {
      self.path = path
      start = RowStorage(rows)
      end = RowStorage(rows)
      noise = RowStorage(rows)
      here = RowStorage(rows)
      there = RowStorage(rows)
      middles = (0..<path.depth).map { _ in RowStorage(rows) }
      cells = [Int](repeating: -1, count: path.depth + 1)
      left = Array(repeating: start.rows, count: path.depth + 1)
      right = Array(repeating: end.rows, count: path.depth + 1)
      cells[0] = 0
      path.stream.normals(into: end.rows, step: 0)
      let root = path.duration.squareRoot()
      for i in 0..<end.rows.size { end.rows.values[i] *= root }
    }

    func increment(from t: Double, to s: Double, step: Int, into z: Rows) {
      if hereTime != t { value(at: t, into: here.rows) }
      value(at: s, into: there.rows)
      let scale = 1 / abs(s - t).squareRoot()
      ck_combine(z.values, scale, there.rows.values, -scale, here.rows.values, z.size)
      swap(&here, &there)
      hereTime = s
    }

    /// W(t), by walking down to the cell that holds t and making only the nodes that are new.
    private func value(at t: Double, into out: Rows) {
      let depth = path.depth
      let leaves = Double(1 << depth)
      let position = min(max(t / path.duration, 0), 1) * leaves
      let leaf = min(Int(position), (1 << depth) - 1)
      for level in 0..<depth {
        let cell = leaf >> (depth - level)
        let child = leaf >> (depth - level - 1)
        if cells[level + 1] == child { continue }
        let middle = middles[level].rows
        // The middle of this cell may still be there from the other half.
        if cells[level + 1] < 0 || cells[level + 1] >> 1 != cell {
          let width = path.duration / Double(1 << level)
          path.stream.normals(into: noise.rows, step: 1 << level + cell)
          ck_combine3(
            middle.values, 0.5, left[level].values, 0.5, right[level].values, 0.5 * width.squareRoot(),
            noise.rows.values, middle.size)
        }
        cells[level + 1] = child
        for below in (level + 2)..<(depth + 2) where below <= depth { cells[below] = -1 }
        (left[level + 1], right[level + 1]) = child & 1 == 0 ? (left[level], middle) : (middle, right[level])
      }
      let share = position - Double(leaf)
      let width = path.duration / leaves
      path.stream.normals(into: noise.rows, step: 1 << depth + leaf)
      ck_combine3(
        out.values, 1 - share, left[depth].values, share, right[depth].values,
        (share * (1 - share) * width).squareRoot(),
        noise.rows.values, out.size)
    }
  }
}
