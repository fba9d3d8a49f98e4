// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Models
import Networks
import Pairs
import ScoreSDE
import Testing

@Suite("Experiments with autoencoders") struct AutoencoderRunTests {
  /// An autoencoder of 8 × 8 digits whose latents are 4 × 4 × 2.
  static let autoencoder = """
    name: vae
    seed: 2
    data: {kind: digits}
    score: {kind: autoencoder, channels: [16, 16], latent_channels: 2, attention: false}
    training: {steps: 30, batch: 32, learning_rate: 3.0e-3, ema: 0.9}
    evaluation: {metrics: [{kind: psnr, rows: 100}]}
    """

  /// A small network of latents.
  static func latent(_ path: String, more: String = "") -> String {
    """
    name: latent
    seed: 3
    data: {kind: digits}
    coordinates: [{kind: autoencoder, path: \(path)\(more)}]
    process: {kind: vp}
    score: {kind: network, network: {kind: unet, channels: [8, 8], blocks: 1, attention: [0]}}
    training: {steps: 3, batch: 16}
    sampling: {count: 5, solvers: [{name: a, kind: ddim, steps: 3}]}
    evaluation: {metrics: [energy-distance, psnr]}
    """
  }

  private func bytes(_ path: String) throws -> Data { try Data(contentsOf: URL(fileURLWithPath: path)) }

  @Test("one is trained, judged, drawn and exported; the same for 1 to 3 threads and after a stop") func training()
    throws
  {
    var first: [Data] = []
    for threads in 1...3 {
      try withFolder { folder in
        // One of them is stopped on the way: a training of fewer steps, as the learning rate stays.
        let plan = try plan(Self.autoencoder, overrides: ["training.decay=constant"])
        if threads == 3 {
          let shorter = try ExperimentPlan(
            ConfigSource(
              text: Self.autoencoder, path: "test.yaml", overrides: ["training.decay=constant", "training.steps=11"]))
          _ = try makeExperiment(shorter, folder: folder, threads: threads).run()
        }
        let experiment = makeExperiment(plan, folder: folder, threads: threads)
        let summary = try experiment.run()
        #expect(summary.contains("reconstructions.png") && summary.contains("checkpoint.safetensors"))
        #expect(contents(folder + "/training.csv").contains("30,"))
        let names = try FileManager.default.contentsOfDirectory(atPath: folder)
        #expect(!names.contains("loss_by_time.csv"))
        let row = try #require(contents(folder + "/evaluation.csv").split(separator: "\n").last)
        let fields = row.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
        #expect(fields[2] == "psnr" && fields[13] == "higher")
        let (value, low, high) = (Double(fields[5]) ?? .nan, Double(fields[6]) ?? .nan, Double(fields[7]) ?? .nan)
        // A picture that is all ground has 6.4 dB against a digit.
        #expect(low < value && value < high && value > 7, "\(row)")
        let files = try ["checkpoint.safetensors", "evaluation.csv", "reconstructions.png"].map {
          try bytes("\(folder)/\($0)")
        }
        if first.isEmpty { first = files }
        #expect(files == first, "\(threads) threads")

        // What is exported is the network that the checkpoint has, with the scale of its latents.
        #expect(try experiment.exportNetwork(to: folder + "/out") == [])
        let exported = try AutoencoderFolder(folder + "/out").autoencoder
        let metadata = try Safetensors(reading: folder + "/checkpoint.safetensors").metadata
        #expect(metadata["scaling_factor"] == exported.scaling.description && metadata["image"] == "8 8 1")
        let digits = try Digits().load(seed: 1)
        let (mean, logVariance) = try exported.encode(digits.training)
        let centre = mean.values.reduce(0, +) / Double(mean.values.count)
        let variance = pairs(mean.values, logVariance.values).reduce(0) {
          $0 + ($1.0 - centre) * ($1.0 - centre) + exp($1.1)
        }
        // All 1,498 training rows are measured: the deviation is 1, to rounding.
        #expect(abs(variance / Double(mean.values.count) - 1) < 1e-4)
        let summaryAgain = try makeExperiment(plan, folder: folder, threads: threads).run()
        #expect(summaryAgain.contains("used again"))
      }
    }
  }

  @Test("both likelihoods and the perceptual term train, and each option changes the network")
  func options() throws {
    try withFolder { folder in
      var seen: Set<Data> = []
      for objective in [
        "{kind: autoencoder}", "{kind: autoencoder, reconstruction: gaussian}", "{kind: autoencoder, kl_weight: 0.01}",
        "{kind: autoencoder, perceptual_weight: 0.1, perceptual_steps: 4}",
        "{kind: autoencoder, perceptual_weight: 0.1, perceptual_steps: 5}",
      ] {
        let plan = try plan(
          Self.autoencoder, overrides: ["training.objective=\(objective)", "training.steps=4", "training.preview=2"])
        _ = try makeExperiment(plan, folder: folder + "/r", store: folder + "/models").run([.train])
        #expect(seen.insert(try bytes(folder + "/r/checkpoint.safetensors")).inserted, "\(objective)")
        #expect(FileManager.default.fileExists(atPath: folder + "/r/previews/000004.png"))
      }
    }
  }

  @Test("a model of latents trains, samples pictures, and is kept by the autoencoder's checksum") func latents() throws
  {
    try withFolder { folder in
      let store = folder + "/models"
      _ = try makeExperiment(try plan(Self.autoencoder), folder: folder + "/vae", store: store).run([.train])
      let first = try plan(Self.latent(folder + "/vae"))
      #expect(first.model.seen.imageShape == ImageShape(height: 4, width: 4, channels: 2))
      var samples: [Data] = []
      for threads in 1...2 {
        let own = folder + "/\(threads)"
        _ = try makeExperiment(first, folder: own, store: own + "/models", threads: threads).run()
        samples.append(try bytes(own + "/samples/a.csv"))
      }
      #expect(samples[0] == samples[1])
      let pictures = try NumericTable(reading: folder + "/1/samples/a.csv").values
      #expect(pictures.count == 5 && pictures.dimension == 64 && pictures.values.allSatisfy(\.isFinite))
      #expect(contents(folder + "/1/evaluation.csv").contains(",psnr,"))

      // The same autoencoder elsewhere is the same network; another one is not.
      try FileManager.default.copyItem(atPath: folder + "/vae", toPath: folder + "/moved")
      let moved = try plan(Self.latent(folder + "/moved"))
      #expect(moved.trainingIdentity == first.trainingIdentity)
      let file = try plan(Self.latent(folder + "/vae/checkpoint.safetensors"))
      #expect(file.trainingIdentity == first.trainingIdentity)
      let anew = try plan(Self.latent(folder + "/vae", more: ", encode: anew"))
      #expect(anew.trainingIdentity != first.trainingIdentity)
      let drawn = try plan(Self.latent(folder + "/vae", more: ", latents: draw"))
      #expect(drawn.trainingIdentity != first.trainingIdentity)
      _ = try makeExperiment(
        try plan(Self.autoencoder, overrides: ["training.steps=31"]), folder: folder + "/other", store: store
      ).run([.train])
      let other = try plan(Self.latent(folder + "/other"))
      #expect(other.trainingIdentity != first.trainingIdentity)

      // The network of latents is a score for another experiment in the same coordinates, and in no others.
      let borrowed = { (path: String) in
        """
        name: b
        data: {kind: digits}
        coordinates: [{kind: autoencoder, path: \(path)}]
        process: {kind: vp}
        score: {kind: checkpoint, path: \(folder)/1/checkpoint.safetensors}
        sampling: {count: 5, solvers: [{name: a, kind: ddim, steps: 3}]}
        """
      }
      _ = try makeExperiment(try plan(borrowed(folder + "/moved")), folder: folder + "/b").run([.sample])
      let error = #expect(throws: InputError.self) {
        try makeExperiment(try plan(borrowed(folder + "/other")), folder: folder + "/c").run([.sample])
      }
      #expect(error?.message.contains("was trained in other coordinates") == true, "\(error?.message ?? "")")
    }
  }

  @Test("latents are those of the autoencoder: means, or draws that are new in every step") func rows() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(Self.autoencoder), folder: folder).run([.train])
      try makeExperiment(try plan(Self.autoencoder), folder: folder).exportNetwork(to: folder + "/out")
      let autoencoder = try AutoencoderFolder(folder + "/out").autoencoder
      let digits = try Digits().load(seed: 3)
      let (mean, logVariance) = try autoencoder.encode(digits.training)
      func load(_ latents: String) throws -> DataInCoordinates {
        let plan = try plan(Self.latent(folder + "/out", more: ", latents: \(latents)"))
        return try DataInCoordinates(plan.data, recipes: plan.model.coordinates, seed: plan.seed)
      }
      let means = try load("mean")
      // Kept as floats.
      for (a, b) in pairs(means.seen.training.values, mean.values) { #expect(abs(a - b) < 1e-6 * max(1, abs(b))) }
      let pictures = means.decoded(means.seen.heldOutRows.prefix(3))
      let direct = try autoencoder.reconstructed(digits.heldOutRows.prefix(3))
      for (a, b) in pairs(pictures.values, direct.values) { #expect(abs(a - b) < 1e-5) }

      let draws = try load("draw")
      func draw(step: Int, row: Int) -> [Double] {
        var values = [Double](repeating: 0, count: 32)
        values.withUnsafeMutableBufferPointer {
          draws.seen.source.copy(
            7, variation: Variation(uniforms: SIMD3(0, 0, 0), seed: 1, step: step, row: row), into: $0.baseAddress!)
        }
        return values
      }
      #expect(draw(step: 1, row: 1) == draw(step: 1, row: 1))
      #expect(draw(step: 1, row: 1) != draw(step: 2, row: 1) && draw(step: 1, row: 1) != draw(step: 1, row: 2))
      // 32 values over 400 steps: standardised draws are normal, to sampling errors of 1/√12800 = 0.009, five of each.
      let all = (0..<400).flatMap { step in
        (0..<32).map { j in (draw(step: step, row: 0)[j] - mean[7, j]) / exp(0.5 * logVariance[7, j]) }
      }
      let centre = all.reduce(0, +) / Double(all.count)
      let variance = all.reduce(0) { $0 + $1 * $1 } / Double(all.count)
      #expect(abs(centre) < 0.045 && abs(variance - 1) < 0.065)
      #expect(draws.seen.training != means.seen.training)
    }
  }

  @Test("what has no meaning for an autoencoder, or in its latents, is refused in one line") func refusals() throws {
    func refused(_ text: String, _ overrides: [String], _ says: [String]) {
      let error = #expect(throws: InputError.self) { try plan(text, overrides: overrides) }
      let message = error?.description ?? ""
      for part in says { #expect(message.contains(part), "\(overrides): \(message)") }
      #expect(!message.contains("\n"))
    }
    let vae = Self.autoencoder
    refused(vae, ["process={kind: vp}"], ["process", "has no effect"])
    refused(vae, ["sampling={count: 1, solvers: []}"], ["sampling", "draws no samples"])
    refused(vae, ["likelihood={epsilon: 0.1}"], ["likelihood", "no effect"])
    refused(vae, ["coordinates=[standardise]"], ["coordinates", "no effect"])
    refused(vae, ["evaluation.metrics=[mmd]"], ["'mmd' judges samples", "allowed: psnr"])
    refused(vae, ["evaluation.metrics=[nll]"], ["nll", "an autoencoder has none"])
    refused(vae, ["training.objective=denoising"], ["objective", "allowed: autoencoder"])
    refused(vae, ["training.weighting=edm"], ["training.weighting", "no effect"])
    refused(vae, ["training.condition_dropout=0.1"], ["condition_dropout", "no effect"])
    refused(vae, ["training.preview={steps: 3, solver: {kind: ddim, steps: 3}}"], ["solver", "no effect"])
    refused(vae, ["training.objective={kind: autoencoder, perceptual_steps: 3}"], ["perceptual_steps", "no effect"])
    refused(vae, ["training.objective={kind: autoencoder, kl_weight: -1}"], ["kl_weight", "allowed: 0 or more"])
    refused(vae, ["data={kind: two-moons}"], ["is for pictures"])
    refused(vae, ["score.channels=[8, 8, 8, 8, 8]"], ["halve pictures 4 times", "allowed: multiples of 16"])
    refused(vae, ["score.groups=3"], ["are not 3 equal groups"])
    refused(tiny, ["training.objective=autoencoder"], ["objective", "score kind autoencoder"])
    refused(tiny, ["evaluation.metrics=[psnr]"], ["psnr", "needs an autoencoder"])
    let perceptual = "training.objective={kind: autoencoder, perceptual_weight: 1}"
    try withFolder { folder in
      try Data(("a,b,c,d\n" + (0..<30).map { "\($0 % 7),0,1,\($0 % 3)\n" }.joined()).utf8).write(
        to: URL(fileURLWithPath: folder + "/d.csv"))
      let table = "data={kind: csv, path: \(folder)/d.csv, shape: [2, 2, 1], range: [0, 7]}"
      refused(vae, [table, perceptual], ["needs data with classes or texts"])
      refused(Self.latent("/nowhere"), [], ["/nowhere", "no such file or folder"])
      _ = try makeExperiment(try plan(vae), folder: folder + "/r").run([.train])
      refused(Self.latent(folder + "/r"), ["data={kind: two-moons}"], ["is for pictures"])
      refused(Self.latent(folder + "/r"), ["evaluation.metrics=[nll]"], ["nll", "no density of the data is known"])
      refused(Self.latent(folder + "/r", more: ", variant: fp16"), [], ["variant has no effect"])
      let experiment = makeExperiment(try plan(vae), folder: folder + "/r")
      for run in [
        { try experiment.scorePoints(at: 0.5, PointFiles(input: nil, output: folder + "/o.csv"), quantity: .score) },
        { _ = try experiment.logDensities(of: PointFiles(input: nil, output: folder + "/o.csv")) },
        { _ = try experiment.checkProcess(rows: 10, steps: 10, tolerance: 1) },
        { _ = try experiment.run([.sample]) },
      ] as [() throws -> Void] {
        let error = #expect(throws: InputError.self) { try run() }
        #expect(error?.description.contains("autoencoder") == true, "\(error?.description ?? "")")
      }
      // A network of latents has no likelihood either, and its checkpoint is no autoencoder.
      let latent = makeExperiment(try plan(Self.latent(folder + "/r")), folder: folder + "/l")
      _ = try latent.run([.train])
      let error = #expect(throws: InputError.self) {
        try latent.logDensities(of: PointFiles(input: nil, output: folder + "/o.csv"))
      }
      #expect(error?.message.contains("no density of the data is known") == true)
      refused(Self.latent(folder + "/l"), [], ["is the checkpoint of a score, and no autoencoder"])
      let borrowed = Self.latent(folder + "/r").replacing(
        "{kind: network, network: {kind: unet, channels: [8, 8], blocks: 1, attention: [0]}}",
        with: "{kind: checkpoint, path: \(folder)/r/checkpoint.safetensors}"
      ).replacing("training: {steps: 3, batch: 16}\n", with: "")
      let wrong = #expect(throws: InputError.self) {
        try makeExperiment(try plan(borrowed), folder: folder + "/w").run([.sample])
      }
      #expect(wrong?.message.contains("is the checkpoint of an autoencoder") == true, "\(wrong?.message ?? "")")
      #expect(!FileManager.default.fileExists(atPath: folder + "/w"))
    }
  }

  @Test("a resolved config of an autoencoder, or in its latents, says the same") func resolved() throws {
    try withFolder { folder in
      let vae = try plan(Self.autoencoder)
      #expect(try plan(vae.resolved).resolved == vae.resolved)
      #expect(try plan(vae.resolved).trainingIdentity == vae.trainingIdentity)
      _ = try makeExperiment(vae, folder: folder + "/r").run([.train])
      let latent = try plan(Self.latent(folder + "/r"))
      let again = try plan(latent.resolved)
      #expect(again.resolved == latent.resolved && again.trainingIdentity == latent.trainingIdentity)
    }
  }

  @Test("without data, latents are sampled by networks that came from elsewhere") func withoutData() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(Self.autoencoder), folder: folder + "/r").run([.train])
      let latent = Self.latent(folder + "/r")
      _ = try makeExperiment(try plan(latent), folder: folder + "/l").run([.train])
      let text = latent.replacing("{kind: digits}", with: "{kind: none, shape: [8, 8, 1]}").replacing(
        "{kind: network, network: {kind: unet, channels: [8, 8], blocks: 1, attention: [0]}}",
        with: "{kind: checkpoint, path: \(folder)/l/checkpoint.safetensors}"
      ).replacing("training: {steps: 3, batch: 16}\n", with: "").replacing("[energy-distance, psnr]", with: "[]")
      _ = try makeExperiment(try plan(text), folder: folder + "/n").run()
      #expect(try NumericTable(reading: folder + "/n/samples/a.csv").values.dimension == 64)
    }
  }
}
