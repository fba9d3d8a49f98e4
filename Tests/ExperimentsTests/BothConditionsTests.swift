// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import Testing

/// Rows of which a class is known and numbers beside it.
@Suite("A class and numbers") struct BothConditionsTests {
  private static let config = """
    name: both
    data: {kind: csv, path: PATH, label: c, condition: [u, v], held_out: {share: 0.2}}
    process: {kind: vp}
    score: {kind: network, network: {kind: mlp, hidden: [16], features: 8, conditional: true}}
    training: {steps: 30, batch: 32, condition_dropout: 0.2}
    sampling:
      count: 12
      condition: {class: 1, numbers: [0.5, -1]}
      solvers: [{name: s, kind: ddim, steps: 5}]
    evaluation: {metrics: []}
    """

  /// 60 rows x, y of classes 0, 1, 2 with numbers u, v.
  private func text(_ folder: String) throws -> String {
    let rows = (0..<60).map { i in
      "\(Double(i % 7) / 7),\(i % 3),\(Double(i) / 60),\(Double(i % 5)),\(Double(i % 4) - 1)"
    }
    try (["x,c,u,y,v"] + rows).joined(separator: "\n").write(
      toFile: folder + "/d.csv", atomically: true, encoding: .utf8)
    return Self.config.replacing("PATH", with: folder + "/d.csv")
  }

  private func samples(_ overrides: [String], _ folder: String) throws -> [Substring] {
    let plan = try plan(try text(folder), overrides: overrides)
    _ = try makeExperiment(plan, folder: folder + "/r", store: folder + "/models").run()
    return contents(folder + "/r/samples/s.csv").split(separator: "\n").dropFirst().map { $0 }
  }

  @Test("a network is told both, each of them matters, and guidance leads away from nothing") func both() throws {
    try withFolder { folder in
      let plan = try plan(try text(folder))
      #expect(plan.data.conditionShape == .both(classes: 3, numbers: 2))
      let dataset = try plan.data.load(seed: 1)
      guard case .both(let label, let numbers) = dataset.trainingConditions[0] else { throw InputError("no condition") }
      #expect((0..<3).contains(label) && numbers.count == 2)
      let own = try samples([], folder)
      #expect(own.count == 12)
      let others = [
        "{class: 2, numbers: [0.5, -1]}", "{class: 1, numbers: [0.6, -1]}", "{class: 1, numbers: [0.5, 1]}",
      ]
      for other in others {
        #expect(pairs(try samples(["sampling.condition=\(other)"], folder), own).allSatisfy { $0 != $1 }, "\(other)")
      }
      // Rows of their own: a class and numbers in each line.
      try (0..<12).map { $0 == 3 ? "2,0.5,-1" : "1,0.5,-1" }.joined(separator: "\n").write(
        toFile: folder + "/c.csv", atomically: true, encoding: .utf8)
      let listed = try samples(["sampling.condition={csv: \(folder)/c.csv}"], folder)
      for row in 0..<12 { #expect((listed[row] == own[row]) == (row != 3), "\(row)") }
      let none = try samples(["sampling.condition=nothing"], folder)
      let guided = try samples(["sampling.guidance={kind: classifier-free, weight: 2}"], folder)
      #expect(pairs(none, own).allSatisfy { $0 != $1 } && pairs(guided, own).allSatisfy { $0 != $1 })
      // A network that is told the class alone.
      let classes = ["score.network.conditional=false", "score.network.class_conditional=true"]
      #expect(try samples(classes + ["sampling.condition={class: 1}"], folder).count == 12)
    }
  }

  @Test("a checkpoint of such a network is taken over by another experiment") func checkpoint() throws {
    try withFolder { folder in
      let own = try samples([], folder)
      let borrowing = try text(folder).replacing("training: {steps: 30, batch: 32, condition_dropout: 0.2}\n", with: "")
      let plan = try plan(
        borrowing, overrides: ["score={kind: checkpoint, path: '\(folder)/r/checkpoint.safetensors'}"])
      _ = try makeExperiment(plan, folder: folder + "/other", store: folder + "/models").run()
      #expect(contents(folder + "/other/samples/s.csv").split(separator: "\n").dropFirst().map { $0 } == own)
    }
  }

  @Test(
    "conditions of another shape are refused in one line",
    arguments: [
      ("{class: 1}", "a class alone"), ("{class: 3, numbers: [0, 0]}", "below 3"),
      ("{numbers: [1, 2]}", "a class of 3"), ("{class: 1, numbers: [1]}", "2 numbers"),
      ("{class: in-turn}", "beside a class"),
      ("{class: in-turn, numbers: [1, 2]}", "in-turn beside numbers"),
    ])
  func refused(condition: String, says: String) throws {
    try withFolder { folder in
      let error = #expect(throws: InputError.self) { try samples(["sampling.condition=\(condition)"], folder) }
      let text = error?.description ?? ""
      #expect(text.contains("sampling.condition") && text.contains(says) && !text.contains("\n"), "\(text)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
    }
  }
}
