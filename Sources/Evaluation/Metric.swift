// SPDX-License-Identifier: GPL-3.0-or-later
/// A number that says how far samples are from held-out data; 0 where the two have the same law.
public protocol Metric: Sendable {
  /// How many samples and how many held-out rows there must be at least; default: 1.
  var fewestRows: Int { get }
  /// Whether its work grows with the square of the rows; default: false.
  var comparesAllPairs: Bool { get }

  /// - Throws: `InputError` for samples or data that the metric is not made for.
  func evaluate(_ comparison: Comparison) throws -> Double
}

extension Metric {
  public var fewestRows: Int { 1 }
  public var comparesAllPairs: Bool { false }
}
