// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Comparing results folders") struct CompareTests {
  /// A folder as a run leaves it: two solvers, one metric that is better low and one that is better high.
  private func write(
    _ folder: String, name: String, values: [(Double, Double)], seed: Int = 1, hash: String = "h", count: Int = 100,
    data: String = "two-moons"
  ) throws {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    func save(_ text: String, _ file: String) throws {
      try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/\(file)"))
    }
    var solvers = "experiment,process,solver,kind,count,steps,nfe,nfe_max,seconds,seed,overrides,"
    solvers += "near,near_low,near_high,cover,cover_low,cover_high\n"
    var figures = "experiment,solver,metric,class,repeat,value,low,high,data,data_low,data_high,count,held_out,better\n"
    for (index, (near, cover)) in values.enumerated() {
      solvers += "\(name),vp,s\(index),ddim,\(count),4,5,5,0.1,\(seed),,\(near),\(near - 0.1),\(near + 0.1),"
      solvers += "\(cover),\(cover - 0.1),\(cover + 0.1)\n"
      figures += "\(name),s\(index),near,,all,\(near),\(near - 0.1),\(near + 0.1),0.2,0.1,0.3,\(count),50,lower\n"
      figures += "\(name),s\(index),cover,,all,\(cover),\(cover - 0.1),\(cover + 0.1),,,,\(count),50,higher\n"
    }
    figures += "\(name),,nll,,all,2.5,2.4,2.6,,,,50,50,lower\n"
    try save(solvers, "solvers.csv")
    try save(figures, "evaluation.csv")
    try save("{\"data_hash\": \"\(hash)\", \"seed\": \(seed)}", "manifest.json")
    try save("name: \(name)\nseed: \(seed)\ndata:\n  kind: \(data)\nprocess:\n  kind: vp\n", "config.yaml")
  }

  private func verdicts(_ folders: [String], _ file: String) throws -> [String: String] {
    try ExperimentComparison(folders).write(to: file)
    let all = rows(file).map {
      ("\($0["metric"] ?? "") \($0["solver"] ?? "") \($0["experiment"] ?? "")", $0["verdict"] ?? "")
    }
    return Dictionary(uniqueKeysWithValues: all)
  }

  @Test("what differs from the first beyond ± √(h₁² + h₂²), by Holm over a metric, is marked, and nothing else")
  func marks() throws {
    try withFolder { folder in
      try write(folder + "/a", name: "a", values: [(1, 0.5), (1, 0.5)])
      // Half widths of 0.1 each: 0.1414 is p = 0.05, and for the smaller of two p values 0.025, a difference of 0.1617.
      try write(folder + "/b", name: "b", values: [(0.8, 0.2), (1.15, 0.6)])
      try write(folder + "/c", name: "c", values: [(1.15, 0.35), (1.0, 0.5)])
      let two = try verdicts([folder + "/a", folder + "/b"], folder + "/x.csv")
      #expect(two["near s0 b"] == "better" && two["near s1 b"] == "worse")
      #expect(two["cover s0 b"] == "worse" && two["cover s1 b"] == "same")
      #expect(two["near s0 a"] == "" && two["near data b"] == "")
      // 0.15 alone is beyond 0.1414, and not as the least of two.
      let other = try verdicts([folder + "/a", folder + "/c"], folder + "/y.csv")
      #expect(other["near s0 c"] == "same" && other["cover s0 c"] == "same" && other["near s1 c"] == "same")
      let row = try #require(rows(folder + "/x.csv").first { $0["metric"] == "near" && $0["experiment"] == "b" })
      #expect(abs(try #require(Double(row["difference"] ?? "")) + 0.2) < 1e-12)
      let low = try #require(Double(row["difference_low"] ?? ""))
      #expect(abs(low - (-0.2 - 0.02.squareRoot())) < 1e-12)
      let text = try ExperimentComparison([folder + "/a", folder + "/b"]).text
      #expect(text.contains("0.80(10)+") && text.contains("1.15(10)-") && text.contains("0.60(10)"))
      #expect(
        text.contains("(model)") && text.contains("data") && text.contains("Holm") && text.contains("√(h₁² + h₂²)"))
      #expect(text.contains("config: the same but for the name"))
      let one = try ExperimentComparison([folder + "/a", folder + "/b"], metrics: ["cover"]).text
      #expect(!one.contains("near") && one.contains("cover"))
    }
  }

  @Test("other data, counts and seeds are told, and what cannot be compared is not marked") func incomparable() throws {
    try withFolder { folder in
      try write(folder + "/a", name: "a", values: [(1, 0.5)])
      try write(folder + "/hash", name: "hash", values: [(0.1, 0.5)], hash: "other")
      try write(folder + "/data", name: "data", values: [(0.1, 0.5)], hash: "other", data: "swiss-roll")
      try write(folder + "/count", name: "count", values: [(0.1, 0.5)], count: 200)
      try write(folder + "/seed", name: "seed", values: [(0.1, 0.5)], seed: 2, hash: "other")
      for (name, says, verdict) in [
        ("hash", "data of other content", ""), ("data", "other data (data.kind two-moons → swiss-roll)", ""),
        ("count", "200 and 100 samples", ""), ("seed", "other seeds (1, 2)", "better"),
      ] {
        let comparison = try ExperimentComparison([folder + "/a", folder + "/" + name])
        #expect(comparison.text.contains(says), "\(comparison.text)")
        let found = try verdicts([folder + "/a", folder + "/" + name], folder + "/x.csv")
        #expect(found["near s0 \(name)"] == verdict, "\(name)")
      }
      // A folder of an older program: no evaluation, no intervals, no manifest.
      let old = folder + "/old"
      try FileManager.default.createDirectory(atPath: old, withIntermediateDirectories: true)
      try Data(
        "experiment,process,solver,kind,count,steps,nfe,nfe_max,seconds,near\nold,vp,s0,ddim,100,4,5,5,0.1,3\n".utf8
      )
      .write(to: URL(fileURLWithPath: old + "/solvers.csv"))
      let text = try ExperimentComparison([folder + "/a", old]).text
      #expect(text.contains("figures without an interval are not marked") && text.contains("no config.yaml"))
    }
  }

  @Test("missing and damaged folders are one line each") func damaged() throws {
    try withFolder { folder in
      try write(folder + "/a", name: "a", values: [(1, 0.5)])
      try write(folder + "/b", name: "a", values: [(1, 0.5)])
      // Two experiments of one name go by their folders.
      #expect(try ExperimentComparison([folder + "/a", folder + "/b/"]).text.contains("b"))
      func message(_ places: [String], _ metrics: [String] = []) -> String {
        let error = #expect(throws: InputError.self) { try ExperimentComparison(places, metrics: metrics) }
        let text = error?.description ?? ""
        #expect(!text.contains("\n"))
        return text
      }
      #expect(message([folder + "/a", folder + "/none"]).contains("none: no such results folder"))
      #expect(message([folder + "/a", folder + "/a"]).contains("stands twice"))
      #expect(message([folder + "/a", folder + "/b"], ["nearr"]).contains("allowed: near, cover, nll"))
      for (file, text, says) in [
        ("solvers.csv", "", "solvers.csv: is empty"),
        ("solvers.csv", "x,y\n1,2\n", "has no columns experiment and solver"),
        ("solvers.csv", "experiment,solver\na\n", "solvers.csv:2: not a row"),
        ("evaluation.csv", "experiment,solver\na,b\n", "evaluation.csv: has no column metric"),
        ("manifest.json", "{", "manifest.json: is damaged"),
      ] {
        try write(folder + "/b", name: "b", values: [(1, 0.5)])
        try Data(text.utf8).write(to: URL(fileURLWithPath: "\(folder)/b/\(file)"))
        let found = message([folder + "/a", folder + "/b"])
        #expect(found.contains(says), "\(found)")
      }
      try FileManager.default.removeItem(atPath: folder + "/b/solvers.csv")
      #expect(message([folder + "/a", folder + "/b"]).contains("solvers.csv: no such file"))
    }
  }

  @Test("experiments that were run are compared, and their differing keys shown") func runs() throws {
    try withFolder { folder in
      let text = EvaluationStageTests.exact
      _ = try makeExperiment(try plan(text), folder: folder + "/a").run()
      let finer = "sampling.solvers.0.steps=40"
      _ = try makeExperiment(try plan(text, overrides: ["name=finer", finer]), folder: folder + "/b").run()
      let found = try ExperimentComparison([folder + "/a", folder + "/b"]).text
      #expect(found.contains("finer against exact: config: sampling.solvers.coarse.steps 4 → 40"), "\(found)")
      let all = try verdicts([folder + "/a", folder + "/b"], folder + "/x.csv")
      #expect(all["path_error coarse finer"] == "better" && all["path_error fine finer"] == "same", "\(all)")
      #expect(throws: InputError.self) {
        try ExperimentComparison([folder + "/a", folder + "/b"]).write(to: folder + "/no/x.csv")
      }
    }
  }
}
