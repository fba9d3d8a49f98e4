// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes

/// Flow matching between two laws (Lipman et al. 2023; Liu et al. 2023; with couplings Tong et al. 2024; with γ
/// Albergo, Boffi and Vanden-Eijnden 2023): the mean over t in [ε, T] of ‖u(x_t, t) − ẋ_t‖²/D along paths
///
///     x_t = m(t) x₀ + σ(t) x_T/σ(T) + γ(t/T) w
///
/// between data x₀ and ends x_T, of the prior or of any other law, that a coupling puts together. The least loss has
/// u = E[ẋ_t | x_t], the velocity of a flow with the laws of x_t.
///
/// Under the process of m and σ, of a = ṁ/m and g² = 2 σ σ̇ − 2 a σ², velocity and score belong together by u = a x − ½
/// g² S, and so every solver of the probability flow takes this one: S stands for −E[x_T/σ(T) | x_t]/σ where γ is 0. It
/// is the score of x_t only where x_T is a draw of the prior that knows nothing of x₀, and γ is 0.
///
/// With γ the score of x_t is known as well, ∇ ln p = −E[w | x_t]/γ (the same, theorem 2.8), and with it a reverse SDE
/// whose noise is that of the process: its drift u − ½ g² ∇ ln p is a x − g² S for S = ½ (S_u + ∇ ln p), S_u being the
/// S above. As both are means given x_t, one network learns S from ½ (S_u* − w/γ), with the weight 1/(b₁² σ(T)² + b₂²)
/// of these targets b₁ x_T + b₂ w; the authors learn two networks.
public struct FlowMatching: CoupledObjective {
  /// What a network learns.
  public enum Target: String, Sendable, CaseIterable {
    /// u, the velocity of the flow: for solvers of the probability flow.
    case velocity
    /// The drift of the reverse SDE with the noise of the process: for solvers of that. It needs γ.
    case reverseDrift = "reverse-drift"
  }

  /// The network with its conventions.
  public let model: ScoreModel
  public let times: TrainingTimes
  package let regression: CoupledRegression

  /// - Parameters:
  ///   - model: of the process's scalar kernel.
  ///   - process: x_t = m x₀ + σ z, with a and g.
  ///   - coupling: which ends go with which rows.
  ///   - ends: what they are drawn from.
  ///   - noise: γ; not 0 for `reverseDrift`.
  ///   - target: what is learned.
  ///   - times: the law of t.
  public init(
    _ model: ScoreModel, process: any AffineSDE, coupling: Coupling = .independent, ends: PathEnds = .prior,
    noise: InterpolantNoise = .none, target: Target = .velocity, times: TrainingTimes
  ) {
    precondition(model.kernel.isScalar, "a scalar kernel")
    precondition(target == .velocity || noise.form != .none, "γ is 0: nothing is known of the score")
    (self.model, self.times) = (model, times)
    let (last, duration) = (model.kernel.moments(at: model.duration), model.duration)
    let coupled = CoupledEnds(
      coupling, ends, dimension: model.network.dimension, signal: last.scale, deviation: last.deviation)
    regression = CoupledRegression(model: model, ends: coupled) { t, moments in
      let (gamma, rate) = noise.at(t / duration)
      let (a, g) = (process.driftRate(at: t), process.diffusion(at: t))
      let half = 0.5 * g * g
      let state = (moments.scale, moments.deviation / last.deviation, gamma)
      // S_u = b₁ x_T + b₂ w
      let end = -1 / (moments.deviation * last.deviation)
      let drawn = noise.form == .none ? 0 : -(rate / duration - a * gamma) / half
      switch target {
      case .velocity: return CoupledRegression.Point(state: state, score: (0, end, drawn), weight: half * half)
      case .reverseDrift:
        let (b1, b2) = (0.5 * end, 0.5 * (drawn - 1 / gamma))
        let size = b1 * b1 * last.variance + b2 * b2
        return CoupledRegression.Point(state: state, score: (0, b1, b2), weight: 1 / size)
      }
    }
  }
}
