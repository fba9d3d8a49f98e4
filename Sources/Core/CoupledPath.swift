// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// One Brownian motion per row, the same for every solver whatever its steps: strong errors can be compared, and
/// adaptive solvers may reject steps without a bias. It is a virtual tree (Jelinčič, Foster and Kidger 2024) whose
/// numbers are keyed by node: only the nodes on the way to the last two times are stored.
///
/// Every cell [a, b] of width w knows its increment W and area H. Its halves follow from two normals,
///
///     W_left = W/2 + 3/2 H + Z,  H_left, H_right = H/4 − Z/2 ± N/2,    Z ~ N(0, w/16), N ~ N(0, w/12),
///
/// down to cells of width duration / 2^depth. Inside such a cell the path and its integral are drawn from their law
/// given the cell's W and H, with one pair of normals per cell: a solver sees exact Brownian increments and areas as
/// long as no cell holds two of its times; `depth(for:)` gives such a depth.
public struct CoupledPath: BrownianPath {
  /// The normals of the tree's nodes, keyed by row and node.
  public let stream: NoiseStream
  /// Paths are defined on [0, duration].
  public let duration: Double
  /// Cells have the width duration / 2^depth.
  public let depth: Int

  /// The depth for solvers that choose their steps on the way. It is exact for steps above 2⁻²⁰ of the duration.
  public static let depthOfAnySteps = 22

  /// - Parameters:
  ///   - seed: of the experiment.
  ///   - duration: T, above 0.
  ///   - depth: 1 to 48.
  public init(seed: UInt64, duration: Double, depth: Int) {
    precondition((1...48).contains(depth) && duration > 0)
    stream = NoiseStream(seed: seed, purpose: .bridge)
    self.duration = duration
    self.depth = depth
  }

  /// The depth for so many equal steps: log₂ of their number, rounded up, plus 2. Every step spans at least three
  /// cells.
  public static func depth(for steps: Int) -> Int {
    max(1, Int.bitWidth - max(0, steps - 1).leadingZeroBitCount) + 2
  }

  /// The depth for the times of any grid, which follows from the shortest of their steps; at most 48.
  public static func depth(for times: [Double], duration: Double) -> Int {
    let shortest = zip(times, times.dropFirst()).map { abs($0 - $1) }.min() ?? duration
    return depth(for: Int(min(duration / shortest * (1 - 1e-9), 0x1p46).rounded(.up)))
  }

  public var allowsAnySteps: Bool { depth >= Self.depthOfAnySteps }

  public func makeWalker(for rows: RowSpan) -> any BrownianWalker { Walker(path: self, rows: rows) }

  /// What a walker may keep of its cells, in bytes. Beyond it some rows after the others are walked down from the root,
  /// which takes more time and hardly any memory.
  static let cacheBytes = 64 << 20
  /// How many values are walked down together then: so that all levels stay near the processor.
  private static let valuesOfPart = 4096

  final class Walker: BrownianWalker {
    /// What is known of a cell: W at its left end, the integral J of W up to there, and its own increment and area.
    private struct Cell {
      let start, integral, increment, area: RowStorage
      init(_ rows: RowSpan) {
        (start, integral) = (RowStorage(rows), RowStorage(rows))
        (increment, area) = (RowStorage(rows), RowStorage(rows))
      }
    }
    /// W(t) and J(t).
    private struct Point {
      let value, integral: RowStorage
      var time = Double.nan
      init(_ rows: RowSpan) { (value, integral) = (RowStorage(rows), RowStorage(rows)) }
    }

    private let path: CoupledPath
    private let rows: RowSpan
    /// How many rows are walked down together: all, where their cells may be kept.
    private let partRows: Int
    /// The cell of each level on the way to the last time asked for; a cell's index may be −1: unknown.
    private let cells: [Cell]
    private var indices: [Int]
    private let pairs: RowStorage
    private let first, second: RowStorage
    private var here, there: Point

    init(path: CoupledPath, rows: RowSpan) {
      self.path = path
      self.rows = rows
      let bytes = rows.count * rows.dimension * 4 * MemoryLayout<Double>.size * (path.depth + 1)
      partRows =
        bytes <= CoupledPath.cacheBytes
        ? max(1, rows.count) : min(rows.count, max(1, CoupledPath.valuesOfPart / rows.dimension))
      let part = RowSpan(first: rows.first, count: partRows, dimension: rows.dimension)
      cells = (0...path.depth).map { _ in Cell(part) }
      indices = [Int](repeating: -1, count: path.depth + 1)
      pairs = RowStorage(part.with(dimension: 2 * rows.dimension))
      (first, second) = (RowStorage(part), RowStorage(part))
      (here, there) = (Point(rows), Point(rows))
    }

    func increment(from t: Double, to s: Double, step: Int, into z: Rows, area: Rows?) {
      if here.time != t { find(t, &here) }
      find(s, &there)
      let h = abs(s - t)
      let scale = 1 / h.squareRoot()
      ck_combine(z.values, scale, there.value.rows.values, -scale, here.value.rows.values, z.size)
      if let area {
        // H = (J(s) − J(t))/(s − t) − ½ (W(s) + W(t))
        let factor = (12 / h).squareRoot()
        ck_combine(
          area.values, factor / (s - t), there.integral.rows.values, -factor / (s - t), here.integral.rows.values,
          z.size)
        ck_combine3(
          area.values, 1, area.values, -0.5 * factor, there.value.rows.values, -0.5 * factor, here.value.rows.values,
          z.size)
      }
      swap(&here, &there)
    }

    /// Two normals for every value of some rows, into `first` and `second`.
    private func normals(_ part: Range<Int>, step: Int) {
      let pairs = pairs.view(of: part)
      path.stream.normals(into: pairs, step: step)
      ck_split_pairs(first.rows.values, second.rows.values, pairs.values, pairs.size / 2)
    }

    /// W(t) and J(t).
    private func find(_ t: Double, _ point: inout Point) {
      for start in stride(from: 0, to: rows.count, by: partRows) {
        let part = start..<min(start + partRows, rows.count)
        // The cells of other rows are of no use.
        if partRows < rows.count { for level in indices.indices { indices[level] = -1 } }
        let places = rows.first + part.lowerBound..<rows.first + part.upperBound
        find(t, places, point.value.rows[part], point.integral.rows[part])
      }
      point.time = t
    }

    /// W(t) and J(t) of some rows, by walking down to the cell that holds t and making only the cells that are new.
    private func find(_ t: Double, _ part: Range<Int>, _ value: Rows, _ integral: Rows) {
      let depth = path.depth
      let position = min(max(t / path.duration, 0), 1) * Double(1 << depth)
      let leaf = min(Int(position), (1 << depth) - 1)
      if indices[0] < 0 { makeRoot(part) }
      for level in 1...depth {
        let index = leaf >> (depth - level)
        if indices[level] == index { continue }
        for below in level...depth { indices[below] = -1 }
        makeChild(index, level, part)
        indices[level] = index
      }
      normals(part, step: 2 << depth + leaf)
      inside(cells[depth], position - Double(leaf), width: path.duration / Double(1 << depth), value, integral)
    }

    /// W(T) and H over [0, T]; W(0) = J(0) = 0.
    private func makeRoot(_ part: Range<Int>) {
      normals(part, step: 0)
      let (root, n) = (cells[0], part.count * rows.dimension)
      ck_combine(root.increment.rows.values, path.duration.squareRoot(), first.rows.values, 0, first.rows.values, n)
      ck_combine(root.area.rows.values, (path.duration / 12).squareRoot(), second.rows.values, 0, second.rows.values, n)
      indices[0] = 0
    }

    /// The cell `index` of `level`, a half of its parent.
    private func makeChild(_ index: Int, _ level: Int, _ part: Range<Int>) {
      let (parent, child) = (cells[level - 1], cells[level])
      let width = path.duration / Double(1 << (level - 1))
      normals(part, step: 1 << (level - 1) + index >> 1)
      let isLeft = index & 1 == 0
      ck_bridge_half(
        child.start.rows.values, child.integral.rows.values, child.increment.rows.values, child.area.rows.values,
        parent.start.rows.values, parent.integral.rows.values, parent.increment.rows.values, parent.area.rows.values,
        first.rows.values, second.rows.values, width, isLeft ? 0 : 1, part.count * rows.dimension)
    }

    /// Draws W and J at the share x of a cell, given the cell's W and H. They are Gaussian, with the moments of
    /// Brownian motion on [0, 1] and its integral conditioned on both at 1, in units of the width.
    private func inside(_ cell: Cell, _ x: Double, width: Double, _ value: Rows, _ integral: Rows) {
      let root = width.squareRoot()
      // Cov with (W(1), J(1)), times the inverse [[4, −6], [−6, 12]] of their covariance.
      let (cW, cJ) = (x, x - x * x / 2)
      let (dW, dJ) = (x * x / 2, x * x / 2 - x * x * x / 6)
      let (a, b) = (4 * cW - 6 * cJ, -6 * cW + 12 * cJ)
      let (c, d) = (4 * dW - 6 * dJ, -6 * dW + 12 * dJ)
      let varW = max(0, x - a * cW - b * cJ)
      let cov = x * x / 2 - a * dW - b * dJ
      let varJ = max(0, x * x * x / 3 - c * dW - d * dJ)
      let l11 = varW.squareRoot()
      let l21 = l11 > 0 ? cov / l11 : 0
      let l22 = max(0, varJ - l21 * l21).squareRoot()
      // J(1) = (H + W/2) in the cell's own units.
      ck_bridge_inside(
        value.values, integral.values, cell.start.rows.values, cell.integral.rows.values, cell.increment.rows.values,
        cell.area.rows.values, first.rows.values, second.rows.values, a + b / 2, b, root * l11, width * (c + d / 2),
        width * d, width * root * l21, width * root * l22, x * width, value.size)
    }
  }
}
