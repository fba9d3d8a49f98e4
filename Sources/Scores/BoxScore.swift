// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

/// The exact score of a mixture of uniform boxes under a perturbation kernel with scalar moments.
///
/// Given x_t and box k, z = (m x₀ − x_t)/σ has a normal law truncated to the box, coordinate by coordinate. With its
/// mass P_k, its mean μ_k and the responsibilities r_k ∝ w_k P_k/volume_k,
///
///     s(x) = Σ_k r_k μ_k/σ,   ∂s/∂x = Σ_k r_k [diag(Var z_k − 1) + (μ_k − σ s)(μ_k − σ s)ᵀ]/σ².
public struct BoxScore: Score {
  /// The law at t = 0.
  public let law: BoxMixture
  /// The law of x_t given x_0.
  public let kernel: any PerturbationKernel

  /// - Precondition: the kernel is scalar.
  public init(_ law: BoxMixture, kernel: any PerturbationKernel) {
    precondition(kernel.isScalar, "m(t) x₀ + σ(t) z")
    (self.law, self.kernel) = (law, kernel)
  }

  public var traits: ScoreTraits { [.logDensity, .jacobian] }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == law.dimension else {
      throw InputError("points of \(rows.dimension) values for boxes of \(law.dimension)")
    }
    return Evaluator(self, rows)
  }

  /// The boxes as the kernel reads them: each edge and each interval that occurs once.
  private final class Table {
    let ends, logHeights: UnsafeMutablePointer<Double>
    let coordinates, bounds, sides: UnsafeMutablePointer<Int32>
    var c: ck_boxes

    init(_ law: BoxMixture) {
      struct Edge: Hashable { let coordinate: Int, end: Double }
      struct Interval: Hashable { let low, high: Int32 }
      var (edges, intervals): ([Edge: Int32], [Interval: Int32]) = ([:], [:])
      var (listed, between, parts): ([Edge], [Interval], [Int32]) = ([], [], [])
      func number(_ edge: Edge) -> Int32 {
        if let known = edges[edge] { return known }
        edges[edge] = Int32(listed.count)
        listed.append(edge)
        return Int32(listed.count - 1)
      }
      for box in law.boxes {
        for j in 0..<law.dimension {
          let interval = Interval(
            low: number(Edge(coordinate: j, end: box.low[j])), high: number(Edge(coordinate: j, end: box.high[j])))
          if intervals[interval] == nil {
            intervals[interval] = Int32(between.count)
            between.append(interval)
          }
          parts.append(intervals[interval, default: 0])
        }
      }
      func kept<Element>(_ values: [Element]) -> UnsafeMutablePointer<Element> {
        let memory = UnsafeMutablePointer<Element>.allocate(capacity: values.count)
        memory.initialize(from: values, count: values.count)
        return memory
      }
      ends = kept(listed.map(\.end))
      coordinates = kept(listed.map { Int32($0.coordinate) })
      bounds = kept(between.flatMap { [$0.low, $0.high] })
      sides = kept(parts)
      logHeights = kept(
        zip(law.boxes, law.weights).map { box, weight in
          log(weight) - zip(box.low, box.high).reduce(0) { $0 + log($1.1 - $1.0) }
        })
      c = ck_boxes(
        boxes: law.boxes.count, dimension: law.dimension, intervals: between.count, edges: listed.count, ends: ends,
        coordinates: coordinates, bounds: bounds, sides: sides, log_heights: logHeights)
    }

    deinit {
      for memory in [ends, logHeights] { memory.deallocate() }
      for memory in [coordinates, bounds, sides] { memory.deallocate() }
    }
  }

  final class Evaluator: ScoreEvaluator {
    private let kernel: any PerturbationKernel
    private let table: Table
    /// m and σ of each row, and the kernel's memory.
    private let scales, deviations, scratch: UnsafeMutablePointer<Double>
    /// For products, of one row: z in each interval, and the responsibility of each box.
    private let truncated: UnsafeMutablePointer<TruncatedNormal>
    private let shares: UnsafeMutablePointer<Double>
    /// σ s of that row.
    private let means: UnsafeMutablePointer<Double>
    private var linearised: Linearisation?

    init(_ score: BoxScore, _ rows: RowSpan) {
      kernel = score.kernel
      table = Table(score.law)
      scales = .allocate(capacity: rows.count)
      deviations = .allocate(capacity: rows.count)
      scratch = .allocate(capacity: ck_boxes_scratch(&table.c))
      truncated = .allocate(capacity: table.c.intervals)
      shares = .allocate(capacity: table.c.boxes)
      means = .allocate(capacity: table.c.dimension)
    }

    deinit {
      for memory in [scales, deviations, scratch, shares, means] { memory.deallocate() }
      truncated.deallocate()
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      setMoments(x, times)
      ck_boxes_evaluate(&table.c, x.values, x.count, scales, deviations, s.values, nil, scratch)
    }

    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
      setMoments(x, times)
      ck_boxes_evaluate(&table.c, x.values, x.count, scales, deviations, nil, out, scratch)
    }

    /// A product is made from the states anew.
    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      try evaluate(x, at: times, into: s)
      linearised = Linearisation(x, times)
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      guard let linearised else { preconditionFailure("a product before there is a linearisation") }
      let x = linearised.x
      setMoments(x, linearised.times)
      for row in 0..<x.count {
        look(at: x.row(row), scale: scales[row], deviation: deviations[row])
        multiply(v.row(row), into: out.row(row), variance: deviations[row] * deviations[row])
      }
    }

    private func setMoments(_ x: Rows, _ times: Times) {
      var (last, moments): (Double, Moments?) = (.nan, nil)
      times.forEachRun(x.count) { run, t in
        if t != last { (last, moments) = (t, kernel.moments(at: t)) }
        guard let moments else { return }
        for row in run { (scales[row], deviations[row]) = (moments.scale, moments.deviation) }
      }
    }

    /// The laws of z in each interval, the responsibilities r_k, and σ s.
    private func look(at x: Rows, scale: Double, deviation: Double) {
      let (c, d) = (table.c, table.c.dimension)
      func z(_ edge: Int32) -> Double {
        (scale * table.ends[Int(edge)] - x[0, Int(table.coordinates[Int(edge)])]) / deviation
      }
      for u in 0..<c.intervals {
        truncated[u] = TruncatedNormal(from: z(table.bounds[2 * u]), to: z(table.bounds[2 * u + 1]))
      }
      var top = -Double.infinity
      for k in 0..<c.boxes {
        shares[k] = (0..<d).reduce(table.logHeights[k]) { $0 + side(k, $1).logMass }
        top = max(top, shares[k])
      }
      var total = 0.0
      for k in 0..<c.boxes {
        shares[k] = exp(shares[k] - top)
        total += shares[k]
      }
      for k in 0..<c.boxes { shares[k] /= total }
      for j in 0..<d { means[j] = (0..<c.boxes).reduce(0) { $0 + shares[$1] * side($1, j).mean } }
    }

    /// The law of z in coordinate j of box k.
    private func side(_ k: Int, _ j: Int) -> TruncatedNormal {
      truncated[Int(table.sides[k * table.c.dimension + j])]
    }

    /// The product of a row that was looked at. Means are taken from their mean, so that nothing cancels.
    private func multiply(_ v: Rows, into out: Rows, variance: Double) {
      let (boxes, d) = (table.c.boxes, table.c.dimension)
      for j in 0..<d {
        out[0, j] = v[0, j] * (0..<boxes).reduce(0) { $0 + shares[$1] * (side($1, j).variance - 1) }
      }
      if boxes > 1 {
        for k in 0..<boxes where shares[k] > 0 {
          let along = (0..<d).reduce(0) { $0 + (side(k, $1).mean - means[$1]) * v[0, $1] }
          for j in 0..<d { out[0, j] += shares[k] * along * (side(k, j).mean - means[j]) }
        }
      }
      for j in 0..<d { out[0, j] /= variance }
    }
  }
}

extension PreparedProcess {
  /// The exact score of a mixture of uniform boxes; nil where the process has no kernel with scalar moments.
  public func exactScore(of law: BoxMixture) -> (any Score)? { scalarKernel.map { BoxScore(law, kernel: $0) } }
}
