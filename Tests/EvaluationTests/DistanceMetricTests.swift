// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation
import Pairs
import Testing

/// All metrics of pairs and transport.
private let metrics: [(name: String, metric: any Metric)] = [
  ("sliced-wasserstein", SlicedWasserstein(projections: 32)), ("energy-distance", EnergyDistance()),
  ("mmd", MaximumMeanDiscrepancy()), ("kid", KernelDistance()), ("kolmogorov-smirnov", KolmogorovSmirnov()),
  ("frechet", FrechetDistance()), ("wasserstein", Wasserstein()), ("sinkhorn", SinkhornDivergence()),
]

private func normals(_ count: Int, _ dimension: Int, seed: UInt64, shift: Double = 0, scale: Double = 1) -> Batch {
  var batch = NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: dimension)
  for i in 0..<count { for j in 0..<dimension { batch[i, j] = scale * batch[i, j] + (j == 0 ? shift : 0) } }
  return batch
}

private func compare(_ x: Batch, _ y: Batch, threads: Int = 2) -> Comparison {
  Comparison(samples: x, heldOut: y, seed: 1, threads: threads)
}

@Suite("Metrics of pairs and transport") struct DistanceMetricTests {
  /// Fixtures/distances.py makes these rows by the same formula.
  private func rows(_ range: Range<Int>, _ dimension: Int, shift: Double, stretch: Double) -> Batch {
    var batch = Batch(count: range.count, dimension: dimension)
    for (row, index) in range.enumerated() {
      for j in 0..<dimension {
        let (i, d) = (Double(index), Double(j))
        batch[row, j] =
          stretch * sin(1.7 * i * (d + 1) + 0.3 * i + d) + cos(0.9 * i + 2.1 * d) + (j == 0 ? shift : 0)
      }
    }
    return batch
  }

  /// SciPy, scikit-learn, POT and the formulas of torch-fidelity: Fixtures/distances.py.
  @Test("values are those of independent implementations") func references() throws {
    let url = try #require(Bundle.module.url(forResource: "distances", withExtension: "json", subdirectory: "Fixtures"))
    let cases = try #require(try JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [[String: Double]])
    #expect(cases.count == 4)
    for known in cases {
      let (n, m, dimension) = (Int(known["n"]!), Int(known["m"]!), Int(known["dimension"]!))
      let comparison = compare(
        rows(0..<n, dimension, shift: 0.3, stretch: 1.2), rows(n..<n + m, dimension, shift: 0, stretch: 1))
      for (name, metric) in metrics where name != "sliced-wasserstein" {
        let (value, expected) = (try metric.evaluate(comparison), try #require(known[name]))
        // Sinkhorn's plans are solved to 10⁻⁴, the value to about the square of that, and in float; others are exact.
        let tolerance = name == "sinkhorn" ? 1e-4 : 1e-9
        #expect(abs(value - expected) < tolerance * max(1, abs(expected)), "\(name): \(value), not \(expected)")
      }
    }
  }

  @Test("Fréchet's distance of normal laws is that of their parameters") func frechetClosedForm() throws {
    // Rows with mean 0 and covariance I exactly, by symmetry, and the same rows mapped.
    var rows: [[Double]] = []
    for a in [-1.0, 1] { for b in [-1.0, 1] { for c in [-1.0, 1] { rows.append([a, b, c]) } } }
    let unit = (7.0 / 8).squareRoot()
    let x = Batch(rows: rows.map { $0.map { $0 * unit } })
    let scales = [2.0, 0.5, 1]
    let y = Batch(
      rows: x.values.indices.filter { $0 % 3 == 0 }.map { i in
        (0..<3).map { scales[$0] * x.values[i + $0] + Double($0) }
      })
    // ‖μ₁ − μ₂‖² + Σ (σ₁ − σ₂)² for covariances that commute: 0 + 1 + 4, and 1 + ¼ + 0.
    let value = try FrechetDistance().evaluate(compare(x, y))
    #expect(abs(value - 6.25) < 1e-12)
  }

  @Test("transport of a shifted copy costs the shift", arguments: [1, 5]) func shift(dimension: Int) throws {
    let x = normals(700, dimension, seed: 3)
    var y = x
    for i in 0..<y.count { y[i, dimension - 1] += 0.25 }
    // A shift is the gradient of a convex function, so that no other plan is cheaper.
    #expect(abs(try Wasserstein().evaluate(compare(x, y)) - 0.25) < 1e-9)
    // Entropy does not see a shift: the plans are the same but for it.
    #expect(abs(try SinkhornDivergence().evaluate(compare(x, y)) - 0.0625) < 1e-4)
    #expect(abs(try FrechetDistance().evaluate(compare(x, y)) - 0.0625) < 1e-9)
  }

  @Test("samples that went astray have a distance, too", arguments: [30.0, 1e3, 1e6]) func astray(shift: Double) throws
  {
    let (x, y) = (normals(200, 2, seed: 3, shift: shift), normals(200, 2, seed: 4))
    // Of two normal laws with equal covariances, but for the noise of the means of 200 rows, 0.1: three of them.
    let tolerance = 0.6 * shift
    #expect(abs(try SinkhornDivergence().evaluate(compare(x, y)) - shift * shift) < tolerance)
    #expect(abs(try Wasserstein().evaluate(compare(x, y)) - shift) < 0.3)
    #expect(abs(try FrechetDistance().evaluate(compare(x, y)) - shift * shift) < tolerance)
    #expect(abs(try SlicedWasserstein().evaluate(compare(x, y)) / shift - 0.5.squareRoot()) < 0.1)
  }

  @Test("on a line exact transport is sorting", arguments: [(400, 400), (300, 450), (1, 7), (7, 1), (3, 1000)])
  func line(n: Int, m: Int) throws {
    let (x, y) = (normals(n, 1, seed: 3, shift: 0.4), normals(m, 1, seed: 4, scale: 1.3))
    let sliced = try SlicedWasserstein(projections: 3).evaluate(compare(x, y))
    #expect(abs(try Wasserstein().evaluate(compare(x, y)) - sliced) < 1e-10 * (1 + sliced))
  }

  @Test("exact transport with many equal rows, and of equal sets") func equalRows() throws {
    // 600 rows at three places against 900 at two: only weights matter.
    let x = Batch(rows: (0..<600).map { [Double($0 % 3), 0] })
    let y = Batch(rows: (0..<900).map { [Double($0 % 2), 1] })
    // ⅓ at 0, 1, 2 to ½ at 0, 1: ⅓ stays at 0, ⅙ goes from 1 to 0, ⅙ stays at 1, ⅓ goes from 2 to 1; all rise by 1.
    #expect(abs(try Wasserstein().evaluate(compare(x, y)) - (1.0 / 6 + 1.0 / 3 + 1).squareRoot()) < 1e-12)
    let z = normals(300, 2, seed: 1)
    let estimate = try Wasserstein().estimate(compare(z, z))
    #expect(estimate.value < 1e-9)
  }

  @Test("exact transport is not dearer than any plan, and its potentials prove it") func duality() throws {
    let (x, y) = (normals(500, 8, seed: 1), normals(500, 8, seed: 2, shift: 1))
    let estimate = try Wasserstein().estimate(compare(x, y))
    let square = estimate.value * estimate.value
    // The potentials but for constants: u_i + v_j ≤ cost, with mean u + mean v = the value squared.
    let u = estimate.sampleInfluences.map { 2 * estimate.value * $0 }
    let v = estimate.heldOutInfluences.map { 2 * estimate.value * $0 + square }
    var slack = Double.infinity
    for i in 0..<500 {
      for j in 0..<500 {
        let cost = (0..<8).reduce(0) { $0 + (x[i, $1] - y[j, $1]) * (x[i, $1] - y[j, $1]) }
        slack = min(slack, cost - u[i] - v[j])
      }
    }
    #expect(slack > -1e-9)
  }

  @Test("distance functions by hand: the place, ties, and every axis") func kolmogorovByHand() throws {
    let x = Batch(rows: [[0, 1], [1, 1], [1, 2], [3, 5]])
    let y = Batch(rows: [[1, 1], [1, 9], [2, 9]])
    // Axis 0: F − G is ¼ at 0, ¾ − ⅔ at 1, ¾ − 1 at 2. Axis 1: ½ − ⅓ at 1, ¾ − ⅓ at 2, 1 − ⅓ at 5.
    let distances = try KolmogorovSmirnov().distances(compare(x, y))
    #expect(pairs(distances, [0.25, 2.0 / 3]).allSatisfy { abs($0 - $1) < 1e-15 })
    #expect(abs(try KolmogorovSmirnov().evaluate(compare(x, y)) - 2.0 / 3) < 1e-15)
  }

  @Test("the bootstrap's interval depends on how many resamples there are") func resamples() throws {
    let (x, y) = (normals(200, 2, seed: 1), normals(200, 2, seed: 2))
    func high(_ bootstrap: Int) throws -> Double {
      try #require(
        try KolmogorovSmirnov().estimate(
          Comparison(samples: x, reference: Reference(heldOut: y), seed: 1, bootstrap: bootstrap)
        ).high)
    }
    #expect(try high(20) != high(400))
    // Both estimate the same deviation, the first one to 1/√40 of itself.
    let value = try KolmogorovSmirnov().evaluate(compare(x, y))
    #expect(abs((try high(20) - value) / (try high(400) - value) - 1) < 4 / 40.0.squareRoot())
  }
}

@Suite("Influences of pairs and transport") struct InfluenceTests {
  /// Without row i the metric is θ̂ − ψ_i/(n − 1) to first order, so that (n − 1)(θ̂ − θ̂₋ᵢ) is ψ_i.
  @Test(
    "influences are those of leaving rows out", arguments: metrics.map(\.name).filter { $0 != "kolmogorov-smirnov" })
  func leaveOneOut(name: String) throws {
    let metric = metrics.first { $0.name == name }!.metric
    let (n, m) = (120, 90)
    // Laws that differ clearly: near the null influences are small, and second-order terms are not.
    let (x, y) = (normals(n, 2, seed: 1, shift: 1.5, scale: 1.3), normals(m, 2, seed: 2))
    let estimate = try metric.estimate(compare(x, y))
    #expect(abs(estimate.sampleInfluences.reduce(0, +)) < 1e-9 * Double(n) * max(1, estimate.value))
    #expect(abs(estimate.heldOutInfluences.reduce(0, +)) < 1e-9 * Double(m) * max(1, estimate.value))
    func correlation(_ a: [Double], _ b: [Double]) -> (Double, ratio: Double) {
      let (meanA, meanB) = (a.reduce(0, +) / Double(a.count), b.reduce(0, +) / Double(b.count))
      let ab = zip(a, b).reduce(0) { $0 + ($1.0 - meanA) * ($1.1 - meanB) }
      let aa = a.reduce(0) { $0 + ($1 - meanA) * ($1 - meanA) }
      let bb = b.reduce(0) { $0 + ($1 - meanB) * ($1 - meanB) }
      return (ab / (aa * bb).squareRoot(), (aa / bb).squareRoot())
    }
    // Kernels' widths follow the median distance of held-out rows, which the influences leave out; the median of rows
    // that are not left out stands still.
    let sides = ["mmd", "sinkhorn"].contains(name) ? [0] : [0, 1]
    for side in sides {
      let rows = side == 0 ? n : m
      let some = Array(stride(from: 0, to: rows, by: 7))
      let known = some.map { (side == 0 ? estimate.sampleInfluences : estimate.heldOutInfluences)[$0] }
      let measured = try some.map { row -> Double in
        let rest = (0..<rows).filter { $0 != row }
        let comparison =
          side == 0 ? compare(x, y).only(samples: rest) : compare(x, y).only(heldOut: rest)
        return Double(rows - 1) * (estimate.value - (try metric.evaluate(comparison)))
      }
      let (agreement, ratio) = correlation(known, measured)
      // Second-order terms are of the order of 1/√n of the first; transport plans jump from one vertex to another.
      #expect(agreement > 0.98 && abs(ratio - 1) < 0.1, "side \(side): \(agreement), \(ratio)")
    }
  }

  @Test("influences of a distance of distribution functions are shares below its place") func kolmogorov() throws {
    let (x, y) = (normals(300, 2, seed: 1, shift: 1), normals(200, 2, seed: 2))
    let estimate = try KolmogorovSmirnov().estimate(compare(x, y))
    // Samples lie above: G − F is largest, so that a sample below the place lowers it.
    #expect(Set(estimate.sampleInfluences).count == 2 && Set(estimate.heldOutInfluences).count == 2)
    let below = estimate.heldOutInfluences.filter { $0 > 0 }.count
    let share = Double(below) / 200 - Double(estimate.sampleInfluences.filter { $0 < 0 }.count) / 300
    #expect(abs(share - estimate.value) < 1e-12)
  }

  @Test("the excess of a U-statistic is the second-order part of its variance") func excess() throws {
    // Equal laws, where nothing else is left: J has 2 w, and the value's variance is w.
    let repeats = 300
    var (values, excess, total) = ([Double](), 0.0, 0.0)
    for seed in 0..<repeats {
      let (x, y) = (normals(60, 3, seed: UInt64(2 * seed)), normals(50, 3, seed: UInt64(2 * seed + 1)))
      let estimate = try EnergyDistance().estimate(compare(x, y, threads: 1))
      values.append(estimate.value)
      excess += (estimate.excess.samples + estimate.excess.heldOut) / Double(repeats)
      func variance(_ a: [Double]) -> Double { a.reduce(0) { $0 + $1 * $1 } / Double(a.count * (a.count - 1)) }
      total += (variance(estimate.sampleInfluences) + variance(estimate.heldOutInfluences)) / Double(repeats)
    }
    let mean = values.reduce(0, +) / Double(repeats)
    let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(repeats - 1)
    // A variance of 300 values of a skewed law is right to about 12 %; three of them.
    #expect(abs(excess / variance - 1) < 0.36 && abs(total / (2 * excess) - 1) < 0.1)
  }
}

@Suite("Hostile rows for metrics of pairs and transport") struct HostileMetricTests {
  @Test("same bytes whatever the threads", arguments: metrics.map(\.name)) func threads(name: String) throws {
    let metric = metrics.first { $0.name == name }!.metric
    let (x, y) = (normals(701, 5, seed: 5), normals(603, 5, seed: 6))
    let one = try metric.estimate(compare(x, y, threads: 1))
    #expect(one == (try metric.estimate(compare(x, y, threads: 3))))
    #expect(one.value == (try metric.evaluate(compare(x, y, threads: 2))))
    let (low, high) = (try #require(one.low), try #require(one.high))
    #expect(low <= one.value && one.value <= high && low < high)
  }

  @Test("held-out rows are prepared once, and give the same again", arguments: metrics.map(\.name))
  func again(name: String) throws {
    let metric = metrics.first { $0.name == name }!.metric
    let reference = Reference(heldOut: normals(100, 3, seed: 2))
    func estimate(_ seed: UInt64) throws -> Estimate {
      try metric.estimate(Comparison(samples: normals(80, 3, seed: seed), reference: reference, seed: 1))
    }
    let first = try estimate(1)
    _ = try estimate(7)
    #expect(try estimate(1) == first)
  }

  @Test("values that are no numbers, or too large to be squared, are refused", arguments: metrics.map(\.name))
  func refused(name: String) throws {
    let metric = metrics.first { $0.name == name }!.metric
    let good = normals(30, 2, seed: 1)
    for bad in [Double.nan, .infinity, -.infinity] {
      var rows = good
      rows[17, 1] = bad
      #expect(throws: InputError("sample 17 has \(bad) in column 1; allowed: values in ±1e140")) {
        try metric.estimate(compare(rows, good))
      }
      #expect(throws: InputError.self) { try metric.estimate(compare(good, rows)) }
    }
    var large = good
    for i in 0..<30 { large[i, 0] *= 1e200 }
    #expect(throws: InputError.self) { try metric.estimate(compare(large, good)) }
    #expect(throws: InputError.self) { try metric.estimate(compare(good, normals(30, 3, seed: 1))) }
  }

  @Test("few rows, equal rows and far rows give a number or say why not", arguments: metrics.map(\.name))
  func degenerate(name: String) throws {
    let metric = metrics.first { $0.name == name }!.metric
    let same = Batch(rows: [[Double]](repeating: [1, 2], count: 40))
    let some = normals(40, 2, seed: 1)
    var far = some
    for i in 0..<40 { far[i, 1] += 1e9 }
    let sets = [
      normals(1, 2, seed: 2), normals(2, 2, seed: 3), normals(3, 2, seed: 4), same, some, far,
      Batch(count: 0, dimension: 2),
    ]
    for x in sets {
      for y in sets {
        do {
          let estimate = try metric.estimate(compare(x, y))
          #expect(estimate.value.isFinite)
          if let low = estimate.low, let high = estimate.high {
            #expect(low <= estimate.value && estimate.value <= high)
          }
        } catch let error as InputError {
          #expect(!error.message.isEmpty)
        }
      }
    }
  }

  @Test("distances of rows that are far from 0 lose no digits") func far() throws {
    let (x, y) = (normals(60, 2, seed: 1), normals(60, 2, seed: 2, shift: 0.5))
    func moved(_ batch: Batch) -> Batch {
      // A whole number, so that differences stay what they are up to the last digit of 2²⁰.
      Batch(values: batch.values.map { ($0 * 1024).rounded() / 1024 + 1_048_576 }, dimension: 2)
    }
    func rounded(_ batch: Batch) -> Batch {
      Batch(values: batch.values.map { ($0 * 1024).rounded() / 1024 }, dimension: 2)
    }
    for metric in [EnergyDistance(), MaximumMeanDiscrepancy(), Wasserstein()] as [any Metric] {
      #expect(
        try metric.evaluate(compare(moved(x), moved(y))) == metric.evaluate(compare(rounded(x), rounded(y))))
    }
  }
}
