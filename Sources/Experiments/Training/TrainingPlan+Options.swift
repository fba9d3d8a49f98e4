// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Training

extension TrainingPlan {
  /// - Parameter firstLevel: the time of the first noise level of a network that was trained on some; nil: it was not.
  init(_ options: Options, duration: Double, firstLevel: Double? = nil) throws {
    self.init(steps: 1)
    steps = try options.integer("steps", example: 5000, atLeast: 1, "optimiser steps")
    batch = try options.integer("batch", default: 256, atLeast: 1, atMost: 10_000_000, "rows a step")
    learningRate = try options.number("learning_rate", default: 1e-3, in: .positive, "the largest learning rate")
    decay = try options.choice(
      "decay", default: Decay.cosine, "the learning rate after warm-up: to 0 along a cosine, or constant")
    warmup = try options.integer("warmup", default: 0, atLeast: 0, "steps over which the learning rate rises")
    optimiser = try options.choice("optimiser", default: Optimiser.adam, "Adam, or with decoupled weight decay")
    weightDecay = try options.only(if: optimiser == .adamw, needs: "optimiser: adamw") {
      try options.number("weight_decay", default: 0, in: .nonNegative, "of adamw, per unit of learning rate")
    }
    beta1 = try options.number("beta1", default: 0.9, in: .from(0, below: 1), "decay of the first moment")
    beta2 = try options.number("beta2", default: 0.999, in: .from(0, below: 1), "decay of the second moment")
    clip = try options.number("clip", default: 1, in: .nonNegative, "largest norm of the gradient; 0 leaves it")
    ema = try options.number("ema", default: 0.999, in: .from(0, below: 1), "decay of the averaged weights that sample")
    conditionDropout = try options.number(
      "condition_dropout", default: 0, in: .from(0, below: 1),
      "share of rows that lose their condition, so that the network also knows the score without one")
    onNonFinite = try options.choice(
      "on_non_finite", default: OnNonFinite.stop,
      "a step whose loss or gradient is not finite: an error, or left out, counted and told at the end")
    weighting = try options.choice(
      "weighting", default: Weighting.uniform, "of ‖σ s + z‖²: 1, g²/σ², 1 + σ̃²/σ_d² with σ̃ = σ/m, or g⁴/4σ²")
    noiseLevels = try options.choice(
      "noise_levels", default: NoiseLevels.uniform, "t uniform, or ln(σ/m) normal, within ε and T")
    (logMean, logDeviation) = try options.only(if: noiseLevels == .logNormal, needs: "noise_levels: log-normal") {
      (
        try options.number("p_mean", default: -1.2, "mean of ln(σ/m), for log-normal"),
        try options.number("p_std", default: 1.2, in: .positive, "deviation of ln(σ/m), for log-normal")
      )
    }
    epsilon = try options.number(
      "epsilon", default: firstLevel ?? safeEpsilon(1e-5, duration), in: .between(0, duration),
      "the smallest time trained on")
  }
}
