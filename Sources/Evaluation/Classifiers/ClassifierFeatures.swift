// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Features of rows by a small classifier of the data's classes (`DataClassifier`), 32 of each row, for the Fréchet
/// distance and KID.
///
/// They need training rows of two or more classes; other data is refused. They are no features of Inception: figures
/// can be compared between samples that are judged by the same data alone.
public struct ClassifierFeatures: FeatureMap {
  /// The features have no parameters.
  public init() {}

  public var name: String { "classifier" }

  /// - Throws: `InputError` where there are no training rows, not two classes of them, or values that are not finite.
  public func features(_ rows: Batch, _ comparison: Comparison) throws -> Batch {
    try DataClassifier.of(comparison.reference).features(rows, threads: comparison.threads)
  }
}
