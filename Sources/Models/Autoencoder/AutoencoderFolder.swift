// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks

/// An `AutoencoderKL` as diffusers saves it: config.json and weights in safetensors, of one file or of shards, in full
/// or in a variant. The folder may be the model's own, or a pipeline's with `vae` in it.
///
/// Every entry of the config is followed, refused by name, or without effect.
public struct AutoencoderFolder: Sendable {
  /// The autoencoder, for pictures of the size that its config names.
  public let autoencoder: Autoencoder
  /// What was chosen or left out, a line each.
  public let notes: [String]

  /// - Parameters:
  ///   - path: the folder.
  ///   - subfolder: of the model in it; nil: the folder itself, or `vae`.
  ///   - variant: of the weights, such as `fp16`; nil: none, or the only one there.
  ///   - winograd: whether 3 × 3 convolutions may use Winograd's filtering.
  /// - Throws: `InputError` at the file for what is missing, damaged, ambiguous or of an unknown kind.
  public init(_ path: String, subfolder: String? = nil, variant: String? = nil, winograd: Bool = true) throws {
    let folder = try Self.folder(path, subfolder)
    let config = try JSONFile("\(folder)/config.json", missing: "no such file; a folder saved by diffusers has it")
    let read = try Self.read(config)
    var weights = try DiffusersWeights(in: folder, variant: variant)
    do {
      let network = try AutoencoderNetwork(read.architecture, winograd: winograd)
      try weights.keep(
        only: Set(network.layout.entries.flatMap { $0.parts.map(\.name) }).subtracting([
          AutoencoderNetwork.deviationName
        ]))
      weights.flattenAttention()
      weights.set(AutoencoderNetwork.deviationName, to: Safetensors.Entry(shape: [1], values: [0]))
      let values = try weights.file.values(layout: network.layout, prefix: "")
      guard values.allSatisfy(\.isFinite) else {
        let name = try weights.file.tensors.names.sorted().first { name in
          try weights.file.tensors[name]?.values.allSatisfy(\.isFinite) == false
        }
        throw InputError("'\(name ?? "?")' holds a number that is not finite")
      }
      autoencoder = Autoencoder(network, parameters: values, scaling: read.scaling, shift: read.shift)
    } catch let error as InputError {
      throw error.location.isEmpty ? InputError(error.message, at: weights.path) : error
    }
    notes = weights.notes
  }

  private static func folder(_ path: String, _ subfolder: String?) throws -> String {
    func exists(_ path: String) -> Bool { FileManager.default.fileExists(atPath: path) }
    if let subfolder {
      let parts = subfolder.split(separator: "/", omittingEmptySubsequences: false)
      guard !parts.isEmpty, parts.allSatisfy({ !$0.isEmpty && $0 != ".." }) else {
        throw InputError("subfolder '\(subfolder)'; allowed: a folder within", at: path)
      }
      return subfolder == "." ? path : "\(path)/\(subfolder)"
    }
    if exists("\(path)/config.json") || !exists("\(path)/vae") { return path }
    return "\(path)/vae"
  }
}

extension DiffusersWeights {
  /// Gives the weights of attention that lie as 1 × 1 convolutions, [C, C, 1, 1], the shape of matrices.
  fileprivate mutating func flattenAttention() {
    for name in file.tensors.names where name.contains(".attentions.") {
      guard let entry = file.tensors[name], entry.shape.count == 4, entry.shape.suffix(2) == [1, 1] else { continue }
      set(name, to: entry.reshaped(Array(entry.shape.prefix(2))))
    }
  }
}
