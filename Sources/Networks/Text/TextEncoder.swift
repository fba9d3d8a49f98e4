// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Tensors

/// CLIP's text encoder (Radford et al. 2021), with the names that transformers' `CLIPTextModel` gives its parts: tokens
/// and their places embedded, then blocks
///
///     x ← x + attend(norm₁(x));  x ← x + W₂ gelu(W₁ norm₂(x) + b₁) + b₂,
///
/// in which a token sees itself and those before it, then a last normalisation. Every token's numbers come out, those
/// of the padding too: there is no mask of it.
public struct TextEncoder: Sendable {
  /// What it is made of.
  public let architecture: TextEncoderArchitecture
  /// Where each parameter lies.
  public let layout: ParameterLayout
  private let tokens, places: Int
  private let blocks: [Block]
  private let norm: Norm
  private let builder: LayerBuilder

  fileprivate struct Norm { let scale, shift: Int }

  fileprivate struct Block {
    let norm1, norm2: Norm
    let queries, keys, values, output: LinearLayer
    let widening, narrowing: LinearLayer
  }

  /// - Throws: `InputError` for an architecture that cannot be built.
  public init(_ architecture: TextEncoderArchitecture) throws {
    try architecture.check()
    self.architecture = architecture
    let a = architecture
    var builder = LayerBuilder()
    // Matrices begin as CLIP's do, so that the variance stays over all blocks. Embeddings begin larger than its 0.02
    // and
    // 0.01, which the blocks' outputs drown: a network that asks the context then learns late which word a token was.
    tokens = builder.parameter("embeddings.token_embedding.weight", shape: [a.tokens, a.width], .normals(1))
    places = builder.parameter("embeddings.position_embedding.weight", shape: [a.length, a.width], .normals(0.5))
    func norm(_ name: String) -> Norm {
      Norm(
        scale: builder.parameter("\(name).weight", shape: [a.width], .ones),
        shift: builder.parameter("\(name).bias", shape: [a.width], .zeros))
    }
    let share = 1 / Double(2 * a.layers).squareRoot()
    func linear(_ name: String, from input: Int, to output: Int, _ deviation: Double) -> LinearLayer {
      LinearLayer(
        weight: builder.parameter("\(name).weight", shape: [output, input], .normals(deviation)),
        bias: builder.parameter("\(name).bias", shape: [output], .zeros))
    }
    let deviation = 1 / Double(a.width).squareRoot()
    blocks = (0..<a.layers).map { index in
      let name = "encoder.layers.\(index)"
      func projection(_ part: String, _ deviation: Double) -> LinearLayer {
        linear("\(name).self_attn.\(part)_proj", from: a.width, to: a.width, deviation)
      }
      return Block(
        norm1: norm("\(name).layer_norm1"), norm2: norm("\(name).layer_norm2"),
        queries: projection("q", deviation), keys: projection("k", deviation), values: projection("v", deviation),
        output: projection("out", deviation * share),
        widening: linear("\(name).mlp.fc1", from: a.width, to: a.inner, 1 / Double(2 * a.width).squareRoot()),
        narrowing: linear("\(name).mlp.fc2", from: a.inner, to: a.width, deviation * share))
    }
    self.norm = norm("final_layer_norm")
    self.builder = builder
    layout = builder.layout
  }

  /// Initial values of all parameters, in the layout's order.
  public func initialParameters(seed: UInt64) -> [Float] { builder.initialParameters(seed: seed) }

  /// - Parameters:
  ///   - ids: rows × tokens of a text, as many as have a place or fewer; whole numbers below `tokens`.
  ///   - tape: of the encoder's layout, or shifted to it; records the operations.
  /// - Returns: rows × (tokens · width), the tokens one after another.
  public func callAsFunction(_ ids: Tensor, on tape: Tape) -> Tensor {
    let (a, rows, count) = (architecture, ids.rows, ids.columns)
    precondition(count <= a.length, "more tokens than places")
    let known = tape.gatherRows(tape.parameter(tokens), tape.reshape(ids, rows: rows * count))
    var place = tape.reshape(tape.parameter(places), rows: 1)
    if count < a.length { place = tape.slice(place, first: 0, count: count * a.width) }
    let start = tape.addBias(tape.reshape(known, rows: rows), place)
    tape.recycle(known)
    var x = tape.reshape(start, rows: rows * count)
    for block in blocks {
      x = add(to: x, on: tape) { attend(block, $0, tokens: count, on: tape) }
      x = add(to: x, on: tape) { widen(block, $0, on: tape) }
    }
    let out = normalise(x, norm, on: tape)
    tape.recycle(x)
    return tape.reshape(out, rows: rows)
  }

  /// x + layer(x), in place of x.
  private func add(to x: Tensor, on tape: Tape, _ layer: (Tensor) -> Tensor) -> Tensor {
    let change = layer(x)
    let sum = tape.sum(1, x, 1, change, last: true)
    tape.recycle(x)
    return sum
  }

  private func normalise(_ x: Tensor, _ norm: Norm, on tape: Tape) -> Tensor {
    tape.layerNorm(
      x, scale: tape.parameter(norm.scale), shift: tape.parameter(norm.shift), epsilon: architecture.epsilon)
  }

  private func attend(_ block: Block, _ x: Tensor, tokens: Int, on tape: Tape) -> Tensor {
    let h = normalise(x, block.norm1, on: tape)
    let (q, k, v) = (
      apply(block.queries, h, on: tape), apply(block.keys, h, on: tape), apply(block.values, h, on: tape)
    )
    tape.recycle(h)
    let shape = TokenAttentionShape(
      queries: tokens, keys: tokens, heads: architecture.heads, width: architecture.width / architecture.heads,
      causal: true)
    let attended = tape.tokenAttention(q, k, v, shape)
    for part in [q, k, v] { tape.recycle(part) }
    let out = apply(block.output, attended, on: tape)
    tape.recycle(attended)
    return out
  }

  private func widen(_ block: Block, _ x: Tensor, on tape: Tape) -> Tensor {
    let h = normalise(x, block.norm2, on: tape)
    let wide = apply(block.widening, h, on: tape)
    tape.recycle(h)
    let bent = architecture.activation == .quick ? tape.quickGELU(wide) : tape.gelu(wide)
    tape.recycle(wide)
    let out = apply(block.narrowing, bent, on: tape)
    tape.recycle(bent)
    return out
  }

  /// x Wᵀ + b, where the product's memory goes back.
  private func apply(_ layer: LinearLayer, _ x: Tensor, on tape: Tape) -> Tensor {
    let product = tape.matrixProduct(x, tape.parameter(layer.weight), transposeB: true)
    let out = tape.addBias(product, tape.parameter(layer.bias))
    tape.recycle(product)
    return out
  }
}
