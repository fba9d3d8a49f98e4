// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How often a training is kept while it runs: what a machine that goes down can cost. What is trained does not depend
/// on it.
public struct CheckpointInterval: Sendable, Equatable {
  /// A checkpoint is written when so many seconds have passed.
  public var seconds = 60.0
  /// nil: the seconds alone count.
  public var steps: Int?

  /// A checkpoint every so many seconds, and every so many steps.
  public init(seconds: Double = 60, steps: Int? = nil) { (self.seconds, self.steps) = (seconds, steps) }

  /// Reads `training.checkpoint`.
  init(_ options: Options) throws {
    let section = try options.section(
      "checkpoint", "when a running training is kept: {seconds: 60} by default, or {steps: N}, or what comes first")
    options.practical.insert("checkpoint")
    seconds = try section.number(
      "seconds", default: 60, in: .positive, "between two checkpoints: what a machine that goes down can cost")
    let count = try section.number("steps", or: "none", in: .atLeast(1), "between two checkpoints")
    if let count, count != count.rounded() || count > 1e12 {
      throw section.wrong("steps", "is \(written(count)); allowed: a whole number of 1 or more, or none")
    }
    steps = count.map { Int($0) }
    try section.finish()
  }

  /// Whether a checkpoint is due.
  /// - Parameters:
  ///   - start: when the last one was written, or the training began.
  ///   - steps: how many steps were taken since then.
  func isDue(since start: ContinuousClock.Instant, steps taken: Int) -> Bool {
    if let steps, taken >= steps { return true }
    return start.duration(to: ContinuousClock().now).seconds >= seconds
  }
}
