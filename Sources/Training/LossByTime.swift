// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Synchronization

/// The mean of ‖σ s + z‖² / D in each of several bins of t: where a score is good, and, against held-out data, where it
/// has learned by heart. Works for every score; the exact one gives the floor.
public struct LossByTime: Sendable, Equatable {
  public struct Bin: Sendable, Equatable {
    public let low, high: Double
    public let loss: Double
  }

  public let bins: [Bin]

  /// The row of the data that the i-th draw of every bin takes: a stride prime to the count, so that a bin's times do not
  /// follow the data's order.
  public static func dataRow(_ i: Int, of count: Int) -> Int { i * (count % 7919 == 0 ? 7907 : 7919) % count }

  /// - Parameters:
  ///   - draws: (row, t, z) triples per bin; rows in turn, t evenly spread within the bin.
  public init(
    of score: any Score, kernel: any PerturbationKernel, data: Batch, from epsilon: Double, to duration: Double,
    seed: UInt64, bins count: Int = 20, draws: Int = 1024, threads: Int = Shards.processors
  ) throws {
    let width = (duration - epsilon) / Double(count)
    let losses = Mutex([Double](repeating: 0, count: count))
    try Shards(rows: count, size: 1).forEach(threads: threads) { bin, _ in
      let span = RowSpan(first: bin * draws, count: draws, dimension: data.dimension)
      let sum = try RowStorage.with(span, count: 3) { rows in
        let (x, z, s) = (rows[0], rows[1], rows[2])
        NoiseStream(seed: seed, purpose: .lossNoise).normals(into: z, step: 0)
        var times = [Double](repeating: 0, count: draws)
        for i in 0..<draws {
          times[i] = epsilon + width * (Double(bin) + (Double(i) + 0.5) / Double(draws))
          let moments = kernel.moments(at: times[i])
          let row = Self.dataRow(i, of: data.count)
          for j in 0..<data.dimension { x[i, j] = moments.scale * data[row, j] + moments.deviation * z[i, j] }
        }
        try times.withUnsafeBufferPointer {
          try score.makeEvaluator(for: span).evaluate(x, at: .each($0.baseAddress!), into: s)
        }
        var sum = 0.0
        for i in 0..<draws {
          let deviation = kernel.moments(at: times[i]).deviation
          for j in 0..<data.dimension {
            let error = deviation * s[i, j] + z[i, j]
            sum += error * error
          }
        }
        return sum
      }
      let mean = sum / Double(draws * data.dimension)
      losses.withLock { $0[bin] = mean }
    }
    bins = losses.withLock { values in
      values.enumerated().map { bin, loss in
        Bin(low: epsilon + width * Double(bin), high: epsilon + width * Double(bin + 1), loss: loss)
      }
    }
  }
}
