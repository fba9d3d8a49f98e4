// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// A tensor on its way through a network's layers. A step replaces it, and gives the memory of the one before back
/// unless somebody else keeps it.
struct Path {
  private let tape: Tape
  private(set) var value: Tensor
  private var isKept: Bool

  init(_ value: Tensor, on tape: Tape) {
    (self.value, self.tape, isKept) = (value, tape, false)
  }

  /// The tensor for somebody else, such as a skip connection, who then gives its memory back.
  mutating func kept() -> Tensor {
    isKept = true
    return value
  }

  mutating func step(_ layer: (Tensor) -> Tensor) {
    let next = layer(value)
    if !isKept { tape.recycle(value) }
    (value, isKept) = (next, false)
  }
}
