// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

extension AttentionShape {
  /// One head, whose matrices lie by themselves.
  var kernel: ck_attention {
    ck_attention(
      queries: queries, keys: keys, width: headWidth, query_stride: headWidth, key_stride: headWidth, scale: scale,
      causal: 0)
  }
}

extension Tape {
  /// Writes attention into `out`, a tile at a time.
  /// - Returns: what the backward pass needs of every head.
  func tiledAttention(
    _ parts: Attention.Sources, rows: Int, _ shape: AttentionShape, into out: Tensor
  ) -> Tensor {
    var kernel = shape.kernel
    let statistics = constant(rows: rows * shape.heads, columns: 2 * shape.queries)
    let matrices = HeadMatrices(self, shape)
    let result = constant(rows: shape.queries, columns: shape.headWidth)
    let scratch = constant(rows: 1, columns: ck_attention_scratch(&kernel, 0))
    for row in 0..<rows {
      for head in 0..<shape.heads {
        matrices.read(parts, row, head)
        ck_attention_forward(
          &kernel, matrices.q, matrices.k, matrices.v, result.values,
          statistics.values + (row * shape.heads + head) * statistics.columns, scratch.values)
        ck_matrix_pixels(
          out.values + row * out.columns, result.values, shape.queries, head * shape.headWidth, shape.headWidth)
      }
    }
    matrices.recycle()
    arena.recycle(result.values, result.count)
    arena.recycle(scratch.values, scratch.count)
    if !recording { arena.recycle(statistics.values, statistics.count) }
    return statistics
  }

  /// The adjoint of attention by queries, keys and values, a tile at a time.
  func tiledAttentionSlopes(
    _ g: OutputGradient, _ parts: Attention.Sources, _ shape: AttentionShape, statistics: Tensor,
    into target: Attention.Sources
  ) {
    var kernel = shape.kernel
    let (n, m, width) = (shape.queries, shape.keys, shape.headWidth)
    let (matrices, slopes) = (HeadMatrices(self, shape), HeadMatrices(self, shape))
    let (out, d) = (constant(rows: n, columns: width), constant(rows: n, columns: width))
    let scratch = constant(rows: 1, columns: ck_attention_scratch(&kernel, 1))
    for row in 0..<g.tensor.rows {
      for head in 0..<shape.heads {
        func write(_ target: Attention.Sources.Part, _ matrix: UnsafePointer<Float>, _ positions: Int) {
          ck_matrix_pixels(
            target.tensor.values + row * target.tensor.columns, matrix, positions, target.first + head * width, width)
        }
        matrices.read(parts, row, head)
        ck_pixels_matrix(out.values, g.output.values + row * g.output.columns, n, head * width, width)
        ck_pixels_matrix(d.values, g.tensor.values + row * g.tensor.columns, n, head * width, width)
        ck_attention_backward(
          &kernel, matrices.q, matrices.k, matrices.v, out.values, d.values,
          statistics.values + (row * shape.heads + head) * statistics.columns, slopes.q, slopes.k, slopes.v,
          scratch.values)
        write(target.q, slopes.q, n)
        write(target.k, slopes.k, m)
        write(target.v, slopes.v, m)
      }
    }
    matrices.recycle()
    slopes.recycle()
    arena.recycle(out.values, out.count)
    arena.recycle(d.values, d.count)
    arena.recycle(scratch.values, scratch.count)
  }
}
