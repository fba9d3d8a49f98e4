// SPDX-License-Identifier: GPL-3.0-or-later

/// What a training step draws its rows from.
public protocol TrainingSource: Sendable {
  /// How many items there are, 1 or more.
  var count: Int { get }
  /// How many numbers a row has.
  var dimension: Int { get }
  /// Writes item `index` as a row. `variation` holds three uniforms in [0, 1), from which random crops and flips follow;
  /// plain rows ignore it. Allocates nothing, and may run on many threads at once.
  func copy(_ index: Int, variation: SIMD3<Double>, into row: UnsafeMutablePointer<Float>)
}
