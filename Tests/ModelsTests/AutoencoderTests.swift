// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

/// diffusers' own latents, pictures and gradients, computed in double by Fixtures/make_autoencoders.py.
@Suite("Autoencoders of diffusers") struct AutoencoderTests {
  static let names = ["plain", "bare", "sharded"]

  static func folder(_ name: String) throws -> String {
    try #require(
      Bundle.module.url(forResource: "Autoencoders/\(name)", withExtension: nil, subdirectory: "Fixtures")
    ).path
  }

  private func batch(_ io: Safetensors, _ key: String) throws -> Batch {
    let values = try #require(io.tensors[key]).rows
    return Batch(values: values.map { Double($0) }, dimension: values.count / 2)
  }

  /// Values are of the size of 1, and computed in floats through about 20 layers: 1e-5 is a hundred units in the last
  /// place.
  @Test("latents and pictures are diffusers', to 1e-5", arguments: names) func agrees(name: String) throws {
    let folder = try Self.folder(name)
    let autoencoder = try AutoencoderFolder(folder).autoencoder
    let io = try Safetensors(reading: folder + "/io.safetensors")
    let (scaling, shift) = (autoencoder.scaling, autoencoder.shift)
    let found = try autoencoder.encode(try batch(io, "images"))
    let expected = try (batch(io, "mean"), batch(io, "logvar"))
    #expect(scaling == ["plain": 0.18215, "bare": 0.7, "sharded": 0.13025][name])
    #expect(shift == (name == "bare" ? 0.25 : 0))
    for (y, mean) in pairs(found.mean.values, expected.0.values) {
      #expect(abs(y / scaling + shift - mean) < 1e-5)
    }
    for (y, logVariance) in pairs(found.logVariance.values, expected.1.values) {
      #expect(abs(y - 2 * log(scaling) - logVariance) < 1e-5)
    }
    var latents = try batch(io, "latents")
    latents.values = latents.values.map { ($0 - shift) * scaling }
    for (picture, wanted) in pairs(try autoencoder.decode(latents).values, try batch(io, "decoded").values) {
      #expect(abs(picture - wanted) < 1e-5)
    }
  }

  /// To 1e-4 of each tensor's range, as for U-Nets: a gradient is a sum of many terms.
  @Test(arguments: ["plain", "bare"], [false, true]) func gradientsAgree(name: String, winograd: Bool) throws {
    let folder = try Self.folder(name)
    let autoencoder = try AutoencoderFolder(folder, winograd: winograd).autoencoder
    let (network, io) = (autoencoder.network, try Safetensors(reading: folder + "/io.safetensors"))
    let tape = network.makeTape()
    func rows(_ key: String) throws -> Tensor {
      let values = try #require(io.tensors[key]).rows
      return tape.filled(2, values.count / 2, values)
    }
    var gradients = [Float](repeating: .nan, count: network.layout.count)
    try autoencoder.parameters.withUnsafeBufferPointer { parameters in
      tape.begin(parameters: parameters.baseAddress!, recording: true)
      let (x, z) = (tape.variable(try rows("images")), tape.variable(try rows("latents")))
      let (mean, logVariance) = network.encode(x, on: tape)
      let parts = [
        tape.product(mean, try rows("adjoint.mean")), tape.product(logVariance, try rows("adjoint.logvar")),
        tape.product(network.decode(z, on: tape), try rows("adjoint.decoded")),
      ].map { tape.columnSums(tape.rowSums($0)) }
      let total = tape.sum(1, tape.sum(1, parts[0], 1, parts[1]), 1, parts[2])
      gradients.withUnsafeMutableBufferPointer { tape.backward(from: total, gradients: $0.baseAddress!) }
      for (variable, key) in [(x, "grad.images"), (z, "grad.latents")] {
        let (slope, expected) = (try #require(tape.gradient(of: variable)).array, try #require(io.tensors[key]).rows)
        #expect(difference(slope, expected) < 1e-4 * largest(expected), "\(key)")
      }
    }
    var checked = 0
    try network.layout.forEachTensor(of: gradients) { part, values in
      if part.name == AutoencoderNetwork.deviationName { return #expect(values == [0]) }
      let expected = try #require(io.tensors["grad." + part.name])
      #expect(expected.shape == part.shape)
      let slopes = try expected.values
      #expect(difference(values, slopes) < 1e-4 * max(1e-2, largest(slopes)), "\(part.name)")
      checked += 1
    }
    #expect(checked > 60)
  }

  @Test("what is written is read again, to the bit, and has diffusers' names", arguments: names)
  func written(name: String) throws {
    let original = try AutoencoderFolder(try Self.folder(name)).autoencoder
    let path = NSTemporaryDirectory() + "autoencoder-\(UUID().uuidString)"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try AutoencoderFolder.write(original, to: path + "/vae")
    // A pipeline's folder has it in `vae`.
    for folder in [path, path + "/vae"] {
      let copy = try AutoencoderFolder(folder).autoencoder
      #expect(copy.architecture == original.architecture && copy.parameters == original.parameters)
      #expect(copy.scaling == original.scaling && copy.shift == original.shift)
      #expect(copy.fingerprint == original.fingerprint)
    }
    let names = try Safetensors(reading: path + "/vae/diffusion_pytorch_model.safetensors").tensors.names
    #expect(!names.contains(AutoencoderNetwork.deviationName))
    let config = try Data(contentsOf: URL(fileURLWithPath: path + "/vae/config.json"))
    let mine = try #require(JSONSerialization.jsonObject(with: config) as? [String: Any])
    let theirs = try #require(
      JSONSerialization.jsonObject(
        with: Data(contentsOf: URL(fileURLWithPath: try Self.folder(name) + "/config.json"))) as? [String: Any])
    #expect(Set(mine.keys) == Set(theirs.keys))
    for (key, value) in theirs where key != "_diffusers_version" {
      #expect("\(value)" == "\(mine[key] ?? "")", "\(key)")
    }
  }

  @Test("old names of attention, and matrices that lie as convolutions, are the same model") func oldNames() throws {
    let folder = try SpoiledAutoencoder()
    let before = try AutoencoderFolder(folder.path).autoencoder
    try folder.edit { tensors in
      let names = [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")]
      for name in tensors.names where name.contains("attentions") {
        guard let (new, old) = names.first(where: { name.contains(".\($0.0).") }),
          let entry = tensors.removeValue(forKey: name)
        else { continue }
        let isMatrix = entry.shape.count == 2
        tensors[name.replacing(".\(new).", with: ".\(old).")] =
          isMatrix && new != "to_k" ? entry.reshaped(entry.shape + [1, 1]) : entry
      }
    }
    #expect(try AutoencoderFolder(folder.path).autoencoder.parameters == before.parameters)
  }

  static let configs: [(String, String, String)] = [
    ("_class_name", #""AutoencoderTiny""#, "'_class_name' is 'AutoencoderTiny'; allowed: AutoencoderKL"),
    ("down_block_types", #"["DownEncoderBlock2D", "AttnDownEncoderBlock2D"]"#, "holds 'AttnDownEncoderBlock2D'"),
    ("up_block_types", #"["UpDecoderBlock2D"]"#, "has 1 blocks; block_out_channels has 2 stages"),
    ("up_block_types", "3", "'up_block_types' is not a list of texts"),
    ("block_out_channels", "[]", "has 2 blocks; block_out_channels has 0 stages"),
    ("block_out_channels", "[4, 9]", "9 channels are not 2 equal groups"),
    ("block_out_channels", "[0, 8]", "channels of a stage: 0"),
    ("block_out_channels", "[4.5, 8]", "'block_out_channels' holds something else than whole numbers"),
    ("layers_per_block", "0", "blocks of a stage: 0"),
    ("latent_channels", "0", "latent channels: 0"),
    ("latent_channels", "-4", "latent channels: -4"),
    ("in_channels", "4", "'out_channels' is 3 and in_channels 4; allowed: as many"),
    ("norm_num_groups", "0", "4 channels are not 0 equal groups"),
    ("norm_num_groups", "null", "'norm_num_groups' is not a number"),
    ("act_fn", #""relu""#, "'act_fn' is 'relu'; allowed: silu, swish"),
    ("sample_size", "[8, 8, 8]", "'sample_size' is no size"),
    ("sample_size", "0", "a height of 0 pixels"),
    ("scaling_factor", "0", "'scaling_factor' is 0; allowed: above 0"),
    ("scaling_factor", "null", "'scaling_factor' is not a number"),
    ("shift_factor", #""x""#, "'shift_factor' is not a number"),
    ("latents_mean", "[0, 0, 0, 0]", "'latents_mean' is"),
    ("latents_std", "[1, 1, 1, 1]", "'latents_std' is"),
    ("mid_block_add_attention", "1", "'mid_block_add_attention' is neither true nor false"),
    ("use_tiling", "true", "'use_tiling' is true, which is unknown here"),
  ]

  @Test("every entry of a config is followed or refused by name", arguments: configs)
  func refused(key: String, value: String, says: String) throws {
    let folder = try SpoiledAutoencoder()
    try folder.configure([key: value])
    folder.expectRefused(says, at: folder.config)
  }

  @Test("weights that are missing, of another shape, too many or not finite are refused by name") func weights() throws
  {
    let name = "decoder.conv_in.weight"
    func refused(_ says: String, _ change: (inout Safetensors.Table) throws -> Void) throws {
      let folder = try SpoiledAutoencoder()
      try folder.edit(change)
      folder.expectRefused(says, at: folder.weights)
    }
    try refused("no tensor '\(name)'") { $0[name] = nil }
    try refused("'\(name)' has shape [8], expected [8, 4, 3, 3]") {
      $0[name] = Safetensors.Entry(shape: [8], values: [Float](repeating: 0, count: 8))
    }
    try refused("holds 'loss.logvar', which config.json has no place for") {
      $0["loss.logvar"] = Safetensors.Entry(shape: [1], values: [0])
    }
    try refused("holds 'log_variance', which config.json has no place for") {
      $0["log_variance"] = Safetensors.Entry(shape: [1], values: [0])
    }
    for number in [Float.nan, .infinity] {
      try refused("'\(name)' holds a number that is not finite") {
        var values = try #require($0[name]).values
        values[3] = number
        $0[name] = Safetensors.Entry(shape: [8, 4, 3, 3], values: values)
      }
    }
    let folder = try SpoiledAutoencoder()
    try FileManager.default.removeItem(atPath: folder.weights)
    folder.expectRefused("no such file", at: folder.weights)
    try FileManager.default.removeItem(atPath: folder.config)
    folder.expectRefused("no such file", at: folder.config)
    let error = #expect(throws: InputError.self) { try AutoencoderFolder("/nowhere/at/all") }
    #expect(error?.location == "/nowhere/at/all/config.json")
  }

  @Test("pictures of other sizes go through the same weights; sizes that cannot be halved are refused")
  func sizes() throws {
    let small = try AutoencoderFolder(try Self.folder("plain")).autoencoder
    let large = try small.sized(height: 16, width: 10)
    #expect(large.architecture.latentDimension == 8 * 5 * 4 && large.fingerprint == small.fingerprint)
    let images = NoiseStream(seed: 1, purpose: .data).normals(count: 3, dimension: 16 * 10 * 3)
    let latents = try large.encode(images).mean
    #expect(latents.dimension == 160 && large.architecture.dimension == 480)
    #expect(try large.decode(latents).values.allSatisfy(\.isFinite))
    for (height, width) in [(15, 16), (16, 9), (0, 8), (-2, 8), (8, 100_000)] {
      let error = #expect(throws: InputError.self) { try small.sized(height: height, width: width) }
      #expect(error?.message.contains("allowed: ") == true)
    }
  }

  @Test("rows do not depend on threads, nor on how many others there are") func threads() throws {
    let autoencoder = try AutoencoderFolder(try Self.folder("plain")).autoencoder
    let images = NoiseStream(seed: 2, purpose: .data).normals(count: 70, dimension: 192)
    let one = try autoencoder.encode(images, threads: 1)
    let pictures = try autoencoder.decode(one.mean, threads: 1)
    for threads in 2...4 {
      let other = try autoencoder.encode(images, threads: threads)
      #expect(other.mean == one.mean && other.logVariance == one.logVariance)
      #expect(try autoencoder.decode(one.mean, threads: threads) == pictures)
    }
  }
}

/// A copy of an autoencoder's folder that a test may spoil.
private final class SpoiledAutoencoder {
  let path: String
  var config: String { "\(path)/config.json" }
  var weights: String { "\(path)/diffusion_pytorch_model.safetensors" }

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("vae-\(UUID().uuidString)").path
    try FileManager.default.copyItem(atPath: AutoencoderTests.folder("plain"), toPath: path)
  }

  deinit { try? FileManager.default.removeItem(atPath: path) }

  func configure(_ values: [String: String]) throws {
    var object = try #require(
      JSONSerialization.jsonObject(with: Data(contentsOf: URL(fileURLWithPath: config))) as? [String: Any])
    for (key, json) in values {
      object[key] = try JSONSerialization.jsonObject(with: Data(json.utf8), options: .fragmentsAllowed)
    }
    try JSONSerialization.data(withJSONObject: object).write(to: URL(fileURLWithPath: config))
  }

  func edit(_ change: (inout Safetensors.Table) throws -> Void) throws {
    var file = try Safetensors(reading: weights)
    try change(&file.tensors)
    try file.encoded().write(to: URL(fileURLWithPath: weights))
  }

  func expectRefused(_ text: String, at location: String) {
    let error = #expect(throws: InputError.self) { try AutoencoderFolder(path) }
    #expect(error?.location == location, "\(error?.location ?? "")")
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    #expect(error?.message.contains("\n") == false)
  }
}
