// SPDX-License-Identifier: GPL-3.0-or-later

extension Tape {
  /// Where a recorded pass first computed something that is not finite, in words: a parameter, or the layer whose
  /// parameter was read last, with the operation. nil where all is finite. It looks at everything that was recorded,
  /// and is asked after a failure alone.
  package func firstNonFinite() -> String? {
    var parameter: String?
    for node in nodes {
      if case .parameter(let index) = node.operation {
        parameter = layout.entries[index].parts[0].name
        if !node.output.isFinite { return "parameter \(parameter ?? "")" }
      } else if !node.output.isFinite {
        if case .variable = node.operation { return "the network's input" }
        let operation = String(describing: node.operation).prefix { $0 != "(" }
        guard let parameter else { return "the network's first operation, \(operation)" }
        let layer = parameter.split(separator: ".").dropLast().joined(separator: ".")
        return "layer \(layer.isEmpty ? parameter : layer) (\(operation))"
      }
    }
    return nil
  }
}

extension Tape {
  /// The largest magnitude of the finite values that a recorded pass computed, parameters aside.
  package func largestMagnitude() -> Float {
    var largest: Float = 0
    for node in nodes {
      if case .parameter = node.operation { continue }
      for row in 0..<node.output.rows {
        for column in 0..<node.output.columns {
          let size = abs(node.output[row, column])
          if size.isFinite && size > largest { largest = size }
        }
      }
    }
    return largest
  }
}

extension Tensor {
  /// Whether every value is finite.
  package var isFinite: Bool {
    for row in 0..<rows {
      for column in 0..<columns where !self[row, column].isFinite { return false }
    }
    return true
  }
}

extension ParameterLayout {
  /// The name of the first parameter that has a value which is not finite; nil where all are.
  package func firstNonFinite(in values: UnsafePointer<Float>) -> String? {
    for entry in entries {
      for i in entry.offset..<entry.offset + entry.count where !values[i].isFinite { return entry.parts[0].name }
    }
    return nil
  }
}
