// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// An experiment whose outcome is known before it is run: what a metric must say as data or samples change step by
/// step.
///
/// The checks follow the kinds of Räisä, van Breugel and van der Schaar (2025, arXiv 2505.22450, *All current
/// generative fidelity and diversity metrics are flawed*), which were made for pairs of fidelity and diversity metrics,
/// and are stated here for distances and memorisation, too.
public struct SanityCheck: Sendable {
  /// What a metric is to measure.
  public enum Purpose: String, Sendable, CaseIterable {
    /// Whether samples look like data.
    case fidelity
    /// Whether all of the data occurs among samples.
    case diversity
    /// Both at once.
    case distance
    /// Whether samples are copies of training rows.
    case memorisation
  }

  /// What a metric must do as the level changes.
  public enum Expectation: String, Sendable {
    /// The last level is worse than the first by more than 3 standard errors of the difference and by more than 5 % of
    /// the metric's range, and no level is better than the one before by more than 3 standard errors.
    case worsens
    /// All levels are within 5 % of the metric's range of the first, or within 3 standard errors of the difference. The
    /// range is the distance between the value for equal laws and that for normal laws 3 deviations apart.
    case stays
    /// Every level is worse than the value for equal laws by more than half of the range.
    case isBad
  }

  /// What a check draws: samples, held-out rows and training rows.
  public struct Rows: Sendable {
    /// The rows of each kind.
    public var samples, heldOut, training: Batch
  }

  /// A few words.
  public let name: String
  /// What changes, and between which levels.
  public let about: String
  /// What changes takes these values, in order.
  public let levels: [Double]
  /// For each purpose that the check is about.
  public let expectations: [Purpose: Expectation]
  /// Draws the rows of a level: so many of each.
  public let draw: @Sendable (_ level: Double, _ rows: Int, _ source: inout RowDraws) -> Rows

  /// - Parameters:
  ///   - name: a few words.
  ///   - about: what changes, and between which levels.
  ///   - levels: in order.
  ///   - expectations: for each purpose that the check is about.
  ///   - draw: draws the rows of a level.
  public init(
    _ name: String, _ about: String, levels: [Double], _ expectations: [Purpose: Expectation],
    draw: @escaping @Sendable (_ level: Double, _ rows: Int, _ source: inout RowDraws) -> Rows
  ) {
    (self.name, self.about, self.levels) = (name, about, levels)
    (self.expectations, self.draw) = (expectations, draw)
  }
}

/// Random rows, each call new ones.
public struct RowDraws: Sendable {
  let seed: UInt64
  private var step = 0

  init(seed: UInt64) { self.seed = seed }

  /// Standard normals.
  public mutating func normals(_ count: Int, _ dimension: Int) -> Batch {
    step += 1
    return NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: dimension, step: step)
  }

  /// Uniforms in [0, 1).
  public mutating func uniforms(_ count: Int, _ dimension: Int) -> Batch {
    step += 1
    return NoiseStream(seed: seed, purpose: .data).uniforms(count: count, dimension: dimension, step: step)
  }
}
