// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

/// Metrics that join those of a config: memorisation beside any figure of quality, class accuracy where samples have
/// classes.
@Suite("Metrics that go with others") struct CompanionMetricTests {
  private static let usual = ["sliced_wasserstein", "mmd", "energy_distance", "memorisation"]

  /// The metrics of solvers.csv, in the order of their columns.
  private func metrics(_ folder: String) -> [String] {
    let own = [
      "experiment", "process", "solver", "kind", "count", "steps", "nfe", "nfe_max", "seconds", "seed", "overrides",
    ]
    return contents(folder + "/solvers.csv").prefix { $0 != "\n" }.split(separator: ",").map(String.init).filter {
      !own.contains($0) && !$0.hasSuffix("_low") && !$0.hasSuffix("_high")
    }
  }

  // MARK: Memorisation

  static let named: [(metrics: String, columns: [String])] = [
    ("[energy-distance]", ["energy_distance", "memorisation"]),
    ("[mmd, {kind: vendi, rows: 10}, nll]", ["mmd", "vendi", "memorisation"]),
    ("[memorisation, mmd]", ["memorisation", "mmd"]),
    ("[{kind: memorisation, name: copies}, mmd]", ["copies", "mmd"]), ("[mmd, copy-test]", ["mmd", "copy_test"]),
    ("[data-copying, mmd]", ["data_copying", "mmd"]), ("[]", []), ("[nll]", []), ("auto", usual),
  ]

  @Test("a figure of memorisation stands beside all figures of quality, and alone beside none", arguments: named)
  func beside(metrics names: String, columns: [String]) throws {
    try withFolder { folder in
      let text = tiny + "\nlikelihood: {rtol: 1.0e-2, atol: 1.0e-2}\nevaluation: {metrics: \(names)}\n"
      let summary = try makeExperiment(try plan(text), folder: folder).run()
      #expect(metrics(folder) == columns)
      // Solvers, in the order of the table, all rows and the one repeat.
      let figures = rows(folder + "/evaluation.csv").filter { $0["solver"] == "em" && $0["repeat"] == "all" }
      #expect(figures.map { $0["metric"] } == columns.map(Optional.some))
      for name in columns {
        for row in rows(folder + "/solvers.csv") { #expect(Double(row[name] ?? "") != nil, "\(name)") }
        #expect(summary.contains(name.split(separator: "_").last ?? ""), "\(summary)")
      }
      // Real rows have the figure, too.
      let copies = figures.filter { $0["metric"] == "memorisation" }
      #expect(copies.allSatisfy { Double($0["data"] ?? "") != nil && $0["better"] == "lower" })
    }
  }

  @Test("copies of training rows are told beside a metric that finds them perfect") func copies() throws {
    try withFolder { folder in
      let text = """
        name: copies
        data: {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 1]], deviations: [0.4, 0.4], count: 150, held_out: 150}
        process: {kind: vp}
        score: {kind: empirical}
        sampling: {count: 120, solvers: [{name: ode, kind: ddim, steps: 60}]}
        evaluation: {metrics: [precision]}
        """
      _ = try makeExperiment(try plan(text), folder: folder).run()
      let row = try #require(rows(folder + "/solvers.csv").first)
      #expect(try #require(Double(row["precision"] ?? "")) > 0.9)
      #expect(try #require(Double(row["memorisation_low"] ?? "")) > 0.5)
    }
  }

  @Test("the column of memorisation is kept free for it") func taken() {
    for metric in ["{kind: mmd, name: memorisation}", "{kind: mmd, name: memorisation-low}"] {
      let error = #expect(throws: InputError.self) { try plan(tiny + "\nevaluation: {metrics: [\(metric)]}\n") }
      let message = error?.description ?? ""
      #expect(message.contains("second column memorisation") && message.hasPrefix("test.yaml:"), "\(message)")
    }
    #expect(throws: Never.self) {
      try plan(tiny, overrides: ["evaluation.metrics=[{kind: mmd, name: memorisation}, copy-test]"])
    }
  }

  @Test("where it would take long the column is empty, a note says why, and naming it asks for it") func long() throws {
    try withFolder { folder in
      // 20,000 training rows of 1,000 values against 1,001 held-out rows: more than 2·10¹⁰ values.
      let mean = [String](repeating: "0", count: 1000).joined(separator: ", ")
      let text = """
        name: long
        data: {kind: gaussian-mixture, weights: [1], means: [[\(mean)]], deviations: [1], count: 20000, held_out: 1001}
        process: {kind: vp}
        score: {kind: exact}
        sampling: {count: 4, solvers: [{name: em, kind: euler-maruyama, steps: 2}]}
        evaluation: {metrics: [{kind: sliced-wasserstein, projections: 2}], path_error: false}
        """
      _ = try makeExperiment(try plan(text), folder: folder).run()
      #expect(metrics(folder) == ["sliced_wasserstein", "memorisation"])
      #expect(rows(folder + "/solvers.csv").first?["memorisation"] == "")
      #expect(
        contents(folder + "/manifest.json").contains(
          "metric memorisation is empty: it compares with all training rows, which takes long; name it to have it"))
    }
  }

  @Test("a judging of samples that are there gives the same tables") func again() throws {
    try withFolder { folder in
      let named = try plan(tiny, overrides: ["evaluation.metrics=[mmd]"])
      _ = try makeExperiment(named, folder: folder).run()
      let before = contents(folder + "/evaluation.csv")
      _ = try makeExperiment(named, folder: folder).run([.evaluate])
      #expect(contents(folder + "/evaluation.csv") == before && before.contains(",memorisation,"))
    }
  }

  // MARK: Class accuracy

  /// What is sampled from data with classes 0 and 1, and whether class accuracy joins the usual metrics.
  static let drawn: [(changes: [String], joins: Bool)] = [
    ([], true), (["sampling.condition={class: 1}"], true), (["sampling.condition={class: in-turn}"], true),
    (["training.condition_dropout=0.1", "sampling.condition=nothing"], false),
    (["score.network.class_conditional=false"], false),
    (["score.network.class_conditional=false", "data.label=null", "data.drop=[c]"], false),
  ]

  @Test("class accuracy is a usual metric where samples are drawn for classes of the data", arguments: drawn)
  func classes(changes: [String], joins: Bool) throws {
    try withFolder { folder in
      let text = try EvaluationStageTests.labelled(folder)
      let summary = try makeExperiment(
        try plan(text, overrides: changes + ["evaluation.metrics=auto"]), folder: folder + "/r"
      ).run()
      #expect(metrics(folder + "/r") == Self.usual + (joins ? ["class_accuracy"] : []))
      #expect(summary.contains("accuracy") == joins)
      guard joins else { return }
      let figures = rows(folder + "/r/evaluation.csv").filter { $0["metric"] == "class_accuracy" }
      for figure in figures {
        let value = try #require(Double(figure["value"] ?? ""))
        // The classes are 4 apart, with sides of 1: the classifier knows all data.
        #expect((0...1).contains(value) && figure["better"] == "higher" && figure["data"] == "1.0")
      }
      let isOne = changes.contains { $0.contains("class: 1") }
      #expect(figures.contains { $0["class"] == "0" } == !isOne)
      // A config that names its metrics has those.
      _ = try makeExperiment(
        try plan(text, overrides: changes + ["evaluation.metrics=[mmd]"]), folder: folder + "/s"
      ).run()
      #expect(metrics(folder + "/s") == ["mmd", "memorisation"])
    }
  }

  @Test("samples of classes that the data does not have leave it out") func others() throws {
    try withFolder { folder in
      let file = folder + "/c.csv"
      try Data(("class\n" + [String](repeating: "1\n0\n", count: 20).joined()).utf8).write(
        to: URL(fileURLWithPath: file))
      let text = try EvaluationStageTests.labelled(folder, more: "condition: {csv: \(file)}")
        .replacing("coordinates: [standardise]\n", with: "").replacing(
          "[sliced-wasserstein, energy-distance]", with: "auto")
      _ = try makeExperiment(try plan(text), folder: folder + "/r").run()
      #expect(metrics(folder + "/r") == Self.usual + ["class_accuracy"])
      // The same network on data of one class: there is nothing to classify.
      let lines = contents(folder + "/d.csv").split(separator: "\n").filter { !$0.hasSuffix(",0") }
      try Data((lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder + "/d.csv"))
      let other = text.split(separator: "\n").compactMap { line -> String? in
        if line.hasPrefix("training: ") { return nil }
        return line.hasPrefix("score: ")
          ? "score: {kind: checkpoint, path: \(folder)/r/checkpoint.safetensors}" : String(line)
      }
      _ = try makeExperiment(try plan(other.joined(separator: "\n") + "\n"), folder: folder + "/s").run()
      #expect(metrics(folder + "/s") == Self.usual)
    }
  }
}
