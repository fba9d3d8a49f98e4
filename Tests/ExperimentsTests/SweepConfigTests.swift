// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

/// A small experiment without a network, which a sweep is put behind.
let exact = """
  name: small
  seed: 3
  data: {kind: gaussian-mixture, weights: [1, 1], means: [[-0.8], [0.8]], deviations: [0.5, 0.5], count: 200, held_out: 50}
  process: {kind: vp}
  score: {kind: exact}
  sampling: {count: 20, solvers: [{name: em, kind: euler-maruyama, steps: 5}]}
  evaluation: {metrics: [sliced-wasserstein]}

  """

func sweepConfig(_ sweep: String, base: String = exact, overrides: [String] = []) -> SweepConfig {
  SweepConfig(text: base + sweep, path: "test.yaml", overrides: overrides)
}

/// What each run has of the swept keys.
func values(_ config: SweepConfig) throws -> [[String]] { try Sweep(config, folder: "/nowhere").runs.map(\.values) }

@Suite("Sweeps in configs") struct SweepConfigTests {
  private func refused(_ sweep: String, overrides: [String] = []) -> String {
    do {
      _ = try Sweep(sweepConfig(sweep, overrides: overrides), folder: "/nowhere")
      return "nothing"
    } catch { return "\(error)" }
  }

  @Test("a grid is every combination, the last key varies fastest; numbers are written as the program writes them")
  func grid() throws {
    let config = sweepConfig("sweep: {process.beta_max: [10, 2.0e1], seed: [0x1, 2, 3]}")
    let expected = [["10", "1"], ["10", "2"], ["10", "3"], ["20", "1"], ["20", "2"], ["20", "3"]]
    #expect(try values(config) == expected)
    let plan = try config.plan()
    #expect(plan.keys == ["process.beta_max", "seed"] && plan.count == 6 && plan.name == "small")
    let (run, experiment) = try plan.run(5)
    #expect(run.folder == "runs/005" && run.settings == "process.beta_max=20 seed=2")
    #expect(experiment.seed == 2 && experiment.resolved.contains("beta_max: 20\n"))
    #expect(!experiment.resolved.contains("sweep"))
  }

  @Test("zip moves keys together, and is one axis among others; a list of them is several")
  func zipped() throws {
    let one = sweepConfig(
      "sweep: {zip: {process.beta_max: [10, 20], sampling.solvers.em.steps: [5, 9]}, seed: [1, 2]}")
    #expect(try values(one) == [["10", "5", "1"], ["10", "5", "2"], ["20", "9", "1"], ["20", "9", "2"]])
    let two = sweepConfig(
      "sweep: {zip: [{process.beta_max: [10, 20], seed: [1, 2]}, {sampling.count: [5, 6], data.count: [50, 60]}]}")
    #expect(try values(two).count == 4)
  }

  @Test("a list, or cases, are sets of keys; a run that leaves a key alone shows what it is there")
  func cases() throws {
    let list = "[{process.beta_max: 10}, {process: {kind: ve, sigma_max: 10}, seed: 7}, {}]"
    let shown = [
      ["10", "{kind: vp, beta_min: 0.1, beta_max: 10}", "3"], ["", "{kind: ve, sigma_max: 10}", "7"],
      ["20", "{kind: vp, beta_min: 0.1, beta_max: 20}", "3"],
    ]
    let found = try values(sweepConfig("sweep: \(list)"))
    #expect(found.map { $0[0] } == shown.map { $0[0] } && found.map { $0[2] } == shown.map { $0[2] })
    #expect(found[1][1] == "{kind: ve, sigma_max: 10}" && found[0][1].hasPrefix("{kind: vp, "))
    let product = try values(sweepConfig("sweep: {cases: \(list), sampling.count: [5, 6]}"))
    #expect(product.count == 6 && product.map { $0[3] } == ["5", "6", "5", "6", "5", "6"])
  }

  @Test("configs are files beside the config; its own keys win over theirs, and their paths begin in their folder")
  func configs() throws {
    try withFolder { folder in
      try FileManager.default.createDirectory(atPath: folder + "/in", withIntermediateDirectories: true)
      try "x\n0.5\n0.1\n-0.5\n0.2\n".write(toFile: folder + "/in/d.csv", atomically: true, encoding: .utf8)
      try exact.replacing("name: small", with: "name: first").write(
        toFile: folder + "/in/a.yaml", atomically: true, encoding: .utf8)
      try """
      name: second
      data: {kind: csv, path: d.csv, held_out: {share: 0.25}}
      process: {kind: vp}
      score: {kind: empirical}
      sampling: {count: 20, solvers: [{name: em, kind: euler-maruyama, steps: 7}]}
      """.write(toFile: folder + "/in/b.yaml", atomically: true, encoding: .utf8)
      try
        "name: both\nsampling: {count: 9, solvers: [{name: em, kind: euler-maruyama, steps: 5}]}\nsweep: {configs: [in/a.yaml, in/b.yaml], seed: [1, 2]}\n"
        .write(toFile: folder + "/c.yaml", atomically: true, encoding: .utf8)
      let config = try SweepConfig(path: folder + "/c.yaml", overrides: ["process.beta_max=9"])
      let sweep = try Sweep(config, folder: folder + "/r", store: ModelStore(folder + "/m"))
      #expect(sweep.keys == ["configs", "seed"])
      #expect(
        sweep.runs.map(\.values) == [
          ["in/a.yaml", "1"], ["in/a.yaml", "2"], ["in/b.yaml", "1"], ["in/b.yaml", "2"],
        ])
      let plans = try (1...4).map { try config.plan().run($0).plan }
      #expect(plans.map(\.name) == ["first", "first", "second", "second"])
      #expect(plans.allSatisfy { $0.sampling.count == 9 && $0.resolved.contains("beta_max: 9\n") })
      _ = try sweep.run()
      #expect(contents(folder + "/r/sweep.csv").split(separator: "\n").count == 5)
      // A list of files alone; the folder's config is the same sweep.
      try "name: both\nsweep: [in/a.yaml, in/b.yaml]\n".write(
        toFile: folder + "/d.yaml", atomically: true, encoding: .utf8)
      let alone = try Sweep(SweepConfig(path: folder + "/d.yaml"), folder: folder + "/s", quiet: true)
      #expect(alone.runs.map(\.values) == [["in/a.yaml"], ["in/b.yaml"]])
      _ = try alone.run()
      let again = try Sweep(SweepConfig(path: folder + "/s/config.yaml"), folder: folder + "/s", quiet: true)
      #expect(again.runs.map(\.configHash) == alone.runs.map(\.configHash))
      // A complaint names the file where the key stands.
      func refused(_ text: String) throws -> String {
        try text.write(toFile: folder + "/c.yaml", atomically: true, encoding: .utf8)
        do { return "\(try Sweep(SweepConfig(path: folder + "/c.yaml"), folder: "/nowhere"))" } catch {
          return "\(error)"
        }
      }
      #expect(
        try refused("name: n\nsampling: {count: -1}\nsweep: {configs: [in/a.yaml]}").contains(
          "c.yaml:2: sampling.count (run 001)"))
      #expect(try refused("name: n\nsweep: {configs: [in/x.yaml]}").contains("in/x.yaml (run 001): no such file"))
      #expect(
        try refused("name: n\nsweep: {configs: [c.yaml]}").contains(
          "c.yaml:2: sweep (run 001): a config of a sweep has none"))
      try "name: n\n".write(toFile: folder + "/in/b.yaml", atomically: true, encoding: .utf8)
      #expect(
        try refused("name: n\nsweep: {configs: [in/a.yaml, in/b.yaml]}").contains(
          "in/b.yaml:1: data (run 002): is missing"))
    }
  }

  @Test(
    "what is wrong in a sweep is told with its place",
    arguments: [
      ("sweep: 5", "test.yaml:8: sweep: is '5'; allowed: a mapping of keys"),
      ("sweep: {}", "test.yaml:8: sweep: varies nothing"),
      ("sweep: []", "test.yaml:8: sweep: is an empty list"),
      ("sweep: [{}]", "test.yaml:8: sweep: varies nothing"),
      ("sweep: [5]", "sweep: holds '5'; allowed: mappings of keys to values"),
      ("sweep:\n  seed: 4", "test.yaml:9: sweep.seed: is '4'; allowed: a list of values"),
      ("sweep:\n  seed: {a: 1}", "sweep.seed: is a mapping; allowed: a list of values"),
      ("sweep:\n  seed: []", "test.yaml:9: sweep.seed: is an empty list"),
      ("sweep:\n  sede: [1, 2]", "test.yaml:9: sweep.sede (run 001): unknown key; did you mean 'seed'?"),
      (
        "sweep:\n  process.beta_mx: [1, 2]",
        "test.yaml:9: sweep.process.beta_mx (run 001): unknown key; did you mean 'beta_max'?"
      ),
      (
        "sweep:\n  process.beta_max: [10, -3]", "test.yaml:9: sweep.process.beta_max (run 002): is -3; allowed: above 0"
      ),
      (
        "sweep:\n  process: [{kind: vp}, {kind: vp, beta_maxx: 4}]",
        "test.yaml:9: sweep.process.beta_maxx (run 002): unknown key"
      ),
      (
        "sweep:\n  zip: {seed: [1, 2], sampling.count: [4]}",
        "test.yaml:9: sweep.zip.sampling.count: has 1 value, seed has 2; allowed: as many"
      ),
      ("sweep:\n  zip: [1, 2]", "sweep.zip.0: is '1'; allowed: a mapping of keys to lists of equal length"),
      ("sweep:\n  zip: {}", "sweep.zip: is an empty mapping; allowed: a mapping"),
      ("sweep:\n  zipp: {seed: [1]}", "sweep.zipp: is a mapping; did you mean 'zip'?"),
      ("sweep:\n  cases: {seed: 4}", "sweep.cases: is a mapping; allowed: a list of mappings"),
      ("sweep:\n  configs: a.yaml", "sweep.configs: is 'a.yaml'; allowed: a list of config files"),
      ("sweep:\n  configs: [[a]]", "sweep.configs: holds a list; allowed: a list of config files"),
      ("sweep:\n  seed: [1, 1]", "test.yaml:9: sweep: runs 001 and 002 are the same (seed=1)"),
      ("sweep:\n  name: [a, b]", "runs 001 and 002 are the same"),
      (
        "sweep:\n  process.beta_max: [10, 20]\n  process: [{kind: vp}]",
        "test.yaml:10: sweep.process: stands beside process.beta_max, and one lies within the other"
      ),
      (
        "sweep: [{process.beta_max: 4, process: {kind: vp}}]",
        "test.yaml:8: sweep.0.process: stands beside process.beta_max"
      ),
      ("sweep: {seed: [1, 2], zip: {seed: [1, 2]}}", "sweep.zip.seed: is swept twice"),
      (
        "sweep: {sampling.solvers.em.steps: [1, 2], sampling.solvers.0.steps: [1, 2]}",
        "sampling.solvers.0.steps: is swept twice"
      ),
      ("sweep: {sampling.solvers.eem.steps: [1, 2]}", "'eem' is neither the index nor the name of one of 1 elements"),
      ("sweep: {process..beta_max: [1, 2]}", "sweep.process..beta_max: is no key"),
      ("sweep: {sweep.seed: [1, 2]}", "a sweep cannot be swept"),
      ("sweep: {seed.x: [1, 2]}", "(run 001): 'x' would lie inside a single value"),
      ("sweep: {paths: [a], seed: [1, 2]}", "sweep.paths: is a list; allowed: the folder"),
      (
        "sweep: {seed: [\(Array(1...400).map(String.init).joined(separator: ", "))], sampling.count: [\(Array(1...400).map(String.init).joined(separator: ", "))]}",
        "makes 400 × 400 runs; allowed: at most 100000"
      ),
      ("", "test.yaml: has no key 'sweep', which says what is varied"),
    ])
  func wrong(_ sweep: String, _ expected: String) {
    let found = refused(sweep)
    #expect(found.contains(expected), "\(found)")
    #expect(!found.contains("\n"))
  }

  @Test("--set reaches the sweep and its runs; a key that is swept has to be set in the sweep")
  func overrides() throws {
    let sweep = "sweep: {process.beta_max: [10, 20], seed: [1, 2]}"
    #expect(refused(sweep, overrides: ["seed=4"]).contains("--set seed=4: has no effect, as the sweep sets seed"))
    #expect(
      refused("sweep: [{seed: 4}, {process: {kind: vp}}]", overrides: ["process.beta_max=4"]).contains("has no effect"))
    let other = sweepConfig(sweep, overrides: ["sweep.process.beta_max=[5]", "sampling.count=7", "process={kind: vp}"])
    #expect(try values(other) == [["5", "1"], ["5", "2"]])
    #expect(try other.plan().run(1).plan.sampling.count == 7)
    #expect(
      refused(sweep, overrides: ["sweep.process.beta_max=[-5]"]).hasPrefix(
        "--set sweep.process.beta_max=[-5]: sweep.process.beta_max (run 001): is -5"))
    let added = sweepConfig("", overrides: ["sweep={seed: [1, 2]}"])
    #expect(try values(added) == [["1"], ["2"]])
    let zipped = sweepConfig(
      "sweep: {zip: {seed: [1, 2], sampling.count: [4, 5]}}", overrides: ["sweep.zip.sampling.count=[8, 9]"])
    #expect(try values(zipped) == [["1", "8"], ["2", "9"]])
  }

  @Test("swept paths begin in the config's folder, also for the config that the sweep's folder keeps") func paths()
    throws
  {
    try withFolder { folder in
      try FileManager.default.createDirectory(atPath: folder + "/in", withIntermediateDirectories: true)
      for name in ["a", "b"] {
        try "x\n0.5\n0.1\n-0.5\n0.2\n".write(toFile: "\(folder)/in/\(name).csv", atomically: true, encoding: .utf8)
      }
      try """
      name: files
      data: {kind: csv, path: a.csv, held_out: {share: 0.25}}
      process: {kind: vp}
      score: {kind: empirical}
      sampling: {count: 5, solvers: [{name: em, kind: euler-maruyama, steps: 7}]}
      sweep: [{data.path: b.csv}, {seed: 7}]
      """.write(toFile: folder + "/in/c.yaml", atomically: true, encoding: .utf8)
      let sweep = try Sweep(SweepConfig(path: folder + "/in/c.yaml"), folder: folder + "/r", quiet: true)
      #expect(sweep.runs.map(\.values) == [["b.csv", "1"], ["\(folder)/in/a.csv", "7"]])
      _ = try sweep.run()
      let again = try Sweep(SweepConfig(path: folder + "/r/config.yaml"), folder: folder + "/r", quiet: true)
      #expect(again.runs.map(\.configHash) == sweep.runs.map(\.configHash))
      #expect(try again.run().contains("2 of them before, 0 now"))
    }
  }

  @Test("--set names an element of a list by its number or its name, and complaints say so") func names() throws {
    for key in ["sampling.solvers.em.steps", "sampling.solvers.0.steps"] {
      #expect(try plan(exact, overrides: ["\(key)=9"]).resolved.contains("steps: 9\n"))
      do {
        _ = try plan(exact, overrides: ["\(key)=0"])
        Issue.record("0 steps")
      } catch { #expect("\(error)".hasPrefix("--set \(key)=0: sampling.solvers.0.steps: is 0"), "\(error)") }
    }
  }

  @Test("other commands refuse a sweep in one line; without the key the config is as any") func refusal() throws {
    do {
      _ = try plan(exact + "sweep: {seed: [1, 2]}")
      Issue.record("a sweep was taken for one experiment")
    } catch {
      #expect(
        "\(error)".hasPrefix("test.yaml:8: sweep: this config is a sweep, which `score-sde sweep test.yaml`"),
        "\(error)")
    }
    let alone = try plan(exact + "sweep: {seed: [1, 2]}", overrides: ["sweep=null"])
    #expect(try alone.resolved == plan(exact).resolved)
  }

  @Test("every shipped sweep is right, and has no warning") func shipped() throws {
    let folder = repository.appendingPathComponent("Experiments").path
    var count = 0
    for file in try FileManager.default.contentsOfDirectory(atPath: folder) where file.hasSuffix(".yaml") {
      guard try ConfigSource(path: "\(folder)/\(file)").isSweep else { continue }
      let sweep = try Sweep(SweepConfig(path: "\(folder)/\(file)"), folder: "/nowhere")
      let (warnings, notes) = try sweep.foreseen()
      #expect("\(sweep.name).yaml" == file && warnings.isEmpty && notes.isEmpty, "\(warnings)")
      count += 1
    }
    #expect(count > 0)
  }
}
