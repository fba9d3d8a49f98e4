// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

/// Docs/Results.md against what runs and commands write, both ways.
@Suite("The data dictionary") struct ResultsDocsTests {
  /// The names in the first column of the tables of each section.
  private static func sections() -> [String: Set<String>] {
    var (sections, title): ([String: Set<String>], String) = ([:], "")
    for line in contents(repository.path + "/Docs/Results.md").split(separator: "\n") {
      if line.hasPrefix("## ") || line.hasPrefix("### ") {
        title = String(line.drop { $0 == "#" || $0 == " " }.filter { $0 != "`" })
        sections[title] = []
      } else if line.hasPrefix("| `") {
        let cell = line.dropFirst(2).prefix { $0 != "|" }
        let names = cell.split(separator: "`").filter { !$0.allSatisfy { ", ".contains($0) } }.map(String.init)
        sections[title]?.formUnion(names)
      }
    }
    return sections
  }

  private static let solvers = ["em", "ode", "tame"]

  /// A name of a file with its variable part spelled as in the docs.
  private static func normal(_ file: String) -> String {
    var name = file
    for solver in solvers where name.hasPrefix("samples/\(solver)") {
      name = "samples/SOLVER" + name.dropFirst("samples/\(solver)".count)
    }
    name = name.replacing(/-repeat-\d+/, with: "-repeat-K")
    return name.replacing(/^previews\/\d+/, with: "previews/STEP")
  }

  private static func header(_ path: String) -> Set<String> {
    let line = contents(path).prefix { $0 != "\n" }
    let metrics = ["sliced_wasserstein", "mmd", "memorisation", "path_error"]
    return Set(
      line.split(separator: ",").map { column -> String in
        let name = String(column)
        for metric in metrics where name == metric || name == metric + "_low" || name == metric + "_high" {
          return "METRIC" + name.dropFirst(metric.count)
        }
        if name.firstMatch(of: /^y\d+$/) != nil { return "yJ" }
        return name.firstMatch(of: /^x\d+$/) != nil ? "xJ" : name
      })
  }

  @Test("every file and column that is written is in Docs/Results.md, and every one there is written")
  func dictionary() throws {
    let sections = Self.sections()
    var files: Set<String> = []
    var columns: [String: Set<String>] = [:]
    var keys: Set<String> = []
    try withFolder { folder in
      func run(_ text: String, _ overrides: [String], _ name: String) throws -> Experiment {
        let experiment = makeExperiment(
          try plan(text, overrides: overrides), folder: "\(folder)/\(name)", store: folder + "/models")
        _ = try experiment.run()
        for file in try FileManager.default.subpathsOfDirectory(atPath: experiment.folder) {
          var isFolder: ObjCBool = false
          _ = FileManager.default.fileExists(atPath: "\(experiment.folder)/\(file)", isDirectory: &isFolder)
          if isFolder.boolValue || file.hasPrefix(".") { continue }
          files.insert(Self.normal(file))
          if file.hasSuffix(".csv") && !file.hasPrefix("samples/") && file != "held_out.csv" {
            columns[file, default: []].formUnion(Self.header("\(experiment.folder)/\(file)"))
          }
        }
        let manifest = try JSONSerialization.jsonObject(with: Data(contents(experiment.folder + "/manifest.json").utf8))
        keys.formUnion(try #require(manifest as? [String: Any]).keys)
        return experiment
      }
      let few = [
        "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 4}, {name: ode, kind: ddim, steps: 4}]",
        "evaluation.metrics=[sliced-wasserstein, mmd]",
      ]
      // A network; its training watched, and its samples followed.
      let learned = try run(
        tiny,
        few + [
          "training.preview=30", "log=[csv, tensorboard]", "sampling.trajectories={first: 2}",
          "evaluation.repeats=2", "training.on_non_finite=skip", "sampling.figures=[png, svg, pdf]",
          "sampling.field=[0.5]",
          "likelihood={divergence: hutchinson, probes: 2, levels: 9, rtol: 1e-3, atol: 1e-3}",
        ], "learned")
      // Data whose exact score is known, by a network and as it is.
      let mixture =
        "data={kind: gaussian-mixture, weights: [1], means: [[0, 1]], deviations: [0.5], count: 90, held_out: 40}"
      _ = try run(tiny, few + [mixture, "sampling.format=npy", "evaluation.repeats=2"], "mixture")
      let wide =
        "data={kind: gaussian-mixture, weights: [1], means: [[\([String](repeating: "0", count: 257).joined(separator: ","))]], deviations: [0.5], count: 9, held_out: 9}"
      let exact = tiny.replacing("training: {steps: 60, batch: 64}\n", with: "").replacing(
        "{kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}", with: "{kind: exact}")
      let known = try run(
        exact, few + [mixture, "sampling.solvers.1.grid={kind: optimised, rows: 16, trials: 5}"], "exact")
      _ = try run(
        exact, few + [wide, "sampling.trajectories={first: 1}", "evaluation.path_error=false", "sampling.count=4"],
        "wide")

      // Images that were seen in part: as text and as NumPy's arrays.
      let seen = "sampling.observation={operator: identity, noise: 1, held_out: [0, 1]}"
      let images = exact.replacing("{kind: exact}", with: "{kind: empirical}")
      for format in ["csv", "npy"] {
        _ = try run(
          images,
          few + [
            "data={kind: digits}", seen, "sampling.guidance=dps", "sampling.format=\(format)", "evaluation.metrics=[]",
            "sampling.figures=[png, svg, pdf]", "evaluation.path_error=false",
            "sampling.start={kind: sdedit, time: 0.5, held_out: 1}",
          ], "seen-\(format)")
      }

      // Pictures for texts.
      let text =
        "score.network={kind: text-unet, channels: [4, 4, 4], blocks: 1, attention: [8], text_width: 8, text_layers: 1}"
      _ = try run(
        tiny,
        few + [
          "data={kind: scenes, count: 8, held_out: 4}", text, "training.steps=1", "training.batch=4",
          "sampling.count=2",
          "sampling.condition={rows: held-out}", "sampling.figures=[png, svg, pdf]", "evaluation.metrics=[]",
        ], "texts")

      // An autoencoder alone.
      _ = try run(AutoencoderRunTests.autoencoder, ["training.steps=1"], "autoencoder")

      // Particles.
      _ = try run(
        exact,
        few + [
          mixture, "sampling.observation={operator: {kind: matrix, values: [[1, 0]]}, noise: 0.5, value: [0.3]}",
          "sampling.guidance={kind: smc, particles: 4}", "evaluation.metrics=[]", "evaluation.path_error=false",
          "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 4}]",
        ], "particles")

      func command(_ titles: String, _ write: (String) throws -> Void) throws {
        let file = folder + "/\(titles).csv"
        try write(file)
        columns[titles] = Self.header(file)
      }
      try command("likelihood") {
        _ = try learned.logDensities(of: PointFiles(input: nil, output: $0, count: 20))
      }
      try command("encode, decode, interpolate, score") {
        _ = try known.encode(PointFiles(input: nil, output: $0, count: 4))
      }
      try command("converge") { _ = try known.measureOrders(steps: [4, 8], rows: 16, output: $0) }
      try command("check") { _ = try? known.checkProcess(rows: 100, steps: 10, tolerance: 0.01, output: $0) }
      try command("compare") { try ExperimentComparison([learned.folder, known.folder]).write(to: $0) }
      try command("sweep") {
        let config = SweepConfig(
          text: exact + "\nsweep: {seed: [1, 2]}\n", path: "sweep.yaml", overrides: few + [mixture])
        let sweep = try Sweep(config, folder: folder + "/sweep", store: ModelStore(folder + "/models"), quiet: true)
        _ = try sweep.run { try $0.perform() }
        try FileManager.default.copyItem(atPath: folder + "/sweep/sweep.csv", toPath: $0)
      }
      columns["sweep"] = Set(try #require(columns["sweep"]).map { $0 == "seed" ? "KEY" : $0 })
    }
    let documented = Set(sections.keys.filter { $0.contains(".") }).union(sections["samples"] ?? [])
    #expect(files == documented, "\(files.symmetricDifference(documented).sorted())")
    #expect(keys == sections["manifest.json"], "\(keys.symmetricDifference(sections["manifest.json"] ?? []).sorted())")
    #expect(columns.count == 16, "\(columns.keys.sorted())")
    for (title, names) in columns {
      let known = sections[title] ?? []
      #expect(names == known, "\(title): \(names.symmetricDifference(known).sorted())")
    }
  }
}
