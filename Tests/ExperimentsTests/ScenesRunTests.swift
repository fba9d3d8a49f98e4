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

/// Text models of scenes, from training to a folder of diffusers and back.
@Suite("Scenes from texts") struct ScenesRunTests {
  private static let autoencoder = """
    name: vae
    seed: 2
    data: {kind: scenes, count: 16, held_out: 4}
    score: {kind: autoencoder, channels: [4, 4, 4], latent_channels: 2, attention: false}
    training: {steps: 2, batch: 8}
    evaluation: {metrics: []}
    """

  private static func text(_ path: String, network: String, training: String = "{steps: 2, batch: 8}") -> String {
    """
    name: text
    seed: 3
    data: {kind: scenes, count: 16, held_out: 6}
    coordinates: [{kind: autoencoder, path: \(path)}]
    process: \(network.contains("diffusers") ? "{kind: vp}" : "{kind: vp, schedule: {kind: ddpm}}")
    score: {kind: network, prediction: velocity, network: \(network)}
    training: \(training)
    sampling:
      count: 6
      condition: {rows: held-out}
      guidance: {kind: classifier-free, weight: 2}
      solvers: [{name: a, kind: ddim, steps: 3}]
    evaluation: {metrics: []}
    """
  }

  private static let network =
    "{kind: text-unet, channels: [8, 16], blocks: 1, attention: [8, 4], text_width: 8, text_layers: 1}"

  private func samples(_ folder: String) throws -> Batch {
    try NumericTable(reading: folder + "/samples/a.npy").values
  }

  private func largest(_ a: Batch, _ b: Batch) -> Double {
    pairs(a.values, b.values).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  @Test("a model that was exported draws the same as it did, is trained on, and its adapters are a file")
  func roundTrip() throws {
    try withFolder { folder in
      let store = folder + "/models"
      func run(_ text: String, _ name: String, _ overrides: [String] = []) throws -> Experiment {
        let experiment = makeExperiment(
          try plan(text, overrides: overrides), folder: "\(folder)/\(name)", store: store)
        _ = try experiment.run()
        return experiment
      }
      _ = try run(Self.autoencoder, "vae")
      let dropped = "{steps: 2, batch: 8, condition_dropout: 0.5}"
      let first = try run(Self.text(folder + "/vae", network: Self.network, training: dropped), "first")
      #expect(contents(folder + "/first/captions.csv").hasPrefix("caption,combination\n"))
      let drawn = try samples(folder + "/first")
      #expect(drawn.dimension == 3072 && drawn.count == 6)

      // Out and in again: the folder's U-Net, text encoder, tokenizer and autoencoder are the model.
      let out = folder + "/out"
      #expect(try first.exportNetwork(to: out) == [])
      let again = Self.text(out, network: "{kind: diffusers, path: \(out)}", training: dropped)
      let second = try plan(
        again.replacing("    training: \(dropped)\n", with: "").replacing("training: \(dropped)\n", with: ""))
      let place = folder + "/second"
      _ = try makeExperiment(second, folder: place, store: store).run([.sample])
      // β are written in decimals, and ᾱ summed from them.
      let difference = largest(try samples(place), drawn)
      #expect(difference < 1e-3, "\(difference)")

      // Fine-tuned on a folder of captioned pictures.
      _ = try DataExport(part: .training).write(try plan(Self.autoencoder), to: folder + "/pictures")
      let pictures = "data={kind: captioned-images, path: \(folder)/pictures, size: 32}"
      let tuned = try run(again, "tuned", [pictures])
      #expect(largest(try samples(folder + "/tuned"), try samples(place)) > 0)
      #expect(try tuned.exportNetwork(to: folder + "/tuned-out") == [])

      // Adapters alone are trained, kept and written; added to the folder they are the tuned model.
      let lora = "score.network={kind: diffusers, path: \(out), lora: 2, lora_alpha: 6, lora_targets: transformer}"
      let adapted = try run(again, "adapted", [lora, "training.learning_rate=0.05", "training.ema=0"])
      let names = try Safetensors(reading: folder + "/adapted/checkpoint.safetensors").tensors.names
      #expect(!names.isEmpty && names.allSatisfy { $0.contains(".lora_A.") || $0.contains(".lora_B.") })
      #expect(try adapted.exportNetwork(to: folder + "/lora") == [])
      let file = "\(folder)/lora/pytorch_lora_weights.safetensors"
      #expect(try LowRankFile(file).components == [.unet])
      func merged(_ weight: String) throws -> Batch {
        let added = try plan(
          again.replacing("training: \(dropped)\n", with: ""),
          overrides: ["score.network={kind: diffusers, path: \(out), adapters: \(file)\(weight)}"])
        _ = try makeExperiment(added, folder: folder + "/merged", store: store).run([.sample])
        return try samples(folder + "/merged")
      }
      // Sums of floats in another order.
      let change = largest(try samples(folder + "/adapted"), try samples(place))
      #expect(change > 1e-3)
      #expect(largest(try merged(""), try samples(folder + "/adapted")) < max(1e-3, 0.02 * change))
      #expect(largest(try merged(", adapter_weight: 0"), try samples(place)) < 1e-5)
    }
  }

  @Test("what a text network is not made for is one line") func refused() throws {
    for (text, set, says) in [
      (tiny, "score.network={kind: text-unet}", "needs data with texts"),
      (
        tiny.replacing("{kind: two-moons, count: 500, held_out: 200}", with: "{kind: scenes, count: 8, held_out: 4}"),
        "score.network={kind: text-unet, text_width: 10, text_heads: 4}", "heads"
      ),
      (
        tiny.replacing("{kind: two-moons, count: 500, held_out: 200}", with: "{kind: scenes, count: 8, held_out: 4}"),
        "score.network={kind: text-unet, text_length: 4.5}", "length"
      ),
    ] {
      let error = #expect(throws: InputError.self) { try plan(text, overrides: [set]) }
      #expect(error?.description.contains(says) == true, "\(String(describing: error))")
    }
  }
}
