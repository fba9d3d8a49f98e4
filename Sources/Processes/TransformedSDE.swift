// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A process that is linear in other coordinates: y = φ(x) follows `base`. A network is trained on y, and exact scores
/// are those of y, transformed.
public protocol TransformedSDE: SDE {
  /// φ
  var coordinates: any ElementwiseCoordinates { get }
  /// The process of y.
  var base: any LinearSDE { get }
}
