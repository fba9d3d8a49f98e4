// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

/// One step of azula's and deepinv's own code on 32 × 32 operators (Fixtures/make_posteriors.py), with the same
/// denoiser and noise. 1e-4 is what deepinv's 1e-6 beside singular values of 0.25 and noise of 0.05 allows; the others
/// agree to 1e-8, as written.
@Suite("Posterior methods beside the peers'") struct PosteriorPeerTests {
  static let (side, size, noise) = (32, 1024, 0.05)

  /// m = 0.6 and σ = 0.8 at t = 1; 0.8 and 0.6 at t = 0.
  struct TwoLevels: PerturbationKernel {
    func moments(at t: Double) -> Moments {
      t > 0.5 ? Moments(scale: 0.6, variance: 0.64) : Moments(scale: 0.8, variance: 0.36)
    }
  }

  struct Found: Decodable {
    let pixels: [Double]
    let sum, squares: Double
  }

  private static func fixtures() throws -> [String: [String: Found]] {
    let url = try #require(Bundle.module.url(forResource: "Fixtures/posteriors", withExtension: "json"))
    return try JSONDecoder().decode([String: [String: Found]].self, from: Data(contentsOf: url))
  }

  /// The generator of the script: uniform with variance 1.
  private static func numbers(_ seed: UInt64, _ count: Int) -> [Double] {
    var state = seed
    return (0..<count).map { _ in
      state = state &* 6_364_136_223_846_793_005 &+ 1_442_695_040_888_963_407
      return 3.0.squareRoot() * (2 * Double(state >> 11) / 9_007_199_254_740_992 - 1)
    }
  }

  private static func matrix(_ name: String) -> SparseMatrix {
    switch name {
    case "mask": return SparseMatrix(picking: Array(stride(from: 0, to: size, by: 3)), of: size)
    case "average":
      var entries = [[(column: Int, value: Double)]](repeating: [], count: 64)
      for i in 0..<size { entries[i / side / 4 * 8 + i % side / 4].append((i, 1.0 / 16)) }
      return SparseMatrix(columns: size, entries: entries)
    default:
      let weights = [0.1, 0.2, 0.4, 0.2, 0.1]
      return SparseMatrix(
        columns: size,
        entries: (0..<size).map { i in
          (0..<5).map { k in (column: i / side * side + (i % side + k - 2 + side) % side, value: weights[k]) }
        })
    }
  }

  private static func score() throws -> MixtureScore {
    var means = [[Double]](repeating: [], count: 2)
    for a in 0..<side {
      for b in 0..<side {
        means[0].append(0.05 * sin(0.3 * Double(a)) * cos(0.2 * Double(b)))
        means[1].append(-0.05 * cos(0.25 * Double(a) + 0.1 * Double(b)))
      }
    }
    return MixtureScore(
      try GaussianMixture(weights: [0.4, 0.6], means: means, deviations: [0.4, 0.4]), kernel: TwoLevels())
  }

  @Test("one step is that of azula and deepinv", arguments: ["mask", "average", "blur"]) func steps(name: String) throws
  {
    let fixtures = try #require(try Self.fixtures()[name])
    let (d, kernel) = (Self.size, TwoLevels())
    let matrix = Self.matrix(name)
    let truth = Self.numbers(5, d).map { 0.3 * $0 }
    var (clean, seen) = (Batch(rows: [truth]), Batch(count: 1, dimension: matrix.rows))
    clean.withRows { x in seen.withRows { matrix.multiply(x, into: $0) } }
    for (i, e) in Self.numbers(4, matrix.rows).enumerated() { seen.values[i] += Self.noise * e }
    func observation(_ deviation: Double) throws -> Observation {
      Observation(try LinearObservation(matrix, noise: .deviation(deviation)), values: seen)
    }
    let noisy = try observation(Self.noise)
    let score = try Self.score()
    let start = pairs(truth, Self.numbers(1, d)).map { 0.6 * $0 + 0.8 * $1 }
    let (z, w) = (Self.numbers(2, d), Self.numbers(3, d))
    let span = RowSpan(first: 0, count: 1, dimension: d)
    let (later, earlier) = (kernel.moments(at: 1), kernel.moments(at: 0))
    let levels = StepLevels(from: later, to: earlier)

    /// m x̂₀ + v g of the guided score, over m: the mean that it implies.
    func mean(_ x: [Double], at t: Double, _ score: any Score) throws -> [Double] {
      var (batch, s) = (Batch(rows: [x]), Batch(count: 1, dimension: d))
      let evaluator = try score.makeEvaluator(for: span)
      try batch.withRows { x in try s.withRows { try evaluator.evaluate(x, at: .all(t), into: $0) } }
      let moments = kernel.moments(at: t)
      return pairs(x, s.values).map { ($0 + moments.variance * $1) / moments.scale }
    }
    func guided(_ method: any LikelihoodScore, _ observation: Observation) throws -> [Double] {
      try mean(
        start, at: 1, PosteriorScore(score, kernel: kernel, observation: observation, likelihood: method))
    }
    func step(_ method: any PosteriorStep, _ noise: [Double], from start: [Double], begins: Bool = false) throws
      -> [Double]
    {
      let state = DenoisedState(try score.makeEvaluator(for: span), kernel, noisy, span)
      let term = try method.makeTerm(for: noisy, rows: span)
      var (x, kept, noise) = (Batch(rows: [start]), Batch(rows: [start]), Batch(rows: [noise]))
      try x.withRows { x in
        try kept.withRows { kept in
          try noise.withRows { noise in
            if begins { term.begin(x, prior: later) }
            kept.copy(x)
            try state.evaluate(kept, at: .all(1), forProducts: term.usesProducts)
            try term.step(x, state, noise: noise, levels)
          }
        }
      }
      return x.values
    }

    var own: [String: [Double]] = [:]
    own["dps"] = try step(DPSStep(scale: 0.7), z, from: start)
    own["mmps"] = try guided(MMPS(iterations: 3), noisy)
    own["tmpd"] = try guided(TMPD(), noisy)
    own["diffpir"] = try step(try DiffPIR(noisy, lambda: 7, zeta: 0.3), z, from: start)
    // deepinv goes to the next level and denoises there, from σ z on.
    let next = try step(
      try DDRM(noisy, eta: 0.85, observedEta: 0.9), w, from: z.map { 0.8 * $0 }, begins: true)
    own["ddrm"] = try mean(next, at: 0, score)
    if name != "blur" {
      // azula's step is DDIM with η = 1, and m_s m r² g without noise of y.
      let plain = try mean(start, at: 1, score)
      let sharp = try guided(PiGDM(), try observation(1e-7))
      let spread = later.variance / (later.variance + later.scale * later.scale)
      let added = levels.addedDeviation(eta: 1)
      let (b, a) = levels.coefficients(added: added)
      own["pigdm"] = (0..<d).map { i in
        let g = (sharp[i] - plain[i]) * later.scale / later.variance
        return b * start[i] + a * plain[i] + added * z[i] + earlier.scale * later.scale * spread * g
      }
    }
    if name == "mask" {
      var (x, s, y) = (Batch(rows: [start]), Batch(count: 1, dimension: d), seen)
      var (noise, seenNoise) = (Batch(rows: [z]), Batch(rows: [w]))
      let method = try RePaint(noisy, steps: 1)
      try x.withRows { x in
        try s.withRows { s in
          try score.makeEvaluator(for: span).evaluate(x, at: .all(1), into: s)
          y.withRows { y in
            noise.withRows { noise in
              seenNoise.withRows {
                method.step(x, score: s, y: y, noise: noise, seenNoise: $0, from: later, to: earlier)
              }
            }
          }
        }
      }
      own["repaint"] = x.values
    }
    #expect(Set(own.keys) == Set(fixtures.keys))
    for (method, values) in own {
      let peer = try #require(fixtures[method])
      let tolerance = method == "ddrm" ? 1e-4 : 1e-7
      for (k, pixel) in peer.pixels.enumerated() {
        #expect(abs(values[31 * k] - pixel) < tolerance, "\(method), pixel \(31 * k)")
      }
      let (sum, squares) = (values.reduce(0, +), values.reduce(0) { $0 + $1 * $1 })
      #expect(abs(sum - peer.sum) < tolerance * 100, "\(method)")
      #expect(abs(squares - peer.squares) < tolerance * 1000, "\(method)")
    }
  }
}
