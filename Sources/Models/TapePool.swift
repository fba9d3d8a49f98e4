// SPDX-License-Identifier: GPL-3.0-or-later
import Synchronization
import Tensors

/// Tapes of one set of parameters, lent to one worker at a time, with the weights that kernels prepared from it: an
/// evaluator for a few rows costs no new memory.
final class TapePool: Sendable {
  /// Where the parameters of a network without any lie.
  nonisolated(unsafe) static let none = UnsafePointer(UnsafeMutablePointer<Float>.allocate(capacity: 1))

  let prepared: PreparedWeights
  private let free = Mutex<[LentTape]>([])

  /// A tape stays on the thread that took it until it is given back.
  private struct LentTape: @unchecked Sendable { let tape: Tape }

  /// - Parameter parameters: how many the network has, beside whose memory the prepared weights find room.
  init(parameters: Int) { prepared = PreparedWeights(limit: PreparedWeights.limit(parameters: parameters)) }

  func take(_ make: () -> Tape) -> Tape { free.withLock { $0.popLast() }?.tape ?? make() }

  func giveBack(_ tape: Tape) {
    let lent = LentTape(tape: tape)
    free.withLock { $0.append(lent) }
  }
}
