// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Testing

@Suite("Linear observations") struct LinearObservationTests {
  /// log N(y; A x, C) by hand in two dimensions, and its gradient by central differences.
  @Test("the likelihood is that of a normal law, for each form of noise") func likelihood() throws {
    let a = Matrix([[1, 2, 0], [0, -1, 0.5]])
    let c = Matrix([[0.5, 0.2], [0.2, 0.3]])
    let noises: [(LinearObservation.Noise, Matrix)] = [
      (.deviation(0.7), 0.49 * Matrix.identity(2)), (.deviations([0.5, 2]), Matrix([[0.25, 0], [0, 4]])),
      (.covariance(c, root: try #require(c.lowerCholesky)), c),
    ]
    for (noise, covariance) in noises {
      let model = try LinearObservation(SparseMatrix(a), noise: noise)
      var x = Batch(values: [0.3, -1, 2, 1, 0.5, -0.2], dimension: 3)
      var y = Batch(values: [0.1, 0.4, -1, 2], dimension: 2)
      let evaluator = model.makeEvaluator(for: RowSpan(first: 0, count: 2, dimension: 3))
      func logLikelihood() -> [Double] {
        var out = [0.0, 0]
        x.withRows { x in y.withRows { y in evaluator.logLikelihood(x, of: y, into: &out) } }
        return out
      }
      let inverse = covariance.inverse
      let determinant = covariance[0, 0] * covariance[1, 1] - covariance[0, 1] * covariance[1, 0]
      for row in 0..<2 {
        let r = (0..<2).map { i in
          y.row(row)[y.row(row).startIndex + i] - (0..<3).reduce(0) { $0 + a[i, $1] * Array(x.row(row))[$1] }
        }
        var quadratic = 0.0
        for i in 0..<2 { for j in 0..<2 { quadratic += r[i] * inverse[i, j] * r[j] } }
        #expect(abs(logLikelihood()[row] + 0.5 * quadratic + log(2 * .pi) + 0.5 * log(determinant)) < 1e-12)
      }
      var gradient = Batch(count: 2, dimension: 3)
      x.withRows { x in y.withRows { y in gradient.withRows { evaluator.gradient(x, of: y, into: $0) } } }
      for i in 0..<6 {
        let (h, kept) = (1e-5, x.values[i])
        x.values[i] = kept + h
        let above = logLikelihood()[i / 3]
        x.values[i] = kept - h
        let below = logLikelihood()[i / 3]
        x.values[i] = kept
        // Central differences of a quadratic are exact up to rounding.
        #expect(abs((above - below) / (2 * h) - gradient.values[i]) < 1e-7)
      }
    }
  }
}
