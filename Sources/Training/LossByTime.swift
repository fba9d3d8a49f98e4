// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Scores
import Synchronization

/// The mean of ‖σ s + z‖² / D, or of ‖L_ttᵀ s_tail + z_tail‖² / D_tail where the kernel has matrices, in each of
/// several bins of t: where a score is good, and, against held-out data, where it has learned by heart. It works for
/// every score; the exact one gives the floor.
public struct LossByTime: Sendable, Equatable {
  /// The mean loss over times between two bounds.
  public struct Bin: Sendable, Equatable {
    /// The bounds in t.
    public let low, high: Double
    /// The mean of ‖σ s + z‖² / D.
    public let loss: Double
    /// The mean of ‖σ (s − s_exact)‖² / D, where an exact score was given: what the loss has above the least possible
    /// one.
    public let excess: Double?
    /// The standard error of `excess`, of draws that are taken as independent.
    public let excessError: Double?
  }

  /// The bins in rising order of t; they cover [ε, T].
  public let bins: [Bin]
  /// For each draw, the mean of ‖σ (s − s_exact)‖² / D over the bins; empty where no exact score was given. Draw i is
  /// of the same row of the data in every bin.
  public let excessOfDraws: [Double]

  /// The row of the data that the i-th draw of every bin takes: a stride prime to the count, so that a bin's times do
  /// not follow the data's order.
  public static func dataRow(_ i: Int, of count: Int) -> Int { i * (count % 7919 == 0 ? 7907 : 7919) % count }

  /// What the draws of a bin come to.
  private struct Sums: Codable {
    let loss: Double
    let excesses: [Double]
  }

  /// - Parameters:
  ///   - score: bound to the conditions of the rows that `dataRow` gives.
  ///   - kernel: the law of x_t given x_0.
  ///   - duration: T
  ///   - exact: the exact score; nil where it is not known.
  ///   - data: rows × dimension, of which `draws` at most are asked for.
  ///   - epsilon: the smallest time.
  ///   - seed: of the noise.
  ///   - count: how many bins there are.
  ///   - draws: (row, t, z) triples per bin; rows in turn, t evenly spread within the bin.
  ///   - threads: the result does not depend on it.
  public init(
    of score: any Score, kernel: any PerturbationKernel, duration: Double, exact: (any Score)? = nil,
    data: any DataRows,
    from epsilon: Double, seed: UInt64, bins count: Int = 20, draws: Int = 1024, threads: Int = Shards.processors
  ) throws {
    let (blocks, tail) = (kernel.blocks.count, kernel.blocks.tail)
    let dimension = kernel.blocks.stateDimension(of: data.dimension)
    let width = (duration - epsilon) / Double(count)
    let found = try Team.current.map(count, threads: threads) { bin -> Sums in
      let span = RowSpan(first: bin * draws, count: draws, dimension: dimension)
      return try RowStorage.with(span, count: 4) { rows in
        let (x, z, s, other) = (rows[0], rows[1], rows[2], rows[3])
        NoiseStream(seed: seed, purpose: .lossNoise).normals(into: z, step: 0)
        var times = [Double](repeating: 0, count: draws)
        var roots: [Matrix] = []
        for i in 0..<draws {
          times[i] = epsilon + width * (Double(bin) + (Double(i) + 0.5) / Double(draws))
          let moments = kernel.moments(at: times[i])
          guard let root = moments.covariance.matrix.lowerCholesky else {
            throw InputError("the process has no noise at t = \(times[i])")
          }
          var point = Batch(values: data.row(Self.dataRow(i, of: data.count)), dimension: data.dimension)
          point.withRows { x.row(i).add(moments.signal.matrix, $0, times: 1) }
          x.row(i).add(root, z.row(i), times: 1)
          roots.append(root.block(tail).transpose)
        }
        try times.withUnsafeBufferPointer {
          try score.makeEvaluator(for: span).evaluate(x, at: .each($0.baseAddress!), into: s)
          try exact?.makeEvaluator(for: span).evaluate(x, at: .each($0.baseAddress!), into: other)
        }
        // The last values of each row: those that noise acts on.
        let (noised, skip) = (dimension / blocks * tail.count, dimension / blocks * tail.lowerBound)
        let part = RowSpan(first: 0, count: 1, dimension: noised)
        return RowStorage.with(part, count: 4) { parts in
          let (found, wanted, weighted, difference) = (parts[0], parts[1], parts[2], parts[3])
          var (loss, excesses) = (0.0, [Double](repeating: 0, count: draws))
          for i in 0..<draws {
            found.copy(columns: skip..<dimension, of: s.row(i))
            wanted.copy(columns: skip..<dimension, of: other.row(i))
            weighted.copy(columns: skip..<dimension, of: z.row(i))
            weighted.add(roots[i], found, times: 1)
            loss += weighted.squaredNorm
            difference.fill(0)
            difference.add(roots[i], found, times: 1)
            difference.add(roots[i], wanted, times: -1)
            excesses[i] = difference.squaredNorm / Double(noised)
          }
          return Sums(loss: loss / Double(draws * noised), excesses: excesses)
        }
      }
    }
    let isKnown = exact != nil
    let n = Double(draws)
    bins = found.enumerated().map { bin, found in
      let mean = found.excesses.reduce(0, +) / n
      let squares = found.excesses.reduce(0) { $0 + ($1 - mean) * ($1 - mean) }
      return Bin(
        low: epsilon + width * Double(bin), high: epsilon + width * Double(bin + 1), loss: found.loss,
        excess: isKnown ? mean : nil, excessError: isKnown ? (squares / max(1, n - 1) / n).squareRoot() : nil)
    }
    excessOfDraws =
      isKnown ? (0..<draws).map { i in found.reduce(0) { $0 + $1.excesses[i] } / Double(count) } : []
  }
}
