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
  func coefficients(_ a: ArraySlice<Double>, _ b: ArraySlice<Double>, at u: Double) -> (Double, Double) {
    guard self == .spherical else { return (1 - u, u) }
    func dot(_ x: ArraySlice<Double>, _ y: ArraySlice<Double>) -> Double { zip(x, y).reduce(0) { $0 + $1.0 * $1.1 } }
    let norms = (dot(a, a) * dot(b, b)).squareRoot()
    let angle = norms > 0 ? acos(min(1, max(-1, dot(a, b) / norms))) : 0
    guard sin(angle) > 1e-6 else { return (1 - u, u) }
    return (sin((1 - u) * angle) / sin(angle), sin(u * angle) / sin(angle))
  }

  /// `frames` rows for each pair of consecutive rows, both ends among them: row pair · frames + frame.
  /// - Precondition: at least two frames.
  public func frames(between latents: Batch, frames: Int) -> Batch {
    precondition(frames >= 2)
    var values: [Double] = []
    for pair in 0..<max(0, latents.count - 1) {
      let (a, b) = (latents.row(pair), latents.row(pair + 1))
      for frame in 0..<frames {
        let (p, q) = coefficients(a, b, at: Double(frame) / Double(frames - 1))
        for (x, y) in zip(a, b) { values.append(p * x + q * y) }
      }
    }
    return Batch(values: values, dimension: latents.dimension)
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
