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
public struct FlowMatching: Objective {
  /// The network with its conventions.
  public let model: ScoreModel
  public let times: TrainingTimes
  private let regression: CoupledRegression

  public var network: any Network { model.network }
  public var dataDimension: Int { model.dataDimension }

  /// - Parameters:
  ///   - model: of the process's scalar kernel.
  ///   - process: x_t = m x₀ + σ z, with a and g.
  ///   - coupling: which ends go with which rows.
  ///   - ends: what they are drawn from.
  ///   - noise: γ
  ///   - times: the law of t.
  public init(
    _ model: ScoreModel, process: any AffineSDE, coupling: Coupling = .independent, ends: PathEnds = .prior,
    noise: InterpolantNoise = .none, times: TrainingTimes
  ) {
    precondition(model.kernel.isScalar, "a scalar kernel")
    (self.model, self.times) = (model, times)
    let (last, duration) = (model.kernel.moments(at: model.duration), model.duration)
    let coupled = CoupledEnds(
      coupling, ends, dimension: model.network.dimension, signal: last.scale, deviation: last.deviation)
    regression = CoupledRegression(model: model, ends: coupled) { t, moments in
      let (gamma, rate) = noise.at(t / duration)
      let (a, g) = (process.driftRate(at: t), process.diffusion(at: t))
      let half = 0.5 * g * g
      return CoupledRegression.Point(
        state: (moments.scale, moments.deviation / last.deviation, gamma),
        score: (
          0, -1 / (moments.deviation * last.deviation),
          noise.form == .none ? 0 : -(rate / duration - a * gamma) / half
        ),
        weight: half * half)
    }
  }

  public func makeWorker(rows: Int, seed: UInt64) -> any ObjectiveWorker {
    CoupledRegression.Worker(regression, rows: rows, seed: seed)
  }
}
