// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Which rows judge what was learned from the others.
///
/// A source of data whose rows are not split by whoever published them holds one of these, and in `load(seed:)` either
/// reads the file or asks `split` for the rows:
/// ```swift
/// let rows = HeldOut.split(count: images.count, classes: labels, share: share, seed: seed)
/// Dataset(
///   training: images.only(rows.training), heldOut: images.only(rows.heldOut),
///   trainingConditions: conditions.only(rows.training), heldOutConditions: conditions.only(rows.heldOut))
/// ```
/// `Options.heldOut` reads it from a config. A source that splits its rows otherwise than before needs another
/// `fingerprint` too, as its trained networks have seen rows that are held out now.
public enum HeldOut: Sendable, Equatable {
  /// This share of the rows, above 0 and below 1, is drawn by a hash of (seed, row).
  case share(Double)
  /// The rows of a file of its own, read as the data's file is.
  case file(String)

  /// A sixth.
  public static let standardShare = 1.0 / 6

  /// Draws the rows that judge: those of the smallest hashes, where the hash of a row is the Philox uniform of (seed,
  /// row) for `Purpose.split`.
  ///
  /// In a class of n rows, round(share · n) judge, at least 1 and at most n − 1 where n is 2 or more; a row that
  /// is alone in its class trains. Where all are, they are drawn as rows without classes. The result depends on the
  /// seed, the share, and which rows are of one class: neither on the names of the classes nor on threads.
  /// - Parameters:
  ///   - count: how many rows there are.
  ///   - classes: the class of each row; nil where rows have none.
  ///   - share: the share that judges, above 0 and below 1.
  ///   - seed: of all random numbers.
  /// - Returns: the indices of the rows, both in rising order; of 2 rows or more, neither is empty.
  public static func split(
    count: Int, classes: [Int]? = nil, share: Double = standardShare, seed: UInt64
  ) -> (training: [Int], heldOut: [Int]) {
    precondition(share > 0 && share < 1, "a share of rows is above 0 and below 1")
    precondition(classes.map { $0.count == count } ?? true, "a class for every row")
    let sizes = Dictionary(classes.map { $0.map { ($0, 1) } } ?? [(0, count)], uniquingKeysWith: +)
    if classes != nil, count > 1, sizes.values.allSatisfy({ $0 == 1 }) {
      return split(count: count, share: share, seed: seed)
    }
    // How many rows of each class are still to be held out.
    var wanted = sizes.mapValues { $0 < 2 ? 0 : min($0 - 1, max(1, Int((share * Double($0)).rounded()))) }
    let hashes = NoiseStream(seed: seed, purpose: .split).uniforms(count: count, dimension: 1).values
    let order = (0..<count).sorted { (hashes[$0], $0) < (hashes[$1], $1) }
    var judges = [Bool](repeating: false, count: count)
    for row in order {
      let label = classes?[row] ?? 0
      guard let left = wanted[label], left > 0 else { continue }
      wanted[label] = left - 1
      judges[row] = true
    }
    return ((0..<count).filter { !judges[$0] }, (0..<count).filter { judges[$0] })
  }

  // MARK: The split of the built-in digits

  /// Row i of `count` is held out when i mod 6 = 5; of fewer than 6 rows, the last.
  static func contains(_ index: Int, of count: Int) -> Bool {
    count < 6 ? index == count - 1 : index % 6 == 5
  }

  /// The rows that train and those that judge, in order, as the digits' split was published.
  static func split(_ count: Int) -> (training: [Int], heldOut: [Int]) {
    ((0..<count).filter { !contains($0, of: count) }, (0..<count).filter { contains($0, of: count) })
  }
}
