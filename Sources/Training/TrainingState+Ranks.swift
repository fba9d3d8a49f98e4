// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension TrainingState {
  /// Adam's moments and the averages at once, for workers that each take a part.
  mutating func withBuffers(
    _ body: (SharedMemory<Float>, SharedMemory<Float>, SharedMemory<Float>) throws -> Void
  ) rethrows {
    try firstMoments.withUnsafeMutableBufferPointer { m in
      try secondMoments.withUnsafeMutableBufferPointer { v in
        try averages.withUnsafeMutableBufferPointer { a in
          try body(SharedMemory(m.baseAddress!), SharedMemory(v.baseAddress!), SharedMemory(a.baseAddress!))
        }
      }
    }
  }

  /// Takes over the state of rank 0.
  public mutating func synchronise(_ ranks: any Ranks) {
    guard ranks.count > 1 else { return }
    let told = ranks.decided { [step, snapshot == nil ? 0 : 1] }
    step = told[0]
    let size = parameters.count * MemoryLayout<Float>.stride
    parameters.withUnsafeMutableBytes { ranks.broadcast($0, .state) }
    withBuffers { first, second, averages in
      for values in [first, second, averages] {
        ranks.broadcast(UnsafeMutableRawBufferPointer(start: values.pointer, count: size), .state)
      }
    }
    guard told[1] == 1 else { return snapshot = nil }
    var kept = snapshot ?? averages
    kept.withUnsafeMutableBytes { ranks.broadcast($0, .state) }
    snapshot = kept
  }
}
