// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// softmax(q kᵀ/√d) v for every head, fused, and in tiles between many positions; a composing tape writes it in other
/// operations.
struct Attention: TapeOperation {
  /// Queries, keys and values: some channels of a tensor each.
  struct Sources {
    typealias Part = (tensor: Tensor, first: Int)
    let q, k, v: Part

    /// Side by side in one tensor.
    static func together(_ x: Tensor, _ shape: AttentionShape) -> Sources {
      let padded = shape.channels.padded
      return Sources(q: (x, 0), k: (x, padded), v: (x, 2 * padded))
    }

    /// Queries in one tensor, keys and values side by side in another.
    static func apart(_ q: Tensor, _ kv: Tensor, _ shape: AttentionShape) -> Sources {
      Sources(q: (q, 0), k: (kv, 0), v: (kv, shape.channels.padded))
    }
  }

  /// Where queries are, and where keys and values are; nil where they all lie in the first.
  let queries: Tensor
  let others: Tensor?
  let shape: AttentionShape
  /// The softmax's; between many positions the statistics that it is made from again, see `ck_attention_forward`.
  let weights: Tensor

  private var sources: Sources {
    others.map { .apart(queries, $0, shape) } ?? .together(queries, shape)
  }

  func backward(_ g: OutputGradient, on tape: Tape) {
    precondition(!tape.recording, "a tape that is to differentiate twice begins as a composing one")
    if queries.isConstant && others?.isConstant ?? true { return }
    let slopes = tape.result(queries.rows, queries.columns)
    let otherSlopes = others.map { tape.result($0.rows, $0.columns) }
    if shape.channels.count < shape.channels.padded {
      slopes.values.update(repeating: 0, count: slopes.count)
      otherSlopes.map { $0.values.update(repeating: 0, count: $0.count) }
    }
    let target: Sources = otherSlopes.map { .apart(slopes, $0, shape) } ?? .together(slopes, shape)
    if shape.isTiled {
      tape.tiledAttentionSlopes(g, sources, shape, statistics: weights, into: target)
    } else {
      tape.attentionSlopes(g.tensor, sources, shape, weights: weights, into: target)
    }
    tape.contributeOwned(slopes, to: queries)
    if let others, let otherSlopes { tape.contributeOwned(otherSlopes, to: others) }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    preconditionFailure("a tape that is to differentiate forwards begins as a composing one")
  }
}

extension Tape {
  /// softmax(q kᵀ/√d) v for every head, where all positions attend to each other (Vaswani et al. 2017).
  /// - Parameters:
  ///   - x: rows × (3 places of channels × positions), blocked: queries, then keys, then values.
  ///   - shape: as many queries as keys.
  /// - Returns: rows × (places of channels × positions), blocked.
  public func attention(_ x: Tensor, _ shape: AttentionShape) -> Tensor {
    precondition(
      shape.queries == shape.keys && x.columns == 3 * shape.channels.padded * shape.queries,
      "queries, keys and values of another shape")
    return attention(.together(x, shape), x, nil, shape)
  }

  /// softmax(q kᵀ/√d) v for every head, where positions attend to others, without a mask: cross attention.
  /// - Parameters:
  ///   - q: rows × (places of channels × queries), blocked.
  ///   - kv: as many rows × (2 places of channels × keys), blocked: keys, then values.
  ///   - shape: how many positions ask, and how many are asked.
  /// - Returns: rows × (places of channels × queries), blocked.
  public func crossAttention(_ q: Tensor, _ kv: Tensor, _ shape: AttentionShape) -> Tensor {
    let padded = shape.channels.padded
    precondition(
      q.rows == kv.rows && q.columns == padded * shape.queries && kv.columns == 2 * padded * shape.keys,
      "queries, keys and values of another shape")
    return attention(.apart(q, kv, shape), q, kv, shape)
  }

  private func attention(
    _ parts: Attention.Sources, _ queries: Tensor, _ others: Tensor?, _ shape: AttentionShape
  ) -> Tensor {
    if recording && composing { return composedAttention(parts, shape) }
    let rows = queries.rows
    let out = result(rows, shape.channels.padded * shape.queries)
    if shape.channels.count < shape.channels.padded { out.values.update(repeating: 0, count: out.count) }
    let (n, m, width) = (shape.queries, shape.keys, shape.headWidth)
    if shape.isTiled {
      let statistics = tiledAttention(parts, rows: rows, shape, into: out)
      return record(.attention(Attention(queries: queries, others: others, shape: shape, weights: statistics)), out)
    }
    let weights = constant(rows: recording ? rows * shape.heads : 1, columns: n * m)
    let matrices = HeadMatrices(self, shape)
    for row in 0..<rows {
      let target = out.values + row * out.columns
      for head in 0..<shape.heads {
        let a = weights.values + (recording ? (row * shape.heads + head) * weights.columns : 0)
        matrices.read(parts, row, head)
        ck_matrix_product(0, 1, n, m, width, matrices.q, width, matrices.k, width, 0, a, m)
        ck_softmax(a, a, shape.scale, n, m)
        ck_matrix_product(0, 0, n, width, m, a, m, matrices.v, width, 0, matrices.q, width)
        ck_matrix_pixels(target, matrices.q, n, head * width, width)
      }
    }
    matrices.recycle()
    if !recording { arena.recycle(weights.values, weights.count) }
    return record(.attention(Attention(queries: queries, others: others, shape: shape, weights: weights)), out)
  }

  /// The adjoint of attention by queries, keys and values.
  fileprivate func attentionSlopes(
    _ g: Tensor, _ parts: Attention.Sources, _ shape: AttentionShape, weights: Tensor, into out: Attention.Sources
  ) {
    let (n, m, width) = (shape.queries, shape.keys, shape.headWidth)
    let matrices = HeadMatrices(self, shape)
    let slopes = constant(rows: 1, columns: n * m)
    let part = constant(rows: max(n, m), columns: width)
    let d = constant(rows: n, columns: width)
    func write(_ target: Attention.Sources.Part, _ row: Int, _ head: Int, _ positions: Int) {
      ck_matrix_pixels(
        target.tensor.values + row * target.tensor.columns, part.values, positions, target.first + head * width, width)
    }
    for row in 0..<g.rows {
      for head in 0..<shape.heads {
        let a = weights.values + (row * shape.heads + head) * weights.columns
        matrices.read(parts, row, head)
        ck_pixels_matrix(d.values, g.values + row * g.columns, n, head * width, width)
        ck_matrix_product(1, 0, m, width, n, a, m, d.values, width, 0, part.values, width)
        write(out.v, row, head, m)
        ck_matrix_product(0, 1, n, m, width, d.values, width, matrices.v, width, 0, slopes.values, m)
        ck_softmax_backward(slopes.values, slopes.values, a, shape.scale, n, m)
        ck_matrix_product(0, 0, n, width, m, slopes.values, m, matrices.k, width, 0, part.values, width)
        write(out.q, row, head, n)
        ck_matrix_product(1, 0, m, width, n, slopes.values, m, matrices.q, width, 0, part.values, width)
        write(out.k, row, head, m)
      }
    }
    matrices.recycle()
    arena.recycle(slopes.values, slopes.count)
    arena.recycle(part.values, part.count)
    arena.recycle(d.values, d.count)
  }

  /// Attention in operations that can be differentiated again.
  private func composedAttention(_ parts: Attention.Sources, _ shape: AttentionShape) -> Tensor {
    let (n, m, width, padded) = (shape.queries, shape.keys, shape.headWidth, shape.channels.padded)
    func matrix(_ part: Attention.Sources.Part, _ positions: Int, _ head: Int) -> Tensor {
      featureMatrix(
        part.tensor,
        FeatureColumns(
          positions: positions, padded: part.tensor.columns / positions, first: part.first + head * width, width: width)
      )
    }
    func head(_ head: Int) -> Tensor {
      let products = batchedProduct(
        matrix(parts.q, n, head), matrix(parts.k, m, head), transposeB: true,
        BatchedShape(rows: n, inner: width, columns: m))
      let rows = parts.q.tensor.rows
      let weights = reshape(softmax(reshape(products, rows: rows * n), scale: shape.scale), rows: rows)
      let values = batchedProduct(
        weights, matrix(parts.v, m, head), BatchedShape(rows: n, inner: m, columns: width))
      return matrixFeatures(
        values, FeatureColumns(positions: n, padded: padded, first: head * width, width: width))
    }
    var total = head(0)
    for next in 1..<max(1, shape.heads) { total = sum(1, total, 1, head(next)) }
    return total
  }
}
