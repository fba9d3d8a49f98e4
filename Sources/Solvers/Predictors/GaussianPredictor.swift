// SPDX-License-Identifier: GPL-3.0-or-later
import Processes

/// A step as a draw x_s ~ N(a x + b s(x, t), c² I).
public struct GaussianTransition: Sendable, Equatable {
  /// a, what the state is multiplied by.
  public let state: Double
  /// b, what the score is multiplied by.
  public let score: Double
  /// c, the deviation of the noise.
  public let deviation: Double

  /// A draw with these numbers.
  public init(state: Double, score: Double, deviation: Double) {
    (self.state, self.score, self.deviation) = (state, score, deviation)
  }
}

/// A predictor whose steps are such draws, with numbers that depend on the times alone: its steps have a density, which
/// particles are weighted by.
public protocol GaussianPredictor: Predictor {
  /// The step from t to s < t.
  /// - Returns: nil where the process has no such step, or the step adds no noise.
  func transition(from t: Double, to s: Double, of process: PreparedProcess) -> GaussianTransition?
}

extension Ancestral: GaussianPredictor {
  public func transition(from t: Double, to s: Double, of process: PreparedProcess) -> GaussianTransition? {
    process.scalarKernel.map { coefficients(later: $0.moments(at: t), earlier: $0.moments(at: s)) }
  }
}

extension ReverseDiffusion: GaussianPredictor {
  public func transition(from t: Double, to s: Double, of process: PreparedProcess) -> GaussianTransition? {
    process.scalarKernel.map { coefficients(later: $0.moments(at: t), earlier: $0.moments(at: s)) }
  }
}

extension DDIM: GaussianPredictor {
  public func transition(from t: Double, to s: Double, of process: PreparedProcess) -> GaussianTransition? {
    guard eta > 0, let kernel = process.scalarKernel else { return nil }
    let (later, earlier) = (kernel.moments(at: t), kernel.moments(at: s))
    let share = earlier.noiseToSignal / later.noiseToSignal
    let added = eta * earlier.noiseToSignal * max(0, 1 - share * share).squareRoot()
    let kept = max(0, earlier.noiseToSignal * earlier.noiseToSignal - added * added).squareRoot()
    // ε̂ = −σ s
    return GaussianTransition(
      state: earlier.scale / later.scale, score: earlier.scale * (later.noiseToSignal - kept) * later.deviation,
      deviation: earlier.scale * added)
  }
}

extension EulerMaruyama: GaussianPredictor {
  public func transition(from t: Double, to s: Double, of process: PreparedProcess) -> GaussianTransition? {
    guard let affine = process.sde as? any AffineSDE else { return nil }
    let (h, g) = (t - s, affine.diffusion(at: t))
    return GaussianTransition(state: 1 - h * affine.driftRate(at: t), score: h * g * g, deviation: g * h.squareRoot())
  }
}
