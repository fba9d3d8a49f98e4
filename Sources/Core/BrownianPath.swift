// SPDX-License-Identifier: GPL-3.0-or-later

/// Where a solver's noise comes from: for every row a standard Brownian motion W on [0, duration].
public protocol BrownianPath: Sendable {
  /// Whether increments are those of one path whatever steps are taken, down to 2⁻²⁰ of the duration, so that a solver
  /// may choose its steps on the way.
  var allowsAnySteps: Bool { get }

  /// A walker along the paths of the given rows, owned by one worker.
  func makeWalker(for rows: RowSpan) -> any BrownianWalker
}

extension BrownianPath {
  public var allowsAnySteps: Bool { false }
}

/// Walks along Brownian paths for one worker: gives the increments of successive steps, and owns the memory for it.
public protocol BrownianWalker: AnyObject {
  /// Writes the normalised increment z = (W(s) − W(t)) / √h, h = |s − t|, a standard normal for every row and
  /// coordinate, and, where asked, the normalised area √(12/h) H between the path and its chord,
  ///
  ///     H = 1/h ∫ (W(u) − chord(u)) du  over the step,
  ///
  /// a standard normal that is independent of the increment (Foster, Lyons and Oberhauser 2020).
  /// - Parameters:
  ///   - t: the time at which the step begins.
  ///   - s: the time at which it ends.
  ///   - step: the number of the solver's step, from 0.
  ///   - z: the increments, rows × dimension.
  ///   - area: the areas, of the shape of z; nil where nobody asks for them.
  func increment(from t: Double, to s: Double, step: Int, into z: Rows, area: Rows?)
}

extension BrownianWalker {
  /// Writes the normalised increment alone.
  /// - Parameters:
  ///   - t: the time at which the step begins.
  ///   - s: the time at which it ends.
  ///   - step: the number of the solver's step, from 0.
  ///   - z: the increments, rows × dimension.
  public func increment(from t: Double, to s: Double, step: Int, into z: Rows) {
    increment(from: t, to: s, step: step, into: z, area: nil)
  }
}

/// Fresh normals for each step: the fastest path. Solvers with different grids see unrelated noise.
public struct IndependentPath: BrownianPath {
  /// The normals of increments and of areas, keyed by row and step.
  public let stream, areas: NoiseStream

  /// Paths of a seed: those of `NoiseStream` with the purposes `predictor` and `area`.
  public init(seed: UInt64) {
    stream = NoiseStream(seed: seed, purpose: .predictor)
    areas = NoiseStream(seed: seed, purpose: .area)
  }

  public func makeWalker(for rows: RowSpan) -> any BrownianWalker { Walker(stream: stream, areas: areas) }

  final class Walker: BrownianWalker {
    let stream, areas: NoiseStream
    init(stream: NoiseStream, areas: NoiseStream) { (self.stream, self.areas) = (stream, areas) }

    func increment(from t: Double, to s: Double, step: Int, into z: Rows, area: Rows?) {
      stream.normals(into: z, step: step)
      if let area { areas.normals(into: area, step: step) }
    }
  }
}
