// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Testing

@Suite struct NoiseStreamTests {
  @Test(arguments: [2, 3]) func normalsHaveTheMomentsOfTheNormalLaw(_ dimension: Int) {
    let z = NoiseStream(seed: 1, purpose: .prior).normals(count: 1_000_000 / dimension, dimension: dimension).values
    let n = Double(z.count)
    // E z^k and E z^2k for k = 1...6; a mean of z^k has the standard error √((E z^2k − (E z^k)²)/n). 5 of them: 12
    // checks pass together but for a chance of 1e-5.
    let moments: [Double] = [0, 1, 0, 3, 0, 15, 0, 105, 0, 945, 0, 10395]
    for k in 1...6 {
      let mean = z.reduce(0) { $0 + pow($1, Double(k)) } / n
      let error = ((moments[2 * k - 1] - moments[k - 1] * moments[k - 1]) / n).squareRoot()
      #expect(abs(mean - moments[k - 1]) < 5 * error, "moment \(k)")
    }
  }

  @Test(arguments: [2, 3]) func normalsPassKolmogorovAndSmirnov(_ dimension: Int) {
    let z = NoiseStream(seed: 2, purpose: .prior).normals(count: 1_000_000 / dimension, dimension: dimension).values
      .sorted()
    let n = Double(z.count)
    var largest = 0.0
    for (i, value) in z.enumerated() {
      let cdf = 0.5 * erfc(-value / 2.0.squareRoot())
      largest = max(largest, abs(cdf - Double(i) / n), abs(cdf - Double(i + 1) / n))
    }
    // √n D exceeds 1.95 with probability 2 e^{−2 · 1.95²} = 1e-3 for the right law.
    #expect(largest * n.squareRoot() < 1.95)
  }

  /// r cos 2πb and r sin 2πb with r = √(−2 ln(1 − a)), for the pairs (a, b) of uniforms of the same key. The errors of
  /// logarithm, root and cosine are some units in the last place.
  @Test(arguments: [1, 2, 5]) func normalsAreBoxAndMullersOfTheUniforms(_ dimension: Int) {
    let stream = NoiseStream(seed: 9, purpose: .churn)
    let normals = stream.normals(count: 1000, dimension: dimension, step: 3)
    // Uniforms come in pairs; of an odd row the last one is never seen.
    let uniforms = stream.uniforms(count: 1000, dimension: dimension + dimension % 2, step: 3)
    for row in 0..<1000 {
      for j in 0..<dimension {
        let (a, b) = (uniforms[row, j / 2 * 2], uniforms[row, j / 2 * 2 + 1])
        let radius = (-2 * log1p(-a)).squareRoot()
        let expected = radius * (j % 2 == 0 ? cos(2 * .pi * b) : sin(2 * .pi * b))
        #expect(abs(normals[row, j] - expected) < 1e-14 * (1 + radius))
      }
    }
  }

  /// A number of one purpose is never one of another: no two of them, as the source lists them, have one number.
  @Test func purposesAreDistinct() throws {
    let path = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
      .deletingLastPathComponent().appendingPathComponent("Sources/Core/NoiseStream.swift")
    let source = try String(contentsOf: path, encoding: .utf8)
    let listed = source.matches(of: /static let \w+ = Purpose\(rawValue: (\d+)\)/).map { String($0.1) }
    #expect(listed.count >= 24 && Set(listed).count == listed.count)
    // And they are what the source says.
    let some: [Purpose] = [.prior, .predictor, .corrector, .bridge, .data, .weights, .churn, .area, .acceptance]
    #expect(some.map(\.rawValue) == [1, 2, 3, 4, 5, 7, 15, 18, 19])
  }

  @Test func neighboursAreUncorrelated() {
    let n = 200_000
    let stream = NoiseStream(seed: 3, purpose: .predictor)
    let z = stream.normals(count: n, dimension: 3)
    func correlation(_ a: (Int) -> Double, _ b: (Int) -> Double) -> Double {
      (0..<n - 1).reduce(0) { $0 + a($1) * b($1) } / Double(n - 1).squareRoot()
    }
    let next = stream.normals(count: n, dimension: 3, step: 1)
    let other = NoiseStream(seed: 3, purpose: .corrector).normals(count: n, dimension: 3)
    let seeded = NoiseStream(seed: 4, purpose: .predictor).normals(count: n, dimension: 3)
    // Each is a standard normal for independent numbers; 5 deviations among 6 checks.
    #expect(abs(correlation({ z[$0, 0] }, { z[$0, 1] })) < 5)
    #expect(abs(correlation({ z[$0, 1] }, { z[$0, 2] })) < 5)
    #expect(abs(correlation({ z[$0, 0] }, { z[$0 + 1, 0] })) < 5)
    #expect(abs(correlation({ z[$0, 0] }, { next[$0, 0] })) < 5)
    #expect(abs(correlation({ z[$0, 0] }, { other[$0, 0] })) < 5)
    #expect(abs(correlation({ z[$0, 0] }, { seeded[$0, 0] })) < 5)
  }

  @Test(arguments: [1, 2, 3, 7, 8, 16, 19, 64]) func aValueDoesNotDependOnItsBlock(_ dimension: Int) {
    let stream = NoiseStream(seed: 5, purpose: .data)
    let whole = stream.normals(count: 61, dimension: dimension, step: 9)
    for size in [1, 2, 5, 8, 13, 60] {
      for first in stride(from: 0, to: 61, by: size) {
        let span = RowSpan(first: first, count: min(size, 61 - first), dimension: dimension)
        let part = RowStorage(span)
        stream.normals(into: part.rows, step: 9)
        let same = (0..<part.rows.size).allSatisfy { part.rows.values[$0] == whole.values[first * dimension + $0] }
        #expect(same, "rows from \(first), \(size) at a time")
      }
    }
  }

  @Test func aWiderRowBeginsLikeANarrowOne() {
    let stream = NoiseStream(seed: 6, purpose: .data)
    let wide = stream.normals(count: 11, dimension: 20)
    for dimension in [2, 4, 6, 10, 18] {
      let narrow = stream.normals(count: 11, dimension: dimension)
      for i in 0..<11 { #expect(Array(narrow.row(i)) == Array(wide.row(i).prefix(dimension))) }
    }
  }

  @Test func everyKeyMatters() {
    let base = NoiseStream(seed: 1, purpose: .prior).normals(count: 4, dimension: 2)
    #expect(NoiseStream(seed: 2, purpose: .prior).normals(count: 4, dimension: 2) != base)
    #expect(NoiseStream(seed: 1 + 1 << 32, purpose: .prior).normals(count: 4, dimension: 2) != base)
    #expect(NoiseStream(seed: 1, purpose: .bridge).normals(count: 4, dimension: 2) != base)
    #expect(NoiseStream(seed: 1, purpose: .prior).normals(count: 4, dimension: 2, step: 1) != base)
    #expect(NoiseStream(seed: 1, purpose: .prior).normals(count: 4, dimension: 2, step: 1 << 32) != base)
  }

  @Test func uniformsFillTheUnitInterval() {
    let u = NoiseStream(seed: 7, purpose: .data).uniforms(count: 300_000, dimension: 3).values
    #expect(u.allSatisfy { $0 >= 0 && $0 < 1 })
    let n = Double(u.count)
    // Standard errors: of the mean 1/√(12 n), of the mean square √((1/5 − 1/9)/n).
    #expect(abs(u.reduce(0, +) / n - 0.5) < 5 / (12 * n).squareRoot())
    #expect(abs(u.reduce(0) { $0 + $1 * $1 } / n - 1.0 / 3) < 5 * ((1.0 / 5 - 1.0 / 9) / n).squareRoot())
    // The extremes of n uniforms lie within 20/n of the ends but for a chance of e⁻²⁰.
    #expect(u.min()! < 20 / n && u.max()! > 1 - 20 / n)
  }
}
