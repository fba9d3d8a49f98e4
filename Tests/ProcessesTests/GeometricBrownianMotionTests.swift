// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Testing

@Suite("Geometric Brownian motion") struct GeometricBrownianMotionTests {
  private let process = GeometricBrownianMotion(volatility: 1.5)

  /// Positive points.
  private var points: Batch {
    var x = GaussianMixtureTests.points
    x.values = x.values.map { exp(0.7 * $0) }
    return x
  }

  @Test("score and Jacobian are differences of the log density", arguments: ["isotropic", "full"])
  func differences(_ kind: String) throws {
    let law = DataLaw(try GaussianMixtureTests.mixture(kind), isExponential: true)
    let score = try #require(process.score(of: law))
    let (x, v) = (points, GaussianMixtureTests.directions)
    let h = 1e-6
    func moved(_ sign: Double) throws -> Evaluation {
      var y = x
      for i in y.values.indices { y.values[i] += sign * h * v.values[i] }
      return try Evaluation(score, [0.4], at: y, along: v)
    }
    let here = try Evaluation(score, [0.4], at: x, along: v)
    let (up, down) = (try moved(1), try moved(-1))
    for i in 0..<x.count {
      let slope = (0..<3).reduce(0) { $0 + here.score[i, $1] * v[i, $1] }
      // Third derivatives go as x⁻³ ≤ 1e3: h²/6 of them, and rounding 1e-15/h of densities up to 30.
      #expect(abs((up.logDensity[i] - down.logDensity[i]) / (2 * h) - slope) < 1e-6 * (1 + abs(slope)))
      for j in 0..<3 {
        let product = here.product[i, j]
        #expect(abs((up.score[i, j] - down.score[i, j]) / (2 * h) - product) < 1e-5 * (1 + abs(product)))
      }
    }
  }

  @Test("ln x is a Brownian motion without drift") func simulation() {
    let (count, steps) = (20_000, 400)
    var x = Batch(values: [Double](repeating: 2, count: count), dimension: 1)
    let noise = NoiseStream(seed: 1, purpose: .forward)
    let h = 1 / Double(steps)
    x.withRows { x in
      RowStorage.with(x.span, count: 2) { rows in
        for step in 0..<steps {
          noise.normals(into: rows[0], step: step)
          rows[1].copy(x)
          process.addDrift(x, at: 0, times: h, to: rows[1])
          process.addNoise(rows[0], x, at: 0, times: h.squareRoot(), to: rows[1])
          x.copy(rows[1])
        }
      }
    }
    let logs = x.values.map { log($0) }
    let mean = logs.reduce(0, +) / Double(count)
    let variance = logs.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count)
    // 4 standard errors, and Euler's bias: a step's ln(1 + ½ς²h + ς√h z) has a mean off by some ς⁴h²/4·… ≤ h ς⁴ in all.
    #expect(abs(mean - log(2)) < 4 * 1.5 / Double(count).squareRoot() + h * 5)
    #expect(abs(variance / 2.25 - 1) < 4 * (2 / Double(count)).squareRoot() + h * 5)
  }

  @Test("the reverse drift has the divergence of G Gᵀ, and the flow's derivative is exact") func formulas() {
    var (x, s) = (points, GaussianMixtureTests.directions)
    var (v, ds) = (GaussianMixtureTests.points, GaussianMixtureTests.directions)
    var (reverse, derivative) = (Batch(count: x.count, dimension: 3), Batch(count: x.count, dimension: 3))
    x.withRows { x in
      s.withRows { s in
        reverse.withRows { process.addReverseDrift(x, score: s, at: 0.3, times: 1, to: $0) }
        v.withRows { v in
          ds.withRows { ds in
            derivative.withRows {
              process.addFlowDerivative(along: v, score: s, scoreDerivative: ds, x, at: 0.3, times: 1, to: $0)
            }
          }
        }
      }
    }
    for i in x.values.indices {
      let (x, s, v, ds) = (x.values[i], s.values[i], v.values[i], ds.values[i])
      // f − ∇·(G Gᵀ) − G Gᵀ s = ½ς² x − 2ς² x − ς² x² s
      #expect(abs(reverse.values[i] - 2.25 * (0.5 * x - 2 * x - x * x * s)) < 1e-12 * (1 + x * x * abs(s)))
      // F = ½ς² x − ς² x − ½ς² x² s
      let expected = 2.25 * (-0.5 * v - x * v * s - 0.5 * x * x * ds)
      // Differences over 2e-5: rounding of fields up to 1e3.
      #expect(abs(derivative.values[i] - expected) < 1e-8 * (1 + x * x))
    }
  }

  @Test("the prior is log-normal") func prior() {
    var x = Batch(count: 40_000, dimension: 1)
    var density = [Double](repeating: 0, count: x.count)
    x.withRows { x in
      process.makePrior().draw(into: x, from: NoiseStream(seed: 5, purpose: .prior))
      process.makePrior().logDensity(x, into: &density)
    }
    let logs = x.values.map { log($0) }
    let variance = logs.reduce(0) { $0 + $1 * $1 } / Double(x.count)
    #expect(abs(variance / 2.25 - 1) < 4 * (2 / Double(x.count)).squareRoot())
    for i in 0..<100 {
      let expected = -0.5 * log(2 * .pi * 2.25) - logs[i] * logs[i] / 4.5 - logs[i]
      #expect(abs(density[i] - expected) < 1e-12 * (1 + abs(expected)))
    }
  }

  @Test("it knows no score of data that may be negative") func refusals() throws {
    #expect(process.score(of: DataLaw(try GaussianMixtureTests.mixture("full"))) == nil)
    let points = GaussianMixture(points: Batch(rows: [[1, -1]]))
    #expect(process.score(of: DataLaw(points)) == nil)
    #expect(process.score(of: DataLaw(GaussianMixture(points: Batch(rows: [[1, 2]])))) != nil)
    #expect(VPSDE().score(of: DataLaw(try GaussianMixtureTests.mixture("full"), isExponential: true)) == nil)
  }
}
