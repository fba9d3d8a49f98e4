// SPDX-License-Identifier: GPL-3.0-or-later

/// Where a solver's noise comes from: for every row a standard Brownian motion W on [0, duration].
public protocol BrownianPath: Sendable {
  /// A walker along the paths of the given rows, owned by one worker.
  func makeWalker(for rows: RowSpan) -> any BrownianWalker
}

public protocol BrownianWalker: AnyObject {
  /// Writes the normalised increment z = (W(s) − W(t)) / √|s − t|, a standard normal, for every row and coordinate.
  /// `step` counts the solver's steps from 0.
  func increment(from t: Double, to s: Double, step: Int, into z: Rows)
}

/// Fresh normals for each step: the fastest path. Solvers with different grids see unrelated noise.
public struct IndependentPath: BrownianPath {
  public let stream: NoiseStream

  public init(seed: UInt64) { stream = NoiseStream(seed: seed, purpose: .predictor) }

  public func makeWalker(for rows: RowSpan) -> any BrownianWalker { Walker(stream: stream) }

  final class Walker: BrownianWalker {
    let stream: NoiseStream
    init(stream: NoiseStream) { self.stream = stream }

    func increment(from t: Double, to s: Double, step: Int, into z: Rows) {
      stream.normals(into: z, step: step)
    }
  }
}
