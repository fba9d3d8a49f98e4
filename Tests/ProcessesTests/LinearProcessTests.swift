// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Testing

@Suite("Linear processes") struct LinearProcessTests {
  static let names = ["cld", "heavy cld", "ou", "vp", "ve"]

  static func process(_ name: String) throws -> any LinearSDE {
    switch name {
    case "cld": CriticallyDampedLangevin()
    case "heavy cld": CriticallyDampedLangevin(mass: 2, velocityShare: 0.3, schedule: LinearBeta(1, 19))
    case "ou":
      try OrnsteinUhlenbeck(
        noise: [[1, 0.6], [0.6, 0.8]], relaxation: [[1.5, 0.3], [0.3, 0.8]], schedule: LinearBeta())
    case "vp": VPSDE()
    default: VESDE(GeometricSigma(0.01, 10))
    }
  }

  private static let times = [1e-5, 1e-3, 0.0137, 0.1, 0.33, 0.77, 1]

  private func largest(_ a: Matrix, _ b: Matrix) -> Double {
    pairs(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) } / b.values.reduce(0) { max($0, abs($1)) }
  }

  @Test("closed forms equal GSL's integration to 1e-9", arguments: names) func kernels(_ name: String) throws {
    func integrated(_ process: some LinearSDE) -> IntegratedKernel { IntegratedKernel(of: process) }
    let process = try Self.process(name)
    let (closed, other) = (process.makeKernel(), integrated(process))
    #expect(other.errorBound <= 5e-10)
    for t in Self.times {
      let (a, b) = (closed.moments(at: t), other.moments(at: t))
      #expect(largest(b.propagator, a.propagator) < 1e-9, "t = \(t)")
      #expect(largest(b.covariance.matrix, a.covariance.matrix) < 1e-9, "t = \(t)")
    }
  }

  @Test("positions have their small variance without cancellation") func smallTimes() {
    let process = CriticallyDampedLangevin()
    let kernel = process.makeKernel()
    // For small B: x has Σ_xx = γ M (B/M)² + 2Γ/M² B³/3, each term right to a relative ωB.
    for b in [1e-6, 1e-4] {
      let xx = kernel.moments(at: b / 4).covariance.matrix[0, 0]
      let expected = 0.04 / 0.25 * b * b + 2 / (0.25 * 0.25) * b * b * b / 3
      #expect(abs(xx / expected - 1) < 10 * b)
    }
  }

  @Test("the prior is kept, and reached from any state", arguments: ["cld", "heavy cld", "ou"])
  func priors(_ name: String) throws {
    let process = try Self.process(name)
    let p = process.priorCovariance
    for t in [0.1, 0.5, 1] {
      let (a, g) = (process.driftMatrix(at: t) * p, process.diffusionMatrix(at: t))
      let rest = a + a.transpose + g * g.transpose
      #expect(rest.values.allSatisfy { abs($0) < 1e-12 * (1 + a.values.map(abs).max()!) })
    }
    let end = process.makeKernel().moments(at: process.duration)
    // What is left: (1 + ωB) e^{−ωB} with ωB = 8 and 7 for CLD, e^{−θB/2} with θ ≥ 0.69 and B = 10.05 for OU.
    #expect(largest(end.covariance.matrix, p) < 0.01 && end.propagator.values.allSatisfy { abs($0) < 0.05 })
  }

  @Test("with Θ = Σ = I it is the variance-preserving process") func isotropicOrnsteinUhlenbeck() throws {
    let mixture = try GaussianMixtureTests.mixture("full")
    let process = try OrnsteinUhlenbeck(noise: [[1, 0, 0], [0, 1, 0], [0, 0, 1]])
    let (a, b) = (MixtureScore(mixture, kernel: process.makeKernel()), mixture.score(under: VPSDE()))
    let (x, v) = (GaussianMixtureTests.points, GaussianMixtureTests.directions)
    for t in [0.01, 0.4, 1] {
      let (one, other) = (try Evaluation(a, [t], at: x, along: v), try Evaluation(b, [t], at: x, along: v))
      for i in x.values.indices {
        // Roundings of scores up to 1e2 and their Jacobians, through two factorisations.
        let (s, p) = (other.score.values[i], other.product.values[i])
        #expect(abs(one.score.values[i] - s) < 1e-10 * (1 + abs(s)))
        #expect(abs(one.product.values[i] - p) < 1e-9 * (1 + abs(p)))
      }
      for i in 0..<x.count { #expect(abs(one.logDensity[i] - other.logDensity[i]) < 1e-10) }
    }
  }

  /// The process's exact score of a mixture, and states to ask it at.
  private func state(_ name: String, _ kind: String) throws -> (any Score, Batch, Batch) {
    let ou = try OrnsteinUhlenbeck(noise: [[1, 0.3, 0], [0.3, 0.8, 0.1], [0, 0.1, 0.5]])
    let process: any LinearSDE = name == "cld" ? CriticallyDampedLangevin() : ou
    let mixture = try GaussianMixtureTests.mixture(kind)
    let dimension = process.stateDimension(of: 3)
    let score = try #require(process.score(of: DataLaw(mixture)))
    return (
      score, NoiseStream(seed: 1, purpose: .data).normals(count: 15, dimension: dimension),
      NoiseStream(seed: 2, purpose: .data).normals(count: 15, dimension: dimension)
    )
  }

  @Test(
    "scores and Jacobians are differences of the log density", arguments: ["cld", "ou"], GaussianMixtureTests.kinds)
  func differences(_ name: String, _ kind: String) throws {
    let (score, x, v) = try state(name, kind)
    let h = 1e-5
    func moved(_ sign: Double) throws -> Evaluation {
      var y = x
      for i in y.values.indices { y.values[i] += sign * h * v.values[i] }
      return try Evaluation(score, [0.4], at: y, along: v)
    }
    let here = try Evaluation(score, [0.4], at: x, along: v)
    let (up, down) = (try moved(1), try moved(-1))
    for i in 0..<x.count {
      let slope = (0..<x.dimension).reduce(0) { $0 + here.score[i, $1] * v[i, $1] }
      // As in GaussianMixtureTests.
      #expect(abs((up.logDensity[i] - down.logDensity[i]) / (2 * h) - slope) < 1e-6)
      for j in 0..<x.dimension {
        #expect(abs((up.score[i, j] - down.score[i, j]) / (2 * h) - here.product[i, j]) < 1e-6)
      }
    }
  }

  @Test("the shared covariance of points gives what a dense one gives") func whitening() throws {
    let points = Batch(rows: [[-1, 0.5], [1, 0.2], [0, -0.7]])
    let process = CriticallyDampedLangevin()
    let shared = MixtureScore(GaussianMixture(points: points), kernel: process.makeKernel())
    // Dense covariances, as the components differ by next to nothing.
    let dense = try GaussianMixture(
      weights: [1, 1, 1], means: (0..<3).map { Array(points.row($0)) }, deviations: [1e-9, 1e-9, 2e-9])
    let other = MixtureScore(dense, kernel: process.makeKernel())
    let x = NoiseStream(seed: 1, purpose: .data).normals(count: 9, dimension: 4)
    let (a, b) = (try Evaluation(shared, [0.3], at: x, along: x), try Evaluation(other, [0.3], at: x, along: x))
    for i in x.values.indices {
      #expect(
        abs(a.score.values[i] - b.score.values[i]) < 1e-8 && abs(a.product.values[i] - b.product.values[i]) < 1e-7)
    }
    for i in 0..<9 { #expect(abs(a.logDensity[i] - b.logDensity[i]) < 1e-9) }
  }

  @Test("the score's density integrates the kernel over the data", arguments: ["cld", "ou"])
  func densityIsThatOfTheForwardProcess(_ name: String) throws {
    let process = try Self.process(name)
    // One point of data: the density is the kernel's own.
    let point = [0.4, -0.3]
    let score = MixtureScore(GaussianMixture(points: Batch(rows: [point])), kernel: process.makeKernel())
    let moments = process.makeKernel().moments(at: 0.6)
    let width = process.stateDimension(of: 2) / process.blocks
    let map = moments.signal.matrix.expanded(width: width)
    let covariance = moments.covariance.matrix.expanded(width: width)
    let x = NoiseStream(seed: 3, purpose: .data).normals(count: 5, dimension: map.rows)
    let result = try Evaluation(score, [0.6], at: x, along: x)
    let inverse = covariance.inverse
    let determinant = covariance.symmetricEigen.values.reduce(1, *)
    for i in 0..<5 {
      let u = (0..<map.rows).map { j in x[i, j] - (0..<2).reduce(0) { $0 + map[j, $1] * point[$1] } }
      var square = 0.0
      for a in u.indices { for b in u.indices { square += u[a] * inverse[a, b] * u[b] } }
      let expected = -0.5 * (square + log(determinant) + Double(map.rows) * log(2 * .pi))
      #expect(abs(result.logDensity[i] - expected) < 1e-9)
    }
  }

  @Test("a lifted state holds the data, and velocities of the law they start from") func lifting() throws {
    let process = CriticallyDampedLangevin()
    var data = Batch(rows: (0..<20_000).map { [Double($0), -1] })
    var states = Batch(count: 20_000, dimension: 4)
    var density = [Double](repeating: 0, count: 20_000)
    states.withRows { states in
      data.withRows { process.lift($0, into: states, from: NoiseStream(seed: 1, purpose: .auxiliary)) }
      process.auxiliaryLogDensity(states, into: &density)
    }
    var variance = 0.0
    for i in 0..<20_000 {
      #expect(states[i, 0] == Double(i) && states[i, 1] == -1)
      let square = states[i, 2] * states[i, 2] + states[i, 3] * states[i, 3]
      variance += square / 40_000
      #expect(abs(density[i] - (-log(2 * .pi * 0.01) - square / 0.02)) < 1e-10)
    }
    // γ M = 0.01; 4 standard errors of a variance.
    #expect(abs(variance / 0.01 - 1) < 4 * (2 / 40_000.0).squareRoot())
    var back = Batch(count: 20_000, dimension: 2)
    states.withRows { states in back.withRows { process.project(states, into: $0) } }
    #expect(back == data)
  }

  @Test("roots of semidefinite matrices, as far as they have one") func semidefiniteRoots() {
    let tall = Matrix([[1e-9, 2e-9], [0.3, -0.5], [0.7, 0.2]])
    // Rank 2, and with a pivot that rounding made negative.
    var matrix = tall * tall.transpose
    matrix[0, 0] = -1e-17
    #expect(matrix.lowerCholesky == nil)
    let root = matrix.semidefiniteRoot
    for (a, b) in pairs((root * root.transpose).values, matrix.values) { #expect(abs(a - b) < 1e-8) }
    let definite = Matrix([[2, 1], [1, 2]])
    #expect(definite.semidefiniteRoot == definite.lowerCholesky)
    #expect(Matrix([[0, 0], [0, 0]]).semidefiniteRoot == Matrix([[0, 0], [0, 0]]))
  }

  @Test("defaults follow the schedule, and the process's length") func defaults() throws {
    #expect(try OrnsteinUhlenbeck(noise: [[1]], schedule: LaplaceSigma().betas).samplingEpsilon == 1e-7)
    #expect(CriticallyDampedLangevin(schedule: LaplaceSigma().betas).samplingEpsilon == 1e-7)
    #expect(CriticallyDampedLangevin().samplingEpsilon == 1e-3)
    #expect(RectifiedFlow(end: 5e-4).samplingEpsilon == 5e-6)
    #expect(VESDE(LinearSigma(0.01)).samplingEpsilon == 1e-4 && VESDE(LinearSigma()).samplingEpsilon == 0.002)
  }

  @Test func refusals() {
    #expect(throws: InputError("the noise's covariance is not symmetric: 0.5 and 0.4")) {
      try OrnsteinUhlenbeck(noise: [[1, 0.4], [0.5, 1]])
    }
    #expect(throws: InputError.self) { try OrnsteinUhlenbeck(noise: [[1, 2], [2, 1]]) }
    #expect(throws: InputError.self) { try OrnsteinUhlenbeck(noise: [[1, 0]]) }
    #expect(throws: InputError("the matrices are 2 × 2, the data have 3 dimensions")) {
      try OrnsteinUhlenbeck(noise: [[1, 0], [0, 1]]).requireDimension(3)
    }
  }
}
