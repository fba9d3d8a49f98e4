// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// A way from one latent to another.
public enum Interpolation: String, Sendable, CaseIterable {
  /// (sin((1 − u) Ω) a + sin(u Ω) b) / sin Ω with the angle Ω between a and b (Shoemake 1985), which keeps the norm
  /// that latents of a Gaussian prior have (White 2016). Linear where a and b are parallel.
  case spherical
  /// (1 − u) a + u b
  case linear

  /// The coefficients of a and b at 0 ≤ u ≤ 1.
  private func coefficients(
    _ a: UnsafeBufferPointer<Double>, _ b: UnsafeBufferPointer<Double>, at u: Double
  ) -> (Double, Double) {
    guard self == .spherical else { return (1 - u, u) }
    func dot(_ x: UnsafeBufferPointer<Double>, _ y: UnsafeBufferPointer<Double>) -> Double {
      zip(x, y).reduce(0) { $0 + $1.0 * $1.1 }
    }
    let norms = (dot(a, a) * dot(b, b)).squareRoot()
    let angle = norms > 0 ? acos(min(1, max(-1, dot(a, b) / norms))) : 0
    guard sin(angle) > 1e-6 else { return (1 - u, u) }
    return (sin((1 - u) * angle) / sin(angle), sin(u * angle) / sin(angle))
  }

  /// Writes what lies between two rows.
  /// - Parameters:
  ///   - a: the row at u = 0.
  ///   - b: the row at u = 1.
  ///   - u: from 0 to 1.
  ///   - out: a row, which may be a or b.
  public func write(_ a: Rows, _ b: Rows, at u: Double, into out: Rows) {
    let (p, q) = coefficients(
      UnsafeBufferPointer(start: a.values, count: a.size), UnsafeBufferPointer(start: b.values, count: b.size), at: u)
    for i in 0..<out.size { out.values[i] = p * a.values[i] + q * b.values[i] }
  }

  /// `frames` rows for each pair of consecutive rows, both ends among them: row pair · frames + frame.
  /// - Precondition: at least two frames.
  public func frames(between latents: Batch, frames: Int) -> Batch {
    precondition(frames >= 2)
    let pairs = max(0, latents.count - 1)
    var (latents, way) = (latents, Batch(count: pairs * frames, dimension: latents.dimension))
    latents.withRows { latents in
      way.withRows { way in
        for frame in 0..<pairs * frames {
          let pair = frame / frames
          write(
            latents.row(pair), latents.row(pair + 1), at: Double(frame % frames) / Double(frames - 1),
            into: way.row(frame))
        }
      }
    }
    return way
  }
}

extension Sampler {
  /// Points on the way between each two consecutive rows: their codes at T, interpolated and carried back to ε.
  /// - Parameters:
  ///   - points: data, rows × dimension.
  ///   - frames: how many points each pair gives, both ends included; at least 2. The ends are the points themselves to
  ///     the integrator's tolerance.
  ///   - interpolation: the way from one code to the next.
  ///   - epsilon: ε, the time of data.
  ///   - flow: the flow, with its integrator.
  ///   - badRows: whether a point that has no code fails the others, too. The failures are then those of points and of
  ///     frames whose own points have codes, each by its number among the frames.
  public func interpolate(
    _ points: Batch, frames: Int, by interpolation: Interpolation = .spherical, epsilon: Double,
    with flow: ProbabilityFlow, badRows: BadRows = .fail
  ) throws -> Samples {
    let codes = try transport(
      lifted(points), from: epsilon, to: problem.process.duration, with: flow, badRows: badRows)
    let way = interpolation.frames(between: codes.batch, frames: frames)
    let samples = try transport(way, from: problem.process.duration, to: epsilon, with: flow, badRows: badRows)
    var failures = samples.failures
    // A frame without codes fails for the reason that its point has none.
    for frame in failures.keys {
      let pair = frame / frames
      if let reason = codes.failures[pair] ?? codes.failures[pair + 1] { failures[frame] = reason }
    }
    return Samples(batch: try projected(samples.batch), statistics: samples.statistics, failures: failures)
  }
}
