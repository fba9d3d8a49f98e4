// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Processes
import Tensors

/// A `UNet2DModel` as diffusers saves it: config.json, diffusion_pytorch_model.safetensors and, of a pipeline,
/// scheduler_config.json. The folder may be the model's own, or a pipeline's with `unet` and `scheduler` in it.
public struct DiffusersFolder: Sendable {
  /// A network that begins with the folder's weights.
  public let network: UNet
  /// The noise levels that it was trained on.
  public let schedule: DiscreteBeta
  /// What its output stands for, where the scheduler says so.
  public let prediction: Prediction?
  /// A checksum of the parameters.
  public let fingerprint: String

  /// - Throws: `InputError` at the file for what is missing, damaged or of an unknown kind.
  public init(_ path: String, winograd: Bool = true) throws {
    let files = FileManager.default
    let folder = files.fileExists(atPath: "\(path)/config.json") ? path : "\(path)/unet"
    let config = try JSONFile("\(folder)/config.json", missing: "no such file; a folder saved by diffusers has it")
    let schedulers = [
      "\(folder)/scheduler_config.json", "\(path)/scheduler/scheduler_config.json",
      "\(folder)/../scheduler/scheduler_config.json",
    ]
    let scheduler = try schedulers.first { files.fileExists(atPath: $0) }.map { try JSONFile($0, missing: "") }
    var architecture = try Self.architecture(config)
    var isDiscrete = false
    if case .positional = architecture.time { isDiscrete = true }
    schedule = try Self.schedule(isDiscrete ? scheduler : nil)
    prediction = try isDiscrete ? Self.prediction(scheduler) : nil

    let weights = "\(folder)/diffusion_pytorch_model.safetensors"
    if !files.fileExists(atPath: weights), files.fileExists(atPath: "\(folder)/diffusion_pytorch_model.bin") {
      throw InputError("no such file, only a .bin; save the model again with safe_serialization=True", at: weights)
    }
    var file = try Safetensors(reading: weights)
    file.renameOldAttention()
    if case .fourier(_, let divides) = architecture.time {
      guard let frequencies = file.tensors["time_proj.weight"], frequencies.shape == [architecture.down[0].channels]
      else {
        throw InputError("lacks time_proj.weight of \(architecture.down[0].channels) values", at: weights)
      }
      architecture.time = .fourier(frequencies: frequencies.values, dividesOutput: divides)
    }
    do {
      let network = try UNet(architecture, winograd: winograd, levels: schedule.levels)
      let known = Set(network.layout.entries.flatMap { $0.parts.map(\.name) } + ["time_proj.weight"])
      if let stranger = file.tensors.keys.filter({ !known.contains($0) }).min() {
        throw InputError("holds '\(stranger)', which config.json has no place for", at: weights)
      }
      let values = try file.values(layout: network.layout, prefix: "")
      var checksum = Checksum()
      for value in values + (file.tensors["time_proj.weight"]?.values ?? []) {
        checksum.add(word: UInt64(value.bitPattern))
      }
      checksum.add(config.bytes + (scheduler?.bytes ?? Data()))
      fingerprint = checksum.text
      self.network = try network.beginning(with: values)
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: weights) : error
    }
  }
}

extension Safetensors {
  /// Attention's tensors had other names once.
  fileprivate mutating func renameOldAttention() {
    for (old, new) in [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")] {
      for suffix in ["weight", "bias"] {
        for name in tensors.keys where name.contains(".attentions.") && name.hasSuffix(".\(old).\(suffix)") {
          let renamed = name.dropLast(old.count + suffix.count + 1) + "\(new).\(suffix)"
          if tensors[String(renamed)] == nil { tensors[String(renamed)] = tensors.removeValue(forKey: name) }
        }
      }
    }
  }
}
