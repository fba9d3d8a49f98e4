// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import Testing
import Training

/// A U-Net on digits that trains in about a second.
private let tinyUNet = """
  name: tiny-unet
  seed: 5
  data: {kind: digits}
  process: {kind: vp}
  score:
    kind: network
    prediction: velocity
    network: {kind: unet, channels: [8, 16], blocks: 1, attention: [4], class_conditional: true, dropout: 0.1}
  training: {steps: 12, batch: 16, learning_rate: 1.0e-3}
  sampling:
    count: 20
    solvers:
      - {name: em, kind: euler-maruyama, steps: 4}
      - {name: ode, kind: probability-flow, rtol: 1.0e-2, atol: 1.0e-2}
  evaluation: {metrics: [energy-distance]}
  """

@Suite("Runs of U-Nets") struct UNetRunTests {
  private func bytes(_ path: String) -> Data? { FileManager.default.contents(atPath: path) }

  @Test("checkpoint and samples are the same bytes for any number of threads") func threads() throws {
    try withFolder { folder in
      for threads in [1, 3] {
        _ = try makeExperiment(try plan(tinyUNet), folder: "\(folder)/\(threads)", threads: threads, quiet: true).run()
      }
      for file in ["checkpoint.safetensors", "samples/em.csv", "samples/ode.csv", "loss_by_time.csv"] {
        let first = try #require(bytes("\(folder)/1/\(file)"))
        #expect(first == bytes("\(folder)/3/\(file)"), "\(file)")
      }
      let manifest = contents("\(folder)/1/manifest.json")
      let peak = try #require(
        (JSONSerialization.jsonObject(with: Data(manifest.utf8)) as? [String: Any])?["peak_memory_mib"] as? Int)
      #expect(peak > 1)
    }
  }

  @Test("a training that was stopped goes on to the same bytes, and its log goes on") func resume() throws {
    try withFolder { folder in
      let whole = try plan(tinyUNet)
      _ = try makeExperiment(whole, folder: folder + "/whole", threads: 2, quiet: true).run([.train])
      // What Ctrl-C leaves after five steps.
      let network = try #require(whole.network)
      let training = try #require(whole.training)
      let process = try #require(whole.process as? VPSDE)
      let data = try whole.data.load(seed: whole.seed)
      let kernel = process.makeKernel()
      let model = ScoreModel(
        network, parameters: network.initialParameters(seed: whole.seed), prediction: .velocity, kernel: kernel,
        duration: 1)
      let trainer = Trainer(
        try whole.model.objective.objective(
          in: ObjectiveSetting(model: model, process: whole.prepared, plan: training)),
        data: data.source, conditions: data.trainingConditions, plan: training, seed: whole.seed)
      var state = trainer.initialState()
      try trainer.run(&state) { $0.number < 5 }
      #expect(state.step == 5)
      try FileManager.default.createDirectory(atPath: folder + "/part", withIntermediateDirectories: true)
      try Checkpoint(state: state, config: whole.trainingIdentity).encoded(layout: network.layout).write(
        to: URL(fileURLWithPath: folder + "/part/checkpoint.safetensors"))
      let log = contents(folder + "/whole/training.csv").split(separator: "\n")
      try (log.prefix(6).joined(separator: "\n") + "\n").write(
        toFile: folder + "/part/training.csv", atomically: true, encoding: .utf8)

      #expect(throws: InputError.self) {
        try makeExperiment(whole, folder: folder + "/part", quiet: true).run([.sample])
      }
      _ = try makeExperiment(whole, folder: folder + "/part", threads: 1, quiet: true).run([.train])
      #expect(bytes(folder + "/part/checkpoint.safetensors") == bytes(folder + "/whole/checkpoint.safetensors"))
      // All columns but the seconds.
      func numbers(_ path: String) -> [[Substring]] {
        contents(path).split(separator: "\n").map { $0.split(separator: ",").dropLast() }
      }
      #expect(numbers(folder + "/part/training.csv") == numbers(folder + "/whole/training.csv"))
      #expect(log.count == 13)
    }
  }

  @Test("what a diffusers folder has no place for is told") func exportLoses() throws {
    try withFolder { folder in
      let trained = makeExperiment(
        try plan(
          tinyUNet, overrides: ["coordinates=[standardise]", "training.condition_dropout=0.1", "training.steps=2"]),
        folder: folder + "/run")
      _ = try trained.run([.train])
      let lost = try trained.exportNetwork(to: folder + "/saved")
      #expect(
        lost.map { $0.prefix { $0 != ":" } } == ["coordinates", "score.network", "training.condition_dropout"])
    }
  }

  @Test("a U-Net saved for diffusers and read back computes the same score") func export() throws {
    try withFolder { folder in
      let trained = makeExperiment(
        try plan(tinyUNet, overrides: ["sampling.class=3"]), folder: folder + "/run")
      #expect(throws: InputError.self) { try trained.exportNetwork(to: folder + "/early") }
      #expect(!FileManager.default.fileExists(atPath: folder + "/early"))
      _ = try trained.run([.train])
      // Pipelines of diffusers tell a network no class.
      #expect(try trained.exportNetwork(to: folder + "/saved").map { $0.prefix { $0 != ":" } } == ["score.network"])
      let reread = tinyUNet.replacing(
        "{kind: unet, channels: [8, 16], blocks: 1, attention: [4], class_conditional: true, dropout: 0.1}",
        with: "{kind: diffusers, path: \(folder)/saved}"
      ).replacing("  training: {steps: 12, batch: 16, learning_rate: 1.0e-3}\n", with: "")
        .replacing("training: {steps: 12, batch: 16, learning_rate: 1.0e-3}\n", with: "")
      let saved = makeExperiment(
        try plan(reread, overrides: ["sampling.class=3"]), folder: folder + "/reread")

      let header = (0..<64).map { "x\($0)" }.joined(separator: ",")
      let rows = (0..<3).map { row in (0..<64).map { String(sin(Double(row * 64 + $0))) }.joined(separator: ",") }
      try ([header] + rows).joined(separator: "\n").write(toFile: folder + "/x.csv", atomically: true, encoding: .utf8)
      // The schedule that was saved has the process's noise levels at multiples of 1/1000.
      for time in [0.002, 0.25, 1] {
        func noise(_ experiment: Experiment, _ name: String) throws -> [Double] {
          let output = "\(folder)/\(name).csv"
          try experiment.scorePoints(at: time, PointFiles(input: folder + "/x.csv", output: output), quantity: .noise)
          return contents(output).split(separator: "\n").dropFirst().flatMap {
            $0.split(separator: ",").map { Double($0)! }
          }
        }
        let (ours, theirs) = (try noise(trained, "ours"), try noise(saved, "theirs"))
        #expect(ours.count == 192)
        // Floats through the same network; labels and levels are equal.
        #expect(theirs.count == 192 && pairs(ours, theirs).allSatisfy { abs($0 - $1) < 1e-5 })
      }
      _ = try saved.run([.sample])
      #expect(FileManager.default.fileExists(atPath: folder + "/reread/samples/em.csv"))
    }
  }

  @Test(
    "what a U-Net cannot be is refused before anything is written",
    arguments: [
      ("score.network.channels=[8, 16, 16, 16, 16]", "halve"),
      ("score.network.groups=3", "groups"),
      ("score.network.head_channels=5", "heads"),
      ("score.network.scale_output=true", "fourier"),
      ("data={kind: two-moons}", "class_conditional needs data with classes"),
      ("sampling.class=10", "below 10"),
      ("score.network.class_conditional=false", nil),
      ("score={kind: network, network: {kind: diffusers, path: /nowhere}}", "config.json"),
    ] as [(String, String?)])
  func refused(override: String, text: String?) throws {
    if let text {
      let error = #expect(throws: InputError.self) { try plan(tinyUNet, overrides: [override]) }
      #expect(error?.description.contains(text) == true, "\(error?.description ?? "")")
      #expect(error?.description.contains("\n") == false)
    } else {
      _ = try plan(tinyUNet, overrides: [override])
    }
  }
}
