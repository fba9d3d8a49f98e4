// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// Which files of a folder are read: the network's own folder, the scheduler's file, and what a pipeline says of both.
/// Nothing is chosen in silence where there is more than one.
struct DiffusersPlaces {
  /// The folder of config.json.
  let model: String
  /// scheduler_config.json; nil where there is none.
  let scheduler: String?
  /// The scheduler's class that model_index.json names.
  let schedulerClass: String?
  let notes: [String]

  /// - Throws: `InputError` where the network is not there, is not told from another, or is one part of a larger model.
  init(_ path: String, subfolder: String?) throws {
    var notes: [String] = []
    model = try Self.model(path, subfolder, &notes)
    schedulerClass = try [path, Self.parent(of: model)].first { Self.exists("\($0)/model_index.json") }.flatMap {
      try Self.index(try JSONFile("\($0)/model_index.json", missing: ""), isAsked: $0 == path, &notes)
    }
    scheduler = try Self.scheduler(path, model, &notes)
    self.notes = notes
  }

  /// The folder that a folder lies in.
  private static func parent(of folder: String) -> String {
    if [".", ".."].contains((folder as NSString).lastPathComponent) { return "\(folder)/.." }
    let parent = parentFolder(of: folder)
    return parent.isEmpty ? "." : parent
  }

  private static func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }

  private static func model(_ path: String, _ subfolder: String?, _ notes: inout [String]) throws -> String {
    if let subfolder {
      let parts = subfolder.split(separator: "/", omittingEmptySubsequences: false)
      guard !parts.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0 != ".." }) else {
        throw InputError("subfolder '\(subfolder)'; allowed: a folder within", at: path)
      }
      return subfolder == "." ? path : "\(path)/\(subfolder)"
    }
    let isBare = exists("\(path)/config.json")
    let inside = ["unet", "unet_ema"].filter { exists("\(path)/\($0)/config.json") }
    if isBare {
      guard inside.isEmpty else {
        throw InputError(
          "holds a network of its own and \(inside.joined(separator: ", ")); allowed: one, or subfolder: . or "
            + inside.joined(separator: " or "), at: path)
      }
      return path
    }
    if inside.count == 2 {
      notes.append("\(path): takes unet; unet_ema, the averaged weights, is there too: subfolder: unet_ema takes it")
    } else if inside == ["unet_ema"] {
      notes.append("\(path): takes unet_ema, the averaged weights, as there is no unet")
    }
    return "\(path)/\(inside.first ?? "unet")"
  }

  /// Reads what a pipeline is made of.
  /// - Parameter isAsked: whether the pipeline is what the config names, and not one part of it.
  private static func index(_ file: JSONFile, isAsked: Bool, _ notes: inout [String]) throws -> String? {
    var schedulerClass: String?
    var others: [String] = []
    // What a network that is told texts works with: others read it, from the same folder.
    let isTold = file.brief("_class_name").contains("StableDiffusion")
    let companions = isTold && isAsked ? ["text_encoder", "tokenizer", "vae"] : []
    for key in file.keys where !key.hasPrefix("_") {
      if key == "unet" || key == "scheduler" {
        let (library, kind) = try file.pair(key)
        guard library == nil || library == "diffusers" else {
          throw file.wrong(key, "is of \(library ?? ""); allowed: diffusers")
        }
        if key == "scheduler" { schedulerClass = kind }
      } else if file.isSet(key), file.brief(key) != "[null, null]", !companions.contains(key) {
        others.append(key)
      }
    }
    if let first = others.first {
      if isAsked {
        throw file.wrong(
          first, "is \(file.brief(first)): a part that is not read; allowed: pipelines of a unet and a scheduler alone")
      }
      notes.append("\(file.path): the network works with \(others.joined(separator: ", ")), which is not read")
    }
    return schedulerClass
  }

  private static func scheduler(_ path: String, _ model: String, _ notes: inout [String]) throws -> String? {
    let pipeline = parent(of: model)
    var found: [String] = []
    for folder in [model, "\(path)/scheduler", "\(pipeline)/scheduler"] {
      let file = "\(folder)/scheduler_config.json"
      if exists(file), !found.contains(file) { found.append(file) }
    }
    guard let first = found.first else {
      // A checkpoint lies within the folder that a training script saves its pipeline to.
      let outer = "\(parent(of: pipeline))/scheduler/scheduler_config.json"
      guard (pipeline as NSString).lastPathComponent.hasPrefix("checkpoint"), exists(outer) else { return nil }
      notes.append("\(outer): taken as the checkpoint's, which has none of its own")
      return outer
    }
    let bytes = FileManager.default.contents(atPath: first)
    if let other = found.first(where: { FileManager.default.contents(atPath: $0) != bytes }) {
      throw InputError("differs from \(other); allowed: one scheduler", at: first)
    }
    return first
  }
}
