// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// C_T, the data-copying statistic of Meehan, Chaudhuri and Dasgupta (2020, *A non-parametric test to detect
/// data-copying in generative models*, section 3): far below 0 where samples are nearer to training rows than held-out
/// rows are, 0 ± 1/√cells for samples of the law of the data, above 0 for samples that keep away.
///
/// The training rows are cut into cells by k-means. In a cell with n samples and m held-out rows, U counts the pairs in
/// which the sample is farther from its nearest training row than the held-out row is from its own, halves for equal
/// distances, and z = (U − n m/2)/√(n m (n + m + 1)/12). C_T is the mean of z over cells with 20 or more rows of each,
/// weighted by the held-out rows in them. Copies of a few rows among many other samples hardly move it: `CopyTest` is
/// the test for them.
///
/// The interval is linear, by the influences of samples and held-out rows on U (DeLong, DeLong and Clarke-Pearson
/// 1988), given the training rows and cells.
public struct DataCopying: Metric {
  /// How many rows of each a cell needs.
  public static let fewest = 20
  /// How many cells there are at most; fewer where a cell would have fewer than 100 held-out rows on average.
  public let cells: Int

  /// - Parameter cells: how many cells there are at most, at least 1.
  public init(cells: Int = 10) {
    precondition(cells > 0)
    self.cells = cells
  }

  public var fewestRows: Int { Self.fewest }
  public var usesTraining: Bool { true }
  public var judgesMemorisation: Bool { true }
  public var better: Direction { .higher }

  public func evaluate(_ comparison: Comparison) throws -> Double { try estimate(comparison).value }

  /// - Throws: `InputError` where there are no training rows or no cell has rows enough, and for values that are not
  ///   finite.
  public func estimate(_ comparison: Comparison) throws -> Estimate {
    try comparison.requireRows(atLeast: fewestRows)
    let distances = try TrainingDistances(comparison)
    let count = min(cells, max(1, comparison.heldOut.count / 100))
    let centres = try comparison.reference.once("cells \(count) \(comparison.seed)") { () throws -> TransposedRows in
      // Of every so many rows, as rows may stand in the order of their classes.
      let training = comparison.reference.training
      let most = min(training.count, 5000)
      let some = Batch(
        values: (0..<most).flatMap { training.row($0 * training.count / most) }, dimension: training.dimension)
      return TransposedRows(
        try KMeans.centres(some, count: count, seed: comparison.seed, threads: comparison.threads))
    }
    func sorted(_ rows: Batch) throws -> [[Int]] {
      let places = try Neighbours.nearest(rows, in: centres, count: 1, threads: comparison.threads).places
      var cells = [[Int]](repeating: [], count: centres.count)
      for row in 0..<rows.count { cells[Int(places[row])].append(row) }
      return cells
    }
    let (samples, heldOut) = (try sorted(comparison.samples), try sorted(comparison.heldOut))
    let used = samples.indices.filter { samples[$0].count >= Self.fewest && heldOut[$0].count >= Self.fewest }
    let judges = used.reduce(0) { $0 + heldOut[$1].count }
    guard judges > 0 else {
      throw InputError("no cell of the training rows has \(Self.fewest) samples and \(Self.fewest) held-out rows")
    }
    var value = 0.0
    var sampleInfluences = [Double](repeating: 0, count: comparison.samples.count)
    var heldOutInfluences = [Double](repeating: 0, count: comparison.heldOut.count)
    for cell in used {
      let (x, y) = (samples[cell], heldOut[cell])
      let (n, m) = (Double(x.count), Double(y.count))
      let ranks = PairShares(x.map { distances.samples.nearest[$0] }, y.map { distances.heldOut.nearest[$0] })
      let factor = Double(y.count) / Double(judges) * (12 * n * m / (n + m + 1)).squareRoot()
      value += factor * (ranks.share - 0.5)
      // As influences on a mean over all rows, of which those of other cells have none.
      for (i, row) in x.enumerated() {
        sampleInfluences[row] = factor * (ranks.first[i] - ranks.share) * Double(comparison.samples.count) / n
      }
      for (j, row) in y.enumerated() {
        heldOutInfluences[row] = factor * (ranks.second[j] - ranks.share) * Double(comparison.heldOut.count) / m
      }
    }
    return Estimate(value, sampleInfluences: sampleInfluences, heldOutInfluences: heldOutInfluences)
  }
}
