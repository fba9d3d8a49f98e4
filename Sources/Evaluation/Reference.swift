// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Synchronization

/// What samples are compared with: rows of data that were held out, rows that the model learned from, and what is known
/// of both.
public final class Reference: Sendable {
  /// Rows of data that no model has seen, count × dimension.
  public let heldOut: Batch
  /// What is known of each of them.
  public let heldOutConditions: Conditions
  /// Rows that the model learned from; empty where there are none.
  public let training: Batch
  /// What is known of each of them.
  public let trainingConditions: Conditions
  /// How a row is to be seen as an image; nil for points.
  public let image: Comparison.Image?
  /// The rows of all conditions, where these are of some: what learns classes learns them from there.
  public let whole: Reference?
  private let kept = Mutex<[String: any Sendable]>([:])

  /// - Parameters:
  ///   - heldOut: rows of data that no model has seen, count × dimension.
  ///   - heldOutConditions: what is known of each of them.
  ///   - training: rows that the model learned from; nil where there are none.
  ///   - trainingConditions: what is known of each of them.
  ///   - image: how a row is to be seen as an image; nil for points.
  ///   - whole: the rows of all conditions, where these are of some.
  public init(
    heldOut: Batch, heldOutConditions: Conditions = .nothing, training: Batch? = nil,
    trainingConditions: Conditions = .nothing, image: Comparison.Image? = nil, whole: Reference? = nil
  ) {
    self.heldOut = heldOut
    self.heldOutConditions = heldOutConditions
    self.training = training ?? Batch(count: 0, dimension: heldOut.dimension)
    self.trainingConditions = trainingConditions
    self.image = image
    self.whole = whole
  }

  /// What a metric makes of these rows once, and needs for every solver's samples: distances to neighbours, a
  /// classifier, its features.
  /// - Parameters:
  ///   - key: names it, with all parameters that it depends on.
  ///   - make: makes it; called once, unless it throws.
  public func once<Value: Sendable>(_ key: String, _ make: () throws -> Value) rethrows -> Value {
    if let value = kept.withLock({ $0[key] }) as? Value { return value }
    let value = try make()
    kept.withLock { $0[key] = value }
    return value
  }
}
