// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Processes

/// How a network is trained.
public struct TrainingPlan: Sendable, Equatable {
  /// How much each noise level counts.
  public enum Weighting: String, Sendable, CaseIterable {
    /// ‖σ s + z‖²
    case uniform
    /// g² ‖s + z/σ‖²: an upper bound of the negative log likelihood (Song et al. 2021b)
    case likelihood
    /// (σ̃² + σ_d²)/(σ̃ σ_d)² ‖D − x_0‖² = (1 + σ̃²/σ_d²) ‖σ s + z‖² with σ̃ = σ/m: an error of an `edm` network's
    /// output counts the same at every noise level (Karras et al. 2022)
    case edm
    /// ‖û − u‖² of the probability flow's velocity u: g⁴/(4 σ²) ‖σ s + z‖² (Lipman et al. 2023, for any process)
    case flowMatching = "flow-matching"

    /// w, the factor of ‖σ s + z‖².
    func factor(_ moments: Moments, diffusion: () -> Double, _ dataDeviation: Double) -> Double {
      switch self {
      case .uniform: return 1
      case .likelihood: return pow(diffusion(), 2) / moments.variance
      case .edm: return 1 + pow(moments.noiseToSignal / dataDeviation, 2)
      case .flowMatching: return pow(diffusion(), 4) / (4 * moments.variance)
      }
    }
  }

  /// What is minimised.
  public enum Objective: String, Sendable, CaseIterable {
    /// Denoising score matching, for processes with a perturbation kernel.
    case denoising
    /// Sliced score matching with reduced variance, on simulated paths: for any process.
    case sliced
    /// Implicit score matching with the exact trace, on simulated paths: for any process on few dimensions.
    case implicit
  }

  /// The law of the times trained on.
  public enum NoiseLevels: String, Sendable, CaseIterable {
    /// t uniform on [ε, T]
    case uniform
    /// ln σ̃ ~ N(P_mean, P_std²) with σ̃ = σ/m, its tails gathered at ε and T (Karras et al. 2022, table 1)
    case logNormal = "log-normal"
  }

  public enum Optimiser: String, Sendable, CaseIterable {
    case adam
    /// Adam with decoupled weight decay.
    case adamw
  }

  public enum Decay: String, Sendable, CaseIterable {
    /// The learning rate stays.
    case constant
    /// It falls to 0 along half a cosine.
    case cosine
  }

  public var steps: Int
  public var batch: Int
  public var learningRate: Double
  public var decay: Decay
  /// Steps during which the learning rate rises linearly.
  public var warmup: Int
  public var optimiser: Optimiser
  public var weightDecay: Double
  public var beta1: Double
  public var beta2: Double
  /// The gradient's norm is cut to this; 0 leaves it.
  public var clip: Double
  /// d of the moving average; step n uses min(d, (1 + n)/(10 + n)).
  public var ema: Double
  public var weighting: Weighting
  public var noiseLevels: NoiseLevels
  /// P_mean and P_std of log-normal noise levels.
  public var logMean, logDeviation: Double
  /// ε: the smallest time trained on.
  public var epsilon: Double
  public var objective = Objective.denoising
  /// How many random directions sliced score matching takes.
  public var projections = 1
  /// How many steps of Euler–Maruyama simulated paths have.
  public var simulationSteps = 100

  public init(
    steps: Int, batch: Int = 256, learningRate: Double = 1e-3, decay: Decay = .cosine, warmup: Int = 0,
    optimiser: Optimiser = .adam, weightDecay: Double = 0, beta1: Double = 0.9, beta2: Double = 0.999,
    clip: Double = 1, ema: Double = 0.999, weighting: Weighting = .uniform,
    noiseLevels: NoiseLevels = .uniform, logMean: Double = -1.2, logDeviation: Double = 1.2, epsilon: Double = 1e-5
  ) {
    self.steps = steps
    self.batch = batch
    self.learningRate = learningRate
    self.decay = decay
    self.warmup = warmup
    self.optimiser = optimiser
    self.weightDecay = weightDecay
    self.beta1 = beta1
    self.beta2 = beta2
    self.clip = clip
    self.ema = ema
    self.weighting = weighting
    self.noiseLevels = noiseLevels
    self.logMean = logMean
    self.logDeviation = logDeviation
    self.epsilon = epsilon
  }

  /// The learning rate of a step, from 0.
  public func rate(at step: Int) -> Double {
    let rise = warmup > 0 ? min(1, Double(step + 1) / Double(warmup)) : 1
    switch decay {
    case .constant: return learningRate * rise
    case .cosine: return learningRate * rise * 0.5 * (1 + cos(.pi * Double(step) / Double(max(1, steps))))
    }
  }

  /// The decay of the moving average after a step, from 0.
  public func average(at step: Int) -> Double { min(ema, (1 + Double(step)) / (10 + Double(step))) }
}
