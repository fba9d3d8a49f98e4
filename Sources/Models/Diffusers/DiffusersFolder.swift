import Core
import Foundation
// SPDX-License-Identifier: GPL-3.0-or-later
import Networks
import Processes
import Tensors

/// A `UNet2DModel` as diffusers saves it: config.json, diffusion_pytorch_model.safetensors and, of a pipeline,
/// scheduler_config.json. The folder may be the model's own, or a pipeline's with `unet` and `scheduler` in it.
public struct DiffusersFolder: Sendable {
  /// A network with the folder's weights to begin with.
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

  // MARK: config.json

  private static func architecture(_ config: JSONFile) throws -> UNetArchitecture {
    let kind = try config.text("_class_name", default: "UNet2DModel")
    guard kind == "UNet2DModel" else { throw config.wrong("_class_name", "is '\(kind)'; allowed: UNet2DModel") }
    let sizes = try config.integers("sample_size")
    guard let height = sizes.first, let width = sizes.last, sizes.count <= 2, height > 0, width > 0, height <= 4096,
      width <= 4096
    else { throw config.wrong("sample_size", "is missing or no size; allowed: pixels, or [height, width]") }
    let widths = try config.integers("block_out_channels", default: [224, 448, 672, 896])
    let downs = try config.texts(
      "down_block_types", default: ["DownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D", "AttnDownBlock2D"])
    let ups = try config.texts(
      "up_block_types", default: ["AttnUpBlock2D", "AttnUpBlock2D", "AttnUpBlock2D", "UpBlock2D"])
    guard downs.count == widths.count, ups.count == widths.count, !widths.isEmpty else {
      throw config.wrong(
        "block_out_channels", "has \(widths.count) stages; there are \(downs.count) down and \(ups.count) up blocks")
    }
    func resampling(_ key: String) throws -> UNetArchitecture.Resampling {
      switch try config.text(key, default: "conv") {
      case "conv": .convolution
      case "resnet": .residual
      case let other: throw config.wrong(key, "is '\(other)'; allowed: conv, resnet")
      }
    }
    func stage(_ key: String, _ kind: String, _ channels: Int, _ typed: UNetArchitecture.Resampling) throws
      -> UNetArchitecture.Stage
    {
      switch kind {
      case "DownBlock2D", "UpBlock2D": .init(channels: channels, attention: false, resampling: .convolution)
      case "AttnDownBlock2D", "AttnUpBlock2D": .init(channels: channels, attention: true, resampling: typed)
      case "ResnetDownsampleBlock2D", "ResnetUpsampleBlock2D":
        .init(channels: channels, attention: false, resampling: .residual)
      default:
        throw config.wrong(
          key, "holds '\(kind)'; allowed: DownBlock2D, AttnDownBlock2D, ResnetDownsampleBlock2D and the same with Up")
      }
    }
    let (typeDown, typeUp) = (try resampling("downsample_type"), try resampling("upsample_type"))
    var a = UNetArchitecture(
      height: height, width: width, inputChannels: try config.integer("in_channels", default: 3),
      outputChannels: try config.integer("out_channels", default: 3),
      down: try zip(downs, widths).map { try stage("down_block_types", $0, $1, typeDown) },
      up: try zip(ups, widths.reversed()).map { try stage("up_block_types", $0, $1, typeUp) })
    a.blocks = try config.integer("layers_per_block", default: 2)
    a.groups = try config.integer("norm_num_groups", default: 32)
    a.epsilon = try config.number("norm_eps", default: 1e-5)
    a.headChannels = config.isNull("attention_head_dim") ? nil : try config.integer("attention_head_dim", default: 8)
    a.scaleShift =
      try config.choice("resnet_time_scale_shift", default: "default", ["default", "scale_shift"]) == "scale_shift"
    a.hasMiddle = !config.isNull("mid_block_type")
    if a.hasMiddle { _ = try config.choice("mid_block_type", default: "UNetMidBlock2D", ["UNetMidBlock2D"]) }
    a.middleAttention = try config.flag("add_attention", default: true)
    // Without a number of its own, the middle's attention is normalised only beside plain time shifts.
    a.middleAttentionGroups =
      config.has("attn_norm_num_groups")
      ? try config.integer("attn_norm_num_groups", default: 0) : a.scaleShift ? nil : a.groups
    a.middleScale = try config.number("mid_block_scale_factor", default: 1)
    a.timeWidth = config.has("time_embedding_dim") ? try config.integer("time_embedding_dim", default: 0) : nil
    a.downPadding = try config.integer("downsample_padding", default: 1)
    a.dropout = try config.number("dropout", default: 0)
    a.centresInput = try config.flag("center_input_sample", default: false)
    _ = try config.choice("act_fn", default: "silu", ["silu", "swish"])
    if config.has("class_embed_type") { throw config.wrong("class_embed_type", "is not null; allowed: null") }
    let classes = config.has("num_class_embeds") ? try config.integer("num_class_embeds", default: 0) : 0
    a.condition = classes == 0 ? .nothing : .classes(classes)
    a.knowsNothing = false
    switch try config.choice("time_embedding_type", default: "positional", ["positional", "fourier"]) {
    case "fourier": a.time = .fourier(frequencies: Array(repeating: 0, count: widths[0]), dividesOutput: true)
    default:
      a.time = .positional(
        flipped: try config.flag("flip_sin_to_cos", default: true), shift: try config.integer("freq_shift", default: 0))
    }
    do {
      try a.check()
    } catch let error as InputError {
      throw InputError(error.message, at: config.path)
    }
    return a
  }

  // MARK: scheduler_config.json

  private static func schedule(_ config: JSONFile?) throws -> DiscreteBeta {
    guard let config else { return try .linear(1e-4, 0.02, levels: 1000) }
    let kind = try config.text("_class_name", default: "DDPMScheduler")
    if ["FlowMatch", "EDM", "Consistency", "LCM", "ScoreSde"].contains(where: { kind.contains($0) }) {
      throw config.wrong("_class_name", "is '\(kind)'; allowed: schedulers of DDPM's discrete noise levels")
    }
    if try config.flag("rescale_betas_zero_snr", default: false) {
      throw config.wrong("rescale_betas_zero_snr", "is true; allowed: false")
    }
    let levels = try config.integer("num_train_timesteps", default: 1000)
    guard (1...1_000_000).contains(levels) else {
      throw config.wrong("num_train_timesteps", "is \(levels); allowed: 1 to 1000000")
    }
    do {
      if config.has("trained_betas") {
        let betas = try config.numbers("trained_betas")
        guard betas.count == levels else {
          throw config.wrong("trained_betas", "has \(betas.count) values for \(levels) levels")
        }
        return try DiscreteBeta(betas: betas)
      }
      let (first, last) = (
        try config.number("beta_start", default: 1e-4), try config.number("beta_end", default: 0.02)
      )
      switch try config.choice(
        "beta_schedule", default: "linear", ["linear", "scaled_linear", "squaredcos_cap_v2"])
      {
      case "linear": return try .linear(first, last, levels: levels)
      case "scaled_linear":
        guard first > 0, last > 0 else { throw InputError("beta_start and beta_end are not above 0") }
        return try .scaledLinear(first, last, levels: levels)
      default: return try .cosine(levels: levels)
      }
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: config.path) : error
    }
  }

  private static func prediction(_ config: JSONFile?) throws -> Prediction? {
    guard let config, config.has("prediction_type") else { return nil }
    switch try config.choice("prediction_type", default: "epsilon", ["epsilon", "sample", "v_prediction"]) {
    case "epsilon": return .noise
    case "sample": return .data
    default: return .velocity
    }
  }

  // MARK: Writing

  /// config.json and scheduler_config.json of a network, for diffusers to load.
  /// - Parameter schedule: of the process that the network was trained for; its noise levels at i/N become the
  ///   scheduler's.
  /// - Throws: `InputError` for a network that diffusers has no words for.
  public static func configs(of network: UNet, schedule: (any BetaSchedule)?, prediction: Prediction) throws
    -> (model: Data, scheduler: Data?)
  {
    let a = network.architecture
    if case .numbers = a.condition { throw InputError("diffusers has no words for conditions that are numbers") }
    func kind(_ stage: UNetArchitecture.Stage, _ direction: String) -> String {
      if stage.attention { return "Attn\(direction)Block2D" }
      return stage.resampling == .residual ? "Resnet\(direction)sampleBlock2D" : "\(direction)Block2D"
    }
    func resampling(_ stages: [UNetArchitecture.Stage]) -> String {
      stages.contains { $0.attention && $0.resampling == .residual } ? "resnet" : "conv"
    }
    var config: [String: Any] = [
      "_class_name": "UNet2DModel", "_diffusers_version": "0.42.1", "act_fn": "silu",
      "sample_size": a.height == a.width ? a.height as Any : [a.height, a.width],
      "in_channels": a.inputChannels, "out_channels": a.outputChannels,
      "block_out_channels": a.down.map(\.channels), "layers_per_block": a.blocks,
      "down_block_types": a.down.map { kind($0, "Down") }, "up_block_types": a.up.map { kind($0, "Up") },
      "mid_block_type": a.hasMiddle ? "UNetMidBlock2D" as Any : NSNull(), "add_attention": a.middleAttention,
      "downsample_type": resampling(a.down), "upsample_type": resampling(a.up), "downsample_padding": a.downPadding,
      "norm_num_groups": a.groups, "norm_eps": a.epsilon, "mid_block_scale_factor": a.middleScale,
      "attention_head_dim": a.headChannels as Any? ?? NSNull(), "dropout": a.dropout,
      "resnet_time_scale_shift": a.scaleShift ? "scale_shift" : "default", "center_input_sample": a.centresInput,
      "num_class_embeds": a.condition == .nothing ? NSNull() : a.condition.classCount as Any,
      "class_embed_type": NSNull(),
      "time_embedding_dim": a.timeWidth as Any? ?? NSNull(),
    ]
    if a.middleAttention, a.hasMiddle, a.middleAttentionGroups != (a.scaleShift ? nil : a.groups) {
      guard let groups = a.middleAttentionGroups else {
        throw InputError("diffusers has no middle attention without normalisation beside plain time shifts")
      }
      config["attn_norm_num_groups"] = groups
    }
    switch a.time {
    case .positional(let flipped, let shift):
      config["time_embedding_type"] = "positional"
      config["flip_sin_to_cos"] = flipped
      config["freq_shift"] = shift
    case .fourier(let frequencies, let divides):
      guard divides, frequencies.count == a.down[0].channels else {
        throw InputError("diffusers divides the output of a network with Fourier features by σ; this one does not")
      }
      config["time_embedding_type"] = "fourier"
    }
    let types: [Prediction: String] = [.noise: "epsilon", .data: "sample", .velocity: "v_prediction"]
    var scheduler: [String: Any]?
    if let schedule, let type = types[prediction] {
      scheduler = [
        "_class_name": "DDPMScheduler", "_diffusers_version": "0.42.1", "num_train_timesteps": network.levels,
        "trained_betas": DiscreteBeta(of: schedule, levels: network.levels).betas, "prediction_type": type,
        "clip_sample": false, "variance_type": "fixed_large",
      ]
    }
    func encoded(_ object: Any) throws -> Data {
      try JSONSerialization.data(withJSONObject: object, options: [.prettyPrinted, .sortedKeys]) + Data("\n".utf8)
    }
    return (try encoded(config), try scheduler.map(encoded))
  }

  /// The tensors of a network, for diffusers to load. The embedding of nothing is left out, for which `UNet2DModel` has
  /// no place: what diffusers loads knows its classes and no more.
  public static func weights(of network: UNet, parameters: [Float]) -> SafetensorsWriter {
    var file = SafetensorsWriter(metadata: ["format": "pt"])
    file.add(parameters, layout: network.layout) { $0.name != UNet.nothingName }
    if case .fourier(let frequencies, _) = network.architecture.time {
      file.add("time_proj.weight", shape: [frequencies.count]) { frequencies }
    }
    return file
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

/// A JSON object in a file, read with clear errors.
private struct JSONFile {
  let path: String
  let bytes: Data
  private let object: [String: Any]

  init(_ path: String, missing: String) throws {
    self.path = path
    guard let data = FileManager.default.contents(atPath: path) else { throw InputError(missing, at: path) }
    guard data.count < 1 << 20, let object = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw InputError("is not a JSON object", at: path)
    }
    self.object = object
    bytes = data
  }

  func wrong(_ key: String, _ message: String) -> InputError { InputError("'\(key)' \(message)", at: path) }

  func isNull(_ key: String) -> Bool { object[key] is NSNull }
  func has(_ key: String) -> Bool { object[key] != nil && !isNull(key) }

  /// Numbers and booleans look alike to Foundation.
  private func isFlag(_ value: Any) -> Bool {
    guard let number = value as? NSNumber else { return false }
    return String(cString: number.objCType) == "c"
  }

  func number(_ key: String, default standard: Double) throws -> Double {
    guard let value = object[key], has(key) else { return standard }
    guard let number = value as? NSNumber, !isFlag(value), number.doubleValue.isFinite else {
      throw wrong(key, "is not a number")
    }
    return number.doubleValue
  }

  func integer(_ key: String, default standard: Int) throws -> Int {
    let value = try number(key, default: Double(standard))
    guard value == value.rounded(), abs(value) < 1e9 else { throw wrong(key, "is \(value), not a whole number") }
    return Int(value)
  }

  func flag(_ key: String, default standard: Bool) throws -> Bool {
    guard let value = object[key], has(key) else { return standard }
    guard let flag = value as? Bool, isFlag(value) else { throw wrong(key, "is neither true nor false") }
    return flag
  }

  func text(_ key: String, default standard: String) throws -> String {
    guard let value = object[key], has(key) else { return standard }
    guard let text = value as? String else { throw wrong(key, "is not a text") }
    return text
  }

  func choice(_ key: String, default standard: String, _ allowed: [String]) throws -> String {
    let text = try text(key, default: standard)
    guard allowed.contains(text) else {
      throw wrong(key, "is '\(text)'; allowed: \(allowed.joined(separator: ", "))")
    }
    return text
  }

  func texts(_ key: String, default standard: [String]) throws -> [String] {
    guard let value = object[key], has(key) else { return standard }
    guard let texts = value as? [String] else { throw wrong(key, "is not a list of texts") }
    return texts
  }

  func numbers(_ key: String) throws -> [Double] {
    guard let values = object[key] as? [Any], values.allSatisfy({ $0 is NSNumber && !isFlag($0) }) else {
      throw wrong(key, "is not a list of numbers")
    }
    return values.map { ($0 as? NSNumber)?.doubleValue ?? .nan }
  }

  /// A list of whole numbers, or a single one.
  func integers(_ key: String, default standard: [Int] = []) throws -> [Int] {
    guard let value = object[key], has(key) else { return standard }
    let list = value as? [Any] ?? [value]
    return try list.map { element in
      guard let number = element as? NSNumber, !isFlag(element), number.doubleValue == number.doubleValue.rounded(),
        (0...1_000_000).contains(number.doubleValue)
      else { throw wrong(key, "holds something else than whole numbers of 0 to 1000000") }
      return number.intValue
    }
  }
}
