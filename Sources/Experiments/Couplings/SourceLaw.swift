// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Solvers
import Training

/// The law of x_T in place of the prior: data of a kind of its own, which the key `source` names. Its rows are in the
/// units of the data, go through the coordinates of the data, and are what solvers begin with.
public struct SourceLaw: Sendable {
  /// Where its rows come from.
  public let data: any DataSource
  /// The seed of its rows, so that they are drawn apart from those of the data; the data's own where pairs are made of
  /// rows of equal numbers.
  let seed: UInt64
  /// Whether row i goes with row i of the data.
  private let isPaired: Bool
  /// Whether samples begin with held-out rows, in whose turn are the conditions of the data's.
  private let startsWithKnownRows: Bool

  /// - Parameters:
  ///   - data: where rows come from.
  ///   - seed: of the experiment.
  ///   - isPaired: whether row i goes with row i of the data.
  ///   - isTold: whether the network is told conditions of rows.
  init(_ data: any DataSource, seed: UInt64, isPaired: Bool, isTold: Bool) {
    (self.data, self.isPaired, startsWithKnownRows) = (data, isPaired, isPaired && isTold)
    self.seed = isPaired ? seed : seed &+ 0x736f_7572_6365
  }

  /// - Throws: `InputError` without a location for rows that are not as the data's, or that are no pairs with them.
  func check(_ other: any DataSource) throws {
    guard data.dimension == other.dimension else {
      throw InputError("has rows of \(data.dimension) values; those of the data have \(other.dimension)")
    }
    guard data.hasRows else { throw InputError("has no rows; allowed: another kind") }
    guard !isPaired || data.conditionShape == other.conditionShape else {
      throw InputError(
        "makes pairs by the numbers of rows, which classes and texts deal out otherwise; allowed: rows with the same "
          + "conditions as those of the data, \(other.conditionShape.text)")
    }
  }

  /// What training draws ends from, in the coordinates that the model sees.
  /// - Throws: `InputError` for rows that are not as many as the data's, or of other conditions, where they make pairs.
  func ends(for data: DataInCoordinates) throws -> PathEnds {
    let own = try self.data.load(seed: seed)
    let (mine, theirs) = (own.trainingRows.count, data.dataset.trainingRows.count)
    guard !isPaired || mine == theirs && own.heldOutRows.count == data.dataset.heldOutRows.count else {
      throw InputError(
        "has \(mine) rows to train on and \(own.heldOutRows.count) held-out ones; pairs need as many as the data has, "
          + "\(theirs) and \(data.dataset.heldOutRows.count)", at: "source")
    }
    guard
      !isPaired
        || own.trainingConditions == data.dataset.trainingConditions
          && own.heldOutConditions == data.dataset.heldOutConditions
    else {
      throw InputError(
        "has rows of other conditions than those of the data with their numbers; pairs need the same", at: "source")
    }
    let rows = RowSource(own.trainingRows)
    return .rows(data.coordinates.map { CoordinateSource(rows, in: $0) } ?? rows)
  }

  /// Rows that nobody trained on: further draws where rows are drawn, else held-out ones.
  func freshRows(_ count: Int) throws -> Batch {
    if !startsWithKnownRows, let further = data.furtherRows(count, seed: seed) { return further }
    return try data.load(seed: seed).heldOutRows.prefix(count)
  }
}

/// Samples begin at T with rows of a source.
struct SourceStart: StartRecipe {
  let source: SourceLaw
  /// How many samples are drawn over all repeats, at most; beyond them rows come again.
  let count: Int

  /// Rows that are kept in memory at most.
  static let mostRows = 1 << 20

  var time: Double? { nil }

  func check(_ process: PreparedProcess, _ data: any DataSource, count: Int) throws {
    try source.check(data)
  }

  func rows(of data: DataInCoordinates) throws -> Batch {
    try source.freshRows(max(1, min(count, Self.mostRows)))
  }

  func beginning(_ rows: Batch, _ process: PreparedProcess, seed: UInt64, period: Int?) throws -> Beginning {
    Beginning(at: process.duration) { x in
      for row in 0..<x.count {
        for (j, value) in rows.row((x.first + row) % rows.count).enumerated() { x[row, j] = value }
      }
    }
  }
}
