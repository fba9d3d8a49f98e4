// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Testing

/// Rows that differ from each other, by formula.
func someRows(_ count: Int, _ dimension: Int, low: Double = -1, high: Double = 1, step: Int = 0) -> Batch {
  var batch = NoiseStream(seed: 5, purpose: .data).uniforms(count: count, dimension: dimension, step: step)
  for i in batch.values.indices { batch.values[i] = low + (high - low) * batch.values[i] }
  return batch
}

/// What a model's evaluator says of a batch.
struct Evaluated {
  let model: any ObservationModel
  let evaluator: any ObservationEvaluator
  var x: Batch
  var y: Batch

  init(_ model: any ObservationModel, _ x: Batch, _ y: Batch) {
    (self.model, self.x, self.y) = (model, x, y)
    evaluator = model.makeEvaluator(for: RowSpan(first: 0, count: x.count, dimension: x.dimension))
  }

  func logLikelihood() -> [Double] {
    var (x, y, out) = (x, y, [Double](repeating: 0, count: x.count))
    x.withRows { x in y.withRows { evaluator.logLikelihood(x, of: $0, into: &out) } }
    return out
  }

  func gradient() -> Batch {
    var (x, y, out) = (x, y, x)
    x.withRows { x in y.withRows { y in out.withRows { evaluator.gradient(x, of: y, into: $0) } } }
    return out
  }

  func expected() -> Batch {
    var (x, out) = (x, y)
    let isKnown = x.withRows { x in out.withRows { evaluator.expect(x, into: $0) } }
    #expect(isKnown)
    return out
  }

  func pullback(_ v: Batch) -> Batch {
    var (v, out) = (v, x)
    v.withRows { v in out.withRows { evaluator.pullback(v, into: $0) } }
    return out
  }

  /// The gradient and the pullback against central differences, whose own error is of the order h².
  mutating func checkDerivatives(within tolerance: Double, h: Double = 1e-5) {
    let (gradient, start) = (gradient(), x)
    let v = someRows(y.count, y.dimension, step: 9)
    _ = expected()
    let pulled = pullback(v)
    #expect(pullback(v) == pulled, "a second pullback is the same")
    for i in x.values.indices {
      let row = i / x.dimension
      func both(_ sign: Double) -> (Double, Double) {
        x.values[i] = start.values[i] + sign * h
        let y = expected()
        return (logLikelihood()[row], (0..<y.dimension).reduce(0) { $0 + y[row, $1] * v[row, $1] })
      }
      let (above, below) = (both(1), both(-1))
      x = start
      let scale = max(1, abs(gradient.values[i]))
      #expect(abs((above.0 - below.0) / (2 * h) - gradient.values[i]) < tolerance * scale, "gradient \(i)")
      #expect(abs((above.1 - below.1) / (2 * h) - pulled.values[i]) < tolerance * max(1, abs(pulled.values[i])))
    }
  }
}

/// h_j(x) = x_j² + sin x_{j+1} for j below D − 1, with its own derivative.
struct CurvedMap: ForwardMap {
  let dimension: Int
  var observedDimension: Int { dimension - 1 }
  var matrix: SparseMatrix? { nil }
  func makeEvaluator(for rows: RowSpan) -> any ForwardEvaluator { Evaluator(rows) }

  final class Evaluator: ForwardEvaluator {
    private let kept: RowStorage
    init(_ rows: RowSpan) { kept = RowStorage(rows) }

    func evaluate(_ x: Rows, into y: Rows) {
      kept.view(like: x).copy(x)
      for row in 0..<x.count { for j in 0..<y.dimension { y[row, j] = x[row, j] * x[row, j] + sin(x[row, j + 1]) } }
    }

    func pullback(_ v: Rows, into out: Rows) {
      let x = kept.view(like: out)
      out.fill(0)
      for row in 0..<v.count {
        for j in 0..<v.dimension {
          out[row, j] += 2 * x[row, j] * v[row, j]
          out[row, j + 1] += cos(x[row, j + 1]) * v[row, j]
        }
      }
    }
  }
}
