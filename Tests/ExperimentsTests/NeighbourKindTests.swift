// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Metrics of neighbours and classifiers in a run") struct NeighbourKindTests {
  @Test("samples that are training rows are perfect but for memorisation") func memorised() throws {
    try withFolder { folder in
      // The flow of the empirical score ends in training rows.
      let text = """
        name: memorised
        data: {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 1]], deviations: [0.4, 0.4], count: 150, held_out: 150}
        process: {kind: vp}
        score: {kind: empirical}
        sampling: {count: 120, solvers: [{name: ode, kind: ddim, steps: 60}]}
        evaluation:
          metrics:
            - precision
            - {kind: precision, name: precision-1, neighbours: 1}
            - recall
            - density
            - coverage
            - {kind: vendi, rows: 20}
            - c2st
            - memorisation
            - copy-test
            - data-copying
            - class-accuracy
        """
      _ = try makeExperiment(try plan(text), folder: folder + "/r").run()
      let row = try #require(rows(folder + "/r/solvers.csv").first)
      func value(_ column: String) throws -> Double { try #require(Double(row[column] ?? ""), "\(column)") }
      #expect(try value("precision") > 0.9)
      #expect(try value("precision_1") < value("precision"))
      #expect(try value("vendi") > 2 && value("vendi") <= 20)
      #expect(try value("memorisation") > 0.8)
      #expect(try value("copy_test") <= 0.05)
      #expect(row["copy_test_low"] == "")
      #expect(try value("data_copying") < -3)
      for name in ["precision", "recall", "density", "coverage", "vendi", "c2st", "memorisation", "data_copying"] {
        #expect(try value(name + "_low") <= value(name) && value(name) <= value(name + "_high"), "\(name)")
      }
      // The data has no classes: one line says so, and the column stays empty.
      #expect(row["class_accuracy"] == "")
      #expect(contents(folder + "/r/manifest.json").contains("a classifier needs"))
      // Real rows are no copies.
      let data = rows(folder + "/r/evaluation.csv").filter { $0["metric"] == "copy_test" }
      #expect(try #require(Double(data.first?["data"] ?? "")) > 0.01)
    }
  }

  @Test("class accuracy has the classifier's own beside it, in all rows and in each class") func classes() throws {
    try withFolder { folder in
      let text = try EvaluationStageTests.labelled(folder)
      _ = try makeExperiment(
        try plan(text, overrides: ["evaluation.metrics=[class-accuracy]"]), folder: folder + "/r"
      ).run()
      let figures = rows(folder + "/r/evaluation.csv").filter {
        $0["repeat"] == "all" && $0["metric"] == "class_accuracy"
      }
      #expect(figures.map { $0["class"] } == ["", "0", "1", "", "0", "1"])
      for figure in figures {
        let value = try #require(Double(figure["value"] ?? ""))
        #expect((0...1).contains(value))
        // The classes are 4 apart, with sides of 1.
        #expect(figure["data"] == "1.0")
        #expect(figure["better"] == "higher")
      }
    }
  }
}
