// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// The score of x where that of y = φ(x) is known, for coordinates that change each value by itself. With e = dx/dy and
/// k = d ln e/dy at y, p(x) = p_y(φ(x))/Π e_i gives
///
///     s_i(x) = (s_y,i − k_i)/e_i,   ∂s_i/∂x_j = J_y,ij/(e_i e_j) − δ_ij (s_i k_i + k_i′/e_i)/e_i.
///
/// It is not a number where x has no coordinates, as there is no density.
public struct TransformedScore: Score {
  /// The score of y.
  public let base: any Score
  /// y = φ(x), value by value.
  public let coordinates: any ElementwiseCoordinates

  /// The score of x from that of y = φ(x).
  public init(_ base: any Score, _ coordinates: any ElementwiseCoordinates) {
    self.base = base
    self.coordinates = coordinates
  }

  public var shardRows: Int { base.shardRows }
  public var traits: ScoreTraits { base.traits }

  public func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
    Evaluator(try base.makeEvaluator(for: rows), coordinates, rows)
  }

  final class Evaluator: ScoreEvaluator {
    private let base: any ScoreEvaluator
    private let coordinates: any ElementwiseCoordinates
    private let storages: [RowStorage]
    private let stream = NoiseStream(seed: 0, purpose: .dequantisation)

    init(_ base: any ScoreEvaluator, _ coordinates: any ElementwiseCoordinates, _ rows: RowSpan) {
      self.base = base
      self.coordinates = coordinates
      storages = (0..<6).map { _ in RowStorage(rows) }
    }

    /// y, e, k and k′. Where x has no coordinates y is not a number.
    private func transform(_ x: Rows) -> (y: Rows, e: Rows, k: Rows, curvature: Rows) {
      let views = storages.map { $0.view(like: x) }
      let y = views[0]
      if (try? coordinates.encode(x, into: y, from: stream)) == nil {
        for row in 0..<x.count where (try? coordinates.encode(x.row(row), into: y.row(row), from: stream)) == nil {
          y.row(row).fill(.nan)
        }
      }
      coordinates.writeDerivatives(y, of: x, slope: views[1], logSlope: views[2], curvature: views[3])
      return (y, views[1], views[2], views[3])
    }

    func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
      let (y, e, k, _) = transform(x)
      try base.evaluate(y, at: times, into: s)
      for i in 0..<x.size { s.values[i] = (s.values[i] - k.values[i]) / e.values[i] }
    }

    func linearise(_ x: Rows, at times: Times, into s: Rows) throws {
      let (y, e, k, _) = transform(x)
      try base.linearise(y, at: times, into: s)
      for i in 0..<x.size { s.values[i] = (s.values[i] - k.values[i]) / e.values[i] }
      storages[4].view(like: x).copy(s)
    }

    /// The views of `linearise` are still there: y, and what was made of it.
    func pullback(_ v: Rows, into out: Rows) throws {
      let (e, k, curvature) = (storages[1].view(like: v), storages[2].view(like: v), storages[3].view(like: v))
      let (s, direction) = (storages[4].view(like: v), storages[5].view(like: v))
      for i in 0..<v.size { direction.values[i] = v.values[i] / e.values[i] }
      try base.pullback(direction, into: out)
      for i in 0..<v.size {
        let own = s.values[i] * k.values[i] + curvature.values[i] / e.values[i]
        out.values[i] = (out.values[i] - own * v.values[i]) / e.values[i]
      }
    }

    func cost(at t: Double) -> Int { base.cost(at: t) }

    func logDensity(_ x: Rows, at times: Times, into out: UnsafeMutablePointer<Double>) throws {
      let (y, _, _, _) = transform(x)
      try base.logDensity(y, at: times, into: out)
      guard coordinates.addLogDeterminant(y, to: out) else {
        throw InputError("these coordinates know no determinant, and so no density of the data")
      }
    }
  }
}
