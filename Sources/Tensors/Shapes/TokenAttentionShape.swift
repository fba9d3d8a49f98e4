// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// How many tokens of a row attend to how many others, in how many heads.
public struct TokenAttentionShape: Sendable, Equatable {
  /// How many tokens of a row ask.
  public let queries: Int
  /// How many tokens of a row are asked.
  public let keys: Int
  /// How many heads attend by themselves.
  public let heads: Int
  /// How many numbers of a token each head has.
  public let width: Int
  /// Whether token i sees the tokens 0 to i alone.
  public let causal: Bool

  /// - Parameters:
  ///   - queries: how many tokens of a row ask.
  ///   - keys: how many tokens of a row are asked; as many where it is causal.
  ///   - heads: how many heads attend by themselves.
  ///   - width: how many numbers of a token each head has.
  ///   - causal: whether token i sees the tokens 0 to i alone.
  public init(queries: Int, keys: Int, heads: Int, width: Int, causal: Bool = false) {
    precondition(queries > 0 && keys > 0 && heads > 0 && width > 0, "attention between nothing")
    precondition(!causal || queries == keys, "causal attention is of tokens among themselves")
    (self.queries, self.keys, self.heads, self.width, self.causal) = (queries, keys, heads, width, causal)
  }

  /// Numbers of a token: those of all heads.
  public var channels: Int { heads * width }
  /// 1/√width
  var scale: Float { 1 / Float(width).squareRoot() }

  /// One head, among others side by side.
  var kernel: ck_attention {
    ck_attention(
      queries: queries, keys: keys, width: width, query_stride: channels, key_stride: channels, scale: scale,
      causal: causal ? 1 : 0)
  }
}
