// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Tensors

extension UNet {
  public func forward(_ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape) -> Tensor {
    precondition(second == nil || takesSecond, "a network of one noise level")
    return forward(x, (noiseLevel, second ?? noiseLevel), condition, on: tape) { head($0, noiseLevel, on: tape) }
  }

  /// What every pixel says of the divergence is summed over pixels and divided by √D, so that weights of the same size
  /// change it as much in pictures of any size.
  public func forwardWithDivergence(
    _ x: Tensor, noiseLevel: Tensor, second: Tensor?, condition: Tensor?, on tape: Tape
  ) -> Tensor {
    guard let divergence else { preconditionFailure("a network without a divergence") }
    return forward(x, (noiseLevel, second ?? noiseLevel), condition, on: tape) { path in
      let pixels = divergence(path.kept(), on: tape)
      let parts = tape.unblocked(pixels, divergence.shape.output)
      let sum = tape.scale(tape.rowSums(parts), by: 1 / Float(dimension).squareRoot())
      let both = tape.concatenate(head(path, noiseLevel, on: tape), sum)
      tape.recycle(path.value)
      tape.recycle(pixels)
      return both
    }
  }

  /// The last layer, of what `path` ends at.
  private func head(_ path: Path, _ noiseLevel: Tensor, on tape: Tape) -> Tensor {
    var h = path
    h.step { output($0, on: tape) }
    h.step { tape.unblocked($0, output.shape.output) }
    return divided(h.value, by: noiseLevel, on: tape)
  }

  private func forward(
    _ x: Tensor, _ levels: (Tensor, Tensor), _ condition: Tensor?, on tape: Tape, _ head: (inout Path) -> Tensor
  ) -> Tensor {
    guard let context else { return forward(x, levels, condition, context: nil, on: tape, head) }
    let known = blocked(context: condition, context, rows: x.rows, on: tape)
    return tape.withContext(known) { forward(x, levels, nil, context: known, on: tape, head) }
  }

  private func forward(
    _ x: Tensor, _ levels: (Tensor, Tensor), _ condition: Tensor?, context known: Tensor?, on tape: Tape,
    _ head: (inout Path) -> Tensor
  ) -> Tensor {
    let embedding = tape.silu(embed(levels, condition, rows: x.rows, on: tape))
    let image = tape.blocked(architecture.centresInput ? centred(x, on: tape) : x, input.shape.input)
    var h = Path(image, on: tape)

    h.step { input($0, on: tape) }
    tape.push(h.kept())
    for stage in down {
      for (index, block) in stage.blocks.enumerated() {
        h.step { block($0, embedding: embedding, on: tape) }
        if !stage.attentions.isEmpty { h.step { stage.attentions[index]($0, on: tape) } }
        if let known, !stage.transformers.isEmpty {
          h.step { stage.transformers[index]($0, context: known, on: tape) }
        }
        tape.push(h.kept())
      }
      if let layer = stage.convolution { h.step { layer($0, on: tape) } }
      if let block = stage.residual { h.step { block($0, embedding: embedding, on: tape) } }
      if stage.convolution != nil || stage.residual != nil { tape.push(h.kept()) }
    }
    if let (first, attention, transformer, second) = middle {
      h.step { first($0, embedding: embedding, on: tape) }
      if let attention { h.step { attention($0, on: tape) } }
      if let transformer, let known { h.step { transformer($0, context: known, on: tape) } }
      h.step { second($0, embedding: embedding, on: tape) }
    }
    for stage in up {
      for (index, block) in stage.blocks.enumerated() {
        let skip = tape.pop()
        h.step { tape.concatenate($0, skip) }
        tape.recycle(skip)
        h.step { block($0, embedding: embedding, on: tape) }
        if !stage.attentions.isEmpty { h.step { stage.attentions[index]($0, on: tape) } }
        if let known, !stage.transformers.isEmpty {
          h.step { stage.transformers[index]($0, context: known, on: tape) }
        }
      }
      if let layer = stage.convolution {
        let large = layer.shape.input
        let small = large.at(large.axes.changed { ($1 + 1) / 2 })
        h.step { tape.upsampleNearest($0, small) }
        if small.doubled != large { h.step { tape.crop($0, small.doubled, to: large.axes) } }
        h.step { layer($0, on: tape) }
      }
      if let block = stage.residual { h.step { block($0, embedding: embedding, on: tape) } }
    }
    h.step { norm($0, silu: true, on: tape) }
    return head(&h)
  }

  private func blocked(context: Tensor?, _ shape: FeatureShape, rows: Int, on tape: Tape) -> Tensor {
    guard let context, context.rows == rows, context.columns == shape.positions * shape.channels.count else {
      preconditionFailure("a network with a context wants the tokens of every row")
    }
    return tape.blocked(context, shape)
  }

  private func centred(_ x: Tensor, on tape: Tape) -> Tensor {
    let ones = tape.constant(rows: 1, columns: x.columns)
    ones.values.update(repeating: -1, count: ones.count)
    return tape.addBias(tape.scale(x, by: 2), ones)
  }

  /// The output divided by σ/m, where the architecture says so.
  private func divided(_ x: Tensor, by noiseLevel: Tensor, on tape: Tape) -> Tensor {
    guard case .fourier(_, true) = architecture.time else { return x }
    let inverse = tape.constant(rows: x.rows, columns: 1)
    for i in 0..<x.rows { inverse.values[i] = exp(-noiseLevel.values[noiseLevel.rows == 1 ? 0 : i]) }
    return tape.scaleRows(x, by: inverse)
  }

  /// The embedding of the noise levels and of the condition: one row for all images where both are shared.
  private func embed(_ levels: (Tensor, Tensor), _ told: Tensor?, rows: Int, on tape: Tape) -> Tensor {
    var embedded = time2(tape.silu(time1(timeFeatures(levels.0, on: tape), on: tape)), on: tape)
    if let (first, last) = second {
      let other = last(tape.silu(first(timeFeatures(levels.1, on: tape), on: tape)), on: tape)
      let count = max(embedded.rows, other.rows)
      func all(_ x: Tensor) -> Tensor { x.rows == count ? x : tape.repeatRow(x, rows: count) }
      embedded = tape.sum(1, all(embedded), 1, all(other))
    }
    guard let condition else { return embedded }
    let known = condition(told, on: tape)
    return tape.sum(1, embedded.rows == rows ? embedded : tape.repeatRow(embedded, rows: rows), 1, known)
  }

  /// Sines and cosines of the noise level: rows × the architecture's `timeFeatures`.
  private func timeFeatures(_ noiseLevel: Tensor, on tape: Tape) -> Tensor {
    let row = tape.constant(rows: 1, columns: frequencies.count)
    frequencies.withUnsafeBufferPointer { row.values.update(from: $0.baseAddress!, count: $0.count) }
    let waves = tape.sinusoids(noiseLevel, frequencies: row)
    guard case .positional(flipped: true, shift: _) = architecture.time else { return waves }
    let half = frequencies.count
    return tape.concatenate(tape.slice(waves, first: half, count: half), tape.slice(waves, first: 0, count: half))
  }
}
