// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Processes

/// How a network is trained.
public struct TrainingPlan: Sendable, Equatable {
  /// The law of the times trained on.
  public enum NoiseLevels: String, Sendable, CaseIterable {
    /// t uniform on [ε, T]
    case uniform
    /// ln σ̃ ~ N(P_mean, P_std²) with σ̃ = σ/m, its tails gathered at ε and T (Karras et al. 2022, table 1)
    case logNormal = "log-normal"
  }

  /// How a gradient becomes a step.
  public enum Optimiser: String, Sendable, CaseIterable {
    /// Kingma and Ba 2015, algorithm 1.
    case adam
    /// Adam with decoupled weight decay.
    case adamw
  }

  /// How the learning rate goes on after its warm-up.
  public enum Decay: String, Sendable, CaseIterable {
    /// The learning rate stays.
    case constant
    /// It falls to 0 along half a cosine.
    case cosine
  }

  /// What becomes of a step whose loss or gradient is not finite.
  public enum OnNonFinite: String, Sendable, CaseIterable {
    /// The training ends with an error that names layer, row and time.
    case stop
    /// The step changes nothing, is counted, and the training goes on.
    case skip
  }

  /// How many steps are taken.
  public var steps: Int
  /// How many rows of data a step sees.
  public var batch: Int
  /// The learning rate after its warm-up.
  public var learningRate: Double
  /// How the learning rate goes on after its warm-up.
  public var decay: Decay
  /// Steps during which the learning rate rises linearly.
  public var warmup: Int
  /// How a gradient becomes a step.
  public var optimiser: Optimiser
  /// The weight decay of `adamw`: parameters shrink by learning rate × decay at every step.
  public var weightDecay: Double
  /// The share of the old value in Adam's first moment.
  public var beta1: Double
  /// The share of the old value in Adam's second moment.
  public var beta2: Double
  /// The gradient's norm is cut to this; 0 leaves it.
  public var clip: Double
  /// d of the moving average; step n uses min(d, (1 + n)/(10 + n)).
  public var ema: Double
  /// w(t), by which the loss at t is multiplied.
  public var weighting: Weighting
  /// The law of the times trained on.
  public var noiseLevels: NoiseLevels
  /// P_mean and P_std of log-normal noise levels.
  public var logMean, logDeviation: Double
  /// ε: the smallest time trained on.
  public var epsilon: Double
  /// The share of rows whose condition is dropped, so that the network also learns the score without one.
  public var conditionDropout = 0.0
  /// No training whose numbers are finite depends on it.
  public var onNonFinite = OnNonFinite.stop

  /// - Parameters:
  ///   - steps: how many steps the training has.
  ///   - batch: rows of a step, drawn with replacement.
  ///   - learningRate: its largest value.
  ///   - decay: how the learning rate falls.
  ///   - warmup: steps during which it rises linearly.
  ///   - optimiser: Adam, with or without decoupled weight decay.
  ///   - weightDecay: λ of decoupled weight decay.
  ///   - beta1: decay of Adam's first moments, in [0, 1).
  ///   - beta2: decay of Adam's second moments, in [0, 1).
  ///   - clip: the gradient's norm is cut to this; 0 leaves it.
  ///   - ema: d of the moving average, in [0, 1).
  ///   - weighting: the loss's weight at each time.
  ///   - noiseLevels: the law of the times trained on.
  ///   - logMean: P_mean of log-normal noise levels.
  ///   - logDeviation: P_std of log-normal noise levels.
  ///   - epsilon: the smallest time trained on.
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
