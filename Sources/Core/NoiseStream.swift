// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// What a stream of random numbers is for; streams of different purposes never share a number.
public struct Purpose: RawRepresentable, Sendable, Equatable {
  public let rawValue: UInt8
  public init(rawValue: UInt8) { self.rawValue = rawValue }

  /// Draws of the prior, where solvers begin.
  public static let prior = Purpose(rawValue: 1)
  /// The increments of predictors, where paths are independent (`IndependentPath`).
  public static let predictor = Purpose(rawValue: 2)
  /// The noise of correctors.
  public static let corrector = Purpose(rawValue: 3)
  /// The nodes of Brownian trees (`CoupledPath`).
  public static let bridge = Purpose(rawValue: 4)
  /// Draws of synthetic data, and crops of images.
  public static let data = Purpose(rawValue: 5)
  /// The same for held-out data.
  public static let heldOutData = Purpose(rawValue: 6)
  /// The initial parameters of networks.
  public static let weights = Purpose(rawValue: 7)
  /// Which rows of the data a training step takes.
  public static let trainingRow = Purpose(rawValue: 8)
  /// The times of a training step.
  public static let trainingTime = Purpose(rawValue: 9)
  /// The noise z of a training step.
  public static let trainingNoise = Purpose(rawValue: 10)
  /// The noise z of `LossByTime`.
  public static let lossNoise = Purpose(rawValue: 12)
  /// Directions that samples are projected on.
  public static let projections = Purpose(rawValue: 13)
  /// The frequencies of Fourier features.
  public static let features = Purpose(rawValue: 14)
  /// The noise that `EDMHeun` adds before its steps.
  public static let churn = Purpose(rawValue: 15)
  /// Which activations are dropped in training.
  public static let dropout = Purpose(rawValue: 16)
  /// Crops and flips of a training step.
  public static let augmentation = Purpose(rawValue: 17)
  /// The areas of Brownian steps, where paths are independent.
  public static let area = Purpose(rawValue: 18)
  /// Whether a Metropolis step is accepted.
  public static let acceptance = Purpose(rawValue: 19)
  /// The probes of Hutchinson's estimate of a divergence.
  public static let divergence = Purpose(rawValue: 20)
  /// The fractions that dequantisation adds to data.
  public static let dequantisation = Purpose(rawValue: 21)
  /// Which conditions are dropped in training.
  public static let conditionDropout = Purpose(rawValue: 22)
  /// The fractions that dequantisation adds in training, new ones at every step.
  public static let trainingDequantisation = Purpose(rawValue: 23)
  /// Which rows are held out.
  public static let split = Purpose(rawValue: 24)
  /// What a state has beside the data at t = 0, as velocities.
  public static let auxiliary = Purpose(rawValue: 30)
  /// Simulations of the forward process.
  public static let forward = Purpose(rawValue: 31)
}

/// A counter-based random stream: every number is a function of (seed, purpose, row, step, column) and of nothing else,
/// so results do not depend on threads, on order or on how rows are split.
///
/// Philox4x32-10 (Salmon et al. 2011); normals by Box and Muller from 52-bit uniforms, at most 8.5 deviations.
public struct NoiseStream: Sendable {
  /// The seed of the experiment.
  public let seed: UInt64
  /// What the numbers are for.
  public let purpose: Purpose

  /// The stream of a seed for a purpose.
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
