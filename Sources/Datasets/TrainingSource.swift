// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What a training step draws its rows from.
public protocol TrainingSource: Sendable {
  /// How many items there are, 1 or more.
  var count: Int { get }
  /// How many numbers a row has.
  var dimension: Int { get }

  /// Writes item `index` as a row, as the variation has it; plain rows ignore that. It may run on many threads at once.
  func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>)

  /// Writes the same row in double precision.
  func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>)
}

/// What makes a row of a training step another one than the row of the same item elsewhere: random crops, flips and
/// noise.
public struct Variation: Sendable {
  /// Three uniforms in [0, 1), for crops and flips.
  public let uniforms: SIMD3<Double>
  /// What further random numbers are keyed by: the seed, the training step and the row within the step's batch.
  public let seed: UInt64
  /// The number of the training step, and of the row in its batch.
  public let step, row: Int

  /// - Parameters:
  ///   - uniforms: three uniforms in [0, 1), of this row of this step.
  ///   - seed: of all random numbers.
  ///   - step: the training step, from 0.
  ///   - row: the row within the step's batch.
  public init(uniforms: SIMD3<Double>, seed: UInt64, step: Int, row: Int) {
    self.uniforms = uniforms
    self.seed = seed
    self.step = step
    self.row = row
  }
}

extension TrainingSource {
  public func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    withUnsafeTemporaryAllocation(of: Float.self, capacity: dimension) { values in
      guard let floats = values.baseAddress else { return }
      copy(index, variation: variation, into: floats)
      for j in 0..<dimension { row[j] = Double(floats[j]) }
    }
  }
}
