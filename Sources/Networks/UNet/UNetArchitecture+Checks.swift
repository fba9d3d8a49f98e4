// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

extension UNetArchitecture {
  /// - Throws: `InputError` for numbers that no image network has, before anything is made of them.
  public func checkCounts() throws {
    func check(_ value: Int, _ range: ClosedRange<Int>, _ name: String) throws {
      guard range.contains(value) else {
        throw InputError("\(name): \(value); allowed: \(range.lowerBound) to \(range.upperBound)")
      }
    }
    try check(down.count, 1...16, "stages")
    try check(blocks, 1...64, "blocks of a stage")
    try check(height, 1...4096, "pixels of height")
    try check(width, 1...4096, "pixels of width")
    try check(inputChannels, 1...4096, "image channels")
    for stage in down + up { try check(stage.channels, 1...16_384, "channels of a stage") }
    try check(timeWidth ?? 1, 1...65_536, "width of the time embedding")
    switch condition {
    case .nothing: break
    case .classes(let count): try check(count, 1...1_000_000, "classes")
    case .numbers(let count): try check(count, 1...65_536, "numbers of a condition")
    case .both(let classes, let count):
      try check(classes, 1...1_000_000, "classes")
      try check(count, 1...65_536, "numbers of a condition")
    case .text: throw InputError("a condition that is text; allowed: classes or numbers")
    }
    if let context {
      try check(context.tokens, 1...65_536, "tokens of a context")
      try check(context.width, 1...65_536, "numbers of a token")
    }
    for transformer in (down + up).compactMap(\.transformer) + [middleTransformer].compactMap({ $0 }) {
      try check(transformer.layers, 1...64, "blocks of a transformer")
      try check(transformer.heads, 1...16_384, "heads of a transformer")
    }
    guard epsilon > 0, epsilon.isFinite else {
      throw InputError("a normalisation's epsilon: \(epsilon); allowed: above 0")
    }
    guard middleScale > 0, middleScale.isFinite else {
      throw InputError("sums of the middle divided by \(middleScale); allowed: above 0")
    }
    guard second || !divergence else { throw InputError("a divergence; allowed: of a network of two noise levels") }
    guard (0..<1).contains(dropout) else { throw InputError("dropout: \(dropout); allowed: 0 to below 1") }
  }

  /// - Throws: `InputError` for what cannot be built.
  public func check() throws {
    try checkCounts()
    guard down.count == up.count, down.map(\.channels) == up.map(\.channels).reversed() else {
      throw InputError("stages down and up do not match")
    }
    guard inputChannels == outputChannels || context != nil else {
      throw InputError("\(inputChannels) image channels in and \(outputChannels) out; allowed: as many")
    }
    let halvings = 1 << (down.count - 1)
    // A network with a context halves odd sizes to the larger half, and is cut to its skip connections on the way up.
    guard (height % halvings == 0 && width % halvings == 0) || context != nil else {
      throw InputError(
        "\(down.count) stages halve \(height) × \(width) pixels \(down.count - 1) times; "
          + "allowed: multiples of \(halvings)")
    }
    guard down[0].channels % 2 == 0 else {
      throw InputError("the first stage has \(down[0].channels) channels; allowed: an even number")
    }
    if case .positional(_, let shift) = time, shift >= down[0].channels / 2 {
      throw InputError(
        "\(down[0].channels) channels in the first stage leave too few frequencies; allowed: \(2 * shift + 2) or more")
    }
    for (level, stage) in down.enumerated() {
      let pixels = ((height - 1) >> level + 1) * ((width - 1) >> level + 1)
      let last = level == down.count - 1
      if attends(stage) || attends(up[up.count - 1 - level])
        || (last && hasMiddle && (middleAttention || middleTransformer != nil))
      {
        guard pixels <= 16_384 else {
          throw InputError("attention between \(pixels) pixels; allowed: 16384. More stages halve the image further")
        }
      }
    }
    guard downPadding == 0 || downPadding == 1 else {
      throw InputError("downsampling pads by \(downPadding); allowed: 0 or 1")
    }
    for stage in down {
      guard groups > 0, stage.channels % groups == 0 else {
        throw InputError("\(stage.channels) channels are not \(groups) equal groups")
      }
      let isAsking = stage.attention || (stage == down.last && hasMiddle && middleAttention)
      if let head = headChannels, isAsking || up.contains(where: { $0.channels == stage.channels && $0.attention }) {
        guard head > 0, stage.channels % head == 0 else {
          throw InputError("\(stage.channels) channels are not whole attention heads of \(head)")
        }
      }
    }
    // Sums of channels meet a group normalisation on the way up.
    for (first, second) in skipSums() {
      guard (first + second) % groups == 0 else {
        throw InputError("\(first) + \(second) channels are not \(groups) equal groups")
      }
    }
    if let groups = middleAttentionGroups, hasMiddle, middleAttention {
      guard groups > 0, down[down.count - 1].channels % groups == 0 else {
        throw InputError("\(down[down.count - 1].channels) channels are not \(groups) equal groups")
      }
    }
    try checkTransformers()
  }

  private func attends(_ stage: Stage) -> Bool { stage.attention || stage.transformer != nil }

  private func checkTransformers() throws {
    let places =
      (down + up).map { ($0.channels, $0.attention, $0.transformer) }
      + (hasMiddle ? [(down[down.count - 1].channels, middleAttention, middleTransformer)] : [])
    for (channels, attention, transformer) in places {
      guard let transformer else { continue }
      guard context != nil else { throw InputError("transformers without a context; allowed: with one") }
      guard !attention else { throw InputError("a stage with attention and a transformer; allowed: one of them") }
      guard channels % transformer.heads == 0 else {
        throw InputError("\(channels) channels are not \(transformer.heads) equal heads")
      }
    }
    if context != nil, !places.contains(where: { $0.2 != nil }) {
      throw InputError("a context that no stage asks; allowed: at least one transformer")
    }
    if context != nil, condition != .nothing {
      throw InputError("a network told \(condition) beside a context; allowed: one of them")
    }
  }
}
