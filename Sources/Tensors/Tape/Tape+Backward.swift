// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

extension Tape {
  /// Reverse-mode differentiation of `output`.
  /// - Parameters:
  ///   - output: what is differentiated.
  ///   - adjoint: ∂(what is wanted)/∂output, of its shape; default: ones.
  ///   - gradients: the flat buffer that receives the gradient of every parameter (all of it is written); nil where
  ///     only variables matter.
  ///   - accumulate: add to `gradients` instead.
  ///   - taped: record the backward pass too, so that its results can be differentiated again; then parameter gradients
  ///     are tensors of the tape and `gradients` must be nil.
  public func backward(
    from output: Tensor, adjoint: Tensor? = nil, gradients: UnsafeMutablePointer<Float>? = nil,
    accumulate: Bool = false, taped: Bool = false
  ) {
    precondition(recording && !output.isConstant, "nothing was recorded for this tensor")
    precondition(gradients == nil || !taped)
    accumulating = accumulate
    recording = taped
    defer { recording = true }
    adjoints.removeAll(keepingCapacity: true)
    for _ in 0...output.node { adjoints.append(nil) }
    let seed = adjoint ?? ones(output.rows, output.columns)
    adjoints[output.node] = Adjoint(tensor: seed, owned: false)
    let last = output.node
    if let gradients { gradientBuffer = gradients }
    defer { gradientBuffer = nil }
    for index in stride(from: last, through: 0, by: -1) {
      guard let adjoint = adjoints[index] else { continue }
      propagate(adjoint, index)
    }
    if let gradients, !accumulate { zeroUnused(gradients) }
  }

  /// The derivative by a variable or parameter after `backward`; nil where the output does not depend on it.
  public func gradient(of tensor: Tensor) -> Tensor? {
    tensor.node >= 0 && tensor.node < adjoints.count ? adjoints[tensor.node]?.tensor : nil
  }

  /// Gives the memory of a variable's gradient back after its last use, so that the same pass can be differentiated
  /// once more without taking new memory.
  package func releaseGradient(of variable: Tensor) { release(variable.node) }

  private func ones(_ rows: Int, _ columns: Int) -> Tensor {
    let tensor = constant(rows: rows, columns: columns)
    tensor.values.update(repeating: 1, count: tensor.count)
    return tensor
  }

  /// Takes an adjoint to the inputs of its operation.
  private func propagate(_ adjoint: Adjoint, _ index: Int) {
    let node = nodes[index]
    switch node.operation {
    case .variable, .parameter: return
    case let operation:
      operation.backward(OutputGradient(adjoint: adjoint, node: index, output: node.output), on: self)
    }
    if !recording { release(index) }
  }

  /// Adds a freshly made tensor to an input's adjoint.
  func contribute(to input: Tensor, _ make: () -> Tensor) {
    if input.isConstant { return }
    accumulate(Adjoint(tensor: make(), owned: true), to: input)
  }

  /// Adds a multiple of a tensor to an input's adjoint.
  func contribute(_ factor: Float, _ g: Tensor, to input: Tensor) {
    if input.isConstant || factor == 0 { return }
    if !recording, input.node < adjoints.count, let present = adjoints[input.node], present.owned {
      ck_sum(present.tensor.values, 1, present.tensor.values, factor, g.values, g.count)
    } else {
      accumulate(Adjoint(tensor: scale(g, by: factor), owned: true), to: input)
    }
  }

  /// Adds memory that nobody else reads to an input's adjoint.
  func contributeOwned(_ g: Tensor, to input: Tensor) {
    if input.isConstant { return arena.recycle(g.values, g.count) }
    accumulate(Adjoint(tensor: g, owned: true), to: input)
  }

  /// Adds a row for each row of the input, or their sum where one row serves all.
  func contributeRows(_ rows: Tensor, to input: Tensor) {
    if input.isConstant { return }
    if input.rows == 1 && rows.rows > 1 {
      contributeColumnSums(rows, to: input)
    } else {
      accumulate(Adjoint(tensor: rows, owned: true), to: input)
    }
  }

  /// Hands on the adjoint of an output: `adjoint` is the same one, or was made in its memory.
  func pass(_ g: OutputGradient, on adjoint: Adjoint, to input: Tensor) {
    if input.isConstant { return }
    if adjoint.tensor.values == g.tensor.values { adjoints[g.node]?.owned = false }
    accumulate(adjoint, to: input)
  }

  func accumulate(_ adjoint: Adjoint, to input: Tensor) {
    let value = adjoint.tensor
    if let slot = parameterSlot(of: input) {
      ck_sum(
        slot.tensor.values, 1, value.values, slot.used ? 1 : 0, slot.used ? slot.tensor.values : value.values,
        value.count)
    } else if let present = adjoints[input.node] {
      if present.owned && !recording {
        ck_sum(present.tensor.values, 1, present.tensor.values, 1, value.values, value.count)
      } else {
        adjoints[input.node] = Adjoint(tensor: sum(1, present.tensor, 1, value), owned: true)
      }
    } else {
      adjoints[input.node] = adjoint
    }
  }

  /// Adds op(a) op(b) to an input's adjoint, by the product itself where the memory is there.
  func contribute(product a: Tensor, _ b: Tensor, _ transposeA: Bool, _ transposeB: Bool, to input: Tensor) {
    if input.isConstant { return }
    if recording {
      accumulate(
        Adjoint(tensor: matrixProduct(a, b, transposeA: transposeA, transposeB: transposeB), owned: true), to: input)
    } else if let slot = parameterSlot(of: input) {
      multiply(a, b, transposeA, transposeB, into: slot.tensor, accumulate: slot.used)
    } else if let present = adjoints[input.node], present.owned {
      multiply(a, b, transposeA, transposeB, into: present.tensor, accumulate: true)
    } else {
      let out = result(input.rows, input.columns)
      multiply(a, b, transposeA, transposeB, into: out, accumulate: false)
      accumulate(Adjoint(tensor: out, owned: true), to: input)
    }
  }

  func contributeColumnSums(_ g: Tensor, to input: Tensor) {
    if !recording, let slot = parameterSlot(of: input) {
      ck_column_sums(slot.tensor.values, g.values, g.rows, g.columns, slot.used ? 1 : 0)
    } else {
      contribute(to: input) { columnSums(g) }
    }
  }

  /// Gives the memory of an adjoint back after its last use.
  private func release(_ index: Int) {
    if let adjoint = adjoints[index], adjoint.owned { arena.recycle(adjoint.tensor.values, adjoint.tensor.count) }
    adjoints[index] = nil
  }

  /// The place in the flat gradient buffer of a parameter, and whether something was already added to it.
  func parameterSlot(of input: Tensor) -> (tensor: Tensor, used: Bool)? {
    guard let gradientBuffer, case .parameter(let index) = nodes[input.node].operation else { return nil }
    let entry = layout.entries[index]
    let slot = Tensor(values: gradientBuffer + entry.offset, rows: entry.rows, columns: entry.columns)
    let used = isUsed(input)
    adjoints[input.node] = Adjoint(tensor: slot, owned: false)
    return (slot, used)
  }

  /// Whether a parameter's gradient is one to be added to.
  func isUsed(_ input: Tensor) -> Bool { accumulating || adjoints[input.node] != nil }

  private func zeroUnused(_ gradients: UnsafeMutablePointer<Float>) {
    for (index, entry) in layout.entries.enumerated() where gradient(ofParameter: index) == nil {
      (gradients + entry.offset).update(repeating: 0, count: entry.count)
    }
  }
}
