// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Tensors
import TestSupport
import Testing

/// What diffusers' folders are refused for, and how.
@Suite("Diffusers folders") struct DiffusersFolderTests {
  static let configs: [(String, String, String)] = [
    ("_class_name", #""UNet3DConditionModel""#, "'UNet3DConditionModel'; allowed: UNet2DModel, UNet2DCond"),
    ("sample_size", "null", "'sample_size' is missing or no size"),
    ("sample_size", "[]", "'sample_size' is missing or no size"),
    ("sample_size", "0", "'sample_size' is missing or no size"),
    ("sample_size", "[8, 8, 8]", "'sample_size' is missing or no size"),
    ("sample_size", #""8""#, "'sample_size' holds something else than whole numbers"),
    ("sample_size", "-8", "'sample_size' holds something else than whole numbers"),
    ("sample_size", "7", "2 stages halve 7 × 7 pixels 1 times; allowed: multiples of 2"),
    ("sample_size", "[8, 9]", "2 stages halve 8 × 9 pixels 1 times; allowed: multiples of 2"),
    ("block_out_channels", "[8]", "'block_out_channels' has 1 stages; there are 2 down and 2 up blocks"),
    ("block_out_channels", "[]", "'block_out_channels' has 0 stages"),
    ("block_out_channels", "[8, 16.5]", "'block_out_channels' holds something else than whole numbers"),
    ("block_out_channels", "[8, true]", "'block_out_channels' holds something else than whole numbers"),
    ("block_out_channels", "[8, 14]", "14 channels are not 4 equal groups"),
    ("block_out_channels", "[8, 0]", "channels of a stage: 0"),
    ("block_out_channels", "[0, 16]", "channels of a stage: 0"),
    ("block_out_channels", "[7, 16]", "the first stage has 7 channels; allowed: an even number"),
    ("down_block_types", #""DownBlock2D""#, "'down_block_types' is not a list of texts"),
    ("down_block_types", #"["DownBlock2D", 2]"#, "'down_block_types' is not a list of texts"),
    ("down_block_types", #"["DownBlock2D", "SkipDownBlock2D"]"#, "'down_block_types' holds 'SkipDownBlock2D'; allowed"),
    ("up_block_types", #"["KUpBlock2D", "UpBlock2D"]"#, "'up_block_types' holds 'KUpBlock2D'; allowed"),
    ("up_block_types", #"["UpBlock2D"]"#, "there are 2 down and 1 up blocks"),
    ("mid_block_type", #""UNetMidBlock2DCrossAttn""#, "'mid_block_type' is 'UNetMidBlock2DCrossAttn'; allowed"),
    ("layers_per_block", "1.5", "'layers_per_block' is 1.5, not a whole number"),
    ("layers_per_block", "true", "'layers_per_block' is not a number"),
    ("layers_per_block", #""1""#, "'layers_per_block' is not a number"),
    ("layers_per_block", "[1]", "'layers_per_block' is not a number"),
    ("layers_per_block", "0", "blocks of a stage: 0"),
    ("layers_per_block", "900000000", "blocks of a stage: 900000000"),
    ("norm_num_groups", "3", "8 channels are not 3 equal groups"),
    ("norm_num_groups", "0", "8 channels are not 0 equal groups"),
    ("attn_norm_num_groups", "5", "16 channels are not 5 equal groups"),
    ("attention_head_dim", "5", "16 channels are not whole attention heads of 5"),
    ("attention_head_dim", "0", "16 channels are not whole attention heads of 0"),
    ("attention_head_dim", "-4", "16 channels are not whole attention heads of -4"),
    ("in_channels", "2", "image channels in and"),
    ("out_channels", "0", "channels in and 0 out"),
    ("act_fn", #""gelu""#, "'act_fn' is 'gelu'; allowed: silu, swish"),
    ("act_fn", "1", "'act_fn' is not a text"),
    ("class_embed_type", #""timestep""#, "'class_embed_type' is not null"),
    ("num_class_embeds", "-1", "classes: -1"),
    ("time_embedding_type", #""learned""#, "'time_embedding_type' is 'learned'; allowed: positional, fourier"),
    ("time_embedding_dim", "0", "width of the time embedding: 0"),
    ("time_embedding_dim", "-32", "width of the time embedding: -32"),
    ("freq_shift", "4", "too few frequencies"),
    ("flip_sin_to_cos", "1", "'flip_sin_to_cos' is neither true nor false"),
    ("add_attention", #""yes""#, "'add_attention' is neither true nor false"),
    ("resnet_time_scale_shift", #""ada_group""#, "'resnet_time_scale_shift' is 'ada_group'; allowed"),
    ("downsample_padding", "2", "downsampling pads by 2; allowed: 0 or 1"),
    ("downsample_type", #""mean""#, "'downsample_type' is 'mean'; allowed: conv, resnet"),
    ("dropout", "1", "dropout: 1.0; allowed: 0 to below 1"),
    ("dropout", "-0.1", "dropout: -0.1"),
    ("norm_eps", "-1", "epsilon: -1.0; allowed: above 0"),
    ("norm_eps", "0", "epsilon: 0.0; allowed: above 0"),
    ("mid_block_scale_factor", "0", "divided by 0.0"),
  ]

  @Test(arguments: configs) func configIsRefused(key: String, value: String, says: String) throws {
    let folder = try SpoiledFolder()
    try folder.configure([key: value])
    folder.expectRefused(says, at: folder.config)
  }

  @Test("more halvings than an integer has bits are refused") func manyStages() throws {
    let folder = try SpoiledFolder()
    func list(_ text: String) -> String { "[" + Array(repeating: text, count: 70).joined(separator: ",") + "]" }
    try folder.configure([
      "block_out_channels": list("8"), "down_block_types": list(#""DownBlock2D""#),
      "up_block_types": list(#""UpBlock2D""#),
    ])
    folder.expectRefused("stages: 70", at: folder.config)
  }

  @Test("files that are missing or no JSON") func files() throws {
    var folder = try SpoiledFolder()
    try folder.write("[1, 2]", to: "config.json")
    folder.expectRefused("is not a JSON object", at: folder.config)
    try folder.write("{", to: "config.json")
    folder.expectRefused("is not a JSON object", at: folder.config)
    try folder.remove(folder.config)
    folder.expectRefused("no such file", at: "\(folder.path)/unet/config.json")

    folder = try SpoiledFolder()
    try folder.remove(folder.weights)
    folder.expectRefused("no such file", at: folder.weights)
    try folder.write("", to: "diffusion_pytorch_model.bin")
    folder.expectRefused("only a .bin; save the model again with safe_serialization=True", at: folder.weights)
    try folder.write("PK", to: "diffusion_pytorch_model.safetensors")
    folder.expectRefused("not a safetensors file", at: folder.weights)
    #expect(throws: InputError.self) { try DiffusersFolder("/nowhere") }
  }

  @Test("tensors that are missing, strange or of another shape") func tensors() throws {
    var folder = try SpoiledFolder()
    try folder.edit { $0["mid_block.resnets.0.conv1.weight"] = nil }
    folder.expectRefused("no tensor 'mid_block.resnets.0.conv1.weight'", at: folder.weights)
    folder = try SpoiledFolder()
    try folder.edit { $0["conv_in.weight"] = .init(shape: [8, 1, 9], values: try $0["conv_in.weight"]!.values) }
    folder.expectRefused("'conv_in.weight' has shape [8, 1, 9], expected [8, 1, 3, 3]", at: folder.weights)
    folder = try SpoiledFolder()
    try folder.edit { $0["extra.weight"] = .init(shape: [1], values: [1]) }
    folder.expectRefused("holds 'extra.weight', which config.json has no place for", at: folder.weights)
    folder = try SpoiledFolder()
    try folder.configure(["layers_per_block": "2"])
    folder.expectRefused("no tensor 'down_blocks.0.resnets.1", at: folder.weights)
    folder = try SpoiledFolder("fourier")
    try folder.edit { $0["time_proj.weight"] = nil }
    folder.expectRefused("lacks time_proj.weight of 8 values", at: folder.weights)
  }

  @Test("attention's old names load to the same parameters") func oldNames() throws {
    let folder = try SpoiledFolder()
    let parameters = try DiffusersFolder(folder.path).network.initialParameters(seed: 1)
    var renamed = 0
    try folder.edit { tensors in
      for name in tensors.names where name.contains(".attentions.") {
        let entry = tensors[name]
        var old = name
        for (new, was) in [("to_q", "query"), ("to_k", "key"), ("to_v", "value"), ("to_out.0", "proj_attn")] {
          old = old.replacingOccurrences(of: ".\(new).", with: ".\(was).")
        }
        if old == name { continue }
        renamed += 1
        tensors[name] = nil
        tensors[old] = entry
      }
    }
    // Weight and bias of four layers in each of four attentions: one down, one in the middle, two up.
    #expect(renamed == 32)
    #expect(try DiffusersFolder(folder.path).network.initialParameters(seed: 1) == parameters)
  }

  @Test("a pipeline's folder, with the scheduler's noise levels and prediction") func pipeline() throws {
    let folder = try SpoiledFolder()
    let plain = try DiffusersFolder(folder.path)
    #expect(plain.schedule.levels == 1000 && plain.prediction == nil && plain.network.noiseInput == .discrete(1000))
    try FileManager.default.createDirectory(atPath: "\(folder.path)/unet", withIntermediateDirectories: false)
    for file in [folder.config, folder.weights] {
      try FileManager.default.moveItem(
        atPath: file, toPath: "\(folder.path)/unet/\(URL(fileURLWithPath: file).lastPathComponent)")
    }
    try folder.write(
      #"{"num_train_timesteps": 50, "beta_schedule": "scaled_linear", "prediction_type": "v_prediction"}"#,
      to: "scheduler/scheduler_config.json")
    for path in [folder.path, "\(folder.path)/unet"] {
      let read = try DiffusersFolder(path)
      #expect(read.schedule.levels == 50 && read.prediction == .velocity && read.network.noiseInput == .discrete(50))
      #expect(read.network.initialParameters(seed: 1) == plain.network.initialParameters(seed: 2))
    }
  }

  static let schedulers: [(String, String)] = [
    ("[]", "is not a JSON object"),
    (#"{"num_train_timesteps": 0}"#, "'num_train_timesteps' is 0; allowed: 1 to 1000000"),
    (#"{"num_train_timesteps": "many"}"#, "'num_train_timesteps' is not a number"),
    (#"{"beta_schedule": "cosine"}"#, "'beta_schedule' is 'cosine'; allowed: linear, scaled_linear"),
    (#"{"beta_schedule": "scaled_linear", "beta_start": 0}"#, "beta_start and beta_end are not above 0"),
    (#"{"num_train_timesteps": 3, "trained_betas": [0.1, 0.2]}"#, "'trained_betas' has 2 values for 3 levels"),
    (#"{"trained_betas": [0.1, "x"]}"#, "'trained_betas' is not a list of numbers"),
    (#"{"prediction_type": "flow"}"#, "'prediction_type' is 'flow'; allowed: epsilon, sample, v_prediction"),
  ]

  @Test(arguments: schedulers) func schedulerIsRefused(config: String, says: String) throws {
    let folder = try SpoiledFolder()
    try folder.write(config, to: "scheduler_config.json")
    folder.expectRefused(says, at: "\(folder.path)/scheduler_config.json")
  }
}
