// SPDX-License-Identifier: GPL-3.0-or-later
import Processes
import Solvers
import Training

/// Every key of a config, from the declarations that decode it: for `list` and for Docs/Experiments.md.
public struct Listing {
  struct Group {
    let title: String
    let kinds: [(name: String, about: String, options: [Declaration])]
  }

  let sections: [(title: String, options: [Declaration])]
  let groups: [Group]

  /// The kinds and options of a catalogue.
  public init(_ catalogue: Catalogue = .standard) {
    /// What is declared, and after it what its sections declare.
    func declared(_ title: String, _ read: (Options) throws -> Void) -> [(String, [Declaration])] {
      let options = Options.describing()
      try? read(options)
      var list = [(title, options.declarations)]
      for case (let key, .section(let section)) in options.resolved
      where options.declarations.contains(where: { $0.key == key && $0.type == "section" }) {
        list.append(("\(title).\(key)", section.declarations))
      }
      return list
    }
    func group<Value>(
      _ title: String, _ kinds: Kinds<Value>, requires: (Value) -> Requirements = { _ in [] }
    ) -> Group {
      Group(
        title: title,
        kinds: kinds.declarations(in: catalogue).map { kind in
          let phrases = kind.value.map(requires)?.phrases ?? []
          let needs = phrases.isEmpty ? "" : "; needs " + phrases.joined(separator: ", and ")
          return (kind.name, kind.about + needs, kind.options)
        })
    }
    let root = Options.describing()
    _ = try? ExperimentPlan(root, catalogue)
    sections =
      [("config", root.declarations + [SweepReader.declaration])]
      + declared("training") {
        _ = try TrainingPlan($0, duration: 1)
        _ = try ObjectiveRecipe($0, catalogue)
        _ = try ModelPlan.initial($0)
        _ = try CheckpointInterval($0)
        _ = try TrainingPreview.read($0, isImage: true, process: PreparedProcess(VPSDE()), samples: true, catalogue)
      }
      + declared("sampling") {
        _ = try SamplingPlan($0, process: PreparedProcess(VPSDE()), conditionShape: .nothing, traits: [], catalogue)
      }
      + declared("sampling.solvers") {
        _ = try SamplingPlan.name($0)
        _ = try $0.kind(of: catalogue.allSolvers, in: catalogue)
        _ = try SamplingPlan.denoise($0)
      }.map { ($0, $1.filter { ["name", "denoise"].contains($0.key) }) }
      + declared("likelihood") {
        _ = try LikelihoodPlan(
          $0, process: PreparedProcess(VPSDE()), dimension: 1, score: ExactScoreRecipe(), isAsked: false, catalogue)
      } + declared("evaluation") { _ = try EvaluationPlan($0, catalogue) }
    groups = [
      group("data", catalogue.data), group("coordinates", catalogue.coordinates), group("process", catalogue.processes),
      group("process.schedule", catalogue.schedules), group("score", catalogue.scores),
      group("score.network", catalogue.networks), group("training.objective", catalogue.objectives),
      group("sampling.guidance", catalogue.guidances),
      group("sampling.observation.operator", catalogue.operators),
      group("sampling.observation.noise", catalogue.noises), group("sampling.start", catalogue.starts),
      group("integrator", catalogue.integrators), group("sampling.solvers", catalogue.allSolvers) { $0.requires },
      group("corrector", catalogue.correctors) { $0.requires },
      group("sampling.grid", catalogue.grids), group("evaluation.metrics", catalogue.metrics),
      group("evaluation.metrics (of the model)", catalogue.modelMetrics),
    ]
  }

  /// Tables for the docs.
  public func markdown() -> String {
    func table(_ options: [Declaration]) -> String {
      if options.isEmpty { return "" }
      let rows = options.map { option in
        let others = option.alternatives.map { "`\($0)`" }.joined(separator: ", ")
        let usual = option.defaultText.map { "`\($0)`" } ?? (others.isEmpty ? "required" : "one of \(others)")
        return "| `\(option.key)` | \(usual) | \(option.allowed) | \(option.about) |"
      }
      return "| key | default | allowed | meaning |\n|---|---|---|---|\n" + rows.joined(separator: "\n") + "\n\n"
    }
    var text = ""
    for group in groups where !group.kinds.isEmpty {
      text += "### `\(group.title)`\n\n"
      for kind in group.kinds {
        text +=
          "**`\(kind.name)`**: \(kind.about)".wrapped(at: 120).joined(separator: "\n") + "\n\n" + table(kind.options)
      }
    }
    for section in sections { text += "### `\(section.title)`\n\n" + table(section.options) }
    return text.trimmingTrailingNewlines() + "\n"
  }
}

extension String {
  fileprivate func trimmingTrailingNewlines() -> String {
    var text = self
    while text.last == "\n" { text.removeLast() }
    return text
  }
}
