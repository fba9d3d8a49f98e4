// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Tensors

/// The classifier two-sample test (Lopez-Paz and Oquab 2017): how often a network that was trained to tell samples from
/// held-out rows is right about rows that it has not seen. ½ for samples of the law of the data, 1 for samples that
/// share nothing with it.
///
/// Five folds of both sets; in turn a network of two layers of 64 SiLU units (`ClassifierTraining`) learns from four
/// and judges the fifth. The value is the mean of the shares of samples and of held-out rows that are judged rightly,
/// which is the accuracy where there are as many of each. Columns are standardised by the held-out rows.
///
/// **A value below ½ is a sign of near copies, not of perfection**: a sample that is a copy of a held-out row is taken
/// for that row, which is in the training part with the other label. Look at the memorisation figures beside it.
///
/// The interval is for the mean accuracy of networks trained on ⅘ of these counts of rows, on Wilson's scale. To the
/// variances of both shares (Bayle et al. 2020, *Cross-validation confidence intervals for test error*) it adds what
/// folds share. Where networks are sure of nothing but noise, as for samples of the law of the data, the agreement of
/// two rows of different folds counts twice: once when the first is learned from and once when the second is. That
/// doubles the variance of the part of correctness that is linear in the predicted g = 2 P(sample) − 1, whose share is
/// ρ² = (E|g|)²/E g²; and it vanishes where g is calibrated, that is where the slope b = E(± g)/E g² is 1. The variance
/// is that of independent rows times 1 + ρ² (1 − b), with b in [0, 1].
public struct ClassifierTwoSampleTest: Metric {
  /// How many parts both sets are cut into.
  public static let folds = 5
  static let hidden = [64, 64]

  /// The test has no parameters.
  public init() {}

  /// Each fold judges a row of both, and learns from others.
  public var fewestRows: Int { 2 * Self.folds }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  /// - Throws: `InputError` for fewer than ten rows of either and for values that are not finite.
  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireRows(atLeast: fewestRows)
    try comparison.requireFiniteDistances()
    let (samples, heldOut) = (comparison.samples, comparison.heldOut)
    let standardise = Standardisation(by: heldOut, or: samples)
    let (n, d) = (samples.count, samples.dimension)
    let x = standardise(samples) + standardise(heldOut)
    let folds =
      Self.folds(rows: n, seed: comparison.seed, part: 0)
      + Self.folds(rows: heldOut.count, seed: comparison.seed, part: 1)
    let network = ClassifierNetwork(dimension: d, classes: 2, hidden: Self.hidden)
    // P(sample) of each row, by the network that has not seen it.
    let probabilities = Memory(repeating: Float(0), count: folds.count)
    try Shards(rows: Self.folds, size: 1).forEach(threads: comparison.threads) { fold, _ in
      let (rows, unseen) = (folds.indices.filter { folds[$0] != fold }, folds.indices.filter { folds[$0] == fold })
      func values(_ rows: [Int]) -> [Float] {
        var values: [Float] = []
        values.reserveCapacity(rows.count * d)
        for row in rows { values.append(contentsOf: x[row * d..<(row + 1) * d]) }
        return values
      }
      let classifier = ClassifierTraining(
        network, x: values(rows), labels: rows.map { $0 < n ? 1 : 0 }, seed: comparison.seed &* 5 &+ UInt64(fold)
      ).run()
      let judged = classifier(.probabilities, of: values(unseen), on: Tape(network.layout))
      for (i, row) in unseen.enumerated() { probabilities[row] = judged[2 * i + 1] }
    }
    let predictions = probabilities.elements.map { 2 * Double($0) - 1 }
    return Self.estimate(Array(predictions[..<n]), Array(predictions[n...]))
  }

  /// Which fold each row is in: a random one, of equal sizes up to one row.
  private static func folds(rows: Int, seed: UInt64, part: Int) -> [Int] {
    let keys = NoiseStream(seed: seed, purpose: .folds).uniforms(count: rows, dimension: 1, step: 2 + part).values
    var folds = [Int](repeating: 0, count: rows)
    let order = (0..<rows).sorted { keys[$0] == keys[$1] ? $0 < $1 : keys[$0] < keys[$1] }
    for (i, row) in order.enumerated() { folds[row] = i % Self.folds }
    return folds
  }

  /// The balanced accuracy of g = 2 P(sample) − 1 of samples and of held-out rows, with its interval.
  static func estimate(_ samples: [Double], _ heldOut: [Double]) -> Estimate {
    /// 1 for right, ½ for undecided, 0 for wrong.
    func rightness(_ g: [Double], _ sign: Double) -> [Double] {
      g.map { $0 * sign > 0 ? 1 : $0 == 0 ? 0.5 : 0 }
    }
    func mean(_ values: [Double]) -> Double { values.reduce(0, +) / Double(values.count) }
    let (right, alsoRight) = (rightness(samples, 1), rightness(heldOut, -1))
    let (share, otherShare) = (mean(right), mean(alsoRight))
    // Means over both sets, each with half of the weight.
    let square = (mean(samples.map { $0 * $0 }) + mean(heldOut.map { $0 * $0 })) / 2
    let size = (mean(samples.map(abs)) + mean(heldOut.map(abs))) / 2
    let slope = square > 0 ? (mean(samples) - mean(heldOut)) / 2 / square : 1
    let factor = square > 0 ? (1 + size * size / square * (1 - min(max(slope, 0), 1))).squareRoot() : 1
    return Estimate(
      (share + otherShare) / 2, sampleInfluences: right.map { factor * ($0 - share) / 2 },
      heldOutInfluences: alsoRight.map { factor * ($0 - otherShare) / 2 }, scale: .share)
  }
}
