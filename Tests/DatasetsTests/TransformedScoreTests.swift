// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Scores
import Testing

/// Scores in coordinates of other slopes.
@Suite("Scores in coordinates") struct TransformedScoreTests {
  /// Coordinates whose slope's logarithm bends, alone and within a chain.
  private static let maps: [any ElementwiseCoordinates] = [
    CoordinatesTests.Cube(), Logarithm(), Chain([Logarithm(), CoordinatesTests.Cube()], dimension: 2).elementwise!,
  ]

  @Test("a product with the Jacobian is that of central differences", arguments: maps.indices)
  func pullback(index: Int) throws {
    let mixture = try GaussianMixture(
      weights: [1, 2], means: [[0.3, -0.5], [1, 0.8]],
      covariances: [[[1, 0.3], [0.3, 0.5]], [[0.6, 0], [0, 0.9]]])
    let score = TransformedScore(mixture.score(under: VPSDE()), Self.maps[index])
    let span = RowSpan(first: 0, count: 1, dimension: 2)
    let evaluator = try score.makeEvaluator(for: span)
    var (x, v) = (Batch(values: [1.4, 0.7], dimension: 2), Batch(values: [0.8, -1.1], dimension: 2))
    let (t, h) = (0.3, 1e-5)
    func evaluate(_ shift: [Double]) throws -> [Double] {
      var (moved, s) = (
        Batch(values: [x[0, 0] + shift[0], x[0, 1] + shift[1]], dimension: 2), Batch(count: 1, dimension: 2)
      )
      try moved.withRows { x in try s.withRows { try evaluator.evaluate(x, at: .all(t), into: $0) } }
      return s.values
    }
    // (Jᵀ v)_j = Σ_i v_i ∂s_i/∂x_j
    let expected = try (0..<2).map { j in
      let (up, down) = (
        try evaluate((0..<2).map { $0 == j ? h : 0 }), try evaluate((0..<2).map { $0 == j ? -h : 0 })
      )
      return (0..<2).reduce(0) { $0 + v[0, $1] * (up[$1] - down[$1]) / (2 * h) }
    }
    var (s, product) = (Batch(count: 1, dimension: 2), Batch(count: 1, dimension: 2))
    try x.withRows { x in try s.withRows { try evaluator.linearise(x, at: .all(t), into: $0) } }
    try v.withRows { v in try product.withRows { try evaluator.pullback(v, into: $0) } }
    // Differences: h² of a third derivative, and 1e-16/h of the values.
    for j in 0..<2 { #expect(abs(product.values[j] - expected[j]) < 1e-6 * (1 + abs(expected[j]))) }
  }
}
