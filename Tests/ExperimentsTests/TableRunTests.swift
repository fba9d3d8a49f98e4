// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Testing

/// Tables in configs, points from tables, and sampling without data.
@Suite("Tables in configs") struct TableRunTests {
  private func write(_ text: String, to path: String) throws {
    try text.write(toFile: path, atomically: true, encoding: .utf8)
  }

  private func rows(_ count: Int, _ line: (Int) -> String) -> String { (0..<count).map { line($0) + "\n" }.joined() }

  private func table(_ folder: String, _ options: String) throws -> ExperimentPlan {
    try plan(
      tiny.replacingOccurrences(of: "{kind: two-moons, count: 500, held_out: 200}", with: "{\(options)}"),
      path: folder + "/test.yaml")
  }

  @Test(arguments: [
    ("held_out: 0.2", "data.held_out", "is 0.2"), ("held_out: {share: 1}", "data.held_out.share", "below 1"),
    ("held_out: {share: 0}", "data.held_out.share", "above 0"), ("held_out: [1]", "data.held_out", "is a list"),
    ("held_out: {share: 0.2, path: t.csv}", "data.held_out.path", "stands beside share"),
    ("held_out: {shares: 0.2}", "data.held_out.shares", "path, share"),
    ("held_out: {path: no.csv}", "no.csv", "no such"),
    ("columns: [x], drop: [y]", "data.drop", "stands beside columns"),
    ("header: maybe", "data.header", "auto, yes, no"),
    ("separator: \"|\"", "data.separator", "semicolon"), ("decimal: \";\"", "data.decimal", "point, comma"),
    ("range: [0, 255]", "data.range", "without shape"),
    ("shape: [1, 2, 1], range: [2, 1]", "data.range", "[low, high]"),
    ("shape: [1, 2, 2]", "data.shape", "1 or 3 channels"), ("shape: [1, 2, 1]", "test.csv:2", "range"),
    ("shap: [1, 2, 1]", "data.shap", "shape"), ("label: x, text: y", "data.text", "stands beside label"),
  ])
  func wrongOptionsAreNamed(_ option: String, _ place: String, _ says: String) throws {
    try withFolder { folder in
      try write("x,y\n" + rows(12) { "\($0 + 5),\($0 % 5)" }, to: folder + "/test.csv")
      let error = #expect(throws: InputError.self) { try table(folder, "kind: csv, path: test.csv, \(option)") }
      #expect(error?.description.contains(place) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    }
  }

  /// The resolved config is the run: read again, it says the same.
  @Test(arguments: [
    "", "separator: \";\"", "separator: ';', decimal: \",\", header: yes, drop: [z]",
    "held_out: t.csv, columns: [y, '0']",
    "held_out: {share: 0.25}, condition: [z]", "shape: [1, 3, 1], range: [-10, 300]",
  ])
  func resolvedConfigsAreReadAgain(_ options: String) throws {
    try withFolder { folder in
      try write("x;y;z\n" + rows(12) { "\($0 + 5);\($0 % 5);\($0 % 3)" }, to: folder + "/x.csv")
      try write("z;y;x\n1;2;3\n", to: folder + "/t.csv")
      let first = try table(folder, "kind: csv, path: x.csv\(options.isEmpty ? "" : ", ")\(options)")
      let again = try plan(first.resolved, path: folder + "/test.yaml")
      #expect(again.resolved == first.resolved && again.trainingIdentity == first.trainingIdentity)
      #expect(first.resolved.contains("held_out:"))
    }
  }

  @Test func theSplitIsPartOfTheIdentity() throws {
    try withFolder { folder in
      try write("x;y\n" + rows(12) { "\($0 + 5);\($0 % 5)" }, to: folder + "/x.csv")
      let base = try table(folder, "kind: csv, path: x.csv").trainingIdentity
      #expect(try table(folder, "kind: csv, path: x.csv, held_out: {share: 0.3}").trainingIdentity != base)
      try write("1;2\n", to: folder + "/t.csv")
      let one = try table(folder, "kind: csv, path: x.csv, held_out: {path: t.csv}").trainingIdentity
      try write("1;3\n", to: folder + "/t.csv")
      #expect(try table(folder, "kind: csv, path: x.csv, held_out: {path: t.csv}").trainingIdentity != one)
    }
  }

  /// Points as `.npy`, with decimal commas and with a header are the same points.
  @Test func pointsAreReadInEveryForm() throws {
    try withFolder { folder in
      let config = """
        name: exact
        data: {kind: gaussian-mixture, weights: [1], means: [[0, 1]], deviations: [0.5], count: 10, held_out: 10}
        process: {kind: vp}
        score: {kind: exact}
        sampling: {count: 0, solvers: []}
        """
      let experiment = makeExperiment(try plan(config), folder: folder + "/r")
      let points = [[0.5, 1], [-0.25, 2], [0, 1]]
      try write("0.5,1\n-0.25,2\n0,1\n", to: folder + "/plain")
      try write("x0,x1\r\n0.5,1\r\n\"-0.25\",2\r\n0,1", to: folder + "/names")
      try write("0,5;1\n-0,25;2\n0;1\n", to: folder + "/commas")
      var header = "{'descr': '<f8', 'fortran_order': False, 'shape': (3, 2), }"
      header += String(repeating: " ", count: 117 - header.count) + "\n"
      var npy = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 118, 0]) + Data(header.utf8)
      points.flatMap { $0 }.withUnsafeBytes { npy.append(contentsOf: $0) }
      try npy.write(to: URL(fileURLWithPath: folder + "/npy"))
      var found: [String] = []
      for name in ["plain", "names", "commas", "npy"] {
        _ = try experiment.logDensities(of: PointFiles(input: "\(folder)/\(name)", output: folder + "/l.csv"))
        found.append(contents(folder + "/l.csv"))
      }
      #expect(Set(found).count == 1 && found[0].split(separator: "\n").count == 4)
      // A gap in the first line is refused, as in every other.
      for text in [",1\n0,1\n", "0,1.5\nNA,1\n"] {
        try write(text, to: folder + "/gap")
        #expect(throws: InputError.self) {
          try experiment.logDensities(of: PointFiles(input: folder + "/gap", output: folder + "/none.csv"))
        }
      }
      #expect(!FileManager.default.fileExists(atPath: folder + "/none.csv"))
    }
  }

  /// What this program writes as `.npy`, it reads.
  @Test func samplesAsArraysAreInput() throws {
    try withFolder { folder in
      let config = tiny.replacingOccurrences(of: "count: 40", with: "count: 40\n  format: npy")
      let experiment = makeExperiment(try plan(config, overrides: ["evaluation.metrics=[]"]), folder: folder + "/r")
      _ = try experiment.run()
      _ = try experiment.encode(PointFiles(input: folder + "/r/samples/ode.npy", output: folder + "/z.csv"))
      #expect(contents(folder + "/z.csv").split(separator: "\n").count == 41)
    }
  }

  // MARK: No data

  static let none = """
    name: none
    data: {kind: none, dimension: 2}
    process: {kind: vp}
    score: {kind: checkpoint, path: r/checkpoint.safetensors}
    sampling:
      count: 30
      trajectories: {first: 3}
      solvers: [{name: em, kind: euler-maruyama, steps: 10}]
    evaluation: {metrics: []}
    """

  @Test func samplesAreDrawnWithoutData() throws {
    try withFolder { folder in
      _ = try makeExperiment(
        try plan(tiny, overrides: ["evaluation.metrics=[]"]), folder: folder + "/r", store: folder + "/m"
      ).run([.train])
      let plan = try plan(Self.none, path: folder + "/none.yaml")
      let experiment = makeExperiment(plan, folder: folder + "/n", store: folder + "/m")
      _ = try experiment.run()
      #expect(contents(folder + "/n/samples/em.csv").split(separator: "\n").count == 31)
      for picture in ["em.png", "em-strip.png", "em-animation.png"] {
        #expect(FileManager.default.fileExists(atPath: "\(folder)/n/samples/\(picture)"), "\(picture)")
      }
      let error = #expect(throws: InputError.self) {
        try experiment.logDensities(of: PointFiles(input: nil, output: folder + "/l.csv"))
      }
      #expect(error?.location == "--input")
      _ = try experiment.logDensities(of: PointFiles(input: folder + "/n/samples/em.csv", output: folder + "/l.csv"))
      #expect(contents(folder + "/l.csv").split(separator: "\n").count == 31)
    }
  }

  @Test(arguments: [
    ("{kind: none}", "dimension", "is missing"),
    ("{kind: none, dimension: 2, shape: [2, 2, 1]}", "dimension", "4 values"),
    ("{kind: none, shape: [2, 2]}", "shape", "1 or 3 channels"),
    ("{kind: none, dimension: 0}", "dimension", "1 or more"),
  ])
  func noDataSaysWhatARowIs(_ data: String, _ key: String, _ says: String) throws {
    let text = Self.none.replacingOccurrences(of: "{kind: none, dimension: 2}", with: data)
    let error = #expect(throws: InputError.self) { try plan(text) }
    #expect(error?.location.hasSuffix("data.\(key)") == true && error?.message.contains(says) == true)
  }

  @Test func withoutDataNothingIsTrained() throws {
    let data = "{kind: none, dimension: 2}"
    let error = #expect(throws: InputError.self) {
      try plan(tiny.replacingOccurrences(of: "{kind: two-moons, count: 500, held_out: 200}", with: data))
    }
    #expect(error?.location == "test.yaml:3: data" && error?.message.contains("no rows") == true)
  }
}
