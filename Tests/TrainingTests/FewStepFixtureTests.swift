// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import Testing
import Training

/// Losses and gradients beside those of PyTorch, from equal inputs: Tests/FewStep/make_fixtures.py computes them in
/// double precision from each paper's own formula.
@Suite struct FewStepFixtureTests {
  private static let deviation = 0.9
  private static let end = 1e-3
  private static let names = [
    "consistency-distillation", "consistency-training", "easy-consistency", "continuous-consistency",
    "continuous-consistency-taught", "progressive-distillation", "lagrangian", "lagrangian-taught", "eulerian-taught",
    "progressive", "mean-flow", "shortcut", "lagrangian-divergence-taught", "continuous-consistency-weighted",
    "distribution-matching", "distribution-matching-fisher", "distribution-matching-separate",
    "distribution-matching-separate-fisher",
  ]

  private static func network(_ name: String) -> any Network {
    let network = FewStepFixture.network(
      second: !name.contains("consistency") && !name.hasSuffix("distillation") && !name.contains("matching"),
      divergence: name.contains("divergence"))
    if name.contains("matching") {
      return CompanionNetwork(name.contains("separate") ? StepNetworks(network, at: [5, 0]) : network)
    }
    return name.hasSuffix("weighted") ? WeightedNetwork(network, seed: 3) : network
  }

  private static func prediction(_ name: String) -> Prediction {
    switch name {
    case "consistency-training", "progressive": .velocity
    case "progressive-distillation", "eulerian-taught": .data
    case "easy-consistency": .noise
    default: .edm
    }
  }

  private static func objective(_ name: String, _ parameters: [Float]) throws -> any Objective {
    let network = network(name)
    let model = ScoreModel(
      network, parameters: parameters, prediction: prediction(name), kernel: VPSDE().makeKernel(), duration: 1,
      dataDeviation: deviation)
    let process = PreparedProcess(VPSDE())
    let law = DataLaw(try twoGaussians())
    let teacher = try Teacher.score(#require(process.exactScore(of: law)))
    let times = TrainingTimes(
      TrainingPlan(steps: 1, epsilon: end), kernel: model.kernel, duration: model.duration)
    func base(_ teacher: Teacher?) -> TwoTimes {
      TwoTimes(
        model, process: process, teacher: teacher, to: end, diagonal: 0.3,
        forward: name.contains("divergence") ? 0.5 : 0)
    }
    return switch name {
    case "consistency-distillation":
      ConsistencyDistillation(model, teacher: teacher, to: end, intervals: 18, loss: .pseudoHuber(0.03), times: times)
    case "consistency-training":
      ConsistencyTraining(
        model, to: end, curriculum: .init(first: 10, largest: 1280, doubling: 3), loss: .pseudoHuber(0.00076),
        times: times)
    case "easy-consistency":
      EasyConsistency(model, to: end, mapping: .init(stage: 2), loss: .pseudoHuber(0), times: times)
    case "continuous-consistency", "continuous-consistency-taught", "continuous-consistency-weighted":
      ContinuousConsistency(
        model, process: process, teacher: name.hasSuffix("taught") ? teacher : nil, to: end, warmup: 10, times: times)
    case "progressive-distillation":
      ProgressiveDistillation(model, teacher: teacher, to: end, first: 4, stage: 100, times: times)
    case let name where name.hasPrefix("distribution-matching"):
      DistributionMatching(
        model, teacher: teacher, to: end,
        from: ProgressiveDistillation.Spacing.logSignalToNoise.times(model, from: end, steps: 2).reversed().dropLast(),
        divergence: name.hasSuffix("fisher") ? .fisher(alpha: 0.8) : .kullbackLeibler, times: times)
    case "lagrangian": LagrangianMap(base(nil), times: times)
    case "lagrangian-taught", "lagrangian-divergence-taught": LagrangianMap(base(teacher), times: times)
    case "eulerian-taught": EulerianMap(base(teacher), times: times)
    case "progressive": ProgressiveMap(base(nil), times: times)
    case "mean-flow": MeanFlow(base(nil), power: 1, times: times)
    default: ShortcutMap(base(nil), levels: 3, times: times)
    }
  }

  @Test("are those of PyTorch", arguments: names) func agreement(_ name: String) throws {
    let given = FewStepFixture(
      name, Self.network(name), Self.prediction(name), step: 7, from: Self.end, to: 1)
    if try given.writeIfAsked() { return }
    let file = FewStepFixture.folder.appending(path: "fixtures.json")
    let known = try #require(
      JSONDecoder().decode([FewStepFixture].self, from: Data(contentsOf: file)).first { $0.name == name })
    try given.compare(known, Self.objective(name, given.parameters.flatMap { $0 }))
  }
}
