// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A network that is told texts: an encoder turns the tokens of a text into a context, and an inner network is given
/// that as its condition, rows × (tokens · width).
///
///     inner(x, noise level, encoder(tokens))
///
/// The encoder is trained with the inner network, or stays as it is. The parameters' names are those of the parts,
/// behind `text_encoder.` and `unet.`.
public struct TextNetwork: NetworkWrapper {
  /// What turns tokens into numbers.
  public let encoder: TextEncoder
  /// What turns texts into tokens.
  public let tokenizer: any TextInput
  /// The network that is given the context.
  public let inner: any Network
  public let layout: ParameterLayout
  /// What the encoder's parameters are, or begin as; nil: random.
  private let values: [Float]?
  private let frozen: Frozen?

  /// What the names of the encoder's parameters begin with.
  public static let encoderPrefix = "text_encoder."
  /// What the names of the inner network's parameters begin with.
  public static let innerPrefix = "unet."

  /// What an encoder whose parameters stay made of texts.
  private struct Frozen {
    let prepared = PreparedWeights()
    let contexts = ContextCache()
  }

  /// - Parameters:
  ///   - inner: a network whose condition is the context.
  ///   - encoder: reads texts of as many tokens as the tokenizer gives.
  ///   - tokenizer: turns texts into tokens.
  ///   - values: the encoder's parameters; nil: random.
  ///   - isTrained: whether the encoder's parameters are trained with those of the inner network, and not kept.
  /// - Throws: `InputError` for a tokenizer whose tokens the encoder has no numbers or no places for.
  public init(
    _ inner: any Network, encoder: TextEncoder, tokenizer: any TextInput, values: [Float]? = nil, isTrained: Bool
  ) throws {
    let a = encoder.architecture
    guard tokenizer.tokenCount <= a.tokens else {
      throw InputError(
        "the tokenizer has \(tokenizer.tokenCount) tokens; the text encoder knows \(a.tokens): allowed: as many or fewer"
      )
    }
    guard tokenizer.length <= a.length else {
      throw InputError(
        "the tokenizer makes \(tokenizer.length) tokens of a text; the text encoder has places for \(a.length)")
    }
    precondition(values == nil || values?.count == encoder.layout.count, "parameters of another encoder")
    precondition(isTrained || values != nil, "an encoder that stays has parameters")
    (self.inner, self.encoder, self.tokenizer, self.values) = (inner, encoder, tokenizer, values)
    frozen = isTrained ? nil : Frozen()
    var layout = ParameterLayout()
    if isTrained { layout.add(encoder.layout, prefix: Self.encoderPrefix) }
    layout.add(inner.layout, prefix: Self.innerPrefix)
    self.layout = layout
  }

  /// Whether the encoder's parameters are among those that are trained.
  public var trainsEncoder: Bool { frozen == nil }
  /// The width of the context: tokens · numbers of each.
  public var contextWidth: Int { tokenizer.length * encoder.architecture.width }

  /// The encoder's parameters, given those of the whole.
  public func encoderParameters(_ parameters: [Float]) -> [Float] {
    trainsEncoder ? Array(parameters.prefix(encoder.layout.count)) : values ?? []
  }

  /// The inner network's parameters, given those of the whole.
  public func innerParameters(_ parameters: [Float]) -> [Float] { Array(parameters.suffix(inner.layout.count)) }

  // MARK: Network

  public var conditionShape: ConditionShape { .text }
  public var textInput: (any TextInput)? { tokenizer }
  public var knowsNothing: Bool { true }

  public func initialParameters(seed: UInt64) -> [Float] {
    (trainsEncoder ? values ?? encoder.initialParameters(seed: seed) : []) + inner.initialParameters(seed: seed)
  }

  public func encodeCondition(_ told: Tensor, on tape: Tape) -> Tensor {
    guard let frozen else { return encoder(told, on: tape) }
    let context = tape.constant(rows: told.rows, columns: contextWidth)
    for row in 0..<told.rows {
      let ids = (0..<told.columns).map { Int(told[row, $0]) }
      let known = frozen.contexts.context(of: ids) { encode($0, frozen) }
      known.withUnsafeBufferPointer {
        (context.values + row * context.columns).update(from: $0.baseAddress!, count: $0.count)
      }
    }
    return context
  }

  /// What an encoder that stays makes of one text.
  private func encode(_ ids: [Int], _ frozen: Frozen) -> [Float] {
    let tape = Tape(encoder.layout, prepared: frozen.prepared)
    return (values ?? []).withUnsafeBufferPointer { parameters in
      guard let base = parameters.baseAddress else { return [] }
      tape.begin(parameters: base, recording: false, constants: true)
      let told = tape.constant(rows: 1, columns: ids.count)
      for (j, id) in ids.enumerated() { told[0, j] = Float(id) }
      let context = encoder(told, on: tape)
      return (0..<context.columns).map { context[0, $0] }
    }
  }

  public func within(_ tape: Tape, _ body: (any Network) -> Tensor) -> Tensor {
    tape.shifted(by: trainsEncoder ? encoder.layout.entries.count : 0) { body(inner) }
  }
}
