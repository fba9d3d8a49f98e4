// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What a trained network depends on, as the part of a config that says it: seed, data with a checksum of its files,
/// process, score and training, with every default written out. Equal identities mean equal networks, to the last bit.
public struct TrainingIdentity: Sendable, Equatable {
  /// The part of the config, with every default written out.
  public let text: String

  /// - Parameter text: what is said of numbers that are not finite is left out, as a training that finishes without
  ///   such numbers does not depend on it.
  public init(_ text: String) {
    let lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    self.text = lines.filter { !$0.hasPrefix("  on_non_finite: ") }.joined(separator: "\n")
  }

  /// How many steps the training has; nil where the text does not say.
  var steps: Int? { split.steps }

  /// A short name for all trainings that differ in their number of steps alone.
  var family: String { Checksum.text(of: split.others) }

  /// Whether the two differ in nothing but their number of steps.
  func isFamily(of other: TrainingIdentity) -> Bool { split.others == other.split.others }

  /// The line `steps:` of the section `training:`, and the text without it.
  private var split: (steps: Int?, others: String) {
    var lines = text.split(separator: "\n", omittingEmptySubsequences: false)
    guard let start = lines.firstIndex(of: "training:"),
      let place = lines[(start + 1)...].prefix(while: { $0.hasPrefix("  ") }).firstIndex(where: {
        $0.hasPrefix("  steps: ")
      })
    else { return (nil, text) }
    let steps = Int(lines[place].dropFirst("  steps: ".count))
    lines.remove(at: place)
    return (steps, lines.joined(separator: "\n"))
  }
}
