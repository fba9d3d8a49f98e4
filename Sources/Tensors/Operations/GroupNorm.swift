// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// x ↦ silu(scale ⊙ (x + shift − mean)/√(variance + ε) + offset), fused; a composing tape writes it in other
/// operations.
struct GroupNorm: TapeOperation {
  let x: Tensor
  let groups: ChannelGroups
  let positions: Int
  let silu: Bool
  let shift: Tensor?
  let scale, offset: Tensor
  /// Mean and 1/√(variance + ε) of each group of each row.
  let statistics: Tensor

  func withC<Result>(_ body: (UnsafePointer<ck_group_norm>) -> Result) -> Result {
    groups.group.withUnsafeBufferPointer { group in
      var c = ck_group_norm(
        blocks: groups.channels.blocks, pixels: positions, groups: groups.groups, group: group.baseAddress,
        group_channels: groups.size, epsilon: groups.epsilon, silu: silu ? 1 : 0, shift: shift?.values,
        scale: scale.values, offset: offset.values,
        shift_stride: (shift?.rows ?? 1) == 1 ? 0 : groups.channels.padded,
        affine_stride: scale.rows == 1 ? 0 : groups.channels.padded)
      return withUnsafePointer(to: &c, body)
    }
  }

  func backward(_ g: OutputGradient, on tape: Tape) {
    precondition(!tape.recording, "a tape that is to differentiate twice begins as a composing one")
    let places = groups.channels.padded
    let dx =
      g.isOwned
      ? Tensor(values: g.tensor.values, rows: x.rows, columns: x.columns) : tape.result(x.rows, x.columns)
    let shift = shift.flatMap { $0.isConstant ? nil : $0 }
    let dshift = shift.map { _ in tape.result(x.rows, places) }
    let (dscale, doffset) = (tape.result(x.rows, places), tape.result(x.rows, places))
    let scratch = tape.result(10, places)
    withC {
      ck_group_norm_backward(
        $0, x.rows, x.values, g.tensor.values, statistics.values, dx.values, dshift?.values, dscale.values,
        doffset.values, scratch.values)
    }
    tape.arena.recycle(scratch.values, scratch.count)
    tape.contributeRows(dscale, to: scale)
    tape.contributeRows(doffset, to: offset)
    if let shift, let dshift { tape.contributeRows(dshift, to: shift) }
    if x.isConstant { return }
    tape.pass(g, on: Tape.Adjoint(tensor: dx, owned: true), to: x)
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    preconditionFailure("a tape that is to differentiate forwards begins as a composing one")
  }
}

extension Tape {
  /// scale ⊙ (x + shift − mean)/√(variance + ε) + offset, then SiLU on request; mean and variance over the positions
  /// and channels of a group of a row (Wu and He 2018).
  /// - Parameters:
  ///   - x: rows × `shape.count`, blocked.
  ///   - shape: of x.
  ///   - groups: of the channels of x.
  ///   - shift: added to all positions of a channel; 1 or as many rows × places of channels.
  ///   - scale: 1 or as many rows × places of channels.
  ///   - offset: of the shape of `scale`.
  ///   - silu: whether SiLU follows.
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
    let norm = GroupNorm(
      x: x, groups: groups, positions: shape.positions, silu: silu, shift: shift, scale: scale, offset: offset,
      statistics: constant(rows: x.rows, columns: 2 * groups.groups))
    let out = last && !recording ? x : result(x.rows, x.columns)
    let scratch = constant(rows: 10, columns: groups.channels.padded)
    norm.withC { ck_group_norm_forward($0, x.rows, x.values, out.values, norm.statistics.values, scratch.values) }
    arena.recycle(scratch.values, scratch.count)
    if !recording { arena.recycle(norm.statistics.values, norm.statistics.count) }
    return record(.groupNorm(norm), out)
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
    func perRow(_ row: Tensor) -> Tensor { row.rows == n ? row : repeatRow(row, rows: n) }
    func mean(_ y: Tensor) -> Tensor {
      self.scale(matrixProduct(channelSums(y, shape), members), by: 1 / Float(groups.size * shape.positions))
    }
    func toPlaces(_ y: Tensor) -> Tensor { matrixProduct(y, members, transposeB: true) }
    let shifted = shift.map { sum(1, x, 1, spreadChannels(masked(perRow($0), groups), shape)) } ?? x
    let centred = sum(1, shifted, -1, spreadChannels(toPlaces(mean(shifted)), shape))
    let variance = mean(product(centred, centred))
    let epsilon = constant(rows: 1, columns: groups.groups)
    epsilon.values.update(repeating: groups.epsilon, count: epsilon.count)
    let gain = product(toPlaces(power(addBias(variance, epsilon), -0.5)), perRow(scale))
    let y = sum(
      1, product(centred, spreadChannels(gain, shape)), 1, spreadChannels(masked(perRow(offset), groups), shape))
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
}
