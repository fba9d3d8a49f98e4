// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How often `CopyTest` finds copies: its size, the share of p ≤ 0.05 among samples of the law of the data, and its
/// power, that share where 5 % of the samples are training rows with normal noise of deviation 0.01 in every column.
public struct CopyStudy: Sendable {
  /// Where rows come from.
  public struct Law: Sendable {
    /// A few words.
    public let name: String
    /// How many values a row has.
    public let dimension: Int
    /// How many rows there are of samples, held-out rows and training rows.
    public let rows: Int
    /// Draws so many rows; a seed gives the same rows again.
    public let draw: @Sendable (_ count: Int, _ seed: UInt64) -> Batch

    /// - Parameters:
    ///   - name: a few words.
    ///   - dimension: of a row.
    ///   - rows: how many there are of each kind.
    ///   - draw: draws so many rows; a seed gives the same rows again.
    public init(
      _ name: String, dimension: Int, rows: Int, draw: @escaping @Sendable (_ count: Int, _ seed: UInt64) -> Batch
    ) {
      (self.name, self.dimension, self.rows, self.draw) = (name, dimension, rows, draw)
    }

    /// Standard normals.
    public static func normal(_ dimension: Int, rows: Int) -> Law {
      Law("normal", dimension: dimension, rows: rows) {
        NoiseStream(seed: $1, purpose: .data).normals(count: $0, dimension: dimension)
      }
    }

    /// Rows of a table, drawn without replacement; at most a third of them are of each kind.
    public static func table(_ name: String, _ table: Batch) -> Law {
      Law(name, dimension: table.dimension, rows: table.count / 3) { count, seed in
        let keys = NoiseStream(seed: seed, purpose: .data).uniforms(count: table.count, dimension: 1).values
        let order = table.values.isEmpty ? [] : (0..<table.count).sorted { (keys[$0], $0) < (keys[$1], $1) }
        return Batch(values: order.prefix(count).flatMap { table.row($0) }, dimension: table.dimension)
      }
    }
  }

  /// What a study found.
  public struct Result: Sendable {
    /// The share of p ≤ 0.05 without copies, and with them.
    public let size, power: Double
    /// How often each share was measured.
    public let repeats: Int
  }

  /// The share of samples that are copies, and their noise.
  public static let (share, noise) = (0.05, 0.01)

  /// - Parameters:
  ///   - law: where rows come from.
  ///   - repeats: how often each share is measured.
  ///   - seed: keys all random numbers.
  ///   - threads: results do not depend on it.
  public static func run(_ law: Law, repeats: Int, seed: UInt64 = 1, threads: Int = Shards.processors) throws -> Result
  {
    var found = (size: 0, power: 0)
    for turn in 0..<repeats {
      let key = seed &+ UInt64(10 * turn)
      let n = law.rows
      let drawn = law.draw(3 * n, key)
      func part(_ index: Int) -> Batch {
        Batch(
          values: Array(drawn.values[index * n * law.dimension..<(index + 1) * n * law.dimension]),
          dimension: law.dimension)
      }
      var samples = part(0)
      let reference = Reference(heldOut: part(1), training: part(2))
      func isFound(_ samples: Batch) throws -> Bool {
        try CopyTest().evaluate(Comparison(samples: samples, reference: reference, seed: key, threads: threads)) <= 0.05
      }
      if try isFound(samples) { found.size += 1 }
      let noise = NoiseStream(seed: key &+ 1, purpose: .data).normals(count: n, dimension: law.dimension)
      for i in 0..<Int(share * Double(n)) {
        for j in 0..<law.dimension { samples[i, j] = reference.training[i, j] + Self.noise * noise[i, j] }
      }
      if try isFound(samples) { found.power += 1 }
    }
    return Result(
      size: Double(found.size) / Double(repeats), power: Double(found.power) / Double(repeats), repeats: repeats)
  }
}
