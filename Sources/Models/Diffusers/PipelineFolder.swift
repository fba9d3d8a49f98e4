// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// A folder of diffusers' `StableDiffusionPipeline`: model_index.json, which names the class of each component, and a
/// folder for each. The components are read by `DiffusersFolder`, `AutoencoderFolder`, `TextEncoderFolder` and
/// `TokenizerFolder`.
public struct PipelineFolder: Sendable {
  /// The folder.
  public let path: String
  /// The scheduler's class.
  public let schedulerClass: String
  /// What is left out, a line each.
  public let notes: [String]

  /// The folder of the U-Net.
  public var unet: String { "\(path)/unet" }
  /// The folder of the autoencoder.
  public var autoencoder: String { "\(path)/vae" }
  /// The folder of the text encoder.
  public var textEncoder: String { "\(path)/text_encoder" }
  /// The folder of the tokenizer.
  public var tokenizer: String { "\(path)/tokenizer" }
  /// The scheduler's file.
  public var scheduler: String { "\(path)/scheduler/scheduler_config.json" }

  /// The pipelines whose components these are.
  private static let pipelines = [
    "StableDiffusionPipeline", "StableDiffusionImg2ImgPipeline", "StableDiffusionInpaintPipeline",
  ]

  /// Each component that is needed, with the library and the classes that are read.
  private static let needed: [(name: String, library: String, classes: [String])] = [
    ("vae", "diffusers", ["AutoencoderKL"]),
    ("text_encoder", "transformers", ["CLIPTextModel"]),
    ("tokenizer", "transformers", ["CLIPTokenizer", "CLIPTokenizerFast"]),
    ("unet", "diffusers", ["UNet2DConditionModel"]),
    ("scheduler", "diffusers", []),
  ]

  /// Components that pictures do not depend on.
  private static let others = ["safety_checker", "feature_extractor", "image_encoder"]

  /// - Parameter path: the folder.
  /// - Throws: `InputError` at the file for a pipeline of another class, and for a component that is missing or of an
  ///   unknown class.
  public init(_ path: String) throws {
    let file = try JSONFile(
      "\(path)/model_index.json", missing: "no such file; a folder of StableDiffusionPipeline has it")
    _ = try file.choice("_class_name", default: "", Self.pipelines)
    var schedulerClass = ""
    for component in Self.needed {
      let (library, kind) = try Self.component(component.name, in: file)
      guard let library, let kind else {
        throw file.wrong(component.name, "is \(file.brief(component.name)); allowed: \(Self.allowed(component))")
      }
      guard library == component.library, component.classes.isEmpty || component.classes.contains(kind) else {
        throw file.wrong(component.name, "is \(library)'s \(kind); allowed: \(Self.allowed(component))")
      }
      if component.name == "scheduler" { schedulerClass = kind }
      var isFolder: ObjCBool = false
      let folder = "\(path)/\(component.name)"
      guard FileManager.default.fileExists(atPath: folder, isDirectory: &isFolder), isFolder.boolValue else {
        throw InputError("no such folder; model_index.json names a \(kind) there", at: folder)
      }
    }
    var notes: [String] = []
    for name in Self.others where file.has(name) {
      if let kind = try Self.component(name, in: file).kind {
        let effect = name == "safety_checker" ? ": pictures are not checked" : ""
        notes.append("\(file.path): \(name), a \(kind), is left out\(effect)")
      }
    }
    file.pass(file.keys.filter { $0.hasPrefix("_") } + ["requires_safety_checker"])
    try file.finish(allowed: (Self.needed.map(\.name) + Self.others).joined(separator: ", "))
    self.path = path
    self.schedulerClass = schedulerClass
    self.notes = notes
  }

  private static func component(_ name: String, in file: JSONFile) throws -> (library: String?, kind: String?) {
    guard file.has(name) else {
      let allowed = needed.first { $0.name == name }.map(Self.allowed) ?? "a library and a class"
      throw file.wrong(name, "is missing; allowed: \(allowed)")
    }
    return try file.pair(name)
  }

  private static func allowed(_ component: (name: String, library: String, classes: [String])) -> String {
    let classes = component.classes.isEmpty ? ["a scheduler"] : component.classes
    return classes.map { "[\(component.library), \($0)]" }.joined(separator: ", ")
  }
}
