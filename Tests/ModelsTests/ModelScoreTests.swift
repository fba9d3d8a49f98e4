// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Synchronization
import Tensors
import TestSupport
import Testing

/// A network that knows the answer for data N(0, deviation² I): its output is linear in x with a factor of the label
/// alone.
private struct GaussianOracle: Network {
  let dimension = 2
  let layout: ParameterLayout = {
    var layout = ParameterLayout()
    _ = layout.add("unused", shape: [1])
    return layout
  }()
  let noiseInput = NoiseLevelInput.time
  /// The factor F(in · x) / (in · x) at time t.
  let factor: @Sendable (Double) -> Double
  func initialParameters(seed: UInt64) -> [Float] { [0] }
  func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    let scale = tape.constant(rows: x.rows, columns: 1)
    for i in 0..<x.rows {
      scale.values[i] = Float(factor(Double(noiseLevel.values[noiseLevel.rows == 1 ? 0 : i]) / 1000))
    }
    return tape.scaleRows(x, by: scale)
  }
}

@Suite("Models as scores") struct ModelScoreTests {
  private let span = RowSpan(first: 0, count: 19, dimension: 2)

  private func mlpScore(_ prediction: Prediction, _ features: TimeFeatures.Kind) -> ModelScore {
    let network = MLP(dimension: 2, hidden: [16, 17], features: TimeFeatures(features, count: 8, scale: 0.3, seed: 1))
    return ScoreModel(
      network, parameters: values(network.layout.count, seed: 5).map { 0.3 * $0 }, prediction: prediction,
      kernel: VPSDE().makeKernel(), duration: 1
    ).score()
  }

  @Test(
    "one time for all rows and a time per row give the same score", arguments: Prediction.allCases,
    TimeFeatures.Kind.allCases)
  func times(prediction: Prediction, features: TimeFeatures.Kind) throws {
    try RowStorage.with(span, count: 3) { rows in
      let (x, a, b) = (rows[0], rows[1], rows[2])
      NoiseStream(seed: 1, purpose: .prior).normals(into: x, step: 0)
      let evaluator = try mlpScore(prediction, features).makeEvaluator(for: span)
      try evaluator.evaluate(x, at: .all(0.4), into: a)
      let times = [Double](repeating: 0.4, count: span.count)
      try times.withUnsafeBufferPointer { try evaluator.evaluate(x, at: .each($0.baseAddress!), into: b) }
      // The two sum the first layer in another order: float rounding.
      for i in 0..<x.size { #expect(abs(a.values[i] - b.values[i]) < 1e-5 * (1 + abs(a.values[i]))) }
    }
  }

  @Test("lent threads share the parts of a batch and change nothing", arguments: [1, 2, 3])
  func lentThreads(threads: Int) throws {
    /// A network that takes 3 rows at a time where it is evaluated.
    struct Slow: NetworkWrapper {
      let inner: any Network
      var layout: ParameterLayout { inner.layout }
      var evaluationRows: Int { 3 }
      func initialParameters(seed: UInt64) -> [Float] { inner.initialParameters(seed: seed) }
      func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
        precondition(x.rows <= 3)
        return inner.forward(x, noiseLevel: noiseLevel, second: second, condition: condition, on: tape)
      }
    }
    let network = Slow(
      inner: MLP(dimension: 2, hidden: [16, 17], features: TimeFeatures(.fourier, count: 8, scale: 0.3, seed: 1)))
    let score = ScoreModel(
      network, parameters: values(network.layout.count, seed: 5), prediction: .noise, kernel: VPSDE().makeKernel(),
      duration: 1
    ).score()
    func evaluated(_ threads: Int) throws -> [Double] {
      let found = Mutex<[Double]>([])
      try Shards(rows: 1, size: 1).forEach(threads: threads) { _, _ in
        try RowStorage.with(RowSpan(first: 0, count: 19, dimension: 2), count: 2) { rows in
          let evaluator = try score.makeEvaluator(for: RowSpan(first: 0, count: 19, dimension: 2))
          NoiseStream(seed: 1, purpose: .prior).normals(into: rows[0], step: 0)
          let times = (0..<19).map { 0.05 * Double($0 + 1) }
          try times.withUnsafeBufferPointer {
            try evaluator.evaluate(rows[0], at: .each($0.baseAddress!), into: rows[1])
          }
          found.withLock { $0 = (0..<rows[1].size).map { rows[1].values[$0] } }
        }
      }
      return found.withLock { $0 }
    }
    let one = try evaluated(1)
    #expect(one.count == 38 && one.allSatisfy { $0.isFinite && $0 != 0 })
    #expect(try evaluated(threads) == one)
  }

  @Test("the Jacobian product equals central differences", arguments: Prediction.allCases)
  func pullback(prediction: Prediction) throws {
    try RowStorage.with(span, count: 5) { rows in
      let (x, v, out, up, down) = (rows[0], rows[1], rows[2], rows[3], rows[4])
      NoiseStream(seed: 1, purpose: .prior).normals(into: x, step: 0)
      NoiseStream(seed: 1, purpose: .prior).normals(into: v, step: 1)
      let evaluator = try mlpScore(prediction, .sinusoidal).makeEvaluator(for: span)
      try evaluator.linearise(x, at: .all(0.5), into: up)
      try evaluator.pullback(v, into: out)
      for j in 0..<2 {
        for i in 0..<span.count { x[i, j] += Double(h) }
        try evaluator.evaluate(x, at: .all(0.5), into: up)
        for i in 0..<span.count { x[i, j] -= 2 * Double(h) }
        try evaluator.evaluate(x, at: .all(0.5), into: down)
        for i in 0..<span.count { x[i, j] += Double(h) }
        for i in 0..<span.count {
          // ∂/∂x_j of ⟨v, s(x)⟩, row by row.
          let difference = (0..<2).reduce(0.0) { $0 + v[i, $1] * (up[i, $1] - down[i, $1]) } / Double(2 * h)
          #expect(isClose(out[i, j], difference))
        }
      }
    }
  }

  @Test("several Jacobian products of one recorded pass are those of a pass for each", arguments: [false, true])
  func sharedPass(image: Bool) throws {
    let network: any Network =
      image
      ? try tinyUNet()
      : MLP(dimension: 2, hidden: [16, 17], features: TimeFeatures(.fourier, count: 8, scale: 0.3, seed: 1))
    let score = ScoreModel(
      network, parameters: values(network.layout.count, seed: 5).map { 0.3 * $0 }, prediction: .velocity,
      kernel: VPSDE().makeKernel(), duration: 1
    ).score()
    // More rows than the U-Net takes at a time.
    let span = RowSpan(first: 3, count: 2 * network.shardRows.upperBound + 1, dimension: network.dimension)
    try RowStorage.with(span, count: 10) { rows in
      let (x, s, shared) = (rows[0], rows[1], rows[2])
      let (v, found) = (Array(rows[3..<6]), Array(rows[6..<9]))
      let noise = NoiseStream(seed: 1, purpose: .prior)
      for (step, rows) in ([x] + v).enumerated() { noise.normals(into: rows, step: step) }
      let evaluator = try score.makeEvaluator(for: span)
      try evaluator.evaluate(x, at: .all(0.4), into: s)
      // Twice, as the second pass finds the memory of the first.
      for _ in 0..<2 {
        try evaluator.linearise(x, at: .all(0.4), into: shared)
        for (v, found) in pairs(v, found) { try evaluator.pullback(v, into: found) }
      }
      // What is recorded sums the first layer in another order: float rounding.
      for i in 0..<x.size { #expect(abs(shared.values[i] - s.values[i]) < 1e-5 * (1 + abs(s.values[i]))) }
      let single = rows[9]
      for (v, found) in pairs(v, found) {
        try evaluator.linearise(x, at: .all(0.4), into: single)
        try evaluator.pullback(v, into: single)
        #expect((0..<x.size).allSatisfy { single.values[$0] == found.values[$0] })
      }
    }
  }

  @Test("a network that predicts rightly gives the exact score, whatever it predicts", arguments: Prediction.allCases)
  func predictions(prediction: Prediction) throws {
    let kernel = VESDE(GeometricSigma(0.1, 5)).makeKernel()
    let variance = 0.49
    let oracle = GaussianOracle { t in
      let k = kernel.moments(at: t)
      let (m, v) = (k.scale, k.variance)
      let total = m * m * variance + v
      let n = (m * m + v).squareRoot()
      // E[z | x] = σ x / total, E[x_0 | x] = m s² x / total; the network sees x / n.
      switch prediction {
      case .noise: return n * k.deviation / total
      case .score: return -n / total
      case .data: return n * m * variance / total
      case .velocity: return m * k.deviation / total - k.deviation * m * variance / total
      case .edm:
        // (D − c_skip y)/c_out for y = x/m, over c_in y.
        let (ratio, sum) = (k.noiseToSignal, v / (m * m) + 0.36)
        return (m * m * variance / total - 0.36 / sum) * sum / (ratio * 0.6)
      }
    }
    let score = ScoreModel(
      oracle, parameters: [0], prediction: prediction, kernel: kernel, duration: 1, dataDeviation: 0.6
    ).score()
    try RowStorage.with(span, count: 2) { rows in
      let (x, s) = (rows[0], rows[1])
      NoiseStream(seed: 1, purpose: .prior).normals(into: x, step: 0)
      let evaluator = try score.makeEvaluator(for: span)
      for t in [0.3, 0.5, 1.0] {
        let k = kernel.moments(at: t)
        let total = k.scale * k.scale * variance + k.variance
        try evaluator.evaluate(x, at: .all(t), into: s)
        for i in 0..<x.size {
          // Floats in the network, times the gain of the skip and output terms, at most 1/v.
          #expect(abs(s.values[i] + x.values[i] / total) < 4e-6 * (1 + abs(x.values[i])) * (1 + 1 / k.variance))
        }
      }
    }
  }

  @Test("points of another dimension are refused") func dimension() {
    #expect(throws: InputError.self) {
      try mlpScore(.noise, .fourier).makeEvaluator(for: RowSpan(first: 0, count: 4, dimension: 3))
    }
  }
}
