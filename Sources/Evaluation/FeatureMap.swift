// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What a metric looks at in place of the values themselves: the features of a network, say.
public protocol FeatureMap: Sendable {
  /// Names it, with all parameters that it depends on: what is made of held-out features is kept under this name.
  var name: String { get }

  /// - Parameters:
  ///   - rows: count × dimension of the data.
  ///   - comparison: where a map that learns finds its training rows; it is to keep what it learned by
  ///     `Reference.once`.
  /// - Returns: count × features.
  /// - Throws: `InputError` for data that it is not made for.
  func features(_ rows: Batch, _ comparison: Comparison) throws -> Batch
}

extension Comparison {
  /// The comparison of features in place of rows; the same one where there is no map. Features of held-out rows are
  /// made once.
  func mapped(by map: (any FeatureMap)?) throws -> Comparison {
    guard let map else { return self }
    let kept = try reference.once("features " + map.name) {
      Reference(
        heldOut: try map.features(heldOut, self), heldOutConditions: heldOutConditions)
    }
    return Comparison(
      samples: try map.features(samples, self), sampleConditions: sampleConditions, reference: kept, seed: seed,
      bootstrap: bootstrap, threads: threads)
  }
}
