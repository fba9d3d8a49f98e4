// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Processes

/// The uniform law on a box: data whose score is known exactly under every kernel m x₀ + σ z, coordinate by coordinate.
public struct UniformBox: Sendable, Equatable {
  /// The sides, a value for each coordinate.
  public let low, high: [Double]

  /// How many values a point has.
  public var dimension: Int { low.count }

  /// - Throws: `InputError` for sides that are not finite, or of which one is not below the other.
  public init(low: [Double], high: [Double]) throws {
    guard low.count == high.count, !low.isEmpty else {
      throw InputError("\(low.count) values of low for \(high.count) of high; allowed: as many, at least one")
    }
    for j in low.indices {
      guard low[j].isFinite, high[j].isFinite, low[j] < high[j], (high[j] - low[j]).isFinite else {
        throw InputError("column \(j + 1) goes from \(low[j]) to \(high[j]); allowed: finite numbers, low below high")
      }
    }
    (self.low, self.high) = (low, high)
  }

  /// `count` independent draws; row i depends on nothing but the stream and i.
  public func draw(_ count: Int, from stream: NoiseStream) -> Batch {
    var batch = stream.uniforms(count: count, dimension: dimension)
    for i in 0..<count { for j in 0..<dimension { batch[i, j] = low[j] + (high[j] - low[j]) * batch[i, j] } }
    return batch
  }

  /// The law of coordinate j given x_t: z = (x₀ − x_t/m) m/σ truncated to the box.
  func truncated(_ x: Double, _ j: Int, _ moments: Moments) -> TruncatedNormal {
    let (centre, width) = (x / moments.scale, moments.noiseToSignal)
    return TruncatedNormal(from: (low[j] - centre) / width, to: (high[j] - centre) / width)
  }
}

/// The exact score of a uniform box under a perturbation kernel with scalar moments: s = (m E[x₀ | x_t] − x_t)/v.
public struct BoxScore: Score {
  /// The law at t = 0.
  public let box: UniformBox
  /// The law of x_t given x_0.
  public let kernel: any PerturbationKernel

  /// - Precondition: the kernel is scalar.
  public init(_ box: UniformBox, kernel: any PerturbationKernel) {
    precondition(kernel.isScalar, "m(t) x₀ + σ(t) z")
    (self.box, self.kernel) = (box, kernel)
  }

  public var traits: ScoreTraits { [.logDensity, .jacobian] }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    guard rows.dimension == box.dimension else {
      throw InputError("points of \(rows.dimension) values for a box of \(box.dimension)")
    }
    return Evaluator(self, rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let box: UniformBox
    private let kernel: any PerturbationKernel
    /// ∂s_j/∂x_j at the last linearisation.
    private let slopes: RowStorage

    init(_ score: BoxScore, _ rows: RowSpan) {
      (box, kernel) = (score.box, score.kernel)
      slopes = RowStorage(rows)
    }

    private func forEach(
      _ x: Rows, _ times: Times, _ body: (_ row: Int, _ j: Int, _ law: TruncatedNormal, _ moments: Moments) -> Void
    ) {
      times.forEachRun(x.count) { run, t in
        let moments = kernel.moments(at: t)
        for row in run { for j in 0..<x.dimension { body(row, j, box.truncated(x[row, j], j, moments), moments) } }
      }
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      // m E[x₀] − x = σ E[z]
      forEach(x, times) { row, j, law, moments in s[row, j] = law.mean / moments.deviation }
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      let slopes = slopes.view(like: x)
      forEach(x, times) { row, j, law, moments in
        s[row, j] = law.mean / moments.deviation
        slopes[row, j] = (law.variance - 1) / moments.variance
      }
    }

    func pullback(_ v: Rows, into out: Rows) throws {
      let slopes = slopes.view(like: v)
      for i in 0..<v.size { out.values[i] = slopes.values[i] * v.values[i] }
    }

    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
      for row in 0..<x.count { out[row] = 0 }
      forEach(x, times) { row, j, law, moments in
        out[row] += law.logMass - log((box.high[j] - box.low[j]) * moments.scale)
      }
    }
  }
}

extension PreparedProcess {
  /// The exact score of a uniform box; nil where the process has no kernel with scalar moments.
  public func exactScore(of box: UniformBox) -> (any Score)? { scalarKernel.map { BoxScore(box, kernel: $0) } }
}
