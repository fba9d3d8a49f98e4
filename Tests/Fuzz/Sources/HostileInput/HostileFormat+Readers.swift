// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Models
import Networks
import Processes

extension HostileFormat {
  /// A config, decoded and checked as a whole.
  static let yaml = HostileFormat(
    name: "yaml",
    words: [
      "name", "seed", "data", "kind", "process", "score", "training", "sampling", "solvers", "steps", "count", "csv",
      "path", "two-moons", "digits", "vp", "ve", "formula", "drift_rate", "network", "mlp", "unet", "hidden", "!!int",
      "!!str", "sweep", "zip", "cases",
      "configs", "<<", "*a", "&a", "~", "null", ".inf", ".nan", "1e999", "0x10", "{", "}", "[", "]", ": ", "\n  ", "- ",
    ], longest: 4096,
    // Aliases may stand for 10,000 nodes more than the text has, of some 1 kB each while they are read.
    allowance: 32 << 20
  ) { bytes, folder in
    let text = String(decoding: bytes, as: UTF8.self)
    // Files that a config names lie in the folder of inputs, which holds none.
    let source = try ConfigSource(text: text, path: "\(folder.path)/config.yaml")
    guard source.isSweep else { return try ExperimentPlan(source).resolved.utf8.count }
    let sweep = try SweepPlan(source)
    return try sweep.run(1).plan.resolved.utf8.count + sweep.run(sweep.count).plan.resolved.utf8.count
  }

  /// A formula of time, as processes are given by.
  static let formula = HostileFormat(
    name: "formula",
    words: ["t", "pi", "a", "sqrt(", "exp(", "log1p(", "pow(", "min(", "tanh(", "^", "1e308", "-", "((", "))", ","],
    longest: 1024
  ) { bytes, _ in
    let formula = try Expression(String(decoding: bytes, as: UTF8.self), parameters: ["a": 3, "b_1": 0.5])
    for t in [0, 0.5, 1] { _ = formula.evaluate(at: t) }
    return 0
  }

  /// A table of numbers.
  static let csv = HostileFormat(
    name: "csv",
    words: [
      ",", ";", "\t", "\n", "\r\n", "\"", "\"\"", "\u{FEFF}", "nan", "inf", "1e999", "-0", "0x1p3", "1,5", "x,y",
    ],
    longest: 8192
  ) { bytes, folder in
    let data = try CSVData(path: folder.write(bytes, to: "table.csv"))
    return size(of: try data.load(seed: 1))
  }

  /// NumPy's arrays, as a table.
  static let npy = HostileFormat(
    name: "npy",
    words: [
      "'descr'", "'fortran_order'", "'shape'", "<f8", ">f4", "<f2", "|u1", "<i8", "|b1", "<U3", "|O", "True", "False",
      "(8, 2)", "(-1,)", "()", "(4294967296, 4294967296)", "\u{93}NUMPY", "{", "}", ", ",
    ], longest: 8192
  ) { bytes, folder in
    let data = try CSVData(path: folder.write(bytes, to: "table.npy"))
    return size(of: try data.load(seed: 1))
  }

  private static let pictures = {
    var options = ImageFolder.Options(size: 1)
    (options.crops, options.heldOutCrops) = (4, 4)
    return options
  }()

  /// The bytes of two pictures as large as the header says; 0 where it says more than deflate, which makes at most
  /// 1,032 bytes of one, can hold.
  private static func pixels(_ bytes: UnsafeRawBufferPointer) -> Int {
    guard bytes.count >= 24 else { return 0 }
    func number(_ at: Int) -> Int { bytes[at..<at + 4].reduce(0) { $0 << 8 | Int($1) } }
    let (width, height) = (number(16), number(20))
    return width <= 1 << 28 && height <= 1 << 28 && width * height / 8 <= 1032 * bytes.count
      ? 2 * 3 * width * height : 0
  }

  /// A picture, twice, as a folder of pictures needs two.
  static let png = HostileFormat(
    name: "png", words: ["IHDR", "IDAT", "PLTE", "tRNS", "IEND", "acTL", "fdAT", "gAMA", "iCCP", "sBIT"],
    longest: 8192, claims: pixels
  ) { bytes, folder in
    for name in ["pictures/a.png", "pictures/b.png"] {
      mkdir("\(folder.path)/pictures", 0o700)
      _ = try folder.write(bytes, to: name)
    }
    let data = try ImageFolder(path: "\(folder.path)/pictures", pictures)
    return size(of: try data.load(seed: 1))
  }

  /// Images in one file, as MNIST has them.
  static let idx = HostileFormat(
    name: "idx", words: ["\0\0\u{8}\u{3}", "\0\0\u{8}\u{4}"], longest: 8192
  ) {
    bytes, folder in
    size(of: try IDXImages(path: folder.write(bytes, to: "images-idx3-ubyte")).load(seed: 1))
  }

  /// CIFAR-10's records.
  static let cifar = HostileFormat(name: "cifar", words: [], longest: 12_400) { bytes, folder in
    mkdir("\(folder.path)/cifar", 0o700)
    _ = try folder.write(bytes, to: "cifar/data_batch_1.bin")
    return size(of: try CIFAR10(path: "\(folder.path)/cifar").load(seed: 1))
  }

  /// Named arrays.
  public static let safetensors = HostileFormat(
    name: "safetensors",
    words: [
      "\"dtype\"", "\"shape\"", "\"data_offsets\"", "\"__metadata__\"", "F32", "F16", "BF16", "I64", "F64", "[0,0]",
      "[-1,4]", "[4294967296,4294967296]", "18446744073709551615", "9223372036854775807", "1e3", "{}", "null",
      "\\u0000",
    ], longest: 8192
  ) { bytes, folder in
    try valuesOfSafetensors(folder.write(bytes, to: "model.safetensors"))
  }

  private static func valuesOfSafetensors(_ path: String) throws -> Int {
    // Values are read when they are asked for; numbers that are no floats are refused then.
    try Safetensors(reading: path).tensors.reduce(0) {
      try $0 + 4 * ($1.value.type.isFloat ? $1.value.values.count : 0)
    }
  }

  /// Reads a safetensors file that is there.
  public static func readSafetensors(_ path: String) -> Outcome {
    outcome { try valuesOfSafetensors(path) }
  }

  /// The config.json of a model saved by diffusers.
  static let diffusersConfig = HostileFormat(
    name: "diffusers-config",
    words: [
      "\"sample_size\"", "\"block_out_channels\"", "\"down_block_types\"", "\"up_block_types\"", "\"layers_per_block\"",
      "\"norm_num_groups\"", "\"attention_head_dim\"", "\"class_embed_type\"", "\"num_class_embeds\"",
      "\"in_channels\"",
      "null", "true", "-1", "1e999", "1000000", "[", "]", "{", "}",
    ], longest: 4096,
    // Few bytes may ask for 16 stages of 64 blocks, all of whose layers are laid out before weights are looked at.
    allowance: 64 << 20
  ) { bytes, folder in
    mkdir("\(folder.path)/model", 0o700)
    _ = try folder.write(bytes, to: "model/config.json")
    let weights = try Safetensors().encoded()
    _ = try weights.withUnsafeBytes { try folder.write($0, to: "model/diffusion_pytorch_model.safetensors") }
    return 4 * (try DiffusersFolder("\(folder.path)/model").network.layout.count)
  }

  /// The scheduler_config.json beside it.
  static let diffusersScheduler = HostileFormat(
    name: "diffusers-scheduler",
    words: [
      "\"_class_name\"", "\"DDPMScheduler\"", "\"num_train_timesteps\"", "\"beta_schedule\"", "\"trained_betas\"",
      "\"prediction_type\"", "\"rescale_betas_zero_snr\"", "\"linear\"", "\"squaredcos_cap_v2\"", "null", "true",
      "1e999",
      "1000000", "-1", "[", "]", "{", "}",
    ], longest: 4096,
    // A million noise levels may be asked for in few bytes: 8 MB each of β and of its integral, twice while they grow.
    allowance: 40 << 20
  ) { bytes, folder in
    mkdir("\(folder.path)/scheduler", 0o700)
    _ = try folder.write(smallConfig, to: "scheduler/config.json")
    _ = try folder.write(bytes, to: "scheduler/scheduler_config.json")
    let weights = try Safetensors().encoded()
    _ = try weights.withUnsafeBytes { try folder.write($0, to: "scheduler/diffusion_pytorch_model.safetensors") }
    return 4 * (try DiffusersFolder("\(folder.path)/scheduler").network.layout.count)
  }

  /// The smallest network of its kind.
  private static let smallConfig = """
    {"_class_name": "UNet2DModel", "sample_size": 2, "in_channels": 1, "out_channels": 1, "layers_per_block": 1,
     "block_out_channels": [4], "down_block_types": ["DownBlock2D"], "up_block_types": ["UpBlock2D"],
     "norm_num_groups": 2, "attention_head_dim": 2}
    """

  private static func size(of dataset: Dataset) -> Int {
    8 * (dataset.training.values.count + dataset.heldOut.values.count)
  }
}
