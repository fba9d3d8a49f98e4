// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Sources and couplings") struct CouplingRunTests {
  static let flow = """
    name: flow
    seed: 3
    data: {kind: two-moons, count: 500, held_out: 300}
    source: {kind: gaussian-mixture, weights: [1, 1], means: [[3, 0], [-3, 1]], deviations: [0.1, 0.1], count: 400}
    process: {kind: rectified-flow}
    score: {kind: network, prediction: velocity, network: {kind: mlp, hidden: [32, 32], features: 8}}
    training: {steps: 300, batch: 64, learning_rate: 3.0e-3, objective: {kind: flow-matching, coupling: minibatch-ot}}
    sampling:
      count: 60
      trajectories: {first: 4}
      solvers:
        - {name: euler, kind: euler, steps: 8, grid: uniform}
        - {name: ode, kind: probability-flow, rtol: 1.0e-4, atol: 1.0e-4}
        - {name: best, kind: dpm-solver++-2m, steps: 4, grid: {kind: optimised, rows: 64, trials: 20}}
    evaluation: {metrics: [sliced-wasserstein, path-energy], repeats: 2}
    """

  private static func rows(_ path: String) -> [[String: String]] {
    let lines = contents(path).split(separator: "\n").map { $0.split(separator: ",", omittingEmptySubsequences: false) }
    return lines.dropFirst().map { line in
      Dictionary(uniqueKeysWithValues: zip(lines[0].map(String.init), line.map(String.init)))
    }
  }

  @Test("a flow begins with the source, which the energy of its paths tells") func run() throws {
    try withFolder { folder in
      _ = try makeExperiment(plan(Self.flow), folder: folder + "/a", store: folder + "/models", threads: 1).run()
      let first = Self.rows(folder + "/a/trajectories.csv").filter { $0["solver"] == "euler" && $0["step"] == "0" }
      #expect(first.count == 4)
      for row in first {
        let x = try #require(Double(row["x0"] ?? ""))
        #expect(abs(abs(x) - 3) < 0.6, "\(row)")
      }
      let energies = Self.rows(folder + "/a/evaluation.csv").filter { $0["metric"] == "path_energy" }
      let model = try #require(energies.first { $0["solver"] == "" || $0["solver"] == "model" })
      let value = try #require(Double(model["value"] ?? ""))
      // W₂² between these sources and moons is about 6: a network that has learned something is within a factor of 2.
      #expect(value > 3 && value < 12, "\(energies)")
      // The same bytes from another number of threads, with a store of its own.
      _ = try makeExperiment(plan(Self.flow), folder: folder + "/b", store: folder + "/others", threads: 3).run()
      for file in ["samples/euler.csv", "samples/best.csv", "evaluation.csv", "times.csv"] {
        #expect(!contents(folder + "/a/" + file).isEmpty)
        guard file != "evaluation.csv" else { continue }
        #expect(contents(folder + "/a/" + file) == contents(folder + "/b/" + file), "\(file)")
      }
      // The checkpoint elsewhere: it is told what it begins with, and is still no score.
      let borrowed = Self.flow.replacing(
        /score: .*/, with: "score: {kind: checkpoint, path: \(folder)/a/checkpoint.safetensors}"
      )
      .replacing(/training: .*\n/, with: "")
      _ = try makeExperiment(plan(borrowed), folder: folder + "/c", store: folder + "/models").run()
      #expect(contents(folder + "/c/samples/euler.csv") == contents(folder + "/a/samples/euler.csv"))
      let error = #expect(throws: InputError.self) {
        let noisy = try plan(borrowed, overrides: ["sampling.solvers=[{name: em, kind: euler-maruyama, steps: 5}]"])
        _ = try makeExperiment(noisy, folder: folder + "/d", store: folder + "/models").run()
      }
      #expect(
        error?.message.contains("velocity of a flow") == true && !FileManager.default.fileExists(atPath: folder + "/d"))
    }
  }

  @Test("bridges go by the reverse SDE, and pairs of equal numbers are kept") func bridge() throws {
    let changes = [
      "process={kind: formula, drift_rate: '0', diffusion: '0.7'}", "score.prediction=data",
      "training.objective={kind: bridge-matching}",
      "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 20}]", "sampling.epsilon=0.001",
      "evaluation={metrics: [sliced-wasserstein], repeats: 1}",
    ]
    try withFolder { folder in
      _ = try makeExperiment(plan(Self.flow, overrides: changes), folder: folder + "/a").run()
      let ends = Self.rows(folder + "/a/samples/em.csv").compactMap { Double($0["x0"] ?? "") }
      #expect(ends.count == 60 && ends.allSatisfy { abs($0) < 4 })
      // From sources at ±3 they have come to moons between −1 and 2.
      #expect(ends.filter { $0 > -1.7 && $0 < 2.7 }.count > 50, "\(ends)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/a/loss_by_time.csv"))
      let paired = [
        "training.objective={kind: flow-matching, coupling: pairs}", "training.steps=5",
        "source={kind: two-moons, count: 500, held_out: 300}",
      ]
      _ = try makeExperiment(plan(Self.flow, overrides: paired), folder: folder + "/b").run()
      let few = try plan(Self.flow, overrides: paired + ["source.count=499"])
      let error = #expect(throws: InputError.self) { try makeExperiment(few, folder: folder + "/c").run() }
      #expect(
        error?.description.contains("source") == true && error?.message.contains("as many as the data has") == true)
      #expect(!FileManager.default.fileExists(atPath: folder + "/c"))
    }
  }

  @Test("reflow learns the pairs of its teacher's flow: exact, or a checkpoint") func reflow() throws {
    let ring = [
      "data={kind: gaussian-mixture, weights: [1, 1], means: [[2, 0], [-2, 0]], deviations: [0.2, 0.2], count: 300, held_out: 200}",
      "source=null", "sampling.solvers=[{name: one, kind: euler, steps: 1, grid: uniform}]",
      "evaluation={metrics: [sliced-wasserstein], path_error: true}",
    ]
    try withFolder { folder in
      let store = folder + "/models"
      func run(_ more: [String], _ name: String) throws {
        _ = try makeExperiment(
          plan(Self.flow, overrides: ring + more), folder: folder + "/" + name, store: store
        ).run()
      }
      try run(["training.objective=flow-matching"], "first")
      try run(["training.objective={kind: reflow, teacher: exact, pairs: 400}"], "second")
      try run(["training.objective={kind: reflow, teacher: \(folder)/second, pairs: 400}"], "third")
      func spread(_ name: String) -> Double {
        let x = Self.rows(folder + "/\(name)/samples/one.csv").compactMap { Double($0["x0"] ?? "") }
        return x.map { abs(abs($0) - 2) }.reduce(0, +) / Double(max(1, x.count))
      }
      // One step of a flow between Gaussians ends at the mean of the data, near 0; after reflow it ends at the
      // components.
      #expect(
        spread("first") > 1.2 && spread("second") < 0.9 && spread("third") < 0.9,
        "\(spread("first")) \(spread("second")) \(spread("third"))")
    }
  }

  private static let classes = [
    "data={kind: gaussian-mixture, weights: [1, 1], means: [[2, 0], [-2, 0]], deviations: [0.2, 0.2], classes: [0, 1], "
      + "count: 300, held_out: 200}",
    "score.network.class_conditional=true", "sampling.solvers=[{name: one, kind: euler, steps: 6, grid: uniform}]",
    "evaluation={metrics: [sliced-wasserstein]}",
  ]

  /// The mean of x0 of the samples of each of two classes in turn.
  private static func means(_ path: String, _ label: (Int) -> Int) -> [Double] {
    let x = rows(path).compactMap { Double($0["x0"] ?? "") }
    return [0, 1].map { c in
      let own = x.indices.filter { label($0) == c }.map { x[$0] }
      return own.reduce(0, +) / Double(max(1, own.count))
    }
  }

  @Test("pairs of reflow have classes, which teacher and student are told") func reflowWithClasses() throws {
    try withFolder { folder in
      let store = folder + "/models"
      func run(_ more: [String], _ name: String) throws -> [Double] {
        _ = try makeExperiment(
          plan(Self.flow, overrides: Self.classes + ["source=null"] + more), folder: folder + "/" + name, store: store
        ).run()
        return Self.means(folder + "/\(name)/samples/one.csv") { $0 % 2 }
      }
      let first = try run(["training.objective={kind: reflow, teacher: exact, pairs: 400}"], "first")
      #expect(first[0] > 1 && first[1] < -1, "\(first)")
      let second = try run(["training.objective={kind: reflow, teacher: \(folder)/first, pairs: 300}"], "second")
      #expect(second[0] > 1 && second[1] < -1, "\(second)")
      // A teacher that is told classes and was never told nothing is none for a student that is told nothing.
      let error = #expect(throws: InputError.self) {
        _ = try run(
          [
            "training.objective={kind: reflow, teacher: \(folder)/first, pairs: 300}",
            "score.network.class_conditional=false",
          ], "third")
      }
      #expect(error?.message.contains("never told nothing") == true)
    }
  }

  @Test("pairs of rows have classes, and samples begin with held-out rows of known ones") func pairsWithClasses() throws
  {
    let source =
      "source={kind: gaussian-mixture, weights: [1, 1], means: [[0, 3], [0, -3]], deviations: [0.2, 0.2], "
      + "classes: [0, 1], count: 300, held_out: 200}"
    let paired = Self.classes + [source, "training.objective={kind: flow-matching, coupling: pairs}"]
    try withFolder { folder in
      let told = paired + ["sampling.condition={rows: held-out}", "sampling.trajectories={first: 60}"]
      let experiment = try makeExperiment(plan(Self.flow, overrides: told), folder: folder + "/a")
      _ = try experiment.run()
      let data = try experiment.plan.data.load(seed: experiment.plan.seed)
      let labels = (0..<60).map { data.heldOutConditions[$0].label ?? -1 }
      #expect(Set(labels) == [0, 1])
      // Samples begin where rows of their class do, and end there, too.
      let first = Self.rows(folder + "/a/trajectories.csv").filter { $0["step"] == "0" }
      #expect(first.count == 60)
      for (row, label) in zip(first, labels) {
        #expect((Double(row["x1"] ?? "") ?? 0) * (label == 0 ? 1 : -1) > 1.5, "\(row) \(label)")
      }
      let means = Self.means(folder + "/a/samples/one.csv") { labels[$0] }
      #expect(means[0] > 1 && means[1] < -1, "\(means)")
      // The network elsewhere has no rows of known classes to begin with.
      let borrowed = Self.flow.replacing(
        /score: .*/, with: "score: {kind: checkpoint, path: \(folder)/a/checkpoint.safetensors}"
      ).replacing(/training: .*\n/, with: "")
      let error = #expect(throws: InputError.self) {
        let config = try plan(
          borrowed, overrides: Self.classes.filter { !$0.hasPrefix("score") } + [source, "sampling.trajectories=null"])
        _ = try makeExperiment(config, folder: folder + "/b").run()
      }
      #expect(error?.message.contains("conditions of pairs") == true, "\(String(describing: error))")
    }
    let inTurn = #expect(throws: InputError.self) { try plan(Self.flow, overrides: paired) }
    #expect(inTurn?.message.contains("{rows: held-out}") == true)
    let bare = #expect(throws: InputError.self) {
      try plan(
        Self.flow, overrides: paired + ["source={kind: two-moons, count: 300}", "sampling.condition={rows: held-out}"])
    }
    #expect(bare?.message.contains("same conditions") == true)
    try withFolder { folder in
      let other = paired + ["source.weights=[1, 3]", "sampling.condition={rows: held-out}"]
      let error = #expect(throws: InputError.self) {
        try makeExperiment(plan(Self.flow, overrides: other), folder: folder + "/a").run()
      }
      #expect(error?.message.contains("other conditions") == true)
      #expect(!FileManager.default.fileExists(atPath: folder + "/a"))
    }
  }

  private static let interpolant = [
    "process={kind: vp}", "score.prediction=noise", "training.steps=600", "training.learning_rate=5.0e-3",
    "training.objective={kind: flow-matching, gamma: brownian, learns: reverse-drift}",
    "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 60}]", "sampling.count=200", "sampling.epsilon=0.003",
    "training.epsilon=0.003", "sampling.trajectories=null", "evaluation={metrics: [sliced-wasserstein]}",
  ]

  @Test("an interpolant learns the reverse SDE, which solvers that add noise take from the source to the data")
  func interpolantSDE() throws {
    try withFolder { folder in
      let ring =
        "data={kind: gaussian-mixture, weights: [1, 1], means: [[1, 1], [1, -1]], deviations: [0.2, 0.2], count: 800}"
      _ = try makeExperiment(plan(Self.flow, overrides: Self.interpolant + [ring]), folder: folder + "/a").run()
      let rows = Self.rows(folder + "/a/samples/em.csv")
      let (x, y) = (rows.compactMap { Double($0["x0"] ?? "") }, rows.compactMap { Double($0["x1"] ?? "") })
      #expect(x.count == 200)
      let mean = x.reduce(0, +) / 200
      let spread = (x.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / 200).squareRoot()
      // From ±3 to 1 ± 0.2, and to both components.
      #expect(abs(mean - 1) < 0.25 && spread < 0.6, "\(mean) \(spread)")
      #expect(y.filter { $0 > 0.4 }.count > 50 && y.filter { $0 < -0.4 }.count > 50)
    }
  }

  @Test("plans that do not converge are told once, with what to do") func unconverged() throws {
    let changes = [
      "process={kind: formula, drift_rate: '0', diffusion: '0.01'}", "score.prediction=data", "training.steps=4",
      "training.objective={kind: bridge-matching}",
      "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 2}]", "sampling.epsilon=0.001",
      "evaluation={metrics: []}", "sampling.trajectories=null",
    ]
    try withFolder { folder in
      func notes(_ more: [String], _ name: String) throws -> Int {
        _ = try makeExperiment(plan(Self.flow, overrides: changes + more), folder: folder + "/" + name).run()
        return contents(folder + "/\(name)/manifest.json").components(separatedBy: "did not converge in 500 turns")
          .count - 1
      }
      let (sharp, blurred) = (try notes([], "a"), try notes(["process.diffusion='1'"], "b"))
      #expect(sharp == 1 && blurred == 0, "\(sharp) \(blurred)")
    }
  }

  static let refusals: [(changes: [String], says: [String])] = [
    (
      interpolant + ["training.objective={kind: flow-matching, learns: reverse-drift}"],
      ["training.objective.learns", "gamma: brownian"]
    ),
    (interpolant + ["process={kind: rectified-flow}", "score.prediction=velocity"], ["grows without bound", "as vp"]),
    (
      interpolant + ["sampling.solvers=[{name: euler, kind: euler, steps: 8}]"], ["solvers.0", "reverse SDE"]
    ),
    (
      interpolant + ["training.objective={kind: flow-matching, gamma: brownian}"],
      ["solvers.0", "velocity of a flow"]
    ),
    (
      classes + ["source=null", "training.objective={kind: reflow, teacher: exact}", "data.classes=null"],
      ["class_conditional", "classes"]
    ),
    (["training.objective=denoising"], ["source", "no effect", "flow-matching"]),
    (["training.weighting=edm"], ["training.weighting", "flow-matching"]),
    (
      ["sampling.solvers.0={name: em, kind: euler-maruyama, steps: 4}"],
      ["solvers.0", "velocity of a flow", "probability flow"]
    ),
    (["training.objective={kind: bridge-matching}", "sampling.solvers.0.kind=ddim"], ["solvers.0", "reverse SDE"]),
    (["training.objective={kind: flow-matching, gamma_scale: 2}"], ["gamma_scale", "gamma: brownian"]),
    (["training.objective={kind: flow-matching, coupling: ot}"], ["coupling", "minibatch-ot"]),
    (
      ["training.objective={kind: flow-matching, coupling: pairs}", "source=null"], ["coupling pairs", "needs source"]
    ),
    (["source={kind: digits}"], ["source", "64 values", "2"]),
    (["source={kind: moons}"], ["source", "unknown name 'moons'"]),
    (["process={kind: cld}", "score.prediction=noise"], ["flow-matching needs a process", "cld is none"]),
    (["training.objective={kind: reflow, teacher: nowhere.safetensors}"], ["teacher", "no such file"]),
    (["training.objective={kind: reflow, teacher: exact}"], ["teacher", "Gaussian mixture"]),
    (["evaluation.metrics=[nll]"], ["nll", "density of x_T"]),
    (
      ["training.objective={kind: bridge-matching}", "sampling.solvers=[{name: em, kind: euler-maruyama, steps: 4}]"],
      ["path-energy", "probability flow"]
    ),
  ]

  @Test("what has no effect or no meaning is refused in one line", arguments: refusals.indices)
  func refused(index: Int) {
    let (changes, says) = Self.refusals[index]
    let error = #expect(throws: InputError.self) { try plan(Self.flow, overrides: changes) }
    let message = error?.description ?? ""
    for part in says where !part.isEmpty { #expect(message.contains(part), "\(changes): \(message)") }
    #expect(!message.contains("\n"))
  }
}
