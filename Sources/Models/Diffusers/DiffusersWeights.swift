// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// The tensors of a network that diffusers saved: of one safetensors file or of several, as an index says, in full or
/// in a variant such as `fp16`.
struct DiffusersWeights {
  /// The file, or the index; complaints point to it.
  let path: String
  var file: Safetensors
  /// What was chosen and what was left out, a line each.
  private(set) var notes: [String] = []

  /// What the files of diffusers' models begin with; those of transformers begin with "model".
  static let stem = "diffusion_pytorch_model"

  /// - Parameters:
  ///   - folder: of config.json.
  ///   - stem: what the names of the files begin with.
  ///   - variant: which weights; nil: those without a variant, or the only ones.
  /// - Throws: `InputError` for weights that are missing, damaged, or not told from others.
  init(in folder: String, stem: String = Self.stem, variant: String?) throws {
    let names = (try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []
    var found: [String: [String]] = [:]
    for name in names { if let variant = Self.variant(of: name, stem) { found[variant, default: []].append(name) } }
    let plain = "\(folder)/\(stem).safetensors"
    let others = found.keys.filter { !$0.isEmpty }.sorted()
    let chosen: String
    if let variant {
      guard found[variant] != nil, !variant.isEmpty else {
        throw InputError(
          "no variant '\(variant)'; allowed: \(others.isEmpty ? "none is there" : others.joined(separator: ", "))",
          at: folder)
      }
      chosen = variant
    } else if found[""] != nil {
      chosen = ""
      if !others.isEmpty {
        notes.append(
          "\(folder): takes the weights without a variant; there too: \(others.joined(separator: ", ")), by variant")
      }
    } else if others.count > 1 {
      throw InputError(
        "weights of several variants; allowed: one of variant: \(others.joined(separator: ", "))", at: folder)
    } else if let only = others.first {
      chosen = only
      notes.append("\(folder): takes the variant \(only), the only weights there")
    } else if names.contains("\(stem).bin") || names.contains("pytorch_\(stem).bin") {
      throw InputError("no such file, only a .bin; save the model again with safe_serialization=True", at: plain)
    } else {
      throw InputError("no such file", at: plain)
    }
    let files = (found[chosen] ?? []).sorted()
    guard files.count == 1 else {
      throw InputError("holds the same weights twice: \(files.joined(separator: ", ")); allowed: one", at: folder)
    }
    path = "\(folder)/\(files[0])"
    file = files[0].hasSuffix(".json") ? try Self.shards(path, in: folder) : try Safetensors(reading: path)
    renameOldParts()
  }

  /// The variant whose weights, or index of weights, have this name; empty: none. nil: another file, or one shard.
  private static func variant(of name: String, _ stem: String) -> String? {
    guard name.hasPrefix(stem) else { return nil }
    let parts = name.dropFirst(stem.count).split(separator: ".", omittingEmptySubsequences: false).map(String.init)
    guard parts.first == "" else { return nil }
    let variant: String? =
      switch parts.count {
      case 2 where parts[1] == "safetensors": ""
      case 3 where parts[2] == "safetensors": parts[1]
      case 4 where Array(parts[1...]) == ["safetensors", "index", "json"]: ""
      case 5 where parts[1] == "safetensors" && parts[2] == "index" && parts[4] == "json": parts[3]
      case 5 where Array(parts[2...]) == ["safetensors", "index", "json"]: parts[1]
      default: nil
      }
    guard let variant, !isShard(variant) else { return nil }
    return variant
  }

  /// Whether a name ends as `-00001-of-00002`.
  private static func isShard(_ name: String) -> Bool { name.contains("-of-") }

  /// The tensors of all files that an index names.
  private static func shards(_ path: String, in folder: String) throws -> Safetensors {
    let index = try JSONFile(path, missing: "no such file")
    // Sizes in bytes, which the shards say themselves.
    index.pass(["metadata"])
    var shards: [String: Set<String>] = [:]
    for (tensor, name) in try index.mapping("weight_map") {
      guard !name.contains("/"), name.hasSuffix(".safetensors") else {
        throw index.wrong("weight_map", "names the file '\(name)'; allowed: a .safetensors beside the index")
      }
      shards[name, default: []].insert(tensor)
    }
    try index.finish(allowed: "metadata, weight_map")
    var tensors: [String: Safetensors.Entry] = [:]
    for (name, listed) in shards.sorted(by: { $0.key < $1.key }) {
      let shard = try Safetensors(reading: "\(folder)/\(name)")
      let held = Set(shard.tensors.names)
      if let lost = listed.subtracting(held).min() {
        throw InputError("lacks '\(lost)', which \(path) says it holds", at: "\(folder)/\(name)")
      }
      if let stranger = held.subtracting(listed).min() {
        throw InputError("holds '\(stranger)', of which \(path) says otherwise", at: "\(folder)/\(name)")
      }
      for tensor in listed { tensors[tensor] = shard.tensors[tensor] }
    }
    return Safetensors(tensors: .init(tensors))
  }

  /// Some parts had other names once.
  private mutating func renameOldParts() {
    func rename(_ old: String, to new: String) {
      if file.tensors[new] == nil, let entry = file.tensors.removeValue(forKey: old) { file.tensors[new] = entry }
    }
    let attention = [("query", "to_q"), ("key", "to_k"), ("value", "to_v"), ("proj_attn", "to_out.0")]
    for name in file.tensors.names {
      if name == "time_proj.W" { rename(name, to: "time_proj.weight") }
      guard name.contains(".attentions.") else { continue }
      for (old, new) in attention {
        for suffix in ["weight", "bias"] where name.hasSuffix(".\(old).\(suffix)") {
          rename(name, to: name.dropLast(old.count + suffix.count + 1) + "\(new).\(suffix)")
        }
      }
    }
  }

  /// Leaves out what all names begin with, where some do.
  mutating func removePrefix(_ prefix: String) {
    for name in file.tensors.names where name.hasPrefix(prefix) {
      let short = String(name.dropFirst(prefix.count))
      if file.tensors[short] == nil, let entry = file.tensors.removeValue(forKey: name) { file.tensors[short] = entry }
    }
  }

  /// Adds a tensor, or puts another one in its place.
  mutating func set(_ name: String, to entry: Safetensors.Entry) { file.tensors[name] = entry }

  /// Takes out the tensors that are no parameters.
  /// - Parameter known: the names of all parameters.
  /// - Throws: `InputError` for numbers that the network has no place for.
  mutating func keep(only known: Set<String>) throws {
    for name in file.tensors.names.sorted() where !known.contains(name) {
      guard let entry = file.tensors[name], !entry.type.isFloat else {
        throw InputError("holds '\(name)', which config.json has no place for", at: path)
      }
      notes.append("\(path): '\(name)' of type \(entry.type.rawValue) is a buffer that nothing needs; left out")
      file.tensors.removeValue(forKey: name)
    }
  }
}
