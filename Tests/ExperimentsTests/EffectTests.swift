// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import ScoreSDE
import Testing

@Suite("Options without effect, names and paths") struct EffectTests {
  private static let digits = "data={kind: digits}"

  /// Changes of a small config, and the option that has no effect, with what it needs.
  static let idle: [(changes: [String], says: [String])] = [
    (["process={kind: vp, schedule: cosine, beta_max: 20}"], ["process.beta_max", "schedule: linear"]),
    (["process={kind: ve, schedule: laplace, sigma_min: 1}"], ["process.sigma_min", "schedule: geometric"]),
    (["process={kind: cld, schedule: cosine, beta: 4}"], ["process.beta", "schedule: constant"]),
    (
      ["process={kind: formula, alpha: '1-t', sigma: t, duration: 0.9, tolerance: 1e-6}"],
      ["process.tolerance", "drift_rate and diffusion"]
    ),
    (
      ["process={kind: formula, drift_rate: '-1', diffusion: '1', parameters: {b: 2}}"],
      ["parameters", "'b'", "no formula"]
    ),
    (["process={kind: vp, schedule: {kind: ddpm, levels: 1, first: 0.9, last: 0.5}}"], ["last", "levels: 2 or more"]),
    (["coordinates=[{kind: dequantise, low: 0}]", digits], ["coordinates.0.low", "levels: a number"]),
    (["score.sigma_data=2"], ["score.sigma_data", "prediction: edm"]),
    (["score.network.scale=2"], ["score.network.scale", "time: fourier"]),
    (
      ["score.network={kind: unet, channels: [8, 8], groups: 4, attention: [5]}", digits],
      ["attention has no effect at height 5", "[8, 4]"]
    ),
    (["score.network={kind: unet, channels: [8], scale: 2}", digits], ["score.network.scale", "time: fourier"]),
    (["training.weight_decay=0.1"], ["training.weight_decay", "optimiser: adamw"]),
    (["training.p_std=2"], ["training.p_std", "noise_levels: log-normal"]),
    (["sampling.solvers.0={name: h, kind: heun, steps: 5, s_noise: 1.1}"], ["solvers.0.s_noise", "s_churn above 0"]),
    (["sampling.solvers.0.last_step=first"], ["solvers.0.last_step", "order 2 or more"]),
    (
      ["sampling.solvers.0={name: s, kind: scheduler, steps: 5, denoise: false}"],
      ["solvers.0.denoise", "ends at epsilon"]
    ),
    (["sampling.solvers.0={name: s, kind: scheduler, steps: 5, order: 3}"], ["solvers.0.order", "dpm-solver++"]),
    (
      ["sampling.solvers.0={name: d, kind: deis, order: 1, steps: 5, last_step: full}"],
      ["last_step", "order 2 or more"]
    ),
    (["sampling.solvers.2.dense=10"], ["solvers.2.dense", "sampling.trajectories"]),
    (["sampling.solvers.2.a_y=2"], ["solvers.2.a_y", "control: standard or scaled"]),
    (["sampling.trajectories={rows: [1], first: 3}"], ["trajectories.first", "rows: first"]),
    (
      ["sampling.grid=karras", "sampling.solvers=[{name: ode, kind: probability-flow}]"],
      ["sampling.grid", "a solver of fixed steps"]
    ),
    (
      ["sampling.path=coupled", "sampling.solvers=[{name: d, kind: ddim, steps: 5}]"],
      ["sampling.path", "adds noise"]
    ),
    (["likelihood.probes=3"], ["likelihood.probes", "auto is exact"]),
    (["likelihood={divergence: exact, probe: gaussian}"], ["likelihood.probe", "divergence: hutchinson"]),
    (["likelihood.low=0"], ["likelihood.low", "levels"]),
    (["likelihood.dequantise=false"], ["likelihood.dequantise", "levels"]),
    (
      ["likelihood.dequantise=false", digits, "coordinates=[dequantise]"],
      ["likelihood.dequantise", "coordinates that do not dequantise"]
    ),
    (["likelihood.levels=256", digits, "coordinates=[dequantise]"], ["likelihood.levels", "dequantise 17"]),
  ]

  @Test("an option that has no effect is refused with what would give it one", arguments: idle.indices)
  func refused(index: Int) {
    let (changes, says) = Self.idle[index]
    let error = #expect(throws: InputError.self) { try plan(tiny, overrides: changes) }
    let message = error?.description ?? ""
    for part in says { #expect(message.contains(part), "\(changes): \(message)") }
    #expect(
      !message.contains("\n") && (message.contains("no effect") || message.contains("other levels")), "\(message)")
  }

  @Test("what older programs wrote out by default is read") func defaults() throws {
    let usual = try plan(tiny)
    let written = [
      "score.sigma_data=data", "score.network.scale=0.2", "training.weight_decay=0", "training.p_mean=-1.2",
      "sampling.grid=uniform", "sampling.path=independent", "likelihood.probes=16", "likelihood.low=-1",
      "likelihood.dequantise=true", "sampling.solvers.0.last_step=auto",
    ]
    let other = try plan(tiny, overrides: written)
    #expect(other.resolved == usual.resolved && other.trainingIdentity == usual.trainingIdentity)
  }

  // MARK: Paths

  @Test("a resolved config is the run, wherever it lies") func anywhere() throws {
    try withFolder { folder in
      for (name, count) in [("exp", 40), ("exp/out", 50), (".", 60)] {
        try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
        let rows = (0..<count).map { "\(Double($0 % 7) / 7),\(Double($0 % 5) / 5)" }
        try Data((["a,b"] + rows).joined(separator: "\n").utf8).write(
          to: URL(fileURLWithPath: "\(folder)/\(name)/d.csv"))
      }
      let text = tiny.replacing("{kind: two-moons, count: 500, held_out: 200}", with: "{kind: csv, path: ./d.csv}")
      let file = folder + "/exp/c.yaml"
      try Data(text.utf8).write(to: URL(fileURLWithPath: file))
      let first = try ExperimentPlan(ConfigSource(path: file))
      let store = folder + "/models"
      _ = try makeExperiment(first, folder: folder + "/exp/out", store: store).run()
      let copy = folder + "/moved.yaml"
      try FileManager.default.copyItem(atPath: folder + "/exp/out/config.yaml", toPath: copy)
      for path in [folder + "/exp/out/config.yaml", copy] {
        let again = try ExperimentPlan(ConfigSource(path: path))
        #expect(again.trainingIdentity == first.trainingIdentity && again.resolved == first.resolved)
        #expect(again.resolved.contains("path: ") && again.resolved.contains("\(folder)/exp/d.csv"))
        let summary = try makeExperiment(again, folder: folder + "/again", store: store).run()
        #expect(summary.contains("used again"))
        #expect(contents(folder + "/again/samples/em.csv") == contents(folder + "/exp/out/samples/em.csv"))
      }
    }
  }

  @Test("texts of any characters come back from a resolved config") func quoting() throws {
    for text in [
      "a b", "null", "yes", "1e5", "~", "x: y", "#", "a\\b\"c", "tab\there", "line\nbreak", "é", "\u{1}", "\u{2028}",
      "\u{85}", "'", "- a", "*a", "&a", "!a", "<<", "{", "", " ",
    ] {
      let escaped = text.unicodeScalars.map {
        "\\U" + String(repeating: "0", count: 8 - String($0.value, radix: 16).count)
          + String($0.value, radix: 16)
      }.joined()
      guard let first = try? plan(tiny, overrides: ["sampling.condition={csv: \"x\(escaped)y\"}"]) else { continue }
      let second = try plan(first.resolved)
      #expect(first.sampling.condition == second.sampling.condition || text.isEmpty, "\(first.resolved)")
    }
    let error = #expect(throws: InputError.self) { try plan(tiny, overrides: ["sampling.condition={csv: \"a\\0b\"}"]) }
    #expect(error?.message.contains("code 0") == true)
  }

  // MARK: Names

  @Test(
    "names that would be files elsewhere are refused",
    arguments: [
      "..", ".", "../a", "/tmp/a", "a/b", "a\\b", ".hidden", "-a", "a b", "a\u{0}b", "a\nb", "a\u{202e}b", "ä", "a\r\n",
      "~",
      "$HOME", "a:b", "a*", "con|x", "\u{fe0f}", String(repeating: "a", count: 101), "''", "\"\"",
    ])
  func names(name: String) {
    let escaped =
      name == "''" || name == "\"\""
      ? name
      : "\""
        + name.unicodeScalars.map {
          "\\U" + String(repeating: "0", count: 8 - String($0.value, radix: 16).count) + String($0.value, radix: 16)
        }.joined() + "\""
    for key in ["name", "sampling.solvers.1.name"] {
      let error = #expect(throws: InputError.self) { try plan(tiny, overrides: ["\(key)=\(escaped)"]) }
      let message = error?.description ?? ""
      #expect(message.contains(key) && !message.contains("\n"), "\(message)")
    }
  }

  @Test("solvers do not share files: names differ in more than case, and none is another's strip")
  func shared() {
    for name in ["EM", "em", "Em", "em-strip", "EM-animation", "em-trajectories"] {
      let error = #expect(throws: InputError.self) { try plan(tiny, overrides: ["sampling.solvers.1.name=\(name)"]) }
      #expect(error?.description.contains("solvers.1.name: '\(name)'") == true, "\(error?.description ?? "")")
    }
    let error = #expect(throws: InputError.self) {
      try plan(tiny, overrides: ["sampling.solvers.0.name=pc-strip"])
    }
    #expect(error?.message.contains("names a file of its") == true)
  }

  @Test("a link in place of the folder of samples is not followed") func link() throws {
    try withFolder { folder in
      for name in ["/r", "/elsewhere"] {
        try FileManager.default.createDirectory(atPath: folder + name, withIntermediateDirectories: true)
      }
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/r/samples", withDestinationPath: folder + "/elsewhere")
      #expect(throws: (any Error).self) {
        try makeExperiment(try plan(tiny), folder: folder + "/r", store: folder + "/models").run()
      }
      #expect(try FileManager.default.contentsOfDirectory(atPath: folder + "/elsewhere").isEmpty)
      // A link in place of a file is replaced, and what it named stays.
      try FileManager.default.removeItem(atPath: folder + "/r/samples")
      try Data("kept".utf8).write(to: URL(fileURLWithPath: folder + "/elsewhere/f"))
      try FileManager.default.createSymbolicLink(
        atPath: folder + "/r/solvers.csv", withDestinationPath: folder + "/elsewhere/f")
      _ = try makeExperiment(try plan(tiny), folder: folder + "/r", store: folder + "/models").run()
      #expect(contents(folder + "/elsewhere/f") == "kept" && contents(folder + "/r/solvers.csv").contains("tiny"))
    }
  }

  // MARK: Processes

  static let overflowing = [
    "{kind: vp, beta_max: 4000}", "{kind: sub-vp, beta_max: 4000}", "{kind: vp, beta_min: 4000, beta_max: 4000}",
    "{kind: vp, schedule: {kind: sigmoid, beta_max: 4000}}", "{kind: edm, sigma_max: 1e200}",
    "{kind: ve, sigma_max: 1e160}",
    "{kind: ve, sigma_min: 1e-200}", "{kind: cld, beta: 1e4}", "{kind: ornstein-uhlenbeck, noise: [[1, 0], [0, 1e70]]}",
    "{kind: ornstein-uhlenbeck, noise: [[1, 0], [0, 1]], relaxation: [[1, 0], [0, 1e6]]}",
    "{kind: formula, drift_rate: '-3000', diffusion: '1'}", "{kind: geometric-brownian-motion, volatility: 1e3}",
  ]

  @Test("processes whose numbers overflow are refused with their place", arguments: overflowing)
  func overflow(process: String) {
    let text = tiny.replacing("training: {steps: 60, batch: 64}\n", with: "").replacing(
      "{kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}", with: "{kind: empirical}")
    let error = #expect(throws: InputError.self) {
      try plan(
        text,
        overrides: [
          "process=\(process)", "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 10}]",
        ])
    }
    let message = error?.description ?? ""
    #expect(message.contains("process: ") || message.contains("process.kind: "), "\(message)")
    #expect(message.contains("allowed: ") || message.contains("needs σ/m"), "\(message)")
    #expect(!message.contains("\n"))
  }

  @Test("β_max: 4000 is refused in the words of the grid") func words() {
    let error = #expect(throws: InputError.self) {
      try plan(tiny, overrides: ["process.beta_max=4000", "score.prediction=edm"])
    }
    #expect(
      error?.message
        == "vp: needs σ/m to grow from above 0 at ε to a finite value at T; it is 0.01048787391617402 and inf"
        || error?.message.contains("needs σ/m to grow from above 0 at ε to a finite value at T") == true,
      "\(error?.description ?? "")")
  }

  @Test("a karras grid has distinct times for every ρ", arguments: [1, 7, 1e3, 1e17])
  func karras(rho: Double) throws {
    let plan = try plan(tiny, overrides: ["sampling.grid={kind: karras, rho: \(written(rho))}"])
    let setting = SamplingSetting(plan.prepared, epsilon: 1e-3, grid: plan.sampling.grid, traits: [])
    let times = try setting.times(steps: 50, grid: nil)
    #expect(zip(times, times.dropFirst()).allSatisfy { $0 > $1 } && times.first == 1 && times.last == 1e-3)
  }
}
