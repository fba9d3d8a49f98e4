// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// One run of a sweep: what it has of the sweep's keys, and what tells it from others.
public struct SweepRun: Sendable {
  /// From 1.
  public let number: Int
  /// What each of the sweep's keys is in this run, as text.
  public let values: [String]
  /// `process.beta_max=10 seed=1`
  public let settings: String
  /// The SHA-256 of its config with every default written out.
  public let configHash: String
  /// The same without the config's name, which changes no result.
  let content: String
  /// What its network depends on; nil where it trains none.
  let network: TrainingIdentity?

  init(number: Int, values: [String], keys: [String], plan: ExperimentPlan) {
    (self.number, self.values) = (number, values)
    settings = zip(keys, values).filter { !$1.isEmpty }.map { "\($0)=\($1)" }.joined(separator: " ")
    configHash = SHA256.text(of: plan.resolved)
    content = SHA256.text(
      of: plan.resolved.split(separator: "\n").filter { !$0.hasPrefix("name: ") }.joined(separator: "\n"))
    network = plan.training == nil ? nil : plan.model.identity
  }

  /// The name of a run's folder: `001`, or as many digits as it takes.
  /// - Parameter number: from 1.
  public static func name(_ number: Int) -> String {
    let digits = String(number)
    return String(repeating: "0", count: max(0, 3 - digits.count)) + digits
  }

  /// The name of its folder.
  public var name: String { Self.name(number) }

  /// Its folder within that of the sweep.
  public var folder: String { "runs/\(name)" }
}
