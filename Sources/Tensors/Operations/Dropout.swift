// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// Where dropout takes its noise from: a training step, and the rows of its batch that the tape works on.
struct DropoutNoise {
  let seed: UInt64
  let step: Int
  let firstRow: Int
  /// How many layers have drawn.
  var layer = 0
}

extension Tape {
  /// Dropout is at work in this pass (training); the noise is keyed by the step and the row within the batch.
  public func enableDropout(seed: UInt64, step: Int, firstRow: Int) {
    dropout = DropoutNoise(seed: seed, step: step, firstRow: firstRow)
  }

  /// Within `body` there is no dropout: of networks that teach.
  public func withoutDropout<Result>(_ body: () throws -> Result) rethrows -> Result {
    let outer = dropout
    dropout = nil
    defer { dropout = outer }
    return try body()
  }

  /// Each value is 0 with the given probability, or else divided by 1 − rate (Srivastava et al. 2014); in training
  /// only.
  public func dropout(_ x: Tensor, rate: Double) -> Tensor {
    guard rate > 0, let noise = dropout else { return x }
    let mask = constant(rows: x.rows, columns: x.columns)
    let uniforms = constant(rows: 2, columns: x.columns)
    uniforms.values.withMemoryRebound(to: Double.self, capacity: x.columns) { memory in
      for i in 0..<x.rows {
        let row = Rows(memory: memory, first: noise.firstRow + i, count: 1, dimension: x.columns)
        NoiseStream(seed: noise.seed, purpose: .dropout).uniforms(into: row, step: noise.step << 10 | noise.layer)
        let keep = Float(1 / (1 - rate))
        for j in 0..<x.columns { mask.values[i * x.columns + j] = memory[j] < rate ? 0 : keep }
      }
    }
    arena.recycle(uniforms.values, uniforms.count)
    dropout?.layer += 1
    return product(x, mask)
  }
}
