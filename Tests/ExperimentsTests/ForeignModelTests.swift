// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Models
import Networks
import Processes
import Testing

/// Networks that came from diffusers, in configs and back.
@Suite("Foreign models") struct ForeignModelTests {
  private static let small = """
    name: small
    seed: 5
    data: {kind: digits}
    process: {kind: vp}
    score: {kind: network, network: {kind: unet, channels: [8, 16], blocks: 1, attention: [4]}}
    training: {steps: 2, batch: 8}
    sampling: {count: 2, solvers: [{name: em, kind: euler-maruyama, steps: 4}]}
    """

  private static let exploding =
    small.replacing("process: {kind: vp}", with: "process: {kind: ve, sigma_min: 0.02, sigma_max: 20}")
    .replacing("score: {kind: network, ", with: "score: {kind: network, prediction: score, ")
    .replacing("attention: [4]", with: "attention: [4], time: fourier, scale_output: true")

  private static func foreign(_ folder: String, process: String = "vp", score: String = "") -> String {
    """
    name: foreign
    data: {kind: digits}
    process: {kind: \(process)}
    score: {kind: network, \(score)network: {kind: diffusers, path: \(folder)/saved}}
    sampling: {count: 2, solvers: [{name: em, kind: euler-maruyama, steps: 4}]}
    """
  }

  private func export(_ text: String, _ folder: String) throws -> [String] {
    let experiment = makeExperiment(try plan(text), folder: folder + "/run")
    _ = try experiment.run([.train])
    return try experiment.exportNetwork(to: folder + "/saved")
  }

  private func write(_ text: String, to path: String) throws {
    try Data(text.utf8).write(to: URL(fileURLWithPath: path))
  }

  private func object(_ path: String) throws -> [String: Any] {
    try #require(JSONSerialization.jsonObject(with: Data(contents(path).utf8)) as? [String: Any])
  }

  /// Gives the scheduler's file other entries.
  private func reschedule(_ folder: String, _ entries: [String: Any]) throws {
    let path = folder + "/saved/scheduler/scheduler_config.json"
    var scheduler: [String: Any] = ["_class_name": "DDPMScheduler"]
    for (key, value) in entries { scheduler[key] = value }
    try JSONSerialization.data(withJSONObject: scheduler).write(to: URL(fileURLWithPath: path))
  }

  private func refusal(_ text: String, _ overrides: [String] = []) throws -> String {
    let error = try #require(throws: InputError.self) { _ = try plan(text, overrides: overrides) }
    #expect(!error.description.contains("\n"))
    return error.description
  }

  @Test("an export is a pipeline's folder, and replaces what earlier programs wrote") func layout() throws {
    try withFolder { folder in
      let saved = folder + "/saved"
      try FileManager.default.createDirectory(atPath: saved, withIntermediateDirectories: true)
      try write(#"{"_class_name": "UNet2DModel"}"#, to: saved + "/config.json")
      for name in ["scheduler_config.json", "diffusion_pytorch_model.safetensors", "README.md"] {
        try write("old", to: "\(saved)/\(name)")
      }
      #expect(try export(Self.small, folder).isEmpty)
      let files = FileManager.default.subpaths(atPath: saved)?.filter { $0.contains(".") }.sorted()
      #expect(
        files == [
          "README.md", "model_index.json", "scheduler/scheduler_config.json", "unet/config.json",
          "unet/diffusion_pytorch_model.safetensors",
        ])
      let index = try object(saved + "/model_index.json")
      #expect(index["_class_name"] as? String == "DDPMPipeline")
      #expect(index["unet"] as? [String] == ["diffusers", "UNet2DModel"])
      #expect(index["scheduler"] as? [String] == ["diffusers", "DDPMScheduler"])
      // Every entry of UNet2DModel is written, so that no default of another version decides.
      #expect(try object(saved + "/unet/config.json").count == 30)
      // The old layout is still read.
      for name in ["unet/config.json", "unet/diffusion_pytorch_model.safetensors", "scheduler/scheduler_config.json"] {
        try FileManager.default.moveItem(
          atPath: "\(saved)/\(name)", toPath: "\(saved)/\((name as NSString).lastPathComponent)")
      }
      _ = try plan(Self.foreign(folder))
    }
  }

  @Test("the network's files say prediction, noise levels and the smallest time") func followed() throws {
    try withFolder { folder in
      _ = try export(Self.small, folder)
      try reschedule(folder, ["num_train_timesteps": 50, "prediction_type": "v_prediction", "beta_end": 0.3])
      let read = try plan(Self.foreign(folder))
      #expect(read.score.network?.prediction == .velocity && read.network?.noiseInput == .discrete(50))
      #expect(read.sampling.epsilon == 0.02 && read.likelihood.likelihood.epsilon == 0.02)
      let levels = try DiscreteBeta.linear(1e-4, 0.3, levels: 50)
      let process = try #require(read.process as? VPSDE)
      #expect(process.schedule.integral(to: 1) == levels.integral(to: 1))
      #expect(read.resolved.contains("prediction: velocity\n") && read.resolved.contains("process:\n  kind: vp\nscore"))
      // The resolved config is the same plan.
      #expect(try plan(read.resolved).resolved == read.resolved)
      // A training goes on where the network's levels begin.
      let tuned = try plan(Self.foreign(folder), overrides: ["training.steps=1"])
      #expect(tuned.training?.epsilon == 0.02)

      #expect(
        try refusal(Self.foreign(folder, score: "prediction: noise, ")).contains(
          "prediction is noise; the network's scheduler says velocity; allowed: velocity"))
      #expect(
        try refusal(Self.foreign(folder), ["process.beta_max=12"]).contains(
          "its options have no effect: the network's files say the noise levels; allowed: {kind: vp}"))
      // What earlier programs wrote out.
      _ = try plan(Self.foreign(folder), overrides: ["process.beta_max=20", "process.schedule=linear"])
      #expect(try refusal(Self.foreign(folder, process: "ve")).contains("needs process vp"))
      // Its own levels are others than the network's.
      #expect(try refusal(Self.foreign(folder, process: "iddpm")).contains("is iddpm; a diffusers network"))
      #expect(try refusal(Self.foreign(folder), ["score.network.variant=fp16"]).contains("no variant 'fp16'"))
      #expect(try refusal(Self.foreign(folder), ["score.network.subfolder=unet_ema"]).contains("no such file"))
    }
  }

  @Test("an output divided by σ is a score, and nothing else") func dividedOutput() throws {
    try withFolder { folder in
      #expect(try export(Self.exploding, folder).isEmpty)
      let scheduler = try object(folder + "/saved/scheduler/scheduler_config.json")
      #expect(scheduler["_class_name"] as? String == "ScoreSdeVeScheduler" && scheduler["sigma_max"] as? Double == 20)
      let read = try plan(Self.foreign(folder, process: "ve"))
      #expect(read.score.network?.prediction == .score && read.warnings.isEmpty)
      let sigmas = try #require((read.process as? VESDE)?.schedule as? GeometricSigma)
      #expect(sigmas.minimum == 0.02 && sigmas.maximum == 20)
      for prediction in ["noise", "data", "velocity", "edm"] {
        #expect(
          try refusal(Self.foreign(folder, process: "ve", score: "prediction: \(prediction), ")).contains(
            "prediction is \(prediction); the network's output is divided by σ, which only a score is; allowed: score"))
      }
      #expect(try refusal(Self.foreign(folder)).contains("needs process ve"))
      #expect(try refusal(Self.foreign(folder, process: "ve"), ["process.sigma_max=9"]).contains("have no effect"))
      // Without a scheduler the process says the levels.
      try FileManager.default.removeItem(atPath: folder + "/saved/scheduler")
      let bare = try plan(Self.foreign(folder, process: "ve, sigma_max: 7"))
      #expect((bare.process as? VESDE)?.schedule.deviation(at: 1) == 7 && bare.score.network?.prediction == .score)
      _ = try plan(Self.foreign(folder, process: "edm"))
      #expect(try refusal(Self.foreign(folder)).contains("sees x as it is; allowed: ve, edm"))
    }
  }

  @Test("what was chosen and not followed is a note of the config, and no warning") func told() throws {
    try withFolder { folder in
      _ = try export(Self.small, folder)
      try reschedule(folder, ["clip_sample": true, "timestep_spacing": "leading"])
      try FileManager.default.copyItem(atPath: folder + "/saved/unet", toPath: folder + "/saved/unet_ema")
      let read = try plan(Self.foreign(folder))
      let notes = read.notes
      #expect(read.warnings.isEmpty)
      #expect(notes.count == 2)
      #expect(notes.allSatisfy { $0.hasPrefix("test.yaml:4: score.network.path: ") && !$0.contains("\n") })
      #expect(notes.contains { $0.contains("takes unet; unet_ema") })
      #expect(notes.contains { $0.contains("clip_sample true, timestep_spacing 'leading': sampling settings") })
    }
  }

  @Test("noise alone at the last level: samples are drawn of v, and ε is refused") func zeroTerminalSignal() throws {
    try withFolder { folder in
      _ = try export(Self.small, folder)
      try reschedule(folder, ["rescale_betas_zero_snr": true, "prediction_type": "v_prediction"])
      let text = Self.foreign(folder).replacing("{name: em, kind: euler-maruyama", with: "{name: ddim, kind: ddim")
      let drawn = makeExperiment(try plan(text), folder: folder + "/drawn")
      _ = try drawn.run([.sample])
      let values = contents(folder + "/drawn/samples/ddim.csv").split(separator: "\n").dropFirst().flatMap {
        $0.split(separator: ",").compactMap { Double($0) }
      }
      #expect(values.count == 128 && values.allSatisfy { $0.isFinite && abs($0) < 100 })
      try reschedule(folder, ["rescale_betas_zero_snr": true])
      #expect(try refusal(Self.foreign(folder)).contains("allowed: v_prediction, sample"))
    }
  }

  @Test("a config whose training is not the folder's is not exported") func otherTraining() throws {
    try withFolder { folder in
      _ = try export(Self.small, folder)
      func refused(_ text: String, _ overrides: [String], _ says: String, run: String = "/run") throws {
        // Even where the store has such a network.
        let store = folder + "/run/.models"
        let other = makeExperiment(try plan(text, overrides: overrides), folder: folder + run, store: store)
        let error = #expect(throws: InputError.self) { try other.exportNetwork(to: folder + "/other") }
        #expect(error?.location == "\(folder)\(run)/checkpoint.safetensors")
        #expect(error?.message.contains(says) == true, "\(String(describing: error))")
        #expect(!FileManager.default.fileExists(atPath: folder + "/other"))
      }
      try refused(Self.small, ["training.steps=1"], "training.steps is 2, and 1 in the config")
      try refused(Self.small, ["process.beta_max=12"], "process.beta_max is 20, and 12 in the config")
      try refused(Self.small, ["seed=6"], "seed is 5, and 6 in the config")
      // A network that was trained further is not exported as it came.
      let tuned = Self.foreign(folder) + "\ntraining: {steps: 1, batch: 4}\n"
      _ = try makeExperiment(try plan(tuned), folder: folder + "/tuned").run([.train])
      try refused(Self.foreign(folder), [], "training", run: "/tuned")
      _ = try makeExperiment(try plan(tuned), folder: folder + "/tuned").exportNetwork(to: folder + "/again")
      // As it came, and said so, where no training is there.
      let bare = makeExperiment(try plan(Self.foreign(folder)), folder: folder + "/none")
      let lost = try bare.exportNetwork(to: folder + "/copy")
      #expect(lost == ["training: the config has none; the weights are those that the network came with"])
    }
  }

  @Test("a process without a scheduler is exported as a network alone, and that is said") func noScheduler() throws {
    try withFolder { folder in
      _ = try export(Self.small, folder)
      let other = Self.small.replacing("process: {kind: vp}", with: "process: {kind: rectified-flow}")
      let experiment = makeExperiment(try plan(other), folder: folder + "/flow")
      _ = try experiment.run([.train])
      let lost = try experiment.exportNetwork(to: folder + "/saved")
      #expect(lost.count == 1 && lost[0].hasPrefix("process: diffusers has no scheduler for rectified-flow"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/saved/model_index.json"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/saved/scheduler/scheduler_config.json"))
    }
  }
}
