// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Testing

@Suite struct GaussianMixtureTests {
  static let kinds = ["isotropic", "diagonal", "full", "points"]

  static func mixture(_ kind: String) throws -> GaussianMixture {
    let means = [[-1, 0.5, 0], [1.5, 1, -0.5]]
    switch kind {
    case "isotropic": return try GaussianMixture(weights: [1, 3], means: means, deviations: [0.5, 0.8])
    case "diagonal":
      return try GaussianMixture(
        weights: [1, 3], means: means,
        covariances: [[[0.5, 0, 0], [0, 0.2, 0], [0, 0, 1]], [[0.3, 0, 0], [0, 0.9, 0], [0, 0, 0.1]]])
    case "full":
      return try GaussianMixture(
        weights: [1, 3], means: means,
        covariances: [
          [[0.5, 0.1, 0], [0.1, 0.2, 0.05], [0, 0.05, 1]], [[0.3, -0.2, 0], [-0.2, 0.9, 0], [0, 0, 0.1]],
        ])
    default: return GaussianMixture(points: Batch(rows: means + [[0, 0, 1]]))
    }
  }

  static let points = NoiseStream(seed: 1, purpose: .data).normals(count: 21, dimension: 3)
  static let directions = NoiseStream(seed: 2, purpose: .data).normals(count: 21, dimension: 3)

  @Test(arguments: kinds) func scoreAndJacobianAreDifferencesOfTheLogDensity(_ kind: String) throws {
    let score = try Self.mixture(kind).score(under: VPSDE())
    let h = 1e-5
    func moved(_ sign: Double) throws -> Evaluation {
      var x = Self.points
      for i in x.values.indices { x.values[i] += sign * h * Self.directions.values[i] }
      return try Evaluation(score, [0.4], at: x, along: Self.directions)
    }
    let here = try Evaluation(score, [0.4], at: Self.points, along: Self.directions)
    let (up, down) = (try moved(1), try moved(-1))
    for i in 0..<21 {
      let slope = (0..<3).reduce(0) { $0 + here.score[i, $1] * Self.directions[i, $1] }
      // Truncation h²/6 · third derivatives of size 10 to 100 |u|³, rounding 1e-15/h.
      #expect(abs((up.logDensity[i] - down.logDensity[i]) / (2 * h) - slope) < 1e-7)
      for j in 0..<3 { #expect(abs((up.score[i, j] - down.score[i, j]) / (2 * h) - here.product[i, j]) < 1e-7) }
    }
  }

  @Test(arguments: kinds) func aTimePerRowIsTheSameAsOneForAll(_ kind: String) throws {
    let score = try Self.mixture(kind).score(under: SubVPSDE())
    let times = (0..<21).map { $0 < 11 ? 0.3 : 0.8 }
    let each = try Evaluation(score, times, at: Self.points, along: Self.directions)
    for (t, rows) in [(0.3, 0..<11), (0.8, 11..<21)] {
      let all = try Evaluation(score, [t], at: Self.points, along: Self.directions)
      for i in rows {
        #expect(each.score.row(i) == all.score.row(i) && each.product.row(i) == all.product.row(i))
        #expect(each.logDensity[i] == all.logDensity[i])
      }
    }
  }

  @Test(arguments: kinds) func drawsHaveTheMixturesMoments(_ kind: String) throws {
    let law = try Self.mixture(kind)
    let n = 100_000
    let x = law.draw(n, from: NoiseStream(seed: 3, purpose: .data))
    #expect(x.prefix(100) == law.draw(100, from: NoiseStream(seed: 3, purpose: .data)))
    let mean = (0..<3).map { j in (0..<n).reduce(0) { $0 + x[$1, j] } / Double(n) }
    for i in 0..<3 {
      #expect(abs(mean[i] - law.mean[i]) < 4 * (law.covariance[i][i] / Double(n)).squareRoot())
      for j in 0..<3 {
        let moment = (0..<n).reduce(0) { $0 + (x[$1, i] - mean[i]) * (x[$1, j] - mean[j]) } / Double(n)
        // A product of coordinates with kurtosis below 3 has a deviation below √2 · √(C_ii C_jj); 5 of them.
        let error = (2 * law.covariance[i][i] * law.covariance[j][j] / Double(n)).squareRoot()
        #expect(abs(moment - law.covariance[i][j]) < 5 * error + 1e-12)
      }
    }
  }

  @Test func momentsOfALineAreTheFormulas() throws {
    let law = try GaussianMixture(weights: [0.25, 0.75], means: [[-1], [3]], deviations: [1, 2])
    // Mean 2; variance ¼ (1 + 9) + ¾ (4 + 1).
    #expect(law.mean == [2] && law.covariance == [[6.25]])
  }

  @Test func weightsAreNormalisedAndZeroOnesLeftOut() throws {
    let law = try GaussianMixture(weights: [2, 0, 6], means: [[0], [1], [2]], deviations: [1, -1, 1])
    #expect(law.weights == [0.25, 0.75] && law.means == Batch(rows: [[0], [2]]))
  }

  @Test func aScoreRefusesPointsOfAnotherDimension() throws {
    let score = try Self.mixture("full").score(under: VPSDE())
    #expect(throws: InputError.self) { _ = try score.makeEvaluator(for: RowSpan(first: 0, count: 1, dimension: 2)) }
  }

  struct Bad: Sendable {
    var weights = [1.0, 1]
    var means = [[0.0, 0], [1, 1]]
    var covariances = [[[1.0, 0], [0, 1]], [[1, 0], [0, 1]]]
    let words: String
  }

  @Test(arguments: [
    Bad(weights: [], means: [], covariances: [], words: "at least one mean"),
    Bad(weights: [1], words: "1 weights for 2 means"),
    Bad(weights: [1, -1], words: "weight 2 is -1"),
    Bad(weights: [1, .nan], words: "weight 2 is nan"),
    Bad(weights: [0, 0], words: "the weights sum to 0"),
    Bad(means: [[0, 0], [1]], words: "mean 2 has 1 values"),
    Bad(means: [[0, 0], [1, .infinity]], words: "mean 2 is not finite"),
    Bad(covariances: [[[1, 0], [0, 1]]], words: "1 covariances for 2 means"),
    Bad(covariances: [[[1, 0], [0, 1]], [[1, 0]]], words: "covariance 2 is not 2 × 2"),
    Bad(covariances: [[[1, 0], [0, 1]], [[1, 0.1], [0.2, 1]]], words: "covariance 2 is not symmetric"),
    Bad(covariances: [[[1, 2], [2, 1]], [[1, 0], [0, 1]]], words: "covariance 1 is not positive definite"),
    Bad(covariances: [[[1, 0], [0, 0]], [[1, 0], [0, 1]]], words: "covariance 1 is not positive definite"),
    Bad(covariances: [[[1, 0], [0, .nan]], [[1, 0], [0, 1]]], words: "covariance 1"),
  ])
  func impossibleMixturesAreRefused(_ bad: Bad) {
    let error = #expect(throws: InputError.self) {
      try GaussianMixture(weights: bad.weights, means: bad.means, covariances: bad.covariances)
    }
    #expect(error?.message.contains(bad.words) == true, "\(error?.message ?? "")")
  }

  @Test(arguments: [[1.0], [1, 0], [1, -1], [1, .nan], [1, .infinity]])
  func impossibleDeviationsAreRefused(_ deviations: [Double]) {
    #expect(throws: InputError.self) {
      try GaussianMixture(weights: [1, 1], means: [[0], [1]], deviations: deviations)
    }
  }
}
