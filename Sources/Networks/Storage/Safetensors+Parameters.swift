// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

extension Safetensors {
  /// The flat buffer of the tensors under `prefix`. Files from before networks had an embedding of nothing get the
  /// zeros that it begins as.
  /// - Throws: `InputError` naming a tensor that is missing, of another shape or no float.
  public func values(layout: ParameterLayout, prefix: String) throws -> [Float] {
    // All shapes are right before memory is taken for them.
    for (_, part, _) in layout.parts where !isMissingNothing(part, prefix) { _ = try tensor(of: part, prefix) }
    return try layout.buffer { part in
      isMissingNothing(part, prefix) ? Array(repeating: 0, count: part.count) : try tensor(of: part, prefix).values
    }
  }

  /// The tensors under `prefix`, kept as they are: those of 16 bits as such.
  /// - Parameters:
  ///   - layout: which tensors, and where each lies.
  ///   - prefix: stands before every name.
  ///   - widened: whether tensors of 16 bits become floats at once.
  /// - Throws: `InputError` naming a tensor that is missing, of another shape or no float.
  package func stored(layout: ParameterLayout, prefix: String, widened: Bool) throws -> StoredParameters {
    let kinds =
      try layout.entries.map { entry in
        let types = Set(
          try entry.parts.map { isMissingNothing($0, prefix) ? .single : try tensor(of: $0, prefix).type })
        return widened ? .single : types == [.half] ? .half : types == [.brainHalf] ? .brainHalf : .single
      } as [StoredParameters.Kind]
    let stored = StoredParameters(layout, kinds: kinds)
    for (index, entry) in layout.entries.enumerated() {
      let memory = stored.memory(ofParameter: index)
      for (place, part) in entry.parts.enumerated() where !isMissingNothing(part, prefix) {
        let tensor = try tensor(of: part, prefix)
        if kinds[index] == .single {
          entry.place(try tensor.values, part: place, in: memory.assumingMemoryBound(to: Float.self))
        } else {
          entry.place(try tensor.halves, part: place, in: memory.assumingMemoryBound(to: UInt16.self))
        }
      }
    }
    return stored
  }

  private func isMissingNothing(_ part: ParameterLayout.Part, _ prefix: String) -> Bool {
    part.name == ConditionEmbedding.nothingName && tensors[prefix + part.name] == nil
  }

  private func tensor(of part: ParameterLayout.Part, _ prefix: String) throws -> Entry {
    guard let tensor = tensors[prefix + part.name] else {
      throw InputError("a checkpoint of another network: no tensor '\(prefix + part.name)'")
    }
    guard tensor.shape == part.shape else {
      throw InputError(
        "a checkpoint of another network: '\(prefix + part.name)' has shape \(tensor.shape), expected \(part.shape)")
    }
    guard tensor.type.isFloat else {
      throw InputError(
        "'\(prefix + part.name)' is of type \(tensor.type.rawValue); allowed: \(SafetensorsType.floats)")
    }
    return tensor
  }
}
