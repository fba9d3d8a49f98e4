// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Tensors
import Testing

/// Weights in several files, in variants, in other types, under old names, and beside others.
@Suite("Weights of diffusers") struct DiffusersWeightsTests {
  private static let stem = "diffusion_pytorch_model"

  /// A fixture with a scheduler, so that it is read without a word, and its parameters.
  private func plain() throws -> (SpoiledFolder, [Float]) {
    let folder = try SpoiledFolder()
    try folder.write(#"{"_class_name": "DDPMScheduler"}"#, to: "scheduler_config.json")
    try folder.expectNotes([])
    return (folder, try DiffusersFolder(folder.path).network.initialParameters(seed: 1))
  }

  private func parameters(_ folder: SpoiledFolder, variant: String? = nil, subfolder: String? = nil) throws -> [Float] {
    try DiffusersFolder(folder.path, subfolder: subfolder, variant: variant).network.initialParameters(seed: 1)
  }

  /// Splits the weights as save_pretrained(max_shard_size=…) does.
  private func split(_ folder: SpoiledFolder, infix: String = "", index name: String) throws {
    let file = try Safetensors(reading: folder.weights)
    let names = file.tensors.names.sorted()
    var map: [String: String] = [:]
    for (number, part) in [names.prefix(20), names.dropFirst(20)].enumerated() {
      var shard = Safetensors(metadata: ["format": "pt"])
      let name = "\(Self.stem)\(infix)-0000\(number + 1)-of-00002.safetensors"
      for tensor in part {
        shard.tensors[tensor] = file.tensors[tensor]
        map[tensor] = name
      }
      try folder.write(try shard.encoded(), to: name)
    }
    let index = ["metadata": ["total_size": 1], "weight_map": map] as [String: Any]
    try folder.write(try JSONSerialization.data(withJSONObject: index), to: name)
    try folder.remove(folder.weights)
  }

  @Test("shards, with and without a variant") func shards() throws {
    for (infix, name) in [("", "safetensors.index.json"), (".fp16", "safetensors.index.fp16.json")] {
      let (folder, expected) = try plain()
      try split(folder, infix: infix, index: "\(Self.stem).\(name)")
      #expect(try parameters(folder) == expected)
      try folder.expectNotes(infix.isEmpty ? [] : ["takes the variant fp16, the only weights there"])
    }
  }

  @Test("indices that do not fit their shards") func wrongShards() throws {
    let index = "\(Self.stem).safetensors.index.json"
    func expect(
      _ says: String, at file: String, _ change: (inout [String: String], SpoiledFolder) throws -> Void
    ) throws {
      let (folder, _) = try plain()
      try split(folder, index: index)
      let url = URL(fileURLWithPath: "\(folder.path)/\(index)")
      var object = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
      var map = try #require(object["weight_map"] as? [String: String])
      try change(&map, folder)
      object["weight_map"] = map
      try JSONSerialization.data(withJSONObject: object).write(to: url)
      folder.expectRefused(says, at: "\(folder.path)/\(file)")
    }
    let (first, second) = ("\(Self.stem)-00001-of-00002.safetensors", "\(Self.stem)-00002-of-00002.safetensors")
    try expect("no such file", at: second) { _, folder in try folder.remove("\(folder.path)/\(second)") }
    try expect("lacks 'nowhere'", at: second) { map, _ in map["nowhere"] = second }
    try expect("holds 'conv_in.weight', of which", at: first) { map, _ in map["conv_in.weight"] = second }
    try expect("holds 'conv_in.bias', of which", at: first) { map, _ in map["conv_in.bias"] = nil }
    for name in ["../x.safetensors", "/etc/passwd", "x.bin", ""] {
      try expect("names the file '\(name)'; allowed", at: index) { map, _ in map["conv_in.bias"] = name }
    }
    let (folder, _) = try plain()
    try split(folder, index: index)
    try folder.write(#"{"weight_map": {}, "more": 1}"#, to: index)
    folder.expectRefused("'more' is 1, which is unknown here", at: "\(folder.path)/\(index)")
    try folder.write(#"{"weight_map": {}}"#, to: index)
    folder.expectRefused("no tensor 'conv_in.weight'", at: "\(folder.path)/\(index)")
    // Beside a file of its own.
    try folder.write("", to: "\(Self.stem).safetensors")
    folder.expectRefused("holds the same weights twice", at: folder.path)
  }

  @Test("variants of fewer bits, chosen or the only ones") func variants() throws {
    let (folder, expected) = try plain()
    let file = try Safetensors(reading: folder.weights)
    func encoded(_ type: String, _ bits: (Float) -> UInt16) throws -> Data {
      safetensors(
        try file.tensors.names.sorted().map { name in
          let entry = try #require(file.tensors[name])
          let bytes = try entry.values.map(bits).withUnsafeBytes { Data($0) }
          return (name, type, entry.shape, bytes)
        })
    }
    // Cut to eight bits, which are the upper half of a float.
    let cut = expected.map { Float(bitPattern: $0.bitPattern & 0xffff_0000) }
    try folder.write(
      try encoded("BF16") { UInt16($0.bitPattern >> 16) }, to: "\(Self.stem).bf16.safetensors")
    try folder.expectNotes(["takes the weights without a variant; there too: bf16"])
    #expect(try parameters(folder) == expected)
    #expect(try parameters(folder, variant: "bf16") == cut)
    #expect(throws: InputError("no variant 'fp16'; allowed: bf16", at: folder.path)) {
      _ = try DiffusersFolder(folder.path, variant: "fp16")
    }
    try folder.remove(folder.weights)
    #expect(try parameters(folder) == cut)
    try folder.expectNotes(["takes the variant bf16, the only weights there"])
    // 1.0 in 16 bits everywhere.
    try folder.write(try encoded("F16") { _ in 0x3c00 }, to: "\(Self.stem).fp16.safetensors")
    folder.expectRefused("weights of several variants; allowed: one of variant: bf16, fp16", at: folder.path)
    let ones = Set(try parameters(folder, variant: "fp16"))
    #expect(ones == [0, 1] || ones == [1])
  }

  @Test("unet and its average, chosen or the only one") func average() throws {
    let (folder, expected) = try plain()
    for file in ["config.json", "\(Self.stem).safetensors"] { try folder.move(file, to: "unet_ema/\(file)") }
    try folder.move("scheduler_config.json", to: "scheduler/scheduler_config.json")
    try folder.expectNotes(["takes unet_ema, the averaged weights, as there is no unet"])
    #expect(try parameters(folder) == expected)
    try FileManager.default.copyItem(atPath: "\(folder.path)/unet_ema", toPath: "\(folder.path)/unet")
    try folder.expectNotes(["takes unet; unet_ema, the averaged weights, is there too: subfolder: unet_ema takes it"])
    try folder.expectNotes([], subfolder: "unet_ema")
    for wrong in ["..", "a/../..", "", "/tmp", "unet_ema/"] {
      #expect(throws: InputError.self) { _ = try DiffusersFolder(folder.path, subfolder: wrong) }
    }
    // A folder with a network of its own beside a pipeline's.
    for file in ["config.json", "\(Self.stem).safetensors"] {
      try FileManager.default.copyItem(atPath: "\(folder.path)/unet/\(file)", toPath: "\(folder.path)/\(file)")
    }
    folder.expectRefused("holds a network of its own and unet, unet_ema; allowed: one", at: folder.path)
    try folder.expectNotes([], subfolder: ".")
  }

  @Test("a checkpoint of a training script takes the scheduler of its pipeline") func checkpoint() throws {
    let (folder, expected) = try plain()
    for file in ["config.json", "\(Self.stem).safetensors"] { try folder.move(file, to: "checkpoint-500/unet/\(file)") }
    try folder.move("scheduler_config.json", to: "scheduler/scheduler_config.json")
    let read = try DiffusersFolder(folder.path + "/checkpoint-500")
    #expect(read.network.initialParameters(seed: 1) == expected)
    #expect(read.notes.count == 1 && read.notes[0].contains("taken as the checkpoint's"))
    // The network's folder itself, and one with the scheduler beside it.
    #expect(try DiffusersFolder(folder.path + "/checkpoint-500/unet").notes == read.notes)
    try folder.move("scheduler/scheduler_config.json", to: "checkpoint-500/scheduler/scheduler_config.json")
    for path in ["/checkpoint-500", "/checkpoint-500/unet", "/checkpoint-500/unet/."] {
      #expect(try DiffusersFolder(folder.path + path).notes.isEmpty)
    }
  }

  @Test("buffers of integers are left out and told; other types of parameters are refused") func types() throws {
    let (folder, expected) = try plain()
    let file = try Safetensors(reading: folder.weights)
    func write(_ more: [(String, String, [Int], Data)]) throws {
      let own = try file.tensors.names.sorted().filter { name in !more.contains { $0.0 == name } }.map { name in
        let entry = try #require(file.tensors[name])
        return (name, "F32", entry.shape, try entry.values.withUnsafeBytes { Data($0) })
      }
      try folder.write(safetensors(own + more), to: "\(Self.stem).safetensors")
    }
    try write([("position_ids", "I64", [1, 3], Data(count: 24)), ("z.flag", "BOOL", [], Data(count: 1))])
    #expect(try parameters(folder) == expected)
    try folder.expectNotes(["'position_ids' of type I64 is a buffer that nothing needs", "'z.flag' of type BOOL"])
    try write([("conv_in.bias", "I32", [8], Data(count: 32))])
    folder.expectRefused("'conv_in.bias' is of type I32; allowed: F16, BF16, F32, F64", at: folder.weights)
    try write([("conv_in.bias", "F32", [8], Data(repeating: 0xff, count: 32))])
    folder.expectRefused("'conv_in.bias' holds a number that is not finite", at: folder.weights)
    // Only a network with Fourier features has these.
    try write([("time_proj.weight", "F32", [8], Data(count: 32))])
    folder.expectRefused("holds 'time_proj.weight', which config.json has no place for", at: folder.weights)
  }

  @Test("a network that is told σ gives the score, under σ's own scheduler") func fourier() throws {
    let folder = try SpoiledFolder("fourier")
    let bare = try DiffusersFolder(folder.path)
    #expect(bare.prediction == .score && bare.sigmas == nil && bare.notes.isEmpty)
    try folder.write(
      #"{"_class_name": "ScoreSdeVeScheduler", "sigma_min": 0.02, "sigma_max": 90.0, "snr": 0.15}"#,
      to: "scheduler_config.json")
    let read = try DiffusersFolder(folder.path)
    #expect(read.sigmas?.minimum == 0.02 && read.sigmas?.maximum == 90 && read.prediction == .score)
    #expect(read.notes.count == 1 && read.notes[0].contains("snr 0.15: sampling settings"))
    for (entries, says) in [
      (#""_class_name": "DDPMScheduler""#, "beside a network that is told σ; allowed: ScoreSdeVeScheduler"),
      (#""_class_name": "ScoreSdeVeScheduler", "sigma_min": 0"#, "'sigma_min' is 0.0; allowed: above 0"),
      (#""_class_name": "ScoreSdeVeScheduler", "sigma_max": 0.01"#, "allowed: above sigma_min"),
      (#""_class_name": "ScoreSdeVeScheduler", "beta_start": 0.01"#, "'beta_start' is 0.01, which is unknown here"),
      (#""_class_name": "ScoreSdeVeScheduler", "prediction_type": "epsilon""#, "has none"),
    ] {
      try folder.write("{\(entries)}", to: "scheduler_config.json")
      folder.expectRefused(says, at: "\(folder.path)/scheduler_config.json")
    }
  }
}
