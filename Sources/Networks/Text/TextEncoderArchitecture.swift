// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// What a transformer that reads texts is made of, in CLIP's words.
public struct TextEncoderArchitecture: Sendable, Equatable {
  /// What lies between the two layers of a block's second half.
  public enum Activation: String, Sendable, CaseIterable {
    /// x sigmoid(1.702 x), of CLIP's first models (Stable Diffusion 1).
    case quick = "quick_gelu"
    /// x Φ(x) (Stable Diffusion 2).
    case exact = "gelu"
  }

  /// How many different tokens there are.
  public var tokens: Int
  /// How many tokens of a text have a place, at most.
  public var length: Int
  /// How many numbers a token becomes.
  public var width: Int
  /// How many blocks there are.
  public var layers: Int
  /// Equal parts of the width that attend by themselves.
  public var heads: Int
  /// The width between the two layers of a block's second half.
  public var inner: Int
  /// What lies between these.
  public var activation = Activation.quick
  /// Added to variances.
  public var epsilon = 1e-5

  /// - Parameters:
  ///   - tokens: how many different tokens there are.
  ///   - length: how many tokens of a text have a place, at most.
  ///   - width: how many numbers a token becomes.
  ///   - layers: how many blocks there are.
  ///   - heads: equal parts of the width that attend by themselves.
  ///   - inner: the width of a block's second half; nil: four times the width.
  public init(tokens: Int, length: Int, width: Int, layers: Int, heads: Int, inner: Int? = nil) {
    (self.tokens, self.length, self.width, self.layers, self.heads) = (tokens, length, width, layers, heads)
    self.inner = inner ?? 4 * width
  }

  /// - Throws: `InputError` for what cannot be built.
  public func check() throws {
    func check(_ value: Int, _ range: ClosedRange<Int>, _ name: String) throws {
      guard range.contains(value) else {
        throw InputError("\(name): \(value); allowed: \(range.lowerBound) to \(range.upperBound)")
      }
    }
    try check(tokens, 1...1 << 22, "tokens of the vocabulary")
    try check(length, 2...65_536, "tokens of a text")
    try check(width, 1...65_536, "width of a token")
    try check(layers, 1...1024, "layers of the text encoder")
    try check(heads, 1...width, "attention heads of the text encoder")
    try check(inner, 1...1 << 20, "inner width of the text encoder")
    guard width % heads == 0 else { throw InputError("a width of \(width) is not \(heads) equal attention heads") }
    guard epsilon > 0, epsilon.isFinite else {
      throw InputError("a normalisation's epsilon: \(epsilon); allowed: above 0")
    }
  }
}
