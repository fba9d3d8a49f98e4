// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// A safetensors file of low-rank adapters of a pipeline, in diffusers' keys or in kohya's.
///
/// | form | keys of a module |
/// |---|---|
/// | diffusers, peft | `unet.MODULE.lora_A.weight`, `lora_B.weight` |
/// | diffusers before | `unet.MODULE.lora.down.weight`, `lora.up.weight`; `….processor.to_q_lora.down.weight` |
/// | kohya | `lora_unet_MODULE.lora_down.weight`, `lora_up.weight`, `alpha`, with _ for . in MODULE |
///
/// `text_encoder.` or `lora_te_` stand for the text encoder. α is a tensor `alpha`, or in the metadata that diffusers
/// writes; else it is the rank.
public struct LowRankFile: Sendable {
  /// What a module belongs to.
  public enum Component: String, Sendable, CaseIterable {
    /// The U-Net.
    case unet
    /// The text encoder.
    case textEncoder = "text_encoder"
  }

  /// The file.
  public let path: String
  /// Adapters by their modules, with _ for . in their names.
  private let adapters: [Component: [String: Parts]]
  /// A checksum of the adapters.
  public let fingerprint: String

  private struct Parts {
    /// The module as the file writes it.
    let name: String
    var down, up: Safetensors.Entry?
    var alpha: Float?
  }

  /// - Throws: `InputError` at the file for keys that are of no such form, and for matrices that do not fit each other.
  public init(_ path: String) throws {
    self.path = path
    let file = try Safetensors(reading: path)
    var adapters: [Component: [String: Parts]] = [:]
    var checksum = Checksum()
    do {
      for name in file.tensors.names.sorted() {
        guard let entry = file.tensors[name] else { continue }
        guard let key = Key(name) else {
          throw InputError(
            "holds '\(name)'; allowed: pairs of lora_A and lora_B, lora.down and up, lora_down and lora_up")
        }
        let values = try entry.values
        guard values.allSatisfy(\.isFinite) else { throw InputError("'\(name)' holds a number that is not finite") }
        for byte in name.utf8 { checksum.add(word: UInt64(byte)) }
        for value in values { checksum.add(word: UInt64(value.bitPattern)) }
        var parts = adapters[key.component]?[key.plain] ?? Parts(name: key.module)
        switch key.part {
        case .down: parts.down = entry
        case .up: parts.up = entry
        case .alpha:
          guard values.count == 1 else { throw InputError("'\(name)' has \(values.count) values; allowed: one") }
          parts.alpha = values[0]
        }
        adapters[key.component, default: [:]][key.plain] = parts
      }
      guard !adapters.isEmpty else { throw InputError("holds no adapters") }
      let alphas = try Self.alphas(file.metadata["lora_adapter_metadata"])
      for component in adapters.keys {
        for (plain, parts) in adapters[component] ?? [:] where parts.alpha == nil {
          adapters[component]?[plain]?.alpha = alphas[component]
        }
      }
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: path) : error
    }
    for alpha in adapters.values.flatMap({ $0.sorted { $0.key < $1.key }.map { $0.value.alpha ?? -1 } }) {
      checksum.add(word: UInt64(alpha.bitPattern))
    }
    self.adapters = adapters
    fingerprint = checksum.text
  }

  /// Which components have adapters.
  public var components: [Component] { Component.allCases.filter { adapters[$0] != nil } }

  /// The adapters of a component by the names of the weights that they change.
  /// - Parameters:
  ///   - component: which one.
  ///   - weights: the shapes of the component's weights by their names, which end in `.weight`.
  /// - Throws: `InputError` at the file for a module that the component does not have, and for a matrix of another
  ///   shape.
  public func adapters(of component: Component, weights: [String: [Int]]) throws -> [String: LowRankAdapter] {
    var left = adapters[component] ?? [:]
    var found: [String: LowRankAdapter] = [:]
    for (name, shape) in weights where name.hasSuffix(".weight") {
      let module = String(name.dropLast(".weight".count))
      let names = [module] + (module.hasPrefix("text_model.") ? [String(module.dropFirst("text_model.".count))] : [])
      guard let key = names.map(Self.plain).first(where: { left[$0] != nil }), let parts = left.removeValue(forKey: key)
      else { continue }
      found[name] = try adapter(parts, of: name, shape)
    }
    if let stray = left.values.map(\.name).min() {
      let more = left.count > 1 ? ", and \(left.count - 1) more" : ""
      throw InputError("changes '\(stray)'\(more), which the \(component.rawValue) does not have", at: path)
    }
    return found
  }

  private func adapter(_ parts: Parts, of name: String, _ shape: [Int]) throws -> LowRankAdapter {
    func wrong(_ message: String) -> InputError { InputError("'\(parts.name)': \(message)", at: path) }
    guard let down = parts.down, let up = parts.up else {
      throw wrong("has \(parts.down == nil ? "no matrix that reads (A, down)" : "no matrix that writes (B, up)")")
    }
    guard down.shape.count >= 2, up.shape.count >= 2, let rank = down.shape.first, rank > 0, up.shape[1] == rank,
      up.shape.dropFirst(2).allSatisfy({ $0 == 1 })
    else { throw wrong("matrices of shapes \(down.shape) and \(up.shape) are not of one rank") }
    // A 1 × 1 convolution and a linear layer are the same.
    func trimmed(_ shape: [Int]) -> [Int] {
      shape.count == 4 && shape[2] == 1 && shape[3] == 1 ? Array(shape.prefix(2)) : shape
    }
    let wanted = trimmed(shape)
    guard [up.shape[0]] + trimmed(down.shape).dropFirst() == wanted else {
      throw wrong("matrices of shapes \(down.shape) and \(up.shape); '\(name)' has shape \(shape)")
    }
    let alpha = parts.alpha ?? Float(rank)
    return LowRankAdapter(down: try down.values, up: try up.values, rank: rank, scale: alpha / Float(rank))
  }

  /// α of each component in the metadata that diffusers writes.
  private static func alphas(_ text: String?) throws -> [Component: Float] {
    guard let text else { return [:] }
    guard let entries = try? JSONSerialization.jsonObject(with: Data(text.utf8)) as? [String: Any] else {
      throw InputError("its metadata 'lora_adapter_metadata' is no JSON object")
    }
    var alphas: [Component: Float] = [:]
    for component in Component.allCases {
      for key in ["alpha_pattern", "rank_pattern"] {
        guard (entries["\(component.rawValue).\(key)"] as? [String: Any])?.isEmpty ?? true else {
          throw InputError("its metadata has a \(key) of the \(component.rawValue); allowed: one α and rank for all")
        }
      }
      for key in ["use_dora", "use_rslora"] where entries["\(component.rawValue).\(key)"] as? Bool == true {
        throw InputError("its metadata says \(key) of the \(component.rawValue); allowed: false")
      }
      if let alpha = entries["\(component.rawValue).lora_alpha"] as? NSNumber {
        alphas[component] = alpha.floatValue
      }
    }
    return alphas
  }

  private static func plain(_ module: String) -> String { module.replacing(".", with: "_") }

  /// What a key of the file says.
  private struct Key {
    enum Part { case down, up, alpha }

    let component: Component
    /// As the file writes it, without the component.
    let module: String
    let part: Part
    /// With _ for ., by which all forms are the same.
    var plain: String { LowRankFile.plain(module) }

    private static let endings: [(text: String, part: Part)] = [
      (".lora_A.weight", .down), (".lora_B.weight", .up), (".lora_A.default.weight", .down),
      (".lora_B.default.weight", .up), (".lora.down.weight", .down), (".lora.up.weight", .up),
      (".lora_down.weight", .down), (".lora_up.weight", .up), ("_lora.down.weight", .down), ("_lora.up.weight", .up),
      (".alpha", .alpha),
    ]

    private static let beginnings: [(text: String, component: Component)] = [
      ("unet.", .unet), ("text_encoder.", .textEncoder), ("lora_unet_", .unet), ("lora_te1_", .textEncoder),
      ("lora_te_", .textEncoder),
    ]

    init?(_ name: String) {
      guard let ending = Self.endings.first(where: { name.hasSuffix($0.text) }) else { return nil }
      var module = String(name.dropLast(ending.text.count))
      if module.hasPrefix("base_model.model.") { module = String(module.dropFirst("base_model.model.".count)) }
      if let beginning = Self.beginnings.first(where: { module.hasPrefix($0.text) }) {
        module = String(module.dropFirst(beginning.text.count))
        component = beginning.component
      } else {
        // peft's file of a U-Net alone.
        component = .unet
      }
      // Attention processors of old had layers of their own.
      module = module.replacing(".processor.", with: ".")
      if ending.text.hasPrefix("_lora"), module.hasSuffix(".to_out") { module += ".0" }
      for prefix in ["text_model.", "text_model_"] where component == .textEncoder && module.hasPrefix(prefix) {
        module = String(module.dropFirst(prefix.count))
      }
      self.module = module
      part = ending.part
    }
  }
}

extension LowRankFile {
  /// Adds the adapters of a component to its weights.
  /// - Parameters:
  ///   - tensors: the component's, by their names.
  ///   - component: which.
  ///   - weight: how much of the changes is added.
  /// - Throws: as `adapters(of:weights:)` does.
  func add(to tensors: inout Safetensors.Table, of component: Component, times weight: Double) throws {
    var shapes: [String: [Int]] = [:]
    for name in tensors.names { shapes[name] = tensors[name]?.shape }
    for (name, adapter) in try adapters(of: component, weights: shapes) {
      guard let entry = tensors[name] else { continue }
      tensors[name] = .init(shape: entry.shape, values: adapter.added(to: try entry.values, times: weight))
    }
  }

  /// A text encoder's parameters with its adapters added.
  /// - Throws: as `adapters(of:weights:)` does.
  public func added(to parameters: [Float], of encoder: TextEncoder, times weight: Double) throws -> [Float] {
    let layout = encoder.layout
    let shapes = layout.entries.flatMap(\.parts).map { ($0.name, $0.shape) }
    let found = try adapters(of: .textEncoder, weights: Dictionary(uniqueKeysWithValues: shapes))
    var tensors: [String: [Float]] = [:]
    layout.forEachTensor(of: parameters) { part, values in
      tensors[part.name] = found[part.name]?.added(to: values, times: weight) ?? values
    }
    return layout.buffer { tensors[$0.name] ?? [] }
  }
}
