// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

extension Tape {
  /// Rows of height × width × channel as blocked images.
  public func blocked(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    precondition(x.columns == shape.pixels * shape.channels.count, "rows of another size")
    let out = result(x.rows, shape.count)
    ck_to_blocked(
      out.values, x.values, x.rows, shape.pixels, shape.channels.count, shape.channels.places.map(Int32.init),
      shape.channels.blocks)
    return record(.blocked(x, shape), out)
  }

  /// Blocked images as rows of height × width × channel.
  public func unblocked(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    let out = result(x.rows, shape.pixels * shape.channels.count)
    ck_from_blocked(
      out.values, x.values, x.rows, shape.pixels, shape.channels.count, shape.channels.places.map(Int32.init),
      shape.channels.blocks)
    return record(.unblocked(x, shape), out)
  }

  // MARK: Convolution

  /// conv(x, w) + b
  public func convolution(_ x: Tensor, _ w: Tensor, bias: Tensor?, _ shape: ConvolutionShape) -> Tensor {
    precondition(x.columns == shape.input.count && w.count == shape.weightCount, "a convolution of another shape")
    let out = result(x.rows, shape.output.count)
    var c = shape.c
    ck_convolve(workspace(for: w), &c, Int32(x.rows), x.values, w.values, bias?.values, out.values)
    return record(.convolution(x, w, bias: bias, shape), out)
  }

  /// The adjoint of conv(·, w), applied to g.
  package func convolutionAdjoint(_ g: Tensor, _ w: Tensor, _ shape: ConvolutionShape) -> Tensor {
    let out = result(g.rows, shape.input.count)
    var c = shape.c
    ck_convolve_back_data(workspace(for: w), &c, Int32(g.rows), g.values, w.values, out.values)
    return record(.convolutionAdjoint(g, w, shape), out)
  }

  /// The adjoint of conv(x, ·), applied to g.
  package func convolutionWeights(_ x: Tensor, _ g: Tensor, _ shape: ConvolutionShape) -> Tensor {
    let out = result(1, shape.weightCount)
    var c = shape.c
    ck_convolve_back_weights(workspace, &c, Int32(x.rows), x.values, g.values, out.values, nil, 0)
    return record(.convolutionWeights(x, g, shape), out)
  }

  // MARK: Group normalisation

  /// scale ⊙ (x + shift − mean)/√(variance + ε) + offset, then SiLU on request; mean and variance over the pixels and
  /// channels of a group of an image (Wu and He 2018).
  /// - Parameters:
  ///   - shift: added to all pixels of a channel; a row, or a row per image.
  ///   - scale, offset: a row, or both a row per image.
  ///   - last: nobody else will read x.
  public func groupNorm(
    _ x: Tensor, _ shape: FeatureShape, _ groups: ChannelGroups, shift: Tensor? = nil, scale: Tensor, offset: Tensor,
    silu: Bool, last: Bool = false
  ) -> Tensor {
    precondition(groups.channels == shape.channels && x.columns == shape.count, "groups of other channels")
    precondition(scale.rows == offset.rows && (scale.rows == 1 || scale.rows == x.rows))
    if recording && composing {
      return composedGroupNorm(x, shape, groups, shift: shift, scale: scale, offset: offset, silu: silu)
    }
    let norm = GroupNormalisation(
      groups: groups, pixels: shape.pixels, silu: silu, shift: shift, scale: scale, offset: offset,
      statistics: constant(rows: x.rows, columns: 2 * groups.groups))
    let out = last && !recording ? x : result(x.rows, x.columns)
    let scratch = constant(rows: 10, columns: groups.channels.padded)
    norm.withC { ck_group_norm_forward($0, x.rows, x.values, out.values, norm.statistics.values, scratch.values) }
    arena.recycle(scratch.values, scratch.count)
    if !recording { arena.recycle(norm.statistics.values, norm.statistics.count) }
    return record(.groupNorm(x, norm), out)
  }

  /// The same in operations that can be differentiated again.
  private func composedGroupNorm(
    _ x: Tensor, _ shape: FeatureShape, _ groups: ChannelGroups, shift: Tensor?, scale: Tensor, offset: Tensor,
    silu: Bool
  ) -> Tensor {
    let (places, n) = (groups.channels.padded, x.rows)
    // Places × groups, 1 where a place belongs to a group.
    let members = constant(rows: places, columns: groups.groups)
    members.values.update(repeating: 0, count: members.count)
    for place in 0..<places where groups.group[place] >= 0 { members[place, Int(groups.group[place])] = 1 }
    func perImage(_ row: Tensor) -> Tensor { row.rows == n ? row : repeatRow(row, rows: n) }
    func mean(_ y: Tensor) -> Tensor {
      self.scale(matrixProduct(channelSums(y, shape), members), by: 1 / Float(groups.size * shape.pixels))
    }
    func toPlaces(_ y: Tensor) -> Tensor { matrixProduct(y, members, transposeB: true) }
    let shifted = shift.map { sum(1, x, 1, spreadChannels(masked(perImage($0), groups), shape)) } ?? x
    let centred = sum(1, shifted, -1, spreadChannels(toPlaces(mean(shifted)), shape))
    let variance = mean(product(centred, centred))
    let epsilon = constant(rows: 1, columns: groups.groups)
    epsilon.values.update(repeating: groups.epsilon, count: epsilon.count)
    let gain = product(toPlaces(power(addBias(variance, epsilon), -0.5)), perImage(scale))
    let y = sum(
      1, product(centred, spreadChannels(gain, shape)), 1, spreadChannels(masked(perImage(offset), groups), shape))
    return silu ? self.silu(y) : y
  }

  /// Zeros in places where no channel is.
  private func masked(_ x: Tensor, _ groups: ChannelGroups) -> Tensor {
    if !groups.group.contains(-1) { return x }
    let mask = constant(rows: x.rows, columns: x.columns)
    for i in 0..<x.rows {
      for place in 0..<x.columns { mask[i, place] = groups.group[place] < 0 ? 0 : 1 }
    }
    return product(x, mask)
  }

  // MARK: Resampling

  /// Every pixel four times, times a factor: nearest upsampling by 2.
  public func repeatPixels(_ x: Tensor, _ shape: FeatureShape, factor: Float = 1) -> Tensor {
    let out = result(x.rows, 4 * shape.count)
    ck_repeat_pixels(out.values, x.values, factor, x.rows * shape.channels.blocks, shape.height, shape.width)
    return record(.repeatPixels(x, shape, factor: factor), out)
  }

  /// Sums over 2 × 2 pixels, times a factor; an average with 1/4. The shape is the output's.
  public func sumPixels(_ x: Tensor, _ shape: FeatureShape, factor: Float) -> Tensor {
    let out = result(x.rows, shape.count)
    ck_sum_pixels(out.values, x.values, factor, x.rows * shape.channels.blocks, shape.height, shape.width)
    return record(.sumPixels(x, shape, factor: factor), out)
  }

  /// Σ over pixels, a row of places per image.
  package func channelSums(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    let out = result(x.rows, shape.channels.padded)
    ck_channel_sums(out.values, x.values, x.rows, shape.channels.blocks, shape.pixels)
    return record(.channelSums(x, shape), out)
  }

  /// A row of places per image, at all pixels.
  package func spreadChannels(_ x: Tensor, _ shape: FeatureShape) -> Tensor {
    let out = result(x.rows, shape.count)
    ck_spread_channels(out.values, x.values, x.rows, shape.channels.blocks, shape.pixels)
    return record(.spreadChannels(x, shape), out)
  }

  // MARK: Attention

  /// softmax(q kᵀ/√d) v for every head (Vaswani et al. 2017); positions are pixels. `x` holds queries, keys and values.
  package func attention(_ x: Tensor, _ shape: AttentionShape) -> Tensor {
    precondition(x.columns == 3 * shape.padded * shape.pixels, "queries, keys and values of another shape")
    if recording && composing { return composedAttention(x, shape) }
    let out = result(x.rows, shape.padded * shape.pixels)
    if shape.channels < shape.padded { out.values.update(repeating: 0, count: out.count) }
    let (pixels, width) = (shape.pixels, shape.headWidth)
    let weights = constant(rows: recording ? x.rows * shape.heads : 1, columns: pixels * pixels)
    let matrices = AttentionMatrices(self, shape)
    for image in 0..<x.rows {
      let source = x.values + image * x.columns
      let target = out.values + image * out.columns
      for head in 0..<shape.heads {
        let a = weights.values + (recording ? (image * shape.heads + head) * weights.columns : 0)
        matrices.read(source, head)
        ck_matrix_product(0, 1, pixels, pixels, width, matrices.q, width, matrices.k, width, 0, a, pixels)
        ck_softmax(a, a, shape.scale, pixels, pixels)
        ck_matrix_product(0, 0, pixels, width, pixels, a, pixels, matrices.v, width, 0, matrices.q, width)
        ck_matrix_pixels(target, matrices.q, pixels, head * width, width)
      }
    }
    matrices.recycle()
    if !recording { arena.recycle(weights.values, weights.count) }
    return record(.attention(x, shape, weights: weights), out)
  }

  /// The adjoint of `attention` by x.
  func attentionAdjoint(_ g: Tensor, _ x: Tensor, _ shape: AttentionShape, weights: Tensor) -> Tensor {
    let out = result(x.rows, x.columns)
    if shape.channels < shape.padded { out.values.update(repeating: 0, count: out.count) }
    let (pixels, width) = (shape.pixels, shape.headWidth)
    let matrices = AttentionMatrices(self, shape)
    let slopes = constant(rows: 1, columns: pixels * pixels)
    let part = constant(rows: pixels, columns: width)
    let d = constant(rows: pixels, columns: width)
    for image in 0..<x.rows {
      let target = out.values + image * out.columns
      for head in 0..<shape.heads {
        let a = weights.values + (image * shape.heads + head) * weights.columns
        let first = head * width
        matrices.read(x.values + image * x.columns, head)
        ck_pixels_matrix(d.values, g.values + image * g.columns, pixels, first, width)
        ck_matrix_product(1, 0, pixels, width, pixels, a, pixels, d.values, width, 0, part.values, width)
        ck_matrix_pixels(target, part.values, pixels, 2 * shape.padded + first, width)
        ck_matrix_product(0, 1, pixels, pixels, width, d.values, width, matrices.v, width, 0, slopes.values, pixels)
        ck_softmax_backward(slopes.values, slopes.values, a, shape.scale, pixels, pixels)
        ck_matrix_product(0, 0, pixels, width, pixels, slopes.values, pixels, matrices.k, width, 0, part.values, width)
        ck_matrix_pixels(target, part.values, pixels, first, width)
        ck_matrix_product(1, 0, pixels, width, pixels, slopes.values, pixels, matrices.q, width, 0, part.values, width)
        ck_matrix_pixels(target, part.values, pixels, shape.padded + first, width)
      }
    }
    matrices.recycle()
    for piece in [slopes, part, d] { arena.recycle(piece.values, piece.count) }
    return out
  }

  /// The same in operations that can be differentiated again.
  private func composedAttention(_ x: Tensor, _ shape: AttentionShape) -> Tensor {
    let (pixels, width, n) = (shape.pixels, shape.headWidth, x.rows)
    var total: Tensor?
    for head in 0..<shape.heads {
      func matrix(_ part: Int) -> Tensor {
        pixelsMatrix(
          x,
          PixelColumns(
            pixels: pixels, padded: 3 * shape.padded, first: part * shape.padded + head * width, width: width))
      }
      let products = batchedProduct(
        matrix(0), matrix(1), transposeB: true, BatchedShape(rows: pixels, inner: width, columns: pixels))
      let weights = reshape(softmax(reshape(products, rows: n * pixels), scale: shape.scale), rows: n)
      let values = batchedProduct(weights, matrix(2), BatchedShape(rows: pixels, inner: pixels, columns: width))
      let placed = matrixPixels(
        values, PixelColumns(pixels: pixels, padded: shape.padded, first: head * width, width: width))
      total = total.map { sum(1, $0, 1, placed) } ?? placed
    }
    return total!
  }

  /// Some channels of blocked images as a pixels × width matrix each.
  package func pixelsMatrix(_ x: Tensor, _ columns: PixelColumns) -> Tensor {
    let out = result(x.rows, columns.pixels * columns.width)
    for i in 0..<x.rows {
      ck_pixels_matrix(
        out.values + i * out.columns, x.values + i * x.columns, columns.pixels, columns.first, columns.width)
    }
    return record(.pixelsMatrix(x, columns), out)
  }

  /// The adjoint of `pixelsMatrix`: zeros in all other channels.
  package func matrixPixels(_ x: Tensor, _ columns: PixelColumns) -> Tensor {
    let out = result(x.rows, columns.pixels * columns.padded)
    out.values.update(repeating: 0, count: out.count)
    for i in 0..<x.rows {
      ck_matrix_pixels(
        out.values + i * out.columns, x.values + i * x.columns, columns.pixels, columns.first, columns.width)
    }
    return record(.matrixPixels(x, columns), out)
  }

  /// op(a) op(b) for every row, whose numbers are a matrix.
  package func batchedProduct(
    _ a: Tensor, _ b: Tensor, transposeA: Bool = false, transposeB: Bool = false, _ shape: BatchedShape
  ) -> Tensor {
    let out = result(a.rows, shape.rows * shape.columns)
    for i in 0..<a.rows {
      ck_matrix_product(
        transposeA ? 1 : 0, transposeB ? 1 : 0, shape.rows, shape.columns, shape.inner, a.values + i * a.columns,
        transposeA ? shape.rows : shape.inner, b.values + i * b.columns, transposeB ? shape.inner : shape.columns, 0,
        out.values + i * out.columns, shape.columns)
    }
    return record(.batchedProduct(a, b, transposeA: transposeA, transposeB: transposeB, shape), out)
  }

  /// softmax(scale · x) along rows
  package func softmax(_ x: Tensor, scale: Float) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_softmax(out.values, x.values, scale, x.rows, x.columns)
    return record(.softmax(x, scale: scale), out)
  }

  // MARK: Small things

  /// xᵖ, elementwise
  package func power(_ x: Tensor, _ p: Float) -> Tensor {
    let out = result(x.rows, x.columns)
    ck_power(out.values, x.values, p, x.count)
    return record(.power(x, p), out)
  }

  /// The same numbers in rows of another length.
  package func reshape(_ x: Tensor, rows: Int) -> Tensor {
    precondition(x.count % rows == 0)
    return record(.reshape(x), Tensor(values: x.values, rows: rows, columns: x.count / rows))
  }

  /// The rows of a table with the given indices: an embedding. The index that follows the last row stands for no row and
  /// gives zeros.
  /// - Parameters:
  ///   - table: n × width.
  ///   - indices: a column of whole numbers from 0 to n.
  /// - Returns: as many rows as there are indices, × width.
  public func gatherRows(_ table: Tensor, _ indices: Tensor) -> Tensor {
    let out = result(indices.rows, table.columns)
    for i in 0..<indices.rows {
      let index = Int(indices.values[i])
      precondition((0...table.rows).contains(index), "an index beyond the table")
      let row = out.values + i * table.columns
      if index == table.rows {
        row.update(repeating: 0, count: table.columns)
      } else {
        row.update(from: table.values + index * table.columns, count: table.columns)
      }
    }
    return record(.gatherRows(table, indices), out)
  }

  /// The adjoint of `gatherRows`: rows added up in a table of `rows` rows.
  package func scatterRows(_ x: Tensor, _ indices: Tensor, rows: Int) -> Tensor {
    let out = result(rows, x.columns)
    out.values.update(repeating: 0, count: out.count)
    for i in 0..<indices.rows where Int(indices.values[i]) < rows {
      let o = Int(indices.values[i]) * x.columns
      ck_sum(out.values + o, 1, out.values + o, 1, x.values + i * x.columns, x.columns)
    }
    return record(.scatterRows(x, indices), out)
  }

  /// `count` columns from `first` on, in memory of their own.
  public func slice(_ x: Tensor, first: Int, count: Int) -> Tensor {
    if recording { return columns(x, first: first, count: count) }
    let out = result(x.rows, count)
    for i in 0..<x.rows { (out.values + i * count).update(from: x.values + i * x.stride + first, count: count) }
    return out
  }
}

/// Channels [first, first + width) of blocked images with `padded` places.
package struct PixelColumns {
  let pixels, padded, first, width: Int

  package init(pixels: Int, padded: Int, first: Int, width: Int) {
    self.pixels = pixels
    self.padded = padded
    self.first = first
    self.width = width
  }
}

/// A product of rows × inner and inner × columns matrices.
package struct BatchedShape {
  let rows, inner, columns: Int

  package init(rows: Int, inner: Int, columns: Int) {
    self.rows = rows
    self.inner = inner
    self.columns = columns
  }
}

/// One head's queries, keys and values as matrices.
private struct AttentionMatrices {
  let tape: Tape
  let shape: AttentionShape
  let memory: UnsafeMutablePointer<Float>
  private var size: Int { shape.pixels * shape.headWidth }
  var q: UnsafeMutablePointer<Float> { memory }
  var k: UnsafeMutablePointer<Float> { memory + size }
  var v: UnsafeMutablePointer<Float> { memory + 2 * size }

  init(_ tape: Tape, _ shape: AttentionShape) {
    self.tape = tape
    self.shape = shape
    memory = tape.arena.take(3 * shape.pixels * shape.headWidth)
  }

  func read(_ source: UnsafePointer<Float>, _ head: Int) {
    for part in 0..<3 {
      ck_pixels_matrix(
        memory + part * size, source, shape.pixels, part * shape.padded + head * shape.headWidth, shape.headWidth)
    }
  }

  func recycle() { tape.arena.recycle(memory, 3 * size) }
}
