// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How far samples and held-out rows are from the rows that the model learned from.
///
/// Given the training rows, samples of the law of the data and held-out rows are exchangeable, and so are these
/// distances: any statistic of them can be compared with its values under permuted labels.
struct TrainingDistances {
  /// One set's distances.
  struct Distances: Sendable {
    /// To the nearest training row.
    let nearest: [Double]
    /// To the eleventh nearest, or the farthest of fewer.
    let around: [Double]
  }

  static let neighbours = 11

  let samples, heldOut: Distances
  /// How many training rows there are.
  let count: Int

  /// - Throws: `InputError` where there are no training rows, and for values that are not finite.
  init(_ comparison: Comparison) throws {
    try comparison.requireRows(atLeast: 1)
    let (reference, threads) = (comparison.reference, comparison.threads)
    let training = reference.training
    guard training.count > 0 else {
      throw InputError("no training rows to be memorised; allowed: data that a model was trained on")
    }
    guard training.dimension == comparison.samples.dimension else {
      throw InputError(
        "samples of \(comparison.samples.dimension) values against training rows of \(training.dimension)")
    }
    try comparison.requireFiniteDistances()
    let rows = reference.once("training rows") { TransposedRows(training) }
    count = training.count
    samples = try Self.distances(comparison.samples, rows, threads)
    heldOut = try reference.once("distances to training rows") {
      try Self.distances(comparison.heldOut, rows, threads)
    }
  }

  private static func distances(_ rows: Batch, _ training: TransposedRows, _ threads: Int) throws -> Distances {
    let kept = min(neighbours, training.count)
    let squares = try Neighbours.nearest(rows, in: training, count: kept, threads: threads).squares
    return Distances(
      nearest: (0..<rows.count).map { squares[$0 * kept].squareRoot() },
      around: (0..<rows.count).map { squares[$0 * kept + kept - 1].squareRoot() })
  }
}
