// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Processes
import Scores
import Solvers
import Testing

/// A problem in three dimensions, with everything that dense formulas are made of.
struct DenseProblem {
  let prior: GaussianMixture
  let observation: Observation
  let process = VPSDE()
  let t: Double

  /// A, C and the observations of four rows.
  var a: Matrix { observation.model.linear!.matrix.dense }
  var c: Matrix {
    switch observation.model.linear!.noise {
    case .deviation(let s): s * s * Matrix.identity(a.rows)
    case .deviations(let s): Matrix.diagonal(s.map { $0 * $0 })
    case .covariance(let c, _): c
    }
  }
  var moments: Moments { process.makeKernel().moments(at: t) }

  static func mixture() throws -> GaussianMixture {
    try GaussianMixture(
      weights: [0.4, 0.6], means: [[-1, 0.5, 0], [1, -0.5, 0.3]],
      covariances: [
        [[0.5, 0.2, 0], [0.2, 0.4, 0.1], [0, 0.1, 0.3]], [[0.3, 0, 0.1], [0, 0.9, 0], [0.1, 0, 0.6]],
      ])
  }

  static func gaussian(_ covariance: [[Double]] = [[0.5, 0.2, 0], [0.2, 0.4, 0.1], [0, 0.1, 0.3]]) throws
    -> GaussianMixture
  {
    try GaussianMixture(weights: [1], means: [[0.3, -0.2, 0.5]], covariances: [covariance])
  }

  /// The operators and noises that methods meet: dense, a mask, more values than there are.
  static func observations() throws -> [Observation] {
    let noise = Matrix([[0.4, 0.1], [0.1, 0.3]])
    let y = NoiseStream(seed: 9, purpose: .data).normals(count: 4, dimension: 4)
    func values(_ m: Int) -> Batch { Batch(rows: (0..<4).map { Array(y.row($0).prefix(m)) }) }
    return [
      Observation(
        try LinearObservation(
          SparseMatrix(Matrix([[1, 0.5, -0.2], [-0.3, 1, 0.4]])),
          noise: .covariance(noise, root: try #require(noise.lowerCholesky))), values: values(2)),
      Observation(
        try LinearObservation(SparseMatrix(picking: [2, 0], of: 3), noise: .deviations([0.3, 0.6])), values: values(2)),
      Observation(
        try LinearObservation(
          SparseMatrix(Matrix([[1, 0, 0], [1, 0, 0], [0, 1, 1], [0, 1, -1]])), noise: .deviation(0.4)),
        values: values(4)),
    ]
  }

  /// The states of four rows.
  var x: Batch { NoiseStream(seed: 3, purpose: .data).normals(count: 4, dimension: 3) }

  /// Scores and their Jacobians at x, row by row.
  func scores() throws -> [(s: Matrix, jacobian: Matrix)] {
    let evaluator = try prior.score(under: process).makeEvaluator(for: RowSpan(first: 0, count: 1, dimension: 3))
    return try (0..<4).map { row in
      var (x, s) = (Batch(rows: [Array(x.row(row))]), Batch(count: 1, dimension: 3))
      var jacobian = Matrix(rows: 3, columns: 3)
      try x.withRows { x in
        try s.withRows { s in
          try evaluator.linearise(x, at: .all(t), into: s)
          for j in 0..<3 {
            var (v, out) = (Batch(rows: [(0..<3).map { $0 == j ? 1 : 0 }]), Batch(count: 1, dimension: 3))
            try v.withRows { v in try out.withRows { try evaluator.pullback(v, into: $0) } }
            for i in 0..<3 { jacobian[j, i] = out[0, i] }
          }
        }
      }
      return (Matrix(rows: 3, columns: 1, values: s.values), jacobian)
    }
  }

  /// x̂₀ and ∂x̂₀/∂x of every row.
  func means() throws -> [(mean: Matrix, slope: Matrix)] {
    let (m, v) = (moments.scale, moments.variance)
    return try scores().enumerated().map { row, own in
      let x = Matrix(rows: 3, columns: 1, values: Array(x.row(row)))
      return (1 / m * (x + v * own.s), 1 / m * (Matrix.identity(3) + v * own.jacobian))
    }
  }

  func y(_ row: Int) -> Matrix {
    Matrix(rows: a.rows, columns: 1, values: Array(observation.values.row(row % observation.values.count)))
  }

  /// The guided score of every row less the score itself.
  func field(_ method: any LikelihoodScore, span: RowSpan = RowSpan(first: 0, count: 4, dimension: 3)) throws -> Batch {
    let base = prior.score(under: process)
    let guided = PosteriorScore(base, kernel: process.makeKernel(), observation: observation, likelihood: method)
    var (x, g, s) = (x, Batch(count: 4, dimension: 3), Batch(count: 4, dimension: 3))
    try x.withRows { x in
      try g.withRows { try guided.makeEvaluator(for: span).evaluate(x, at: .all(t), into: $0) }
      try s.withRows { try base.makeEvaluator(for: span).evaluate(x, at: .all(t), into: $0) }
    }
    for i in g.values.indices { g.values[i] -= s.values[i] }
    return g
  }
}

/// A formula y = h(x) + noise: h = (x₀ x₁, sin x₂).
struct CurvedObservation: MaybeGaussian {
  let noise: LinearObservation.Noise
  var gaussianNoise: LinearObservation.Noise? { noise }
  var dimension: Int { 3 }
  var observedDimension: Int { 2 }

  func makeEvaluator(for rows: RowSpan) -> any ObservationEvaluator { Evaluator(noise, rows) }
  func draw(_ x: Rows, into y: Rows, from stream: NoiseStream) throws { throw InputError("not drawn") }

  final class Evaluator: ObservationEvaluator {
    let noise: LinearObservation.Noise
    var at: Rows?
    init(_ noise: LinearObservation.Noise, _ rows: RowSpan) { self.noise = noise }

    func logLikelihood(_ x: Rows, of y: Rows, into out: UnsafeMutablePointer<Double>) {}
    func gradient(_ x: Rows, of y: Rows, into out: Rows) {}
    func expect(_ x: Rows, into y: Rows) -> Bool {
      at = x
      for row in 0..<x.count { (y[row, 0], y[row, 1]) = (x[row, 0] * x[row, 1], sin(x[row, 2])) }
      return true
    }
    func pullback(_ v: Rows, into out: Rows) {
      guard let x = at else { return }
      for row in 0..<x.count {
        (out[row, 0], out[row, 1]) = (v[row, 0] * x[row, 1], v[row, 0] * x[row, 0])
        out[row, 2] = v[row, 1] * cos(x[row, 2])
      }
    }
  }
}
