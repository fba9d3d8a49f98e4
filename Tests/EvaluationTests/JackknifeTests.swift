// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Synchronization
import Testing

@Suite("The default interval of a metric") struct JackknifeTests {
  /// The mean of a sample's first value, which asks for no interval of its own; and which rows it was asked about.
  private final class Mean: Metric {
    let asked = Mutex<[[Double]]>([])

    func evaluate(_ comparison: Comparison) throws -> Double {
      let values = (0..<comparison.samples.count).map { comparison.samples[$0, 0] }
      asked.withLock { $0.append(values) }
      return values.reduce(0, +) / Double(values.count)
    }
  }

  private func comparison(_ values: [Double]) -> Comparison {
    Comparison(
      samples: Batch(values: values, dimension: 1),
      heldOut: Batch(values: [Double](repeating: 0, count: values.count), dimension: 1), seed: 1, threads: 1)
  }

  /// Classes that take turns, each with one value of its own: groups of row i modulo 20 have one class each where there
  /// are ten or twenty, and their means differ 5 or 7 times as much as those of random groups do. Groups by the golden
  /// ratio are too much alike for 10 classes, and too little for 55.
  @Test(
    "its length is that of independent rows, however many classes take turns", arguments: [2, 5, 10, 20, 34, 55, 89])
  func turns(classes: Int) throws {
    let count = 1000
    var ratios: [Double] = []
    for seed in 1...8 {
      let own = NoiseStream(seed: UInt64(seed), purpose: .data).normals(count: classes, dimension: 1, step: 0).values
      let values = (0..<count).map { own[$0 % classes] }
      let estimate = try Mean().estimate(comparison(values))
      let mean = values.reduce(0, +) / Double(count)
      let variance = values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / Double(count - 1)
      let half = try #require(estimate.high) - estimate.value
      // Student's t with 19 degrees of freedom.
      ratios.append(half / (2.093 * (variance / Double(count)).squareRoot()))
    }
    // The square of a ratio is a χ² with 19 degrees over 19, whose deviation is 0.32. The groups are the same ones for
    // all seeds, so that the mean of a few is hardly surer than one with few classes: three deviations.
    let mean = (ratios.reduce(0) { $0 + $1 * $1 } / Double(ratios.count)).squareRoot()
    #expect(mean > 0.3 && mean < 1.4, "\(mean)")
  }

  @Test("20 groups of equal size, up to one row, have every row once", arguments: [2, 7, 20, 31, 500])
  func groups(count: Int) throws {
    let metric = Mean()
    _ = try metric.estimate(comparison((0..<count).map(Double.init)))
    let groups = min(20, count)
    let asked = metric.asked.withLock { $0 }
    // All rows, then without each group of samples, then all of them without each group of held-out rows.
    try #require(asked.count == 1 + 2 * groups)
    let left = asked[1...groups].map { rows in (0..<count).filter { !rows.contains(Double($0)) } }
    #expect(left.flatMap { $0 }.sorted() == Array(0..<count))
    #expect(left.allSatisfy { [count / groups, (count + groups - 1) / groups].contains($0.count) })
    #expect(asked[(groups + 1)...].allSatisfy { $0.count == count })
    if count == 500 {
      // Of ten classes that take turns a random group of 25 has 9.3 on average.
      for group in left { #expect(Set(group.map { $0 % 10 }).count > 5) }
    }
  }
}
