// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Noise that was drawn before the solve, as a generator whose draws depend on each other makes it: the normals of step
/// k are batch k, whatever times the step has.
public struct GeneratorPath: BrownianPath {
  /// The normals of each step, for all rows.
  public let normals: [Batch]

  /// Noise by steps; a solver takes no more steps than there are batches.
  public init(_ normals: [Batch]) { self.normals = normals }

  public func makeWalker(for rows: RowSpan) -> any BrownianWalker { Walker(self) }

  final class Walker: BrownianWalker {
    private let path: GeneratorPath
    init(_ path: GeneratorPath) { self.path = path }

    func increment(from t: Double, to s: Double, step: Int, into z: Rows, area: Rows?) {
      precondition(area == nil, "only increments were drawn")
      z.copy(rowsOf: path.normals[step])
    }
  }
}

extension Rows {
  /// Copies these rows from a batch, by their numbers.
  fileprivate func copy(rowsOf batch: Batch) {
    precondition(batch.dimension == dimension && first + count <= batch.count, "rows that were drawn")
    batch.values.withUnsafeBufferPointer { source in
      guard let base = source.baseAddress else { return }
      values.update(from: base + first * dimension, count: size)
    }
  }
}
