// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Networks
import Scores
import Tensors
import Testing
import Training

@Suite("Few steps") struct FewStepRunTests {
  static let text = """
    name: few
    seed: 3
    data: {kind: gaussian-mixture, weights: [1, 1], means: [[1, 0], [-1, 0.5]], deviations: [0.3, 0.3], count: 400, held_out: 200}
    process: {kind: vp}
    score: {kind: network, prediction: edm, network: {kind: mlp, hidden: [32, 32], features: 8, time: fourier}}
    training: {steps: 60, batch: 64, learning_rate: 1e-2, objective: {kind: consistency-distillation, intervals: 4}}
    sampling:
      count: 300
      solvers:
        - {name: one, kind: flow-map}
        - {name: two, kind: consistency, steps: 2}
        - {name: exact, kind: probability-flow, integrator: rk8pd, rtol: 1e-10, atol: 1e-10, denoise: false, guidance: {kind: other-score, score: exact}}
    evaluation: {metrics: [sliced-wasserstein]}
    """

  private static func rows(_ path: String) -> [[Double]] {
    contents(path).split(separator: "\n").dropFirst().map { $0.split(separator: ",").compactMap { Double($0) } }
  }

  private static func column(_ name: String, _ solver: String, _ folder: String) -> String {
    let lines = contents(folder + "/solvers.csv").split(separator: "\n").map {
      $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    }
    guard let place = lines.first?.firstIndex(of: name) else { return "no column" }
    return lines.first { $0[2] == solver }?[place] ?? "no solver"
  }

  @Test("map errors are those of the samples' own files, and evaluations are counted") func mapErrors() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(Self.text), folder: folder).run()
      let (one, exact) = (Self.rows(folder + "/samples/one.csv"), Self.rows(folder + "/samples/exact.csv"))
      let distances = zip(one, exact).map { a, b in
        zip(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) }.squareRoot()
      }
      #expect(distances.count == 300)
      let root = (distances.reduce(0) { $0 + $1 * $1 } / 300).squareRoot()
      let sorted = distances.sorted()
      let found = Double(Self.column("map_error", "one", folder)) ?? .nan
      // Files have all digits; the flow is solved once more in blocks of its own.
      #expect(abs(found / root - 1) < 1e-6, "\(found), \(root)")
      let median = Double(Self.column("map_error_median", "one", folder)) ?? .nan
      #expect(sorted[148] <= median && median <= sorted[151])
      let high = Double(Self.column("map_error_90", "one", folder)) ?? .nan
      #expect(sorted[268] <= high && high <= sorted[271])
      let bounds = ["low", "high"].map { Double(Self.column("map_error_median_\($0)", "one", folder)) ?? .nan }
      #expect(bounds[0] < median && median < bounds[1])
      #expect((Double(Self.column("map_error", "exact", folder)) ?? .nan) < 1e-7)
      #expect(Self.column("map_error", "two", folder) == "")
      #expect(Self.column("nfe", "one", folder) == "1" && Self.column("nfe", "two", folder) == "2")
      // A map that is no score has no loss by time.
      #expect(!FileManager.default.fileExists(atPath: folder + "/loss_by_time.csv"))
    }
  }

  @Test("a U-Net has a divergence, by which a likelihood is known in few evaluations") func unetDivergence() throws {
    try withFolder { folder in
      let digits = try plan(
        Self.text,
        overrides: [
          "data={kind: digits}",
          "score.network={kind: unet, channels: [8], blocks: 1, attention: [0], second: true, divergence: true}",
          "likelihood.epsilon=1e-3", "training={steps: 4, batch: 16, objective: {kind: lagrangian, forward: 0.5}}",
          "sampling={count: 4, solvers: [{name: one, kind: flow-map}]}",
          "evaluation={metrics: [{kind: nll, name: head, by: divergence, steps: 2, rows: 20}]}",
        ])
      _ = try makeExperiment(digits, folder: folder).run()
      let line = contents(folder + "/evaluation.csv").split(separator: "\n").first { $0.contains("head") } ?? ""
      let value = line.split(separator: ",", omittingEmptySubsequences: false).compactMap { Double($0) }.first {
        $0 != 0
      }
      #expect(value?.isFinite == true, "\(line)")
    }
  }

  @Test(
    "every objective of few steps trains, draws and is the same once more",
    arguments: [
      "consistency-training", "easy-consistency", "continuous-consistency",
      "{kind: continuous-consistency, teacher: exact}", "lagrangian", "{kind: lagrangian, teacher: exact}", "eulerian",
      "progressive", "mean-flow", "shortcut", "progressive-distillation",
      "{kind: distribution-matching, teacher: exact, steps: 2, every: 2, grid: uniform}",
      "{kind: distribution-matching, teacher: exact, divergence: fisher, times: [1, 0.5005]}",
      "{kind: distribution-matching, teacher: exact, divergence: fisher, times: [1, 0.5005], separate: true}",
    ])
  func objectives(_ objective: String) throws {
    let isDenoiser = objective == "progressive-distillation"
    let isOfTwoTimes = ["lagrangian", "eulerian", "progressive", "mean-flow", "shortcut"].contains {
      objective.contains($0) && !isDenoiser
    }
    let text =
      Self.text.replacing("{kind: consistency-distillation, intervals: 4}", with: objective).replacing(
        "features: 8,", with: isOfTwoTimes ? "features: 8, second: true," : "features: 8,"
      ).replacing("steps: 60, batch: 64", with: "steps: 12, batch: 40")
    var changes = ["sampling.count=20", "evaluation.metrics=[]"]
    if isDenoiser {
      changes.append("sampling.solvers=[{name: one, kind: ddim, steps: 1}]")
    } else if isOfTwoTimes {
      changes.append(
        "sampling.solvers=[{name: one, kind: flow-map, steps: 3}, {name: ode, kind: ddim, steps: 4}, "
          + "{name: two, kind: flow-map, steps: 2, noise: 0.5}]")
    }
    let files = try (1...2).map { threads in
      try withFolder { folder in
        _ = try makeExperiment(try plan(text, overrides: changes), folder: folder, threads: threads).run()
        return try ["checkpoint.safetensors", "samples/one.csv"].map {
          try Data(contentsOf: URL(fileURLWithPath: "\(folder)/\($0)"))
        }
      }
    }
    #expect(files[0] == files[1])
  }

  @Test("a checkpoint teaches, begins a training, and is a map again, by its content and not its place")
  func checkpoints() throws {
    try withFolder { folder in
      let store = folder + "/models"
      func run(_ text: String, _ changes: [String], _ name: String) throws -> Experiment {
        let experiment = makeExperiment(
          try plan(text, overrides: changes, path: folder + "/c.yaml"), folder: "\(folder)/\(name)", store: store)
        _ = try experiment.run()
        return experiment
      }
      let diffusion = ["training.objective=denoising", "sampling.solvers=[{name: one, kind: ddim, steps: 4}]"]
      _ = try run(Self.text, diffusion, "diffusion")
      let taught = ["training.objective.teacher=\(folder)/diffusion", "training.initial=\(folder)/diffusion"]
      let student = try run(Self.text, taught, "student")
      #expect(
        student.plan.trainingIdentity.contains("\nteacher: ") && student.plan.trainingIdentity.contains("\ninitial: "))
      #expect(!student.plan.trainingIdentity.contains(folder))
      // The same contents elsewhere are the same teacher, and the resolved config is the same run.
      try FileManager.default.copyItem(atPath: folder + "/diffusion", toPath: folder + "/moved")
      let moved = taught.map { $0.replacing("/diffusion", with: "/moved") }
      #expect(try plan(Self.text, overrides: moved).trainingIdentity == student.plan.trainingIdentity)
      let again = try makeExperiment(
        try plan(contents(folder + "/student/config.yaml")), folder: folder + "/again", store: store
      ).run()
      #expect(again.contains("used again"))
      // Other contents are not.
      _ = try run(Self.text, diffusion + ["training.steps=61"], "longer")
      let longer = taught.map { $0.replacing("/diffusion", with: "/longer") }
      #expect(try plan(Self.text, overrides: longer).trainingIdentity != student.plan.trainingIdentity)

      // A training without steps worth the name begins where the checkpoint ended, its second noise level unseen.
      let still = [
        "training.initial=\(folder)/diffusion/checkpoint.safetensors", "training.steps=1",
        "training.learning_rate=1e-30",
        "training.objective=denoising", "score.network.second=true", "training.clip=0",
      ]
      _ = try run(Self.text, still + ["sampling.solvers=[{name: one, kind: ddim, steps: 4}]"], "still")
      #expect(contents(folder + "/still/samples/one.csv") == contents(folder + "/diffusion/samples/one.csv"))

      // As a score of another experiment the student is a flow map.
      let borrowed = Self.text.replacing(
        "score: {kind: network, prediction: edm, network: {kind: mlp, hidden: [32, 32], features: 8, time: fourier}}",
        with: "score: {kind: checkpoint, path: \(folder)/student/checkpoint.safetensors}"
      ).split(separator: "\n").filter { !$0.hasPrefix("training:") }.joined(separator: "\n")
      _ = try run(borrowed, [], "borrowed")
      #expect(contents(folder + "/borrowed/samples/one.csv") == contents(folder + "/student/samples/one.csv"))
      let message = #expect(throws: InputError.self) {
        try plan(borrowed, overrides: ["sampling.solvers.0={name: one, kind: euler, steps: 4}"])
      }?.description
      #expect(message?.contains("flow map alone") == true)

      // What does not fit is refused before anything is written.
      for (changes, says) in [
        (["training.initial=\(folder)/diffusion", "score.network.hidden=[32, 31]"], "other layers"),
        (["training.initial=\(folder)/diffusion", "score.prediction=velocity"], "prediction is edm"),
        (["training.objective.teacher=\(folder)/student"], "flow map alone"),
      ] {
        let error = #expect(throws: InputError.self) { try run(Self.text, changes, "refused") }
        #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
        #expect(!FileManager.default.fileExists(atPath: folder + "/refused"))
      }
    }
  }

  @Test("likelihoods by a map: metrics and command agree, and each way is its own") func likelihoods() throws {
    try withFolder { folder in
      let changes =
        FewStepRefusalTests.bothWays + [
          "score.network.divergence=true", "sampling.solvers=[]", "sampling.count=0", "training.steps=30",
          "likelihood={method: flow-map, steps: 3, epsilon: 1e-3}",
          "evaluation.metrics=[{kind: nll, name: own}, {kind: nll, name: head, by: divergence, steps: 3}, "
            + "{kind: nll, name: jacobian, by: jacobian, steps: 3}, {kind: nll, name: ode, by: ode}, "
            + "{kind: nll, name: exact, by: exact}]",
        ]
      func experiment(_ more: [String], _ name: String, threads: Int) throws -> Experiment {
        makeExperiment(
          try plan(Self.text, overrides: changes + more), folder: "\(folder)/\(name)", store: folder + "/models",
          threads: threads)
      }
      let first = try experiment([], "a", threads: 2)
      _ = try first.run()
      var found: [String: Double] = [:]
      for line in contents(folder + "/a/evaluation.csv").split(separator: "\n").dropFirst() {
        let fields = line.split(separator: ",", omittingEmptySubsequences: false)
        found[String(fields[2])] = Double(fields[5])
      }
      #expect(found.count == 5 && found["own"] == found["head"])
      #expect(Set(found.values).count == 4, "\(found)")
      // The exact score's is that of the law of the data at ε.
      #expect(abs((found["exact"] ?? .nan) - 1.1) < 0.3, "\(found)")
      for (name, more) in [
        ("head", []), ("jacobian", ["likelihood.determinant=jacobian"]),
        ("ode", ["likelihood={epsilon: 1e-3}"]),
      ] {
        let files = try (1...2).map { threads in
          let output = "\(folder)/\(name)\(threads).csv"
          let summary = try experiment(more, "a", threads: threads).logDensities(
            of: PointFiles(input: nil, output: output))
          if name == "head" { #expect(summary.contains("NFE 3, largest 3")) }
          if name == "jacobian" { #expect(summary.contains("NFE 9, largest 9")) }
          return contents(output)
        }
        #expect(files[0] == files[1])
        let values = Self.rows("\(folder)/\(name)1.csv").map { $0[0] }
        #expect(values.count == 200)
        let mean: Double = values.reduce(0, +) / 200
        let known: Double = found[name] ?? .nan
        #expect(abs(mean + known) < 1e-9)
      }
      // The same network is a map both ways for another experiment, too.
      let borrowed = Self.text.replacing(
        "score: {kind: network, prediction: edm, network: {kind: mlp, hidden: [32, 32], features: 8, time: fourier}}",
        with: "score: {kind: checkpoint, path: \(folder)/a/checkpoint.safetensors}"
      ).split(separator: "\n").filter { !$0.hasPrefix("training:") }.joined(separator: "\n")
      let other = try plan(
        borrowed,
        overrides: [
          "sampling.solvers=[]", "sampling.count=0", "likelihood={method: flow-map, steps: 3, epsilon: 1e-3}",
        ])
      _ = try makeExperiment(other, folder: folder + "/b").logDensities(
        of: PointFiles(input: nil, output: folder + "/b.csv"))
      #expect(contents(folder + "/b.csv") == contents(folder + "/head1.csv"))
    }
  }

  private static let images = """
    name: few-images
    seed: 5
    data: {kind: digits}
    process: {kind: vp}
    score: {kind: network, prediction: edm, network: {kind: unet, channels: [8], blocks: 1, attention: [0], class_conditional: true, time: fourier, second: true}}
    training: {steps: 60, batch: 32, learning_rate: 5e-3, decay: constant, objective: OBJECTIVE}
    sampling: {count: 6, solvers: [{name: one, kind: flow-map}]}
    evaluation: {metrics: []}
    """

  @Test(
    "a U-Net that is told classes learns in few steps, and is the same once more",
    arguments: ["lagrangian", "eulerian", "progressive", "{kind: consistency-training, doubling: 1000, loss: squared}"])
  func images(_ objective: String) throws {
    let text = Self.images.replacing("OBJECTIVE", with: objective)
    let files = try (1...2).map { threads in
      try withFolder { folder in
        _ = try makeExperiment(try plan(text), folder: folder, threads: threads).run()
        let losses = Self.rows(folder + "/training.csv").map { $0[1] }
        // Untrained, D is off by all that the network is to say; a third of the steps halve that.
        let (first, last) = (losses.prefix(6), losses.suffix(20))
        let (before, after) = (first.reduce(0, +) / 6, last.reduce(0, +) / 20)
        #expect(after < 0.8 * before, "\(objective): \(before), \(after)")
        return contents(folder + "/samples/one.csv")
      }
    }
    #expect(files[0] == files[1] && files[0].split(separator: "\n").count == 7)
  }

  @Test("a companion begins as its network does, is kept, and of no effect on who borrows the network")
  func companions() throws {
    try withFolder { folder in
      let store = folder + "/models"
      var layouts: [String: ParameterLayout] = [:]
      func run(_ text: String, _ changes: [String], _ name: String) throws -> (Experiment, String) {
        let experiment = makeExperiment(
          try plan(text, overrides: changes, path: folder + "/c.yaml"), folder: "\(folder)/\(name)", store: store)
        _ = try experiment.run()
        layouts[name] = experiment.plan.network?.layout
        return (experiment, contents("\(folder)/\(name)/samples/one.csv"))
      }
      func parameters(_ name: String, _ which: (TrainingState) -> [Float]) throws -> [Float] {
        let file = try Safetensors(reading: "\(folder)/\(name)/checkpoint.safetensors")
        let layout = try #require(layouts[name])
        return which(try Checkpoint(file, layout: layout, path: "c").state)
      }
      let one = "sampling.solvers=[{name: one, kind: flow-map}]"
      _ = try run(
        Self.text, ["training.objective=denoising", "sampling.solvers=[{name: one, kind: ddim, steps: 4}]"],
        "diffusion")
      let taught = try parameters("diffusion") { $0.averages }
      let two =
        "sampling.solvers=[{name: one, kind: consistency, steps: 2, grid: {kind: list, times: [1, 0.4, 0.001]}}]"
      for (parts, options, solvers) in [(2, "", one), (4, ", times: [1, 0.4], separate: true", two)] {
        let changes = [
          "training.objective={kind: distribution-matching, teacher: \(folder)/diffusion\(options)}", solvers,
          "training.initial=\(folder)/diffusion",
        ]
        // A training without a step worth the name: all are the diffusion model's average.
        _ = try run(
          Self.text, changes + ["training.steps=1", "training.learning_rate=1e-30", "training.clip=0"], "still\(parts)")
        #expect(try parameters("still\(parts)") { $0.parameters } == (0..<parts).flatMap { _ in taught })
        let (own, samples) = try run(Self.text, changes, "own\(parts)")
        let trained = try parameters("own\(parts)") { $0.parameters }
        let pieces = stride(from: 0, to: trained.count, by: taught.count).map { trained[$0..<$0 + taught.count] }
        #expect(pieces.count == parts && Set(pieces.map(Array.init) + [taught]).count == parts + 1)
        let borrowed = Self.text.replacing(
          "score: {kind: network, prediction: edm, network: {kind: mlp, hidden: [32, 32], features: 8, time: fourier}}",
          with: "score: {kind: checkpoint, path: \(folder)/own\(parts)/checkpoint.safetensors}"
        ).split(separator: "\n").filter { !$0.hasPrefix("training:") }.joined(separator: "\n")
        #expect(try run(borrowed, [solvers], "borrowed\(parts)").1 == samples)
        let steps = (own.plan.network as? CompanionNetwork)?.inner as? StepNetworks
        // ln σ/m = ½ ln(e^B − 1) at T and 0.4, where B = 0.1 t + 9.95 t², to rounding.
        let levels = [10.05, 1.632].map { 0.5 * log(expm1($0)) }
        #expect(parts == 2 ? steps == nil : zip(steps?.levels ?? [0, 0], levels).allSatisfy { abs($0 - $1) < 1e-9 })
      }
    }
  }

  @Test("weights of the loss are learned, kept, and of no effect on who borrows the network") func weights() throws {
    try withFolder { folder in
      let store = folder + "/models"
      let changes = [
        "training.objective={kind: continuous-consistency, learned_weight: true}", "training.steps=40",
        "sampling.solvers=[{name: one, kind: flow-map}]",
      ]
      let own = makeExperiment(try plan(Self.text, overrides: changes), folder: folder + "/own", store: store)
      _ = try own.run()
      let file = try Safetensors(reading: folder + "/own/checkpoint.safetensors")
      #expect(file.tensors["model.loss_weight.weight"]?.shape == [1, 32])
      let layout = try #require(own.plan.network).layout
      let checkpoint = try Checkpoint(file, layout: layout, path: "c")
      #expect(checkpoint.state.parameters.suffix(32).contains { abs($0) > 1e-3 })
      let equal = try plan(
        Self.text, overrides: [changes[0].replacing(", learned_weight: true", with: "")] + changes[1...])
      #expect(equal.trainingIdentity != own.plan.trainingIdentity && !equal.trainingIdentity.contains("learned_weight"))
      let borrowed = Self.text.replacing(
        "score: {kind: network, prediction: edm, network: {kind: mlp, hidden: [32, 32], features: 8, time: fourier}}",
        with: "score: {kind: checkpoint, path: \(folder)/own/checkpoint.safetensors}"
      ).split(separator: "\n").filter { !$0.hasPrefix("training:") }.joined(separator: "\n")
      _ = try makeExperiment(
        try plan(borrowed, overrides: [changes[2]]), folder: folder + "/borrowed", store: store
      ).run()
      #expect(contents(folder + "/borrowed/samples/one.csv") == contents(folder + "/own/samples/one.csv"))
      // It may begin a training without such weights, and the other way round.
      let begun = try plan(
        Self.text, overrides: changes + ["training.initial=\(folder)/own", "training.objective.learned_weight=false"])
      _ = try makeExperiment(begun, folder: folder + "/begun", store: store).run()
      let again = try plan(Self.text, overrides: changes + ["training.initial=\(folder)/begun"])
      _ = try makeExperiment(again, folder: folder + "/again", store: store).run()
    }
  }
}
