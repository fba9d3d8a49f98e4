// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// softmax(q kᵀ/√width) v for every head of tokens, fused and in tiles; a composing tape writes it in other operations.
struct TokenAttention: TapeOperation {
  let q, k, v: Tensor
  let shape: TokenAttentionShape
  /// The maximum of each row of q kᵀ/√width, and one over the sum of its exponentials: rows · heads × 2 queries.
  let statistics: Tensor

  func backward(_ g: OutputGradient, on tape: Tape) {
    precondition(!tape.recording, "a tape that is to differentiate twice begins as a composing one")
    if q.isConstant && k.isConstant && v.isConstant { return }
    let (dq, dk, dv) = (
      tape.result(q.rows, q.columns), tape.result(k.rows, k.columns), tape.result(v.rows, v.columns)
    )
    var kernel = shape.kernel
    let scratch = tape.result(1, ck_attention_scratch(&kernel, 1))
    tape.forEachHead(shape, rows: q.rows / shape.queries) { asking, asked, head in
      ck_attention_backward(
        &kernel, q.values + asking, k.values + asked, v.values + asked, g.output.values + asking,
        g.tensor.values + asking, statistics.values + head * statistics.columns, dq.values + asking,
        dk.values + asked, dv.values + asked, scratch.values)
    }
    tape.arena.recycle(scratch.values, scratch.count)
    tape.contributeOwned(dq, to: q)
    tape.contributeOwned(dk, to: k)
    tape.contributeOwned(dv, to: v)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    preconditionFailure("a tape that is to differentiate forwards begins as a composing one")
  }
}

extension Tape {
  /// softmax(q kᵀ/√width) v for every head (Vaswani et al. 2017), where token t of row r is tensor row r · tokens + t,
  /// and a head is a run of adjacent columns. Products and weights are held a tile at a time (Dao et al. 2022).
  /// - Parameters:
  ///   - q: (rows · queries) × (heads · width).
  ///   - k: (rows · keys) × (heads · width).
  ///   - v: of the shape of k.
  ///   - shape: how many tokens, heads and numbers there are, and whether token i sees 0 to i alone.
  /// - Returns: the shape of q.
  public func tokenAttention(_ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: TokenAttentionShape) -> Tensor {
    let rows = q.rows / shape.queries
    precondition(
      q.rows == rows * shape.queries && k.rows == rows * shape.keys && v.rows == k.rows
        && q.columns == shape.channels && k.columns == shape.channels && v.columns == shape.channels
        && q.stride == q.columns && k.stride == k.columns && v.stride == v.columns,
      "queries, keys and values of another shape")
    if recording && composing { return composedTokenAttention(q, k, v, shape) }
    let out = result(q.rows, q.columns)
    let statistics = constant(rows: rows * shape.heads, columns: 2 * shape.queries)
    var kernel = shape.kernel
    let scratch = result(1, ck_attention_scratch(&kernel, 0))
    forEachHead(shape, rows: rows) { asking, asked, head in
      ck_attention_forward(
        &kernel, q.values + asking, k.values + asked, v.values + asked, out.values + asking,
        statistics.values + head * statistics.columns, scratch.values)
    }
    arena.recycle(scratch.values, scratch.count)
    if !recording { arena.recycle(statistics.values, statistics.count) }
    return record(.tokenAttention(TokenAttention(q: q, k: k, v: v, shape: shape, statistics: statistics)), out)
  }

  /// Where each head of each row begins among queries and among keys, and its number among all.
  fileprivate func forEachHead(
    _ shape: TokenAttentionShape, rows: Int, _ body: (_ asking: Int, _ asked: Int, _ head: Int) -> Void
  ) {
    for row in 0..<rows {
      for head in 0..<shape.heads {
        let first = head * shape.width
        body(
          row * shape.queries * shape.channels + first, row * shape.keys * shape.channels + first,
          row * shape.heads + head)
      }
    }
  }

  /// The same in operations that can be differentiated again.
  private func composedTokenAttention(
    _ q: Tensor, _ k: Tensor, _ v: Tensor, _ shape: TokenAttentionShape
  ) -> Tensor {
    let (n, m, width) = (shape.queries, shape.keys, shape.width)
    let rows = q.rows / n
    /// A head of every row, whose numbers are a matrix of tokens × width.
    func matrix(_ x: Tensor, _ head: Int) -> Tensor {
      reshape(columns(x, first: head * width, count: width), rows: rows)
    }
    func head(_ head: Int) -> Tensor {
      let products = reshape(
        batchedProduct(
          matrix(q, head), matrix(k, head), transposeB: true, BatchedShape(rows: n, inner: width, columns: m)),
        rows: rows * n)
      let weights = softmax(shape.causal ? masked(products, tokens: n) : products, scale: shape.scale)
      let values = batchedProduct(
        reshape(weights, rows: rows), matrix(v, head), BatchedShape(rows: n, inner: m, columns: width))
      return reshape(values, rows: rows * n)
    }
    return (1..<shape.heads).reduce(head(0)) { concatenate($0, head($1)) }
  }

  /// Products of a token with later ones, far below all others, so that their exponentials are nothing beside them.
  private func masked(_ products: Tensor, tokens: Int) -> Tensor {
    let mask = constant(rows: products.rows, columns: tokens)
    for row in 0..<mask.rows {
      for column in 0..<tokens { mask[row, column] = column > row % tokens ? -1e30 : 0 }
    }
    return sum(1, products, 1, mask)
  }
}
