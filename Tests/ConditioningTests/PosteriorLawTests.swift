// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Pairs
import Processes
import Scores
import Testing

@Suite("Exact posteriors of mixtures") struct PosteriorLawTests {
  static func planar() throws -> (GaussianMixture, LinearObservation) {
    let prior = try GaussianMixture(
      weights: [0.3, 0.5, 0.2], means: [[-1, 0.5], [1.5, -0.5], [0, 2]],
      covariances: [[[0.5, 0.2], [0.2, 0.4]], [[0.3, 0], [0, 0.9]], [[0.6, -0.3], [-0.3, 0.5]]])
    let noise = Matrix([[0.4, 0.1, 0], [0.1, 0.3, -0.05], [0, -0.05, 0.6]])
    let observation = try LinearObservation(
      SparseMatrix(Matrix([[1, 0.5], [-0.3, 1], [0.7, 0.7]])),
      noise: .covariance(noise, root: try #require(noise.lowerCholesky)))
    return (prior, observation)
  }

  /// Sums over a fine grid of a smooth function that vanishes at its ends are exact up to rounding.
  @Test("moments, density and evidence are those of quadrature in the plane") func quadrature() throws {
    let (prior, observation) = try Self.planar()
    let y = [0.7, -0.4, 0.9]
    let law = PosteriorLaw(prior, observation)
    let posterior = law.mixture(given: y)
    let (n, low, step) = (241, -6.0, 0.05)
    var points = Batch(count: n * n, dimension: 2)
    for i in 0..<n * n { (points[i, 0], points[i, 1]) = (low + step * Double(i / n), low + step * Double(i % n)) }
    let priorDensity = try logDensity(prior, points)
    let posteriorDensity = try logDensity(posterior, points)
    let evaluator = observation.makeEvaluator(for: RowSpan(first: 0, count: n * n, dimension: 2))
    var ys = Batch(values: (0..<n * n).flatMap { _ in y }, dimension: 3)
    var likelihood = [Double](repeating: 0, count: n * n)
    points.withRows { x in ys.withRows { y in evaluator.logLikelihood(x, of: y, into: &likelihood) } }
    let weights = pairs(priorDensity, likelihood).map { exp($0 + $1) * step * step }
    let evidence = weights.reduce(0, +)
    #expect(abs(law.logEvidence(of: y) - log(evidence)) < 1e-9)
    for j in 0..<2 {
      let mean = (0..<n * n).reduce(0.0) { $0 + weights[$1] * points[$1, j] } / evidence
      #expect(abs(posterior.mean[j] - mean) < 1e-9)
      for k in 0..<2 {
        let product = (0..<n * n).reduce(0.0) { $0 + weights[$1] * points[$1, j] * points[$1, k] } / evidence
        #expect(abs(posterior.covariance[j][k] + posterior.mean[j] * posterior.mean[k] - product) < 1e-9)
      }
    }
    // Where there is any mass; the rest is below rounding of the sum.
    for i in 0..<n * n where weights[i] > 1e-12 {
      #expect(abs(posteriorDensity[i] - (priorDensity[i] + likelihood[i] - log(evidence))) < 1e-8)
    }
  }

  private func logDensity(_ law: GaussianMixture, _ points: Batch) throws -> [Double] {
    var (points, out) = (points, [Double](repeating: 0, count: points.count))
    let evaluator = try law.score(under: VPSDE()).makeEvaluator(
      for: RowSpan(first: 0, count: points.count, dimension: law.dimension))
    try points.withRows { try evaluator.logDensity($0, at: .all(0), into: &out) }
    return out
  }

  /// Self-normalised importance weights of 200,000 prior draws; 5 standard errors of their mean.
  @Test("moments are those of weighted draws of the prior, in six dimensions", arguments: [0, 1, 2])
  func importance(form: Int) throws {
    let d = 6
    let a = NoiseStream(seed: 4, purpose: .data).normals(count: 3, dimension: d)
    let roots = NoiseStream(seed: 5, purpose: .data).normals(count: 2 * d, dimension: d)
    let means = [[Double](repeating: -0.5, count: d), [Double](repeating: 0.5, count: d)]
    func covariance(_ k: Int) -> [[Double]] {
      if form == 1 { return Matrix.diagonal((0..<d).map { 0.2 + 0.1 * Double($0 + k) }).nested }
      let root = Matrix((0..<d).map { Array(roots.row(k * d + $0)) })
      return (0.1 * (root * root.transpose) + 0.1 * Matrix.identity(d)).nested
    }
    let prior =
      form == 0
      ? try GaussianMixture(weights: [1, 2], means: means, deviations: [0.8, 0.5])
      : try GaussianMixture(weights: [1, 2], means: means, covariances: [covariance(0), covariance(1)])
    // Masks go another way than dense operators.
    let matrix =
      form == 1
      ? SparseMatrix(picking: [4, 1, 2], of: d).scaled(rows: [1, -2, 0.5])
      : SparseMatrix(Matrix((0..<3).map { Array(a.row($0)) }))
    let observation = try LinearObservation(matrix, noise: .deviations([0.9, 0.7, 1.1]))
    let y = [0.4, -0.6, 0.3]
    let posterior = PosteriorLaw(prior, observation).mixture(given: y)
    let count = 200_000
    var draws = prior.draw(count, from: NoiseStream(seed: 6, purpose: .data))
    let evaluator = observation.makeEvaluator(for: RowSpan(first: 0, count: count, dimension: d))
    var ys = Batch(values: (0..<count).flatMap { _ in y }, dimension: 3)
    var logs = [Double](repeating: 0, count: count)
    draws.withRows { x in ys.withRows { y in evaluator.logLikelihood(x, of: y, into: &logs) } }
    let largest = logs.max() ?? 0
    let weights = logs.map { exp($0 - largest) }
    let sum = weights.reduce(0, +)
    for j in 0..<d {
      for power in 1...2 {
        let values: [Double] = (0..<count).map { pow(draws[$0, j], Double(power)) }
        let mean = (0..<count).reduce(0.0) { $0 + weights[$1] * values[$1] } / sum
        let spread = (0..<count).reduce(0.0) { $0 + pow(weights[$1] * (values[$1] - mean), 2) }
        let error = spread.squareRoot() / sum
        let exact = power == 1 ? posterior.mean[j] : posterior.covariance[j][j] + pow(posterior.mean[j], 2)
        #expect(abs(mean - exact) < 5 * error, "value \(j), power \(power), form \(form)")
      }
    }
  }

  /// Isotropic components with few observed values go by the directions that are seen. The same law with correlations
  /// of 1e-14 goes by dense matrices.
  @Test("many dimensions of which few directions are seen: posterior, score, products and draws are those of matrices")
  func seenDirections() throws {
    let (d, variances) = (24, [0.5, 0.5, 1.3])
    let numbers = NoiseStream(seed: 9, purpose: .data).normals(count: 6, dimension: d)
    let means = (0..<3).map { Array(numbers.row($0)) }
    let quick = try GaussianMixture(weights: [1, 2, 1], means: means, deviations: variances.map { $0.squareRoot() })
    let dense = try GaussianMixture(
      weights: [1, 2, 1], means: means,
      covariances: variances.map { v in (0..<d).map { i in (0..<d).map { i == $0 ? v : 1e-14 } } })
    let matrix = SparseMatrix(Matrix((3..<6).map { Array(numbers.row($0)) }))
    let observation = try LinearObservation(matrix, noise: .deviations([0.3, 0.1, 0.6]))
    let y = [0.4, -1.2, 2]
    let (a, b) = (PosteriorLaw(quick, observation), PosteriorLaw(dense, observation))
    #expect(abs(a.logEvidence(of: y) - b.logEvidence(of: y)) < 1e-9)
    let (p, q) = (a.mixture(given: y), b.mixture(given: y))
    for k in 0..<3 {
      #expect(abs(p.weights[k] - q.weights[k]) < 1e-10)
      #expect(pairs(Array(p.means.row(k)), Array(q.means.row(k))).allSatisfy { abs($0 - $1) < 1e-9 })
      let (one, other) = (p.covarianceMatrix(k), q.covarianceMatrix(k))
      #expect(pairs(one.values, other.values).allSatisfy { abs($0 - $1) < 1e-9 }, "component \(k)")
    }
    let span = RowSpan(first: 0, count: 11, dimension: d)
    for t in [0.02, 0.4] {
      var results: [[Double]] = []
      for law in [p, q] {
        let evaluator = try law.score(under: VPSDE()).makeEvaluator(for: span)
        var x = NoiseStream(seed: 2, purpose: .data).normals(count: 11, dimension: d)
        var v = NoiseStream(seed: 3, purpose: .data).normals(count: 11, dimension: d)
        var (s, product, logs) = (
          Batch(count: 11, dimension: d), Batch(count: 11, dimension: d), [Double](repeating: 0, count: 11)
        )
        try x.withRows { x in
          try s.withRows { try evaluator.linearise(x, at: .all(t), into: $0) }
          try v.withRows { v in try product.withRows { try evaluator.pullback(v, into: $0) } }
          try evaluator.logDensity(x, at: .all(t), into: &logs)
        }
        results.append(s.values + product.values + logs)
      }
      let largest = results[1].reduce(0) { max($0, abs($1)) }
      #expect(pairs(results[0], results[1]).allSatisfy { abs($0 - $1) < 1e-10 * largest }, "t = \(t)")
    }
    // A draw's variance along a direction, over 20,000 draws: 5 standard errors, √(2/n) relative for one normal law.
    let draws = a.draw(20_000, given: Batch(rows: [y]), from: NoiseStream(seed: 4, purpose: .data))
    let covariance: [[Double]] = q.covariance
    for i in 3..<6 {
      let direction = Array(numbers.row(i))
      var (mean, square, exact) = (0.0, 0.0, 0.0)
      for n in 0..<20_000 {
        var along = 0.0
        for j in 0..<d { along += draws[n, j] * direction[j] }
        mean += along / 20_000
        square += along * along / 20_000
      }
      for j in 0..<d { for k in 0..<d { exact += direction[j] * direction[k] * covariance[j][k] } }
      let variance: Double = square - mean * mean
      #expect(abs(variance - exact) < 5 * exact * (4.0 / 20_000).squareRoot(), "direction \(i)")
    }
    // What Σ of one component is, and its eigenvectors, survive a choice of components.
    #expect(
      pairs(p.only([2]).covarianceMatrix(0).values, q.covarianceMatrix(2).values).allSatisfy { abs($0 - $1) < 1e-9 })
  }

  @Test("draws of the law have its moments and follow their observations") func draws() throws {
    let (prior, observation) = try Self.planar()
    let ys = Batch(rows: [[0.7, -0.4, 0.9], [-2, 0.5, 0]])
    let law = PosteriorLaw(prior, observation)
    let count = 40_000
    let draws = law.draw(2 * count, given: ys, from: NoiseStream(seed: 1, purpose: .data))
    for (k, mixture) in law.mixtures(given: ys).enumerated() {
      for j in 0..<2 {
        let values = (0..<count).map { draws[2 * $0 + k, j] }
        let mean = values.reduce(0, +) / Double(count)
        let variance = values.reduce(0.0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
        let exact = mixture.covariance[j][j]
        // 5 standard errors; of a variance √(2/n) relative for normal values, and these have lighter tails than twice.
        #expect(abs(mean - mixture.mean[j]) < 5 * (exact / Double(count)).squareRoot())
        #expect(abs(variance - exact) < 5 * exact * (4 / Double(count)).squareRoot())
      }
    }
  }

  /// In the limit of no noise two values fix two others; a posterior made with inverses of A Σ Aᵀ + C would lose
  /// digits.
  @Test("tiny noise takes no digits, and points are only weighed") func extremes() throws {
    let prior = try GaussianMixture(
      weights: [1, 1], means: [[0, 0, 0], [1, 1, 1]],
      covariances: [[[1, 0.5, 0.2], [0.5, 1, 0.1], [0.2, 0.1, 1]], [[2, 0, 0], [0, 1, 0], [0, 0, 1]]])
    let sharp = try LinearObservation(
      SparseMatrix(Matrix([[1, 1, 0], [0, 1, -1]])), noise: .deviation(1e-7))
    let posterior = PosteriorLaw(prior, sharp).mixture(given: [0.4, -0.2])
    #expect(abs(posterior.mean[0] + posterior.mean[1] - 0.4) < 1e-9)
    #expect(abs(posterior.mean[1] - posterior.mean[2] + 0.2) < 1e-9)
    // One direction is left; the others have the noise's variance, 1e-14, and rounding of 1.
    for k in 0..<2 {
      let values = posterior.covarianceMatrix(k).symmetricEigen.values
      #expect(values.filter { $0 > 1e-12 }.count == 1)
    }
    let points = GaussianMixture(points: Batch(rows: [[0, 0, 0], [1, 0, 0], [0, 2, 0]]))
    let weighed = PosteriorLaw(points, try LinearObservation(sharp.matrix, noise: .deviation(1))).mixture(given: [1, 1])
    // The residuals are (1, 1), (0, 1) and (−1, −1).
    let masses = [exp(-1.0), exp(-0.5), exp(-1.0)]
    let sum = masses.reduce(0, +)
    for (weight, mass) in pairs(weighed.weights, masses) { #expect(abs(weight - mass / sum) < 1e-12) }
    #expect(weighed.means == points.means)
  }

  /// log pₜ(x | y) − log pₜ(x) = log pₜ(y | x) − log p(y), whose gradient by central differences is the guided field.
  @Test("its score is Bayes' rule at every time") func bayes() throws {
    let (prior, observation) = try Self.planar()
    let y = [0.7, -0.4, 0.9]
    let process = VPSDE()
    let score = PosteriorLaw(prior, observation).mixture(given: y).score(under: process)
    let kernel = process.makeKernel()
    let span = RowSpan(first: 0, count: 1, dimension: 2)
    for t in [0.05, 0.3, 0.9] {
      let moments = kernel.moments(at: t)
      // log p_t(y | x) by quadrature over x₀.
      func logJoint(_ x: [Double]) -> Double {
        let (n, low, step) = (161, -6.0, 0.075)
        var points = Batch(count: n * n, dimension: 2)
        for i in 0..<n * n { (points[i, 0], points[i, 1]) = (low + step * Double(i / n), low + step * Double(i % n)) }
        let densities = try! logDensity(prior, points)
        var ys = Batch(values: (0..<n * n).flatMap { _ in y }, dimension: 3)
        var logs = [Double](repeating: 0, count: n * n)
        let evaluator = observation.makeEvaluator(for: RowSpan(first: 0, count: n * n, dimension: 2))
        points.withRows { p in ys.withRows { y in evaluator.logLikelihood(p, of: y, into: &logs) } }
        return log(
          (0..<n * n).reduce(0.0) { (sum: Double, i: Int) -> Double in
            let a = x[0] - moments.scale * points[i, 0]
            let b = x[1] - moments.scale * points[i, 1]
            return sum + exp(densities[i] + logs[i] - 0.5 * (a * a + b * b) / moments.variance)
          })
      }
      let point = [0.4, -0.3]
      var (x, s) = (Batch(rows: [point]), Batch(count: 1, dimension: 2))
      let evaluator = try score.makeEvaluator(for: span)
      try x.withRows { x in try s.withRows { try evaluator.evaluate(x, at: .all(t), into: $0) } }
      for j in 0..<2 {
        let h = 1e-4
        var (above, below) = (point, point)
        above[j] += h
        below[j] -= h
        let slope = (logJoint(above) - logJoint(below)) / (2 * h)
        // h² of the third derivative, and at t = 0.05 kernels of deviation 0.16 on a grid of 0.075.
        #expect(abs(s[0, j] - slope) < 2e-5, "t \(t)")
      }
    }
  }

  @Test("rows have the score of their own observation, whatever part of the rows is asked") func rows() throws {
    let (prior, observation) = try Self.planar()
    let ys = Batch(rows: [[0.7, -0.4, 0.9], [-2, 0.5, 0], [0.1, 1, 1]])
    let process = VPSDE()
    let scores = PosteriorLaw(prior, observation).mixtures(given: ys).map { $0.score(under: process) }
    let all = ScoreByObservation(scores)
    let span = RowSpan(first: 7, count: 11, dimension: 2)
    let storages = (0..<4).map { _ in RowStorage(span) }
    NoiseStream(seed: 1, purpose: .data).normals(into: storages[0].rows, step: 0)
    NoiseStream(seed: 1, purpose: .data).normals(into: storages[1].rows, step: 1)
    let evaluator = try all.makeEvaluator(for: span)
    var times = (0..<11).map { 0.1 + 0.05 * Double($0) }
    for part in [0..<11, 2..<4, 5..<6, 3..<11] {
      let (x, v) = (storages[0].rows[part], storages[1].rows[part])
      let (s, product) = (storages[2].rows[part], storages[3].rows[part])
      try times.withUnsafeMutableBufferPointer { times in
        let times = UnsafePointer(times.baseAddress!)
        try evaluator.linearise(x, at: .each(times), into: s)
        try evaluator.pullback(v, into: product)
        var densities = [Double](repeating: 0, count: part.count)
        try evaluator.logDensity(x, at: .each(times), into: &densities)
        try RowStorage.with(span.with(dimension: 2), count: 2) { own in
          for row in 0..<part.count {
            let single = try scores[(x.first + row) % 3].makeEvaluator(for: RowSpan(first: 0, count: 1, dimension: 2))
            let (score, back) = (own[0].row(0), own[1].row(0))
            try single.linearise(x.row(row), at: .all(times[row]), into: score)
            try single.pullback(v.row(row), into: back)
            var density = 0.0
            try single.logDensity(x.row(row), at: .all(times[row]), into: &density)
            #expect(abs(density - densities[row]) < 1e-12)
            for j in 0..<2 {
              #expect(abs(score[0, j] - s[row, j]) < 1e-12)
              #expect(abs(back[0, j] - product[row, j]) < 1e-12)
            }
          }
        }
      }
    }
    withExtendedLifetime(storages) {}
  }
}

extension Matrix {
  /// Row by row.
  var nested: [[Double]] { (0..<rows).map { i in (0..<columns).map { self[i, $0] } } }
}
