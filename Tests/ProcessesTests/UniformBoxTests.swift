// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Scores
import Testing

@Suite struct UniformBoxTests {
  /// Mass, mean and variance of N(0, 1) between two bounds, by Simpson's rule on 20,000 intervals of e^(−(z² − b²)/2).
  private func quadrature(_ low: Double, _ high: Double) -> (logMass: Double, mean: Double, variance: Double) {
    let nearest = low > 0 ? low : high < 0 ? high : 0
    // What is further than 12 deviations, or 45 decay lengths, from the mode has no mass in double precision.
    let reach = min(12, 45 / max(1, abs(nearest)))
    let (a, b) = (max(low, nearest - reach), min(high, nearest + reach))
    let n = 20_000
    let h = (b - a) / Double(n)
    var (mass, first, second) = (0.0, 0.0, 0.0)
    for i in 0...n {
      let z = a + h * Double(i)
      let weight = (i == 0 || i == n ? 1.0 : i % 2 == 1 ? 4 : 2) * h / 3
      let p = weight * exp(-0.5 * (z - nearest) * (z + nearest))
      mass += p
      first += p * (z - nearest)
      second += p * (z - nearest) * (z - nearest)
    }
    let shift = first / mass
    return (
      log(mass) - 0.5 * nearest * nearest - 0.5 * log(2 * .pi), nearest + shift, second / mass - shift * shift
    )
  }

  /// The closed form against quadrature: about the middle, one-sided, in both tails, far out, and nearly flat.
  @Test(arguments: [
    (-1.0, 2.0), (-0.5, -0.2), (0.3, 0.31), (3, 9), (-9, -3), (6, 6.5), (-24, -20), (30, 31), (-40, -39.9), (200, 201),
    (-1e3, 1), (-1e-5, 1e-5), (2, 2.00001), (-10, 10), (26, 1e4), (-25.5, -24.5), (5, 5.02),
  ])
  func truncatedNormal(_ low: Double, _ high: Double) {
    let law = TruncatedNormal(from: low, to: high)
    let (logMass, mean, variance) = quadrature(low, high)
    // Far out the expansion stops at |z|⁻⁴, where it is 25 deviations or more: 3e-6 of a decay length.
    #expect(abs(law.logMass - logMass) < 1e-5 * max(1, abs(logMass)), "\(law.logMass), \(logMass)")
    let deviation = variance.squareRoot()
    #expect(abs(law.mean - mean) < 2e-4 * deviation, "\(law.mean), \(mean), \(deviation)")
    #expect(abs(law.variance - variance) < 1e-2 * variance, "\(law.variance), \(variance)")
    #expect(law.mean >= low && law.mean <= high)
  }

  /// The score is the gradient of its own log density, its products are the score's differences, and the density has
  /// mass 1.
  @Test func score() throws {
    let box = try UniformBox(low: [-1, 2], high: [1, 2.5])
    let process = PreparedProcess(VPSDE())
    let score = try #require(process.exactScore(of: BoxMixture(box)))
    let evaluator = try score.makeEvaluator(for: RowSpan(first: 0, count: 4, dimension: 2))
    for t in [0.01, 0.3, 1] {
      let moments = process.scalarKernel!.moments(at: t)
      try RowStorage.with(RowSpan(first: 0, count: 4, dimension: 2), count: 4) { rows in
        let (x, s, v, out) = (rows[0], rows[1], rows[2], rows[3])
        NoiseStream(seed: 2, purpose: .data).normals(into: x, step: 0)
        for i in 0..<4 { x[i, 1] = moments.scale * 2.2 + 0.3 * x[i, 1] }
        v.fill(1)
        try evaluator.linearise(x, at: .all(t), into: s)
        try evaluator.pullback(v, into: out)
        var (high, low) = ([Double](repeating: 0, count: 4), [Double](repeating: 0, count: 4))
        let h = 1e-5
        for j in 0..<2 {
          for i in 0..<4 { x[i, j] += h }
          try evaluator.logDensity(x, at: .all(t), into: &high)
          for i in 0..<4 { x[i, j] -= 2 * h }
          try evaluator.logDensity(x, at: .all(t), into: &low)
          for i in 0..<4 {
            x[i, j] += h
            // Rounding of log densities over h.
            #expect(abs((high[i] - low[i]) / (2 * h) - s[i, j]) < 1e-5 * max(1, abs(s[i, j])))
          }
        }
        let before = (0..<8).map { s.values[$0] }
        for i in 0..<8 { x.values[i] += h }
        try evaluator.evaluate(x, at: .all(t), into: s)
        for i in 0..<8 {
          #expect(abs((s.values[i] - before[i]) / h - out.values[i]) < 1e-2 * max(1, abs(out.values[i])))
        }
      }
    }
    // ∫ p_t over a line of the first coordinate and the second at its mode.
    let one = try #require(process.exactScore(of: BoxMixture(UniformBox(low: [-1], high: [2]))))
    let n = 2000
    try RowStorage.with(RowSpan(first: 0, count: n, dimension: 1), count: 1) { rows in
      for i in 0..<n { rows[0][i, 0] = -6 + 13 * (Double(i) + 0.5) / Double(n) }
      var out = [Double](repeating: 0, count: n)
      try one.makeEvaluator(for: rows[0].span).logDensity(rows[0], at: .all(0.5), into: &out)
      #expect(abs(out.reduce(0) { $0 + exp($1) } * 13 / Double(n) - 1) < 1e-6)
    }
  }

  @Test func faults() {
    #expect(throws: InputError("column 2 goes from 1.0 to 1.0; allowed: finite numbers, low below high")) {
      try UniformBox(low: [0, 1], high: [1, 1])
    }
    #expect(throws: InputError.self) { try UniformBox(low: [0], high: [1, 1]) }
  }
}
