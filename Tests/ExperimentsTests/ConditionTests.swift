// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import ScoreSDE
import Testing

/// Conditions of samples, as configs say them.
@Suite("Conditions") struct ConditionTests {
  private static let digits = """
    name: conditions
    data: {kind: digits}
    process: {kind: vp}
    score: {kind: network, network: {kind: unet, channels: [8, 16], blocks: 1, attention: [4], class_conditional: true}}
    training: {steps: 2, batch: 16}
    sampling:
      count: 12
      solvers: [{name: em, kind: euler-maruyama, steps: 3}]
    evaluation: {metrics: []}
    """

  /// The lines of a run's samples.
  private func samples(_ overrides: [String], _ folder: String) throws -> [Substring] {
    let plan = try plan(Self.digits, overrides: overrides)
    _ = try makeExperiment(plan, folder: folder + "/r", store: folder + "/models").run([.train, .sample])
    return contents(folder + "/r/samples/em.csv").split(separator: "\n").dropFirst().map { $0 }
  }

  @Test("a sample depends on its own condition alone: one class, classes in turn, a file of classes") func classes()
    throws
  {
    try withFolder { folder in
      let turn = try samples([], folder)
      #expect(turn.count == 12)
      #expect(try samples(["sampling.condition={class: in-turn}"], folder) == turn)
      #expect(try samples(["sampling.condition=auto"], folder) == turn)
      let seven = try samples(["sampling.condition={class: 7}"], folder)
      // Noise is keyed by row, so that row 7 is the same, and the others are not.
      for row in 0..<12 { #expect((seven[row] == turn[row]) == (row == 7), "\(row)") }
      try (0..<12).map { $0 == 3 ? "7" : "\($0 % 10)" }.joined(separator: "\n").write(
        toFile: folder + "/c.csv", atomically: true, encoding: .utf8)
      let listed = try samples(["sampling.condition={csv: \(folder)/c.csv}"], folder)
      for row in 0..<12 { #expect(listed[row] == (row == 3 ? seven : turn)[row], "\(row)") }
      #expect(throws: InputError.self) {
        try samples(["sampling.condition={csv: \(folder)/c.csv}", "sampling.count=13"], folder)
      }
    }
  }

  @Test("the old name of the condition is read, and says so") func old() throws {
    let old = try plan(Self.digits, overrides: ["sampling.class=3"])
    #expect(old.warnings.count == 1 && old.warnings[0].contains("sampling.class"))
    #expect(old.warnings[0].contains("write condition: {class: …}"))
    let new = try plan(Self.digits, overrides: ["sampling.condition={class: 3}"])
    #expect(new.warnings.isEmpty && old.sampling.condition == new.sampling.condition)
    // What is written out is read again.
    for plan in [old, new] {
      let again = try ExperimentPlan(ConfigSource(text: plan.resolved, path: "r"))
      #expect(again.sampling.condition == new.sampling.condition)
    }
  }

  @Test(
    "conditions that the network does not know are refused in one line",
    arguments: [
      ("{class: 10}", "below 10"), ("{class: 2.5}", "whole numbers"), ("{class: 1, text: a}", "beside"),
      ("{}", "nothing"),
      ("{klass: 1}", "did you mean 'class'"), ("none", "allowed"), ("{numbers: [1, 2]}", "a class of 10"),
      ("nothing", "condition_dropout"),
    ])
  func refused(condition: String, says: String) throws {
    try withFolder { folder in
      let error = #expect(throws: InputError.self) { try samples(["sampling.condition=\(condition)"], folder) }
      #expect(error?.description.contains("sampling.condition") == true)
      #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains("\n") == false)
      #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
    }
  }

  @Test("a network that was trained with dropped conditions knows the score without one") func nothing() throws {
    try withFolder { folder in
      let dropped = ["training.condition_dropout=0.5", "training.steps=4"]
      let turn = try samples(dropped, folder)
      let none = try samples(dropped + ["sampling.condition=nothing"], folder)
      #expect(turn.count == 12 && none.count == 12 && pairs(turn, none).allSatisfy { $0 != $1 })
      // Rows that lose their condition are part of what is learned.
      #expect(try samples(["training.steps=4"], folder) != turn)
    }
  }

  /// Twice the score.
  private struct Doubled: Guidance {
    func guide(
      _ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem
    ) throws -> any Score {
      guard source.conditionShape != .nothing else { throw InputError("knows no conditions", at: "sampling.guidance") }
      return Twice(base: try source.score(given: conditions), other: try source.score(given: .all(.label(0))))
    }
  }

  /// The sum of two scores.
  private struct Twice: Score {
    let base, other: any Score
    func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
      Evaluator(base: try base.makeEvaluator(for: rows), other: try other.makeEvaluator(for: rows))
    }

    final class Evaluator: ScoreEvaluator {
      let base, other: any ScoreEvaluator
      init(base: any ScoreEvaluator, other: any ScoreEvaluator) { (self.base, self.other) = (base, other) }

      func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
        try base.evaluate(x, at: times, into: s)
        try RowStorage.with(x.span, count: 1) { rows in
          try other.evaluate(x, at: times, into: rows[0])
          for i in 0..<x.size { s.values[i] += rows[0].values[i] }
        }
      }
    }
  }

  @Test("a guidance of one's own is a kind, and refuses scores that it is not for before anything is written")
  func guidance() throws {
    var catalogue = Catalogue.standard
    catalogue.guidances.add(Kind("doubled", "the score twice") { _, _ in Doubled() })
    try withFolder { folder in
      let plain = try samples([], folder)
      let guided = try ExperimentPlan(
        ConfigSource(text: Self.digits, path: "t", overrides: ["sampling.guidance=doubled"]), catalogue: catalogue)
      let summary = try makeExperiment(
        guided, catalogue: catalogue, folder: folder + "/g", store: folder + "/models"
      ).run([.train, .sample])
      #expect(summary.contains("used again"))
      let rows = contents(folder + "/g/samples/em.csv").split(separator: "\n").dropFirst()
      #expect(rows.count == 12 && pairs(rows, plain).allSatisfy { $0 != $1 })
      let unconditional = try ExperimentPlan(
        ConfigSource(text: tiny, path: "t", overrides: ["sampling.guidance=doubled"]), catalogue: catalogue)
      #expect(throws: InputError("knows no conditions", at: "--set sampling.guidance=doubled: sampling.guidance")) {
        try makeExperiment(unconditional, catalogue: catalogue, folder: folder + "/u").run()
      }
      #expect(!FileManager.default.fileExists(atPath: folder + "/u"))
    }
  }
}
