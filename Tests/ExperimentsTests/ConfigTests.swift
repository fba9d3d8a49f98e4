// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import ScoreSDE
import Testing

@Suite("Configs") struct ConfigTests {
  /// A wrong config, and what its error must say: where, what was found, what is allowed.
  static let wrong: [(change: (String, String), says: [String])] = [
    (("steps: 60", "stesp: 60"), ["test.yaml:6: training.stesp", "did you mean 'steps'"]),
    (("kind: two-moons", "kind: two-moon"), ["test.yaml:3: data.kind", "'two-moon'", "two-moons"]),
    (("kind: vp", "kind: vpp"), ["process.kind", "did you mean 'vp'"]),
    (("kind: vp", "kind: vp, beta_min: 5, beta_max: 1"), ["process.beta_max", "is 1", "beta_min"]),
    (("kind: vp", "kind: vp, beta_min: -1"), ["process.beta_min", "is -1", "above 0"]),
    (("kind: vp", "kind: vp, beta_min: 1e400"), ["process.beta_min", "1e400", "finite"]),
    (("kind: vp", "kind: vp, beta_min: fast"), ["process.beta_min", "'fast'", "number"]),
    (("kind: vp", "kind: vp, beta_min: \"2\""), ["process.beta_min", "text", "number"]),
    (("kind: vp", "kind: ve, sigma_min: 3, sigma_max: 2"), ["process.sigma_max", "above sigma_min"]),
    (("count: 40", "count: -4"), ["sampling.count", "is -4", "0 or more"]),
    (("count: 40", "count: 0"), ["sampling.count", "solvers"]),
    (("count: 40", "count: 2.5"), ["sampling.count", "'2.5'", "whole number"]),
    (("steps: 10}", "steps: 0}"), ["sampling.solvers.0.steps", "is 0", "1 or more"]),
    (("steps: 10}", "step: 10}"), ["sampling.solvers.0.step:", "did you mean 'steps'"]),
    (("rtol: 1.0e-3", "rtol: -1.0e-3"), ["rtol", "0 or more"]),
    (("atol: 1.0e-3", "atol: 0"), ["atol", "above 0"]),
    (("snr: 0.1", "snr: 1.5"), ["snr", "below 1"]),
    (("snr: 0.1", "snrr: 0.1"), ["corrector.snrr", "did you mean 'snr'"]),
    (("name: pc", "name: em"), ["sampling.solvers.1.name", "'em'", "two solvers"]),
    (("name: pc", "name: ../pc"), ["sampling.solvers.1.name", "'../pc'"]),
    (("name: tiny", "name: ../tiny"), ["test.yaml:1: name", "'../tiny'"]),
    (("name: tiny\n", ""), ["name", "missing"]),
    (("hidden: [16, 16]", "hidden: [16, 0]"), ["hidden", "'0'", "1 or more"]),
    (("hidden: [16, 16]", "hidden: 16"), ["hidden", "list"]),
    (("features: 8", "features: 7"), ["features", "is 7", "even"]),
    (("{kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}", "{kind: exact}"), ["score", "mixture"]),
    (("training: {steps: 60, batch: 64}\n", ""), ["training", "missing"]),
    (("batch: 64", "batch: 64, ema: 1"), ["training.ema", "below 1"]),
    (("batch: 64", "batch: 64, weight_decay: 0.1"), ["training.weight_decay", "adamw"]),
    (("batch: 64", "batch: 64, p_mean: 0"), ["training.p_mean", "log-normal"]),
    (("batch: 64", "batch: 64, noise_levels: normal"), ["training.noise_levels", "log-normal"]),
    (("kind: network,", "kind: network, sigma_data: 0,"), ["score.sigma_data", "is 0", "above 0, or data"]),
    (("kind: network,", "kind: network, sigma_data: dat,"), ["score.sigma_data", "'dat'", "above 0, or data"]),
    (("count: 40", "count: 40\n  grid: karas"), ["sampling.grid.kind", "did you mean 'karras'"]),
    (("count: 40", "count: 40\n  grid: {kind: karras, rho: 0}"), ["sampling.grid.rho", "1 or more"]),
    (("count: 40", "count: 40\n  grid: {kind: uniform, rho: 7}"), ["sampling.grid.rho", "unknown key"]),
    (("steps: 10}", "steps: 10, grid: karas}"), ["sampling.solvers.0.grid", "did you mean 'karras'"]),
    (
      ("kind: euler-maruyama, steps: 10}", "kind: heun, steps: 10, s_churn: 1, s_min: 2, s_max: 1}"),
      ["s_max", "at least s_min"]
    ),
    (("data: {kind: two-moons, count: 500, held_out: 200}", "data: two-moons"), ["data", "mapping"]),
    (("name: tiny", "name: tiny\nname: tiny"), ["twice"]),
    (("name: tiny", "name: [tiny"), ["not YAML"]),
    (("seed: 3", "seed: 3\nextra: 1"), ["test.yaml:3: extra", "unknown key"]),
    (("count: 40", "count: 40\n  epsilon: 1"), ["sampling.epsilon", "below 1"]),
    (
      ("seed: 3", "seed: 3\nlikelihood: {terminal: exact}"),
      ["test.yaml:3: likelihood.terminal", "exact: needs a score that knows its log density"]
    ),
    (("seed: 3", "seed: 3\nlikelihood: {epsilon: 1}"), ["likelihood.epsilon", "is 1", "below 1"]),
    (("seed: 3", "seed: 3\nlikelihood: {epsilon: 0}"), ["likelihood.epsilon", "is 0", "no noise", "above 0"]),
    (("seed: 3", "seed: 3\nlikelihood: {integrator: bsimp}"), ["likelihood.integrator", "implicit", "rkf45"]),
    (("seed: 3", "seed: 3\nlikelihood: {probes: 0}"), ["likelihood.probes", "is 0", "1 or more"]),
    (("seed: 3", "seed: 3\nlikelihood: {probe: normal}"), ["likelihood.probe:", "rademacher, gaussian"]),
    (("seed: 3", "seed: 3\nlikelihood: {levels: 2.5}"), ["likelihood.levels", "is 2.5", "whole numbers"]),
    (("seed: 3", "seed: 3\nlikelihood: {levels: 1}"), ["likelihood.levels", "is 1", "2 or more, or none"]),
    (("seed: 3", "seed: 3\nlikelihood: {levels: 3, low: 1}"), ["likelihood.high", "is 1", "above low"]),
    (("seed: 3", "seed: 3\nlikelihood: {divergense: exact}"), ["divergense", "did you mean 'divergence'"]),
    (
      ("data: {kind: two-moons, count: 500, held_out: 200}", "data: {kind: digits}\nlikelihood: {probes: many}"),
      ["likelihood.probes", "'many'"]
    ),
    (
      ("data: {kind: two-moons, count: 500, held_out: 200}", "data: {kind: csv, path: nowhere.csv}"),
      ["nowhere.csv", "no such file"]
    ),
    (
      ("data: {kind: two-moons, count: 500, held_out: 200}", "data: {kind: images, path: nowhere}"),
      ["nowhere", "no such folder"]
    ),
    (
      ("data: {kind: two-moons, count: 500, held_out: 200}", "data: {kind: images, path: ., channels: 2}"),
      ["3: data.channels", "unknown name '2'", "allowed: 1, 3"]
    ),
    (
      ("data: {kind: two-moons, count: 500, held_out: 200}", "data: {kind: idx, path: nowhere, labels: [1]}"),
      ["data.labels", "is a list; expected text"]
    ),
  ]

  @Test("a wrong config is refused with place, finding and remedy", arguments: wrong)
  func refused(change: (String, String), says: [String]) {
    let text = tiny.replacingOccurrences(of: change.0, with: change.1)
    #expect(text != tiny)
    let error = #expect(throws: InputError.self) { try plan(text) }
    for part in says { #expect(error?.description.contains(part) == true, "\(error?.description ?? "") lacks \(part)") }
    #expect(error?.description.contains("\n") == false)
  }

  /// A wrong mixture, and what the error says.
  static let mixtures: [(String, String)] = [
    ("weights: [0, 0], means: [[0], [1]], deviations: [1, 1]", "sum to 0"),
    ("weights: [1, -1], means: [[0], [1]], deviations: [1, 1]", "weight 2 is -1"),
    ("weights: [1], means: [[0], [1]], deviations: [1, 1]", "1 weights for 2 means"),
    ("weights: [1, 1], means: [[0], [1, 2]], deviations: [1, 1]", "mean 2 has 2 values"),
    ("weights: [1, 1], means: [[0], [1]], deviations: [1, 0]", "deviation 2 is 0"),
    ("weights: [1], means: [[0, 0]], covariances: [[[1, 2], [2, 1]]]", "not positive definite"),
    ("weights: [1], means: [[0, 0]], covariances: [[[1, 0.5], [0.1, 1]]]", "not symmetric"),
    ("weights: [1], means: [[0, 0]], covariances: [[[1]]]", "not 2 × 2"),
    ("weights: [1], means: [[0, .inf]], deviations: [1]", "finite number"),
    ("weights: [1], means: [[0, 0]]", "missing"),
  ]

  @Test("a wrong mixture is refused with its reason", arguments: mixtures)
  func mixture(options: String, says: String) {
    let text = tiny.replacingOccurrences(
      of: "{kind: two-moons, count: 500, held_out: 200}", with: "{kind: gaussian-mixture, \(options)}")
    let error = #expect(throws: InputError.self) { try plan(text) }
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    #expect(error?.description.hasPrefix("test.yaml:3") == true, "\(error?.description ?? "")")
  }

  @Test("files that are no configs are refused", arguments: ["", "- a\n- b\n", "just text", "a: b: c", "{", "\t"])
  func notConfigs(text: String) {
    #expect(throws: InputError.self) { try plan(text) }
  }

  @Test("a missing file and a folder are refused") func missing() throws {
    #expect(throws: InputError("no such file", at: "nowhere.yaml")) { try ConfigSource(path: "nowhere.yaml") }
    try withFolder { folder in
      _ = #expect(throws: InputError.self) { try ConfigSource(path: folder) }
    }
  }

  @Test("--set overrides, adds and reaches into lists") func overrides() throws {
    let changed = try plan(
      tiny, overrides: ["training.steps=7", "sampling.solvers.0.steps=3", "process.beta_max=12.5"])
    #expect(changed.training?.steps == 7)
    #expect(changed.sampling.solvers[0].solver.steps == 3)
    #expect(changed.resolved.contains("beta_max: 12.5"))
    let error = #expect(throws: InputError.self) { try plan(tiny, overrides: ["training.steps=no"]) }
    #expect(error?.description.contains("--set training.steps=no") == true)
    #expect(throws: InputError.self) { try plan(tiny, overrides: ["training"]) }
    #expect(throws: InputError.self) { try plan(tiny, overrides: ["sampling.solvers.9.steps=1"]) }
    #expect(throws: InputError.self) { try plan(tiny, overrides: ["name.x=1"]) }
  }

  @Test("the resolved config says the same as the config") func resolved() throws {
    let first = try plan(tiny)
    let second = try plan(first.resolved)
    #expect(first.resolved == second.resolved)
    #expect(first.trainingIdentity == second.trainingIdentity)
    #expect(first.resolved.contains("clip: 1"))
  }

  @Test("a grid is a bare name or a mapping, shared or a solver's own, and --set reaches it") func grids() throws {
    for (change, rho) in [("karras", 7.0), ("{kind: karras, rho: 3}", 3)] {
      let plan = try plan(tiny, overrides: ["sampling.grid=\(change)", "sampling.solvers.0.grid=uniform"])
      #expect((plan.sampling.grid as? KarrasGrid)?.rho == rho)
      #expect(plan.sampling.solvers[0].solver.grid is UniformGrid && plan.sampling.solvers[1].solver.grid == nil)
      #expect(try ExperimentPlan(ConfigSource(text: plan.resolved, path: "r")).resolved == plan.resolved)
    }
    #expect(try plan(tiny).sampling.grid is UniformGrid)
    #expect(try plan(tiny).resolved.contains("grid: shared"))
  }

  @Test("a solver changes nothing that training depends on, a seed does") func identity() throws {
    let base = try plan(tiny).trainingIdentity
    #expect(try plan(tiny, overrides: ["sampling.count=7"]).trainingIdentity == base)
    let changes = [
      "seed=4", "training.clip=2", "process.beta_max=19", "data.noise=0.1", "score.prediction=data",
    ]
    for change in changes {
      #expect(try plan(tiny, overrides: [change]).trainingIdentity != base)
    }
  }

  @Test("every shipped config is right, has its own name and four solvers") func shipped() throws {
    let folder = repository.appendingPathComponent("Experiments").path
    let files = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
    #expect(files.count >= 6)
    try withFolder { photos in
      // The photographs are fetched by `make photos`; two plain pictures stand in for them.
      for name in ["a", "b"] {
        try #require(Data(base64Encoded: plainPicture)).write(to: URL(fileURLWithPath: "\(photos)/\(name).png"))
      }
      for file in files {
        let overrides = file == "photos-unet.yaml" ? ["data.path=\(photos)"] : standingIn(for: file)
        let source = try ConfigSource(path: "\(folder)/\(file)", overrides: overrides)
        // SweepConfigTests has those.
        if source.isSweep { continue }
        let plan = try ExperimentPlan(source)
        #expect("\(plan.name).yaml" == file)
        // What compares guidances or starts is not there to compare solvers.
        let isGuided =
          plan.sampling.guidances.contains { $0 != nil } || plan.sampling.start != nil
          || file == "autoguidance-toy-weak.yaml"
        // So does what is about a map of few steps.
        let isOfFew = file == "reflow-ring.yaml" || file.hasPrefix("few-step")
        let fewest = file == "scenes-autoencoder.yaml" ? 0 : isGuided || isOfFew ? 1 : 4
        #expect(plan.sampling.solvers.count >= fewest, "\(file)")
      }
    }
  }
}

/// A PNG of 32 × 32 pixels of one colour.
private let plainPicture = """
  iVBORw0KGgoAAAANSUhEUgAAACAAAAAgCAIAAAD8GO2jAAAAKklEQVR42mNwaDhAU8QwasGoBaMWjFowasGoBaMWjFowasGoBaMWDBULAC3AAFvH\
  RxC+AAAAAElFTkSuQmCC
  """
