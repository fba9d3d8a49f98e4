// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// One head's queries, keys and values as matrices.
struct HeadMatrices {
  let tape: Tape
  let shape: AttentionShape
  let memory: UnsafeMutablePointer<Float>
  private var count: Int { (shape.queries + 2 * shape.keys) * shape.headWidth }
  var q: UnsafeMutablePointer<Float> { memory }
  var k: UnsafeMutablePointer<Float> { memory + shape.queries * shape.headWidth }
  var v: UnsafeMutablePointer<Float> { k + shape.keys * shape.headWidth }

  init(_ tape: Tape, _ shape: AttentionShape) {
    self.tape = tape
    self.shape = shape
    memory = tape.arena.take((shape.queries + 2 * shape.keys) * shape.headWidth)
  }

  func read(_ parts: Attention.Sources, _ row: Int, _ head: Int) {
    func copy(_ part: Attention.Sources.Part, _ positions: Int, to matrix: UnsafeMutablePointer<Float>) {
      ck_pixels_matrix(
        matrix, part.tensor.values + row * part.tensor.columns, positions, part.first + head * shape.headWidth,
        shape.headWidth)
    }
    copy(parts.q, shape.queries, to: q)
    copy(parts.k, shape.keys, to: k)
    copy(parts.v, shape.keys, to: v)
  }

  func recycle() { tape.arena.recycle(memory, count) }
}
