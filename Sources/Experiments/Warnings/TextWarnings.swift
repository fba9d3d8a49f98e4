// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Networks

/// Texts whose ends a network does not read, as they are longer than it has places for.
struct TextWarnings {
  private let input: any TextInput
  private let plan: ExperimentPlan
  private let preview: DataPreview

  /// - Returns: nil where no network is told texts.
  init?(plan: ExperimentPlan, preview: DataPreview) {
    guard let input = plan.network?.textInput else { return nil }
    (self.input, self.plan, self.preview) = (input, plan, preview)
  }

  /// How many texts are looked at.
  private static let most = 10_000

  var lines: [(key: String, text: String)] {
    let sampling = plan.sampling
    let told = sampling.condition.texts + sampling.guidances.flatMap { $0?.texts ?? [] }
    return line("sampling", told, "are cut off")
      + (plan.training == nil ? [] : line("data", preview.texts, "to learn from are cut off"))
  }

  private func line(_ key: String, _ texts: [String], _ what: String) -> [(key: String, text: String)] {
    let looked = texts.prefix(Self.most)
    let notes = looked.compactMap { input.note(on: $0) }
    guard let first = notes.first else { return [] }
    return [(key, notes.count == 1 ? first : "\(notes.count) of \(looked.count) texts \(what); \(first)")]
  }
}
