// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Scores
import Tensors
import Testing
import Training

/// Losses and gradients beside those of the authors' own code, from equal inputs.
/// Tests/FewStep/make_fixtures_authors.py calls their functions, and says which constants lie between theirs and these.
@Suite struct AuthorsFixtureTests {
  private struct Authors: Decodable {
    struct Assignments: Decodable {
      let count: Int
      let costs: [Double]
      let columns: [Int]
    }
    let cases: [FewStepFixture]
    let assignments: [Assignments]

    static func read() throws -> Authors {
      let file = FewStepFixture.folder.appending(path: "authors.json")
      return try JSONDecoder().decode(Authors.self, from: Data(contentsOf: file))
    }
  }

  private static let deviation = 0.9
  private static let names = [
    "openai-distillation", "openai-training", "openai-progressive", "ect", "py-meanflow", "py-meanflow-uniform",
    "shortcut-models", "torchcfm", "dmd2", "sid",
  ]

  @Test("are those of the authors' code", arguments: names) func agreement(_ name: String) throws {
    let isFlow = !["openai", "ect", "dmd2", "sid"].contains { name.hasPrefix($0) }
    let process: any KernelSDE = isFlow ? RectifiedFlow(end: 0.99) : VESDE(LinearSigma(8))
    let end = isFlow ? 0.01 : 0.05
    let prepared = PreparedProcess(process)
    let inner = FewStepFixture.network(second: isFlow && name != "torchcfm")
    let network: any Network = ["dmd2", "sid"].contains(name) ? CompanionNetwork(inner) : inner
    let given = FewStepFixture(name, network, .edm, step: 6, from: end, to: process.duration)
    if try given.writeIfAsked() { return }
    let model = ScoreModel(
      network, parameters: given.parameters.flatMap { $0 }, prediction: .edm, kernel: try #require(prepared.kernel),
      duration: process.duration, dataDeviation: Self.deviation)
    let times = TrainingTimes(TrainingPlan(steps: 1, epsilon: end), kernel: model.kernel, duration: model.duration)
    func teacher() throws -> Teacher {
      .score(try #require(prepared.exactScore(of: DataLaw(try twoGaussians()))))
    }
    let objective: any Objective =
      switch name {
      case "openai-distillation":
        ConsistencyDistillation(model, teacher: try teacher(), to: end, intervals: 17, times: times)
      case "openai-training":
        ConsistencyTraining(
          model, to: end, curriculum: .init(first: 17, largest: 17, doubling: 1), loss: .squared, times: times)
      case "openai-progressive":
        ProgressiveDistillation(model, teacher: try teacher(), to: end, first: 4, stage: 100, times: times)
      case "ect":
        EasyConsistency(model, to: end, mapping: .init(stage: 1), loss: .pseudoHuber(0.03), times: times)
      case "dmd2", "sid":
        DistributionMatching(
          model, teacher: try teacher(), to: end, from: [process.duration],
          divergence: name == "sid" ? .fisher(alpha: 1.2) : .kullbackLeibler, times: times)
      case "shortcut-models":
        ShortcutMap(TwoTimes(model, process: prepared, teacher: nil, to: end, diagonal: 0), levels: 3, times: times)
      case "torchcfm":
        FlowMatching(model, process: RectifiedFlow(end: 0.99), times: times)
      default:
        MeanFlow(
          TwoTimes(model, process: prepared, teacher: nil, to: end, diagonal: 0.3),
          power: name.hasSuffix("uniform") ? 0 : 1, times: times)
      }
    try given.compare(try #require(try Authors.read().cases.first { $0.name == name }), objective)
  }

  @Test("optimal transport in a batch pairs as torchcfm does") func transport() throws {
    let known = try Authors.read().assignments
    #expect(known.count == 3)
    for one in known { #expect(Assignment(one.costs, count: one.count).columns == one.columns) }
  }
}
