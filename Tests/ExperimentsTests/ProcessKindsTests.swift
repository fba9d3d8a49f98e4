// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Glibc
import ScoreSDE
import Testing

@Suite("Process kinds") struct ProcessKindsTests {
  static let mixture =
    "{kind: gaussian-mixture, weights: [1, 2], means: [[-1, -0.6], [0.5, 0.3]], deviations: [0.3, 0.5]"

  static let wrong: [(process: String, says: [String])] = [
    (
      "{kind: formula, drift_rate: '-0.5*(b0 + t*(b1-b0)', diffusion: '1', parameters: {b0: 1, b1: 2}}",
      ["process.drift_rate", "character 21: the end", "')'"]
    ),
    (
      "{kind: formula, drift_rate: '-0.5*b0', diffusion: '1', parameters: {b: 1}}",
      ["drift_rate", "character 6", "'b0'"]
    ),
    ("{kind: formula, drift_rate: '-1', diffusion: 'sqr(t)'}", ["diffusion", "character 1", "did you mean 'sqrt'"]),
    ("{kind: formula, drift_rate: '-1', diffusion: '1 +'}", ["diffusion", "character 4"]),
    ("{kind: formula, drift_rate: '-1'}", ["process.kind", "drift_rate and diffusion, or alpha and sigma"]),
    (
      "{kind: formula, drift_rate: '-1', diffusion: '1', alpha: '1-t'}",
      ["drift_rate and diffusion, or alpha and sigma"]
    ),
    ("{kind: formula, drift_rate: '-1/(1-t)', diffusion: '1'}", ["drift_rate is -inf at t = 1", "finite"]),
    ("{kind: formula, drift_rate: '-1', diffusion: '1', parameters: {t: 1}}", ["parameters", "'t'"]),
    (
      "{kind: formula, drift_rate: '-1', diffusion: '1', parameters: {on: 1, \"on\": 2}}", ["'on' appears twice"]
    ),
    ("{kind: formula, drift_rate: '0', diffusion: 'abs(t-0.3333)^(-0.45)'}", ["with 32768 nodes", "allowed: 1e-3"]),
    ("{kind: formula, drift_rate: '0', diffusion: '1', nodes: 10}", ["process.nodes", "256 or more"]),
    ("{kind: vp, schedule: {kind: sigmoid-alpha, start: 40, stop: 41}}", ["process.schedule.stop", "hardly falls"]),
    (
      "{kind: vp, schedule: {kind: sigmoid-alpha, start: -800, stop: -750}}", ["process.schedule.stop", "hardly falls"]
    ),
    ("{kind: vp, schedule: {kind: cosine, offset: 1e16}}", ["process.schedule.offset", "below 1"]),
    ("{kind: ve, schedule: {kind: karras, rho: 1e17}}", ["process.schedule.rho", "0.1 to 100"]),
    ("{kind: ve, schedule: {kind: ncsn, sigma_min: 1e-300, sigma_max: 1e300}}", ["process.schedule", "σ_1 is inf"]),
    ("{kind: formula, drift_rate: '-1', diffusion: '1', parameters: {b: x}}", ["parameters.b", "'x'", "number"]),
    ("{kind: formula, alpha: '1-t', sigma: '1-t'}", ["process.kind", "alpha is 0.0 at t = 1.0"]),
    ("{kind: formula, drift_rate: -1, diffusion: '1', prior_variance: 0}", ["prior_variance", "above 0"]),
    ("{kind: schedule, alpha: [1, 0.5], sigma: [0, 1]}", ["process.kind", "schedule", "3"]),
    ("{kind: schedule, alpha: [1, 0.5, 0.1], sigma: [0, 1]}", ["process.kind", "schedule"]),
    ("{kind: schedule, alpha: [1, 0.5, 0], sigma: [0, 0.9, 1]}", ["process.kind", "alpha 3 is 0.0"]),
    ("{kind: schedule, alpha: [1, 0.5, 0.1], sigma: [0, 0.9, 1], times: [0, 0.7, 0.5]}", ["times"]),
    ("{kind: vp, schedule: cosin}", ["process.schedule.kind", "did you mean 'cosine'"]),
    ("{kind: vp, schedule: cosine, beta_min: 1}", ["process.beta_min", "no effect", "schedule: linear"]),
    ("{kind: vp, schedule: {kind: ddpm, levels: 0}}", ["process.schedule.levels", "is 0"]),
    (
      "{kind: vp, schedule: {kind: discrete, base: {kind: ddpm}, levels: 1e12}}",
      ["process.schedule.levels", "1 or more, at most 1000000"]
    ),
    ("{kind: vp, schedule: {kind: discrete, base: cosin}}", ["process.schedule.base", "did you mean 'cosine'"]),
    ("{kind: vp, schedule: {kind: betas, betas: [0.1, 1.5]}}", ["process.schedule", "β_1 is 1.5"]),
    ("{kind: ve, schedule: {kind: ncsn, sigma_min: 3, sigma_max: 2}}", ["process.schedule", "sigma_max"]),
    ("{kind: rectified-flow, end: 1.5}", ["process.end", "is 1.5", "at most 1"]),
    ("{kind: ornstein-uhlenbeck, noise: [[1, 2], [2, 1]]}", ["process.kind", "positive definite"]),
    ("{kind: ornstein-uhlenbeck, noise: [[1, 0.5], [0.4, 1]]}", ["process.kind", "symmetric"]),
    ("{kind: ornstein-uhlenbeck, noise: [[1, 0], [0]]}", ["process.kind", "not a square matrix"]),
    ("{kind: ornstein-uhlenbeck, noise: [[1]]}", ["process", "dimension"]),
    ("{kind: cld, mass: 0}", ["process.mass", "above 0"]),
    ("{kind: geometric-brownian-motion, volatility: -1}", ["process.volatility", "above 0"]),
  ]

  @Test("processes that cannot be are refused in one line", arguments: wrong.indices)
  func refused(index: Int) throws {
    let (process, says) = Self.wrong[index]
    let text =
      "name: c\ndata: \(Self.mixture)}\nprocess: \(process)\nscore: {kind: exact}\nsampling: {count: 1, solvers: [{name: em, kind: euler-maruyama, steps: 10}]}\n"
    let error = #expect(throws: InputError.self) { try plan(text) }
    let message = "\(error?.description ?? "none")"
    for part in says { #expect(message.contains(part), "\(process): \(message)") }
    #expect(message.hasPrefix("test.yaml:3: ") && !message.contains("\n"), "\(message)")
  }

  static let untrainable: [(changes: [String], says: [String])] = [
    (["process={kind: cld}", "score.prediction=velocity"], ["score: prediction velocity", "allows noise, edm"]),
    (["process={kind: cld}", "training.weighting=likelihood"], ["training", "allows uniform"]),
    (["process={kind: cld}", "training.objective=sliced"], ["training", "wider than the data", "denoising"]),
    (["process={kind: ornstein-uhlenbeck, noise: [[1]]}"], ["process", "dimension"]),
    (
      [
        "process={kind: ornstein-uhlenbeck, noise: [[1, 0], [0, 1]]}", "training.objective=sliced",
        "training.weighting=likelihood",
      ], ["training", "scalar diffusion"]
    ),
    (["process={kind: rectified-flow, end: 1}", "score.prediction=noise"], ["score", "signal at T", "velocity"]),
    (
      ["training.objective={kind: sliced, projections: 0}"],
      ["training.objective.projections", "1 or more, at most 64"]
    ),
    (["training.objective=implicit", "training.projections=2"], ["training.objective.projections", "unknown key"]),
    (["training.condition_dropout=0.1"], ["training", "condition_dropout", "told nothing"]),
    (["training.objective=slicd"], ["training.objective", "sliced"]),
    (
      [
        "data={kind: gaussian-mixture, weights: [1], means: [[\((0..<65).map { _ in "0" }.joined(separator: ", "))]], deviations: [1]}",
        "training.objective=implicit",
      ], ["training", "implicit", "64 dimensions", "sliced"]
    ),
    (
      ["process={kind: formula, drift_rate: '-1', diffusion: '1', duration: 0.0005}", "training.epsilon=1e-3"],
      ["training.epsilon", "below 0.0005"]
    ),
  ]

  @Test("options of an objective stand with it; in their old place they are read, and warned of") func movedOptions()
    throws
  {
    let new = try plan(tiny, overrides: ["training.objective={kind: sliced, projections: 2}"])
    let old = try plan(tiny, overrides: ["training.objective=sliced", "training.projections=2"])
    #expect(old.warnings.count == 1 && old.warnings[0].contains("training.projections") && new.warnings.isEmpty)
    #expect(old.trainingIdentity == new.trainingIdentity)
    #expect(new.trainingIdentity.contains("projections: 2") && new.trainingIdentity.contains("simulation_steps: 100"))
    // What programs before wrote out for every objective.
    let written = try plan(tiny, overrides: ["training.projections=1", "training.simulation_steps=100"])
    #expect(try written.warnings.isEmpty && written.trainingIdentity == plan(tiny).trainingIdentity)
  }

  @Test("what cannot be learned is refused before anything is computed", arguments: untrainable.indices)
  func refusedTraining(index: Int) throws {
    let (changes, says) = Self.untrainable[index]
    let error = #expect(throws: InputError.self) { try plan(tiny, overrides: changes) }
    for part in says { #expect(error?.description.contains(part) == true, "\(String(describing: error))") }
  }

  @Test("a process of logarithms refuses data that have none") func logarithms() throws {
    try withFolder { folder in
      let plan = try plan(tiny, overrides: ["process={kind: geometric-brownian-motion}", Self.plain])
      let error = #expect(throws: InputError.self) {
        try makeExperiment(plan, folder: folder + "/run", quiet: true).run()
      }
      #expect(error?.description.contains("needs values above 0") == true, "\(String(describing: error))")
      #expect(!FileManager.default.fileExists(atPath: folder + "/run/checkpoint.safetensors"))
    }
  }

  @Test(
    "short processes have an ε of their own, and can be run",
    arguments: [
      "{kind: rectified-flow, end: 0.0005}", "{kind: edm, sigma_max: 0.001}",
      "{kind: formula, drift_rate: '-1', diffusion: '1', duration: 1e-6}",
    ])
  func short(process: String) throws {
    try withFolder { folder in
      let plan = try plan(
        tiny, overrides: ["process=\(process)", "score.prediction=velocity", "training.steps=2", "sampling.count=4"])
      #expect(plan.sampling.epsilon < 0.02 * plan.process.duration)
      _ = try makeExperiment(plan, folder: folder, quiet: true).run()
    }
  }

  @Test("a default that the process does not allow is refused") func epsilonByDefault() {
    struct Hasty: AffineSDE {
      var samplingEpsilon: Double { 2 }
      func driftRate(at t: Double) -> Double { -1 }
      func diffusion(at t: Double) -> Double { 1 }
    }
    var catalogue = Catalogue.standard
    catalogue.processes.add(Kind("hasty", "for this test") { _, _ in Hasty() })
    let error = #expect(throws: InputError.self) {
      try ExperimentPlan(
        ConfigSource(text: tiny, path: "test.yaml", overrides: ["process.kind=hasty"]), catalogue: catalogue)
    }
    #expect(error?.description.contains("sampling.epsilon: is 2 by default; allowed: above 0 and below 1") == true)
  }

  @Test("a network of another process is refused, unless σ/m is all it knows") func borrowed() throws {
    try withFolder { folder in
      let edm = ["score.prediction=edm", "score.network.time=fourier", "training.weighting=edm", Self.plain]
      _ = try makeExperiment(try plan(tiny, overrides: [Self.plain]), folder: folder + "/vp", quiet: true).run([.train])
      _ = try makeExperiment(try plan(tiny, overrides: edm), folder: folder + "/edm", quiet: true).run([.train])
      func run(_ name: String, _ process: String) throws {
        let path = "score={kind: checkpoint, path: \(folder)/\(name)/checkpoint.safetensors}"
        let text = tiny.replacing("training: {steps: 60, batch: 64}\n", with: "")
        let plan = try plan(text, overrides: [path, "process=\(process)", Self.plain])
        _ = try makeExperiment(plan, folder: "\(folder)/run", quiet: true).run()
      }
      let formula = "{kind: formula, drift_rate: '-0.5*(0.1+19.9*t)', diffusion: 'sqrt(0.1+19.9*t)'}"
      let ou = "{kind: ornstein-uhlenbeck, noise: [[1, 0], [0, 1]]}"
      try run("vp", "{kind: vp}")
      try run("vp", formula)
      try run("edm", "{kind: ve}")
      for (name, process) in [("vp", "{kind: ve}"), ("vp", "{kind: vp, beta_max: 19}"), ("edm", ou)] {
        let error = #expect(throws: InputError.self) { try run(name, process) }
        #expect(error?.description.contains("trained under another process") == true, "\(String(describing: error))")
      }
      // A map's ends are times of its own process.
      let map = [
        "sampling.solvers=[{name: one, kind: flow-map}]", "sampling.epsilon=1e-3",
        "evaluation.metrics=[sliced-wasserstein]",
      ]
      let training = ["score.prediction=edm", "score.network.time=fourier", "training.objective=consistency-training"]
      _ = try makeExperiment(try plan(tiny, overrides: training + map), folder: folder + "/map", quiet: true).run(
        [.train])
      let error = #expect(throws: InputError.self) {
        let path = "score={kind: checkpoint, path: \(folder)/map/checkpoint.safetensors}"
        let text = tiny.replacing("training: {steps: 60, batch: 64}\n", with: "")
        _ = try makeExperiment(
          try plan(text, overrides: [path, "process={kind: ve}"] + map), folder: "\(folder)/run", quiet: true
        ).run()
      }
      #expect(error?.description.contains("and no map") == true, "\(String(describing: error))")
      _ = try makeExperiment(
        try plan(tiny, overrides: ["score.prediction=velocity", Self.plain]), folder: folder + "/velocity", quiet: true
      ).run([.train])
      #expect(throws: InputError.self) { try run("velocity", ou) }
    }
  }

  @Test("scores of states and of x under noise that depends on it are written; noise and means are refused")
  func pointScores() throws {
    try withFolder { folder in
      for (process, points, dimension) in [
        ("{kind: cld}", "1,2,0.1,0.2\n", 4), ("{kind: geometric-brownian-motion}", "1,2\n", 2),
        ("{kind: ornstein-uhlenbeck, noise: [[1, 0.5], [0.5, 1]]}", "1,2\n", 2),
      ] {
        try Data(points.utf8).write(to: URL(fileURLWithPath: folder + "/x.csv"))
        let exponential = process.contains("geometric") ? ", exponential: true}" : "}"
        let text =
          "name: c\ndata: \(Self.mixture + exponential)\nprocess: \(process)\nscore: {kind: exact}\nsampling: {count: 1, solvers: [{name: em, kind: euler-maruyama, steps: 10}]}\n"
        let experiment = makeExperiment(try plan(text), folder: folder, quiet: true)
        let files = PointFiles(input: folder + "/x.csv", output: folder + "/s.csv")
        try experiment.scorePoints(at: 0.5, files, quantity: .score)
        let values = contents(folder + "/s.csv").split(separator: "\n").last?.split(separator: ",") ?? []
        #expect(values.count == dimension && values.allSatisfy { Double($0)?.isFinite == true }, "\(process)")
        let error = #expect(throws: InputError.self) { try experiment.scorePoints(at: 0.5, files, quantity: .denoised) }
        #expect(error?.description.contains("--quantity: is denoised") == true, "\(String(describing: error))")
      }
    }
  }

  @Test("there is no excess where the law of logarithms is not known") func noExcess() throws {
    try withFolder { folder in
      let plan = try plan(
        tiny,
        overrides: [
          "process={kind: geometric-brownian-motion}", Self.plain,
          "data={kind: gaussian-mixture, weights: [1], means: [[10, 10]], deviations: [0.1], count: 500}",
        ])
      _ = try makeExperiment(plan, folder: folder, quiet: true).run([.train])
      let lines = contents(folder + "/loss_by_time.csv").split(separator: "\n")
      #expect(lines.count == 21 && lines[0] == "time_low,time_high,training,held_out", "\(lines[0])")
    }
  }

  // MARK: From config to results

  static let trained: [(name: String, changes: [String])] = [
    ("velocities", ["process={kind: cld}", "score.prediction=edm", "training.weighting=edm", plain]),
    ("full covariance", ["process={kind: ornstein-uhlenbeck, noise: [[1, 0.5], [0.5, 1]]}", plain]),
    (
      "logarithms",
      [
        "process={kind: geometric-brownian-motion}", plain,
        "data={kind: gaussian-mixture, weights: [1], means: [[0, 0]], deviations: [0.3], exponential: true}",
      ]
    ),
    ("sliced", ["training.objective=sliced"]),
    ("implicit", ["training.objective=implicit"]),
    ("formula", ["process={kind: formula, alpha: '1-t', sigma: t, duration: 0.999}", "score.prediction=velocity"]),
    ("discrete levels", ["process={kind: ve, schedule: {kind: ncsn, levels: 20, sigma_max: 10}}"]),
  ]

  /// Solvers for processes without a scalar kernel; fewer steps of Euler–Maruyama leave the positive numbers.
  private static let plain =
    "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 200}, {name: ode, kind: probability-flow}]"

  @Test(
    "every objective trains, samples and is loaded again, with the same bytes on any number of threads",
    arguments: trained.indices)
  func runs(index: Int) throws {
    try withFolder { folder in
      let (name, changes) = Self.trained[index]
      let plan = try plan(tiny, overrides: changes)
      for threads in [1, 2] {
        _ = try makeExperiment(plan, folder: "\(folder)/\(threads)", threads: threads, quiet: true).run()
      }
      for file in ["checkpoint.safetensors", "loss_by_time.csv", "samples/em.csv", "samples/ode.csv"] {
        let (one, two) = (
          FileManager.default.contents(atPath: "\(folder)/1/\(file)"),
          FileManager.default.contents(atPath: "\(folder)/2/\(file)")
        )
        #expect(one != nil && one == two, "\(name): \(file)")
      }
      // Samples again, from the checkpoint.
      let before = contents(folder + "/1/samples/em.csv")
      _ = try makeExperiment(plan, folder: folder + "/1", quiet: true).run([.sample, .evaluate])
      #expect(contents(folder + "/1/samples/em.csv") == before, "\(name)")
      let rows = contents(folder + "/1/solvers.csv").split(separator: "\n")
      #expect(rows.count == plan.sampling.solvers.count + 1, "\(name)")
    }
  }
}
