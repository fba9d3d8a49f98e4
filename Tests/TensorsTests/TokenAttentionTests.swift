// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Pairs
import Tensors
import TestSupport
import Testing

/// Attention in plain double precision, a query at a time.
private func plain(_ q: [Float], _ k: [Float], _ v: [Float], rows: Int, _ s: TokenAttentionShape) -> [Double] {
  var out = [Double](repeating: 0, count: q.count)
  for row in 0..<rows {
    for head in 0..<s.heads {
      func place(_ token: Int, of tokens: Int) -> Int { (row * tokens + token) * s.channels + head * s.width }
      for i in 0..<s.queries {
        let seen = s.causal ? i + 1 : s.keys
        let products = (0..<seen).map { j in
          (0..<s.width).reduce(0.0) {
            $0 + Double(q[place(i, of: s.queries) + $1]) * Double(k[place(j, of: s.keys) + $1])
          } / Double(s.width).squareRoot()
        }
        let weights = products.map { exp($0 - products.max()!) }
        let total = weights.reduce(0, +)
        for j in 0..<seen {
          for c in 0..<s.width {
            out[place(i, of: s.queries) + c] += weights[j] / total * Double(v[place(j, of: s.keys) + c])
          }
        }
      }
    }
  }
  return out
}

/// Widths, and counts of tokens, that fill no block of 16, no panel of 32, no tile of 24 queries and no chunk of 512
/// keys, and some that do.
private let shapes = [
  TokenAttentionShape(queries: 1, keys: 1, heads: 1, width: 1),
  TokenAttentionShape(queries: 25, keys: 77, heads: 2, width: 10),
  TokenAttentionShape(queries: 24, keys: 64, heads: 3, width: 16),
  TokenAttentionShape(queries: 7, keys: 1100, heads: 1, width: 40),
  TokenAttentionShape(queries: 3, keys: 513, heads: 2, width: 33),
  TokenAttentionShape(queries: 77, keys: 77, heads: 2, width: 8, causal: true),
  TokenAttentionShape(queries: 600, keys: 600, heads: 1, width: 5, causal: true),
]

@Suite("Attention of tokens") struct TokenAttentionTests {
  private func inputs(_ s: TokenAttentionShape, rows: Int, factor: Float = 1) -> [[Float]] {
    [s.queries, s.keys, s.keys].enumerated().map { index, tokens in
      values(rows * tokens * s.channels, seed: UInt64(40 + index)).map { factor * $0 }
    }
  }

  // Sums of up to 1100 terms in floats, relative to values of size 1: rounding of 6e-8 times a few tens.
  @Test("equals a plain softmax in double", arguments: shapes, [false, true])
  func forward(shape s: TokenAttentionShape, composing: Bool) {
    let parts = inputs(s, rows: 2)
    let tape = Tape(ParameterLayout())
    tape.begin(parameters: [0], recording: composing, composing: composing)
    let tokens = [s.queries, s.keys, s.keys]
    let t = pairs(parts, tokens).map { tape.filled(2 * $0.1, s.channels, $0.0) }
    let y = tape.tokenAttention(t[0], t[1], t[2], s).array
    let expected = plain(parts[0], parts[1], parts[2], rows: 2, s)
    #expect(difference(y, expected.map { Float($0) }) < 5e-6)
  }

  // Products of 80 and more, whose exponentials no float holds before the maximum is taken off; the largest come last.
  @Test("large products neither overflow nor lose the others") func largeProducts() {
    let s = TokenAttentionShape(queries: 30, keys: 1500, heads: 1, width: 4)
    var parts = inputs(s, rows: 1, factor: 12)
    for j in 1400..<1500 { for c in 0..<4 { parts[1][4 * j + c] *= 2 } }
    let tape = Tape(ParameterLayout())
    tape.begin(parameters: [0], recording: false)
    let t = pairs(parts, [30, 1500, 1500]).map { tape.filled($0.1, 4, $0.0) }
    let y = tape.tokenAttention(t[0], t[1], t[2], s).array
    let expected = plain(parts[0], parts[1], parts[2], rows: 1, s)
    // A product of 1000 has a rounding of 6e-5, which is its weight's; values are up to 40.
    #expect(difference(y, expected.map { Float($0) }) < 1e-2)
  }

  @Test("gradients in tiles equal those of other operations", arguments: shapes)
  func gradients(shape s: TokenAttentionShape) throws {
    let parts = inputs(s, rows: 2)
    let adjoint = values(2 * s.queries * s.channels, seed: 50)
    let found = try [false, true].map { composing in
      let tape = Tape(ParameterLayout())
      tape.begin(parameters: [0], recording: true, composing: composing)
      let t = pairs(parts, [s.queries, s.keys, s.keys]).map {
        tape.variable(tape.filled(2 * $0.1, s.channels, $0.0))
      }
      let y = tape.tokenAttention(t[0], t[1], t[2], s)
      tape.backward(from: y, adjoint: tape.filled(y.rows, y.columns, adjoint))
      return try t.map { try #require(tape.gradient(of: $0)).array }
    }
    for (tiled, composed) in pairs(found[0], found[1]) {
      // Sums of up to 1100 terms in floats, in another order.
      #expect(difference(tiled, composed) < 2e-5 * max(1, largest(composed)))
    }
  }

  @Test(
    "gradient and tangent equal central differences",
    arguments: [
      TokenAttentionShape(queries: 3, keys: 4, heads: 2, width: 3),
      TokenAttentionShape(queries: 4, keys: 4, heads: 1, width: 5, causal: true),
    ], [false, true])
  func derivatives(shape s: TokenAttentionShape, composing: Bool) {
    let sizes = [s.queries, s.keys, s.keys].map { (2 * $0, s.channels) }
    checkDerivatives(
      Case("tokenAttention", sizes) { $0.tokenAttention($1[0], $1[1], $1[2], s) }, composing: composing)
  }

  @Test("a causal token does not see later ones") func causal() {
    let s = TokenAttentionShape(queries: 40, keys: 40, heads: 1, width: 6, causal: true)
    var parts = inputs(s, rows: 1)
    func run() -> [Float] {
      let tape = Tape(ParameterLayout())
      tape.begin(parameters: [0], recording: false)
      let t = parts.map { tape.filled(40, 6, $0) }
      return tape.tokenAttention(t[0], t[1], t[2], s).array
    }
    let before = run()
    for c in 0..<6 { (parts[1][20 * 6 + c], parts[2][20 * 6 + c]) = (3, -7) }
    let after = run()
    #expect(Array(before[..<120]) == Array(after[..<120]))
    #expect(before[120] != after[120])
  }
}

@Suite("Attention between many positions") struct TiledAttentionTests {
  /// 400 positions among themselves, and 300 that ask 500; heads of 7 channels that fill no block.
  @Test("equals attention in other operations, gradients included", arguments: [(400, 400), (300, 500)])
  func tiled(queries: Int, keys: Int) throws {
    let shape = AttentionShape(channels: ChannelPlaces(14), queries: queries, keys: keys, heads: 2)
    #expect(shape.isTiled)
    let across = queries != keys
    let sizes = across ? [16 * queries, 32 * keys] : [48 * queries]
    func channels(_ x: [Float]) -> [Float] {
      // Places 14 and 15 of every block hold no channel.
      x.enumerated().map { $0.offset % 16 < 14 ? $0.element : 0 }
    }
    let parts = sizes.enumerated().map { channels(values(2 * $0.element, seed: UInt64(60 + $0.offset))) }
    let adjoint = channels(values(2 * 16 * queries, seed: 70))
    let found = try [false, true].map { composing in
      let tape = Tape(ParameterLayout())
      tape.begin(parameters: [0], recording: true, composing: composing)
      let t = pairs(parts, sizes).map { tape.variable(tape.filled(2, $0.1, $0.0)) }
      let y = across ? tape.crossAttention(t[0], t[1], shape) : tape.attention(t[0], shape)
      tape.backward(from: y, adjoint: tape.filled(2, 16 * queries, adjoint))
      return try [y.array] + t.map { try #require(tape.gradient(of: $0)).array }
    }
    for (tiled, composed) in pairs(found[0], found[1]) {
      // Sums of up to 500 terms in floats, in another order.
      #expect(difference(tiled, composed) < 1e-5 * max(1, largest(composed)))
    }
    let tape = Tape(ParameterLayout())
    tape.begin(parameters: [0], recording: false)
    let t = pairs(parts, sizes).map { tape.filled(2, $0.1, $0.0) }
    let y = across ? tape.crossAttention(t[0], t[1], shape) : tape.attention(t[0], shape)
    #expect(y.array == found[0][0])
  }
}
