// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Experiments
import Foundation
import Testing

/// The rows of a table by the names of its columns. No field here has commas or quotes.
func rows(_ path: String) -> [[String: String]] {
  let lines = contents(path).split(separator: "\n").map {
    $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
  }
  return lines.dropFirst().map { line in
    Dictionary(uniqueKeysWithValues: lines[0].indices.map { (lines[0][$0], $0 < line.count ? line[$0] : "missing") })
  }
}

/// The values of a file of samples.
func samples(_ path: String) -> Batch {
  let lines = contents(path).split(separator: "\n").dropFirst()
  return Batch(rows: lines.map { $0.split(separator: ",").compactMap { Double($0) } })
}

@Suite("Evaluation: tables, repeats, classes") struct EvaluationStageTests {
  /// Solvers of an exact score, in moments.
  static let exact = """
    name: exact
    seed: 5
    data: {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.3, 0.4], count: 200, held_out: 150}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 60
      grid: log-snr
      solvers:
        - {name: coarse, kind: euler-maruyama, steps: 4}
        - {name: fine, kind: euler-maruyama, steps: 60}
        - {name: ode, kind: ddim, steps: 40}
    """

  /// A table of two classes far apart, and a network that is told the class.
  static func labelled(_ folder: String, more: String = "") throws -> String {
    let lines = (0..<300).map { row in
      let (label, u, v) = (row % 3 == 0 ? 1 : 0, Double(row * 37 % 101) / 101, Double(row * 53 % 97) / 97)
      return "\(4 * Double(label) + u),\(v - Double(label)),\(label)"
    }
    try Data(("a,b,c\n" + lines.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder + "/d.csv"))
    return """
      name: labelled
      data: {kind: csv, path: \(folder)/d.csv, label: c}
      coordinates: [standardise]
      process: {kind: vp}
      score: {kind: network, network: {kind: mlp, hidden: [16], features: 4, class_conditional: true}}
      training: {steps: 20, batch: 32}
      sampling:
        count: 40
        \(more)
        solvers: [{name: em, kind: euler-maruyama, steps: 8}, {name: ode, kind: ddim, steps: 8}]
      evaluation: {metrics: [sliced-wasserstein, energy-distance]}
      """
  }

  @Test("solvers.csv and evaluation.csv have the columns of the contract, and agree") func columns() throws {
    try withFolder { folder in
      let plan = try plan(Self.exact, overrides: ["evaluation.metrics=[mmd, sliced-wasserstein]", "sampling.count=50"])
      _ = try makeExperiment(plan, folder: folder).run()
      let header = contents(folder + "/solvers.csv").prefix { $0 != "\n" }
      #expect(
        header == "experiment,process,solver,kind,count,steps,nfe,nfe_max,seconds,seed,overrides,mmd,mmd_low,mmd_high,"
          + "sliced_wasserstein,sliced_wasserstein_low,sliced_wasserstein_high,memorisation,memorisation_low,"
          + "memorisation_high,path_error,path_error_low,path_error_high"
      )
      #expect(
        contents(folder + "/evaluation.csv").prefix { $0 != "\n" }
          == "experiment,solver,metric,class,repeat,value,low,high,data,data_low,data_high,count,held_out,better")
      let figures = rows(folder + "/evaluation.csv")
      // Three metrics of three solvers, together and of the one repeat; and a path error each.
      #expect(figures.count == 3 * (3 * 2 + 1))
      let places = ["mmd": 0, "sliced_wasserstein": 3, "memorisation": 6, "path_error": 9]
      for (metric, place) in places {
        for line in contents(folder + "/solvers.csv").split(separator: "\n").dropFirst() {
          // The overrides have a comma, and stand in quotes.
          #expect(line.contains(",5,\"evaluation.metrics=[mmd, sliced-wasserstein] sampling.count=50\","))
          let fields = line.components(separatedBy: "\",").last?.split(separator: ",", omittingEmptySubsequences: false)
          let own = try #require(fields).dropFirst(place).prefix(3).map(String.init)
          let solver = String(line.split(separator: ",")[2])
          let figure = try #require(
            figures.first { $0["solver"] == solver && $0["metric"] == metric && $0["repeat"] == "all" })
          #expect([figure["value"], figure["low"], figure["high"]] == own.map(Optional.some))
          let (value, low, high) = (Double(own[0]) ?? .nan, Double(own[1]) ?? .nan, Double(own[2]) ?? .nan)
          // Where no sample is near a training row, none varies in that.
          #expect(low <= value && value <= high && (low < high || metric == "memorisation"), "\(metric) of \(solver)")
          #expect(figure["count"] == "50" && figure["better"] == "lower" && figure["class"] == "")
          #expect(figure["held_out"] == (metric == "path_error" ? "" : "150"))
          #expect((Double(figure["data"] ?? "") != nil) == (metric != "path_error"))
        }
      }
      let data = Set(figures.filter { $0["metric"] == "mmd" }.compactMap { $0["data"] })
      #expect(data.count == 1, "real rows are judged once")
    }
  }

  @Test("a folder of an older program is judged: tables are read by the names of their columns") func older() throws {
    try withFolder { folder in
      let experiment = makeExperiment(try plan(Self.exact), folder: folder)
      _ = try experiment.run()
      let now = rows(folder + "/evaluation.csv")
      let lines = contents(folder + "/solvers.csv").split(separator: "\n").map { $0.split(separator: ",").prefix(9) }
      // As before there were seeds and intervals, and with columns in another order.
      let old = lines.map { (Array($0.dropFirst(2)) + Array($0.prefix(2))).joined(separator: ",") }
      try Data((old.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder + "/solvers.csv"))
      _ = try experiment.run([.evaluate])
      #expect(rows(folder + "/evaluation.csv") == now)
      #expect(rows(folder + "/solvers.csv").map { $0["seed"] } == ["", "", ""])
      for damaged in ["", "experiment,solver\n", "a,a\n1,2\n", old[0] + "\n1,2\n", old[0] + "\nx" + old[1] + "x"] {
        try Data(damaged.utf8).write(to: URL(fileURLWithPath: folder + "/solvers.csv"))
        if damaged == "experiment,solver\n" { continue }
        let error = #expect(throws: InputError.self) { try experiment.run([.evaluate]) }
        #expect(error?.location.hasPrefix(folder + "/solvers.csv") == true, "\(error?.description ?? "none")")
      }
    }
  }

  // MARK: Repeats

  @Test(
    "repeats are other rows of the same noise; the first is what it is without, and all threads give the same bytes")
  func repeats() throws {
    try withFolder { folder in
      func run(_ name: String, _ overrides: [String], threads: Int = 2) throws {
        _ = try makeExperiment(
          try plan(tiny, overrides: overrides), folder: "\(folder)/\(name)", store: folder + "/models", threads: threads
        ).run()
      }
      try run("once", [])
      try run("many", ["evaluation.repeats=3"], threads: 1)
      try run("again", ["evaluation.repeats=3"], threads: 3)
      // Repeats begin at whole blocks of rows; the tiny network's have 256.
      try run("long", ["sampling.count=552"])
      for solver in ["em", "pc", "ode"] {
        #expect(contents("\(folder)/once/samples/\(solver).csv") == contents("\(folder)/many/samples/\(solver).csv"))
        let second = samples("\(folder)/many/samples/\(solver)-repeat-2.csv")
        let third = samples("\(folder)/many/samples/\(solver)-repeat-3.csv")
        let long = samples("\(folder)/long/samples/\(solver).csv")
        // Adaptive steps are shared by a block, which has the same rows in both.
        #expect(second.values == Array(long.values[2 * 256..<2 * 296]))
        #expect(third.values == Array(long.values[2 * 512..<2 * 552]))
      }
      for file in ["evaluation.csv", "samples/em-repeat-2.csv"] {
        #expect(contents("\(folder)/many/\(file)") == contents("\(folder)/again/\(file)"))
      }
      let figures = rows(folder + "/many/evaluation.csv").filter { $0["metric"] == "mmd" && $0["solver"] == "em" }
      #expect(figures.map { $0["repeat"] } == ["all", "1", "2", "3"])
      let values = figures.compactMap { Double($0["value"] ?? "") }
      try #require(values.count == 4)
      #expect(abs(values[0] - (values[1] + values[2] + values[3]) / 3) < 1e-15 && Set(values).count == 4)
      func width(_ row: [String: String]) -> Double {
        (Double(row["high"] ?? "") ?? .nan) - (Double(row["low"] ?? "") ?? .nan)
      }
      // The samples' part of the variance shrinks to a third, that of the shared held-out rows does not.
      let single = (width(figures[1]) + width(figures[2]) + width(figures[3])) / 3
      #expect(width(figures[0]) < single && width(figures[0]) > single / 3.0.squareRoot())
      let (one, three) = (rows(folder + "/once/solvers.csv"), rows(folder + "/many/solvers.csv"))
      #expect(
        one.map { $0["count"] } == three.map { $0["count"] } && three[0]["nfe"] == "11" && three[0]["steps"] == "10")
      // Fewer repeats: the files of the others go.
      _ = try makeExperiment(
        try plan(tiny, overrides: ["evaluation.repeats=2"]), folder: folder + "/many", store: folder + "/models"
      ).run()
      let files = try FileManager.default.contentsOfDirectory(atPath: folder + "/many/samples")
      #expect(files.contains("em-repeat-2.csv") && !files.contains("em-repeat-3.csv"))
    }
  }

  @Test("stages one by one give the same tables, and samples of a missing repeat are a failure") func stages() throws {
    try withFolder { folder in
      let twice = try plan(Self.exact, overrides: ["evaluation.repeats=2"])
      _ = try makeExperiment(twice, folder: folder + "/a").run()
      let staged = makeExperiment(twice, folder: folder + "/b")
      _ = try staged.run([.sample])
      #expect(!FileManager.default.fileExists(atPath: folder + "/b/evaluation.csv"))
      _ = try staged.run([.evaluate])
      #expect(contents(folder + "/a/evaluation.csv") == contents(folder + "/b/evaluation.csv"))
      // Other samples make old figures wrong.
      let fewer = try plan(Self.exact, overrides: ["sampling.count=30"])
      _ = try makeExperiment(fewer, folder: folder + "/b").run([.sample])
      #expect(!FileManager.default.fileExists(atPath: folder + "/b/evaluation.csv"))
      let failure = #expect(throws: ExperimentFailure.self) { try staged.run([.evaluate]) }
      #expect(
        failure?.description.contains("samples/coarse-repeat-2.csv: no such file") == true,
        "\(failure?.description ?? "")")
    }
  }

  @Test("a solver may not have the name of another's repeat") func names() {
    for name in ["em-repeat-2", "EM-repeat-17"] {
      let error = #expect(throws: InputError.self) { try plan(tiny, overrides: ["sampling.solvers.1.name=\(name)"]) }
      #expect(error?.message.contains("names a file of its") == true)
    }
    #expect(throws: Never.self) { try plan(tiny, overrides: ["sampling.solvers.1.name=em-repeat-x"]) }
  }

  // MARK: Metrics by name

  static let wrong: [(metrics: String, says: String)] = [
    ("[mmd, mmd]", "names 'mmd' twice"), ("[{kind: mmd, name: mmd-low}, mmd]", "second column mmd_low"),
    ("[{kind: mmd, name: seconds}]", "second column seconds"), ("[{kind: mmd, name: 'a b'}]", "allowed: letters"),
    ("[{kind: mdm}]", "did you mean 'mmd'?"), ("[mdm]", "did you mean 'mmd'?"), ("mmd", "is not a list"),
    ("[[mmd]]", "is a list"), ("[{kind: mmd, zzz: 1}]", "unknown key"),
    ("[{kind: mmd, name: path_error}]", "second column path_error"), ("[nll]", "nll"), ("[kl]", "kl: needs data whose"),
    ("[score-error]", "score-error: needs data whose exact score"),
    ("[bits-per-dimension]", "needs data of a few levels"),
  ]

  @Test("metrics that cannot be are refused in one line, with their place", arguments: wrong)
  func refused(metrics: String, says: String) throws {
    let overrides = [
      "evaluation={metrics: \(metrics), path_error: true}",
      metrics == "[nll]" ? "likelihood={divergence: exact, integrator: msbdf}" : "likelihood={rtol: 1e-4}",
    ]
    let error = #expect(throws: InputError.self) { try plan(tiny, overrides: overrides) }
    let message = error?.description ?? ""
    #expect(message.contains(says) || metrics == "[nll]" && message.contains("likelihood"), "\(message)")
    #expect(!message.contains("\n") && !(error?.location.isEmpty ?? true), "\(message)")
  }

  @Test("a kind may stand twice, under names of its own") func twice() throws {
    try withFolder { folder in
      let metrics = "evaluation.metrics=[{kind: mmd, name: first}, {kind: mmd, name: second-one}]"
      let plan = try plan(Self.exact, overrides: [metrics])
      #expect(
        try Experiments.ExperimentPlan(ConfigSource(text: plan.resolved, path: "r.yaml")).resolved == plan.resolved)
      _ = try makeExperiment(plan, folder: folder).run()
      for row in rows(folder + "/evaluation.csv") where row["metric"] == "first" {
        let other = rows(folder + "/evaluation.csv").first {
          $0["metric"] == "second_one" && $0["solver"] == row["solver"] && $0["repeat"] == row["repeat"]
        }
        #expect(other?["value"] == row["value"])
      }
    }
  }

  @Test("a resolved config does not depend on the texts that changed it") func resolved() throws {
    let (a, b) = (try plan(tiny), try plan(tiny, overrides: ["sampling.count=40"]))
    #expect(a.resolved == b.resolved && a.overrides == "" && b.overrides == "sampling.count=40")
  }

  // MARK: Classes

  @Test("samples of one class are compared with data of that class") func oneClass() throws {
    try withFolder { folder in
      let text = try Self.labelled(folder, more: "condition: {class: 1}")
      _ = try makeExperiment(try plan(text), folder: folder + "/r").run()
      let dataset = try plan(text).data.load(seed: 1)
      let labels = try #require(dataset.heldOutConditions.listedClasses)
      let heldOut = dataset.heldOut
      func distance(_ classes: [Int]) throws -> Double {
        let chosen = labels.indices.filter { classes.contains(labels[$0]) }.flatMap { heldOut.row($0) }
        return try EnergyDistance().evaluate(
          Comparison(
            samples: samples(folder + "/r/samples/em.csv"), heldOut: Batch(values: chosen, dimension: 2), seed: 1))
      }
      let found = try #require(Double(rows(folder + "/r/solvers.csv")[0]["energy_distance"] ?? ""))
      // Sums of a few thousand distances in another order.
      #expect(abs(found - (try distance([1]))) < 1e-12)
      #expect(abs(found - (try distance([0, 1]))) > 0.1)
      let figures = rows(folder + "/r/evaluation.csv")
      let count = labels.filter { $0 == 1 }.count
      #expect(figures.allSatisfy { $0["class"] == "" && $0["held_out"] == String(count) })
      #expect(contents(folder + "/r/manifest.json").contains("samples are of class 1, and compared with its \(count)"))
      // The stage alone has no score, and knows the class all the same.
      let before = contents(folder + "/r/evaluation.csv")
      _ = try makeExperiment(try plan(text), folder: folder + "/r").run([.evaluate])
      #expect(contents(folder + "/r/evaluation.csv") == before)
    }
  }

  @Test("with classes, each has its own figures, against held-out and real rows of the class") func classes() throws {
    try withFolder { folder in
      let text = try Self.labelled(folder)
      _ = try makeExperiment(try plan(text, overrides: ["evaluation.repeats=2"]), folder: folder + "/r").run()
      let dataset = try plan(text).data.load(seed: 1)
      let labels = try #require(dataset.heldOutConditions.listedClasses)
      let all = samples(folder + "/r/samples/ode-repeat-2.csv")
      let figures = rows(folder + "/r/evaluation.csv").filter {
        $0["metric"] == "energy_distance" && $0["solver"] == "ode"
      }
      #expect(figures.count == 3 * 3)
      for label in [0, 1] {
        let own = figures.filter { $0["class"] == String(label) }
        #expect(own.map { $0["repeat"] } == ["all", "1", "2"] && own.allSatisfy { $0["count"] == "20" })
        let held = labels.indices.filter { labels[$0] == label }
        #expect(own.allSatisfy { $0["held_out"] == String(held.count) })
        let heldOut = dataset.heldOut
        let drawn = (0..<40).filter { $0 % 2 == label }.flatMap { all.row($0) }
        let expected = try EnergyDistance().evaluate(
          Comparison(
            samples: Batch(values: drawn, dimension: 2),
            heldOut: Batch(values: held.flatMap { heldOut.row($0) }, dimension: 2), seed: 1))
        #expect(abs(try #require(Double(own[2]["value"] ?? "")) - expected) < 1e-12)
        // Real rows of the class are near its held-out rows; those of all classes would be 4 away in half of the cases.
        #expect(abs(try #require(Double(own[0]["data"] ?? ""))) < 0.3)
      }
    }
  }

  @Test("samples of some classes are compared with these; one that is never held out leaves metrics empty")
  func someClasses() throws {
    try withFolder { folder in
      let file = folder + "/c.csv"
      try Data(("class\n" + [String](repeating: "1\n", count: 40).joined()).utf8).write(to: URL(fileURLWithPath: file))
      let text = try Self.labelled(folder, more: "condition: {csv: \(file)}")
      _ = try makeExperiment(try plan(text), folder: folder + "/r").run()
      #expect(contents(folder + "/r/manifest.json").contains("samples are of class 1, and compared with its 17"))
      // Two rows of class 1 are left: one trains, and one is held out.
      let lines = contents(folder + "/d.csv").split(separator: "\n")
      let few = lines.filter { !$0.hasSuffix(",1") } + lines.filter { $0.hasSuffix(",1") }.prefix(1)
      try Data((few.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder + "/d.csv"))
      _ = try makeExperiment(try plan(text), folder: folder + "/s").run()
      #expect(rows(folder + "/s/solvers.csv").allSatisfy { $0["energy_distance"] == "" })
      #expect(contents(folder + "/s/manifest.json").contains("metric energy-distance is empty: "))
    }
  }
}
