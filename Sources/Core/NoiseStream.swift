// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// What a stream of random numbers is for; streams of different purposes never share a number.
public struct Purpose: RawRepresentable, Sendable, Equatable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  public static let prior = Purpose(rawValue: 1)
  public static let predictor = Purpose(rawValue: 2)
  public static let corrector = Purpose(rawValue: 3)
  public static let bridge = Purpose(rawValue: 4)
  public static let data = Purpose(rawValue: 5)
  public static let heldOutData = Purpose(rawValue: 6)
  public static let weights = Purpose(rawValue: 7)
  public static let trainingRow = Purpose(rawValue: 8)
  public static let trainingTime = Purpose(rawValue: 9)
  public static let trainingNoise = Purpose(rawValue: 10)
  public static let lossNoise = Purpose(rawValue: 12)
  public static let projections = Purpose(rawValue: 13)
  public static let features = Purpose(rawValue: 14)
  public static let churn = Purpose(rawValue: 15)
  public static let dropout = Purpose(rawValue: 16)
  public static let augmentation = Purpose(rawValue: 17)
  public static let area = Purpose(rawValue: 18)
  public static let acceptance = Purpose(rawValue: 19)
  public static let divergence = Purpose(rawValue: 20)
  public static let dequantisation = Purpose(rawValue: 21)
  public static let conditionDropout = Purpose(rawValue: 22)
  public static let trainingDequantisation = Purpose(rawValue: 23)
  /// Which rows are held out.
  public static let split = Purpose(rawValue: 24)
  public static let auxiliary = Purpose(rawValue: 30)
  public static let forward = Purpose(rawValue: 31)
}

/// A counter-based random stream: every number is a function of (seed, purpose, row, step, column) and of nothing else,
/// so results do not depend on threads, on order or on how rows are split.
///
/// Philox4x32-10 (Salmon et al. 2011); normals by Box and Muller from 52-bit uniforms, at most 8.5 deviations.
public struct NoiseStream: Sendable {
  public let seed: UInt64
  public let purpose: Purpose

  public init(seed: UInt64, purpose: Purpose) {
    self.seed = seed
    self.purpose = purpose
  }

  /// Fills rows with standard normals of the given step, 0 ≤ step < 2⁵⁶.
  public func normals(into rows: Rows, step: Int) {
    ck_normals(
      rows.values, rows.count, rows.dimension, seed, UInt32(purpose.rawValue), UInt64(rows.first), UInt64(step))
  }

  /// Fills rows with uniforms in [0, 1) of the given step.
  public func uniforms(into rows: Rows, step: Int) {
    ck_uniforms(
      rows.values, rows.count, rows.dimension, seed, UInt32(purpose.rawValue), UInt64(rows.first), UInt64(step))
  }

  /// A batch of standard normals.
  public func normals(count: Int, dimension: Int, step: Int = 0) -> Batch {
    var batch = Batch(count: count, dimension: dimension)
    batch.withRows { normals(into: $0, step: step) }
    return batch
  }

  /// A batch of uniforms in [0, 1).
  public func uniforms(count: Int, dimension: Int, step: Int = 0) -> Batch {
    var batch = Batch(count: count, dimension: dimension)
    batch.withRows { uniforms(into: $0, step: step) }
    return batch
  }
}
