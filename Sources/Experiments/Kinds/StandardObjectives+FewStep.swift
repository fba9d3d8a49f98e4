// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Models
import Scores
import Solvers
import Training

// Objectives whose networks draw samples in few steps.
extension Catalogue {
  /// What has no effect where an objective draws its times, and weighs them, by itself.
  static let weights = ["weighting"]
  private static let timesAndWeights = weights + ["noise_levels", "p_mean", "p_std"]

  static let fewStepObjectives: [Kind<ObjectiveRecipe>] = consistencyObjectives + flowMapObjectives

  private static let consistencyObjectives: [Kind<ObjectiveRecipe>] = [
    Kind("consistency-distillation", "a consistency function of a teacher's flow (Song et al. 2023)") { options, _ in
      let teacher = try TeacherRecipe(options, isNeeded: true)
      let intervals = try options.integer(
        "intervals", default: 18, atLeast: 1, atMost: 100_000, "of the grid from ε to T")
      let rho = try rho(options)
      let method = try options.choice(
        "method", default: TeacherSteps.Method.heun, "of the teacher's steps: euler is DDIM, heun EDM's")
      let count = try options.integer("steps", default: 1, atLeast: 1, atMost: 1000, "of the teacher in an interval")
      let allSteps = intervals * TeacherSteps(method, count: count).parts
      guard allSteps <= 1_000_000 else {
        throw options.wrong("steps", "makes \(allSteps) times with intervals; allowed: at most 1000000")
      }
      let loss = try rowLoss(options, default: .squared)
      let target = try options.choice(
        "target", default: ConsistencyDistillation.Target.own,
        "parameters of the target: those that are trained, without a gradient, or their average")
      return ObjectiveRecipe(
        "consistency-distillation", usesKernel: true, trains: .map, teacher: teacher, unused: timesAndWeights
      ) { setting in
        ConsistencyDistillation(
          setting.model, teacher: try setting.requireTeacher(for: "consistency-distillation"), to: setting.end,
          intervals: intervals, rho: rho, steps: TeacherSteps(method, count: count),
          loss: loss.loss(setting.model.dataDimension), target: target, times: setting.times)
      }
    },
    Kind("consistency-training", "a consistency function without a teacher, iCT (Song and Dhariwal 2024)") {
      options, _ in
      let first = try options.integer("first", default: 10, atLeast: 1, atMost: 100_000, "intervals at the beginning")
      let largest = try options.integer("largest", default: 1280, atLeast: 1, atMost: 100_000, "intervals at most")
      let doubling = try options.integer(
        "doubling", default: 1000, atLeast: 1, "steps until intervals are twice as many")
      guard largest >= first else { throw options.wrong("largest", "is \(largest); allowed: at least first, \(first)") }
      let rho = try rho(options)
      let loss = try rowLoss(options, default: .pseudoHuber)
      return ObjectiveRecipe("consistency-training", usesKernel: true, trains: .map, unused: weights) { setting in
        ConsistencyTraining(
          setting.model, to: setting.end,
          curriculum: ConsistencyTraining.Curriculum(first: first, largest: largest, doubling: doubling), rho: rho,
          loss: loss.loss(setting.model.dataDimension), times: setting.times)
      }
    },
    Kind("easy-consistency", "a diffusion model tuned to a consistency function, ECT (Geng et al. 2024)") {
      options, _ in
      let q = try options.number("q", default: 2, in: .from(1 + 1e-6, below: 1e6), "of 1 − n(σ̃)/q^(1 + stage)")
      let k = try options.number("k", default: 8, in: .nonNegative, "of n(σ̃) = 1 + k/(1 + e^{b σ̃})")
      let b = try options.number("b", default: 1, in: .nonNegative, "likewise")
      let stage = try options.integer("stage_steps", default: 1000, atLeast: 1, "of a stage")
      let stages = try options.integer("stages", default: 8, atLeast: 1, atMost: 1000, "how many; the last goes on")
      guard Double(stages) * log2(q) <= 24 else {
        throw options.wrong("stages", "is \(stages) with q = \(q); allowed: q^stages of at most 2^24")
      }
      let huber = try options.number("huber", default: 0, in: .nonNegative, "c of √(‖e‖² + c²) − c")
      return ObjectiveRecipe("easy-consistency", usesKernel: true, trains: .map, unused: weights) { setting in
        EasyConsistency(
          setting.model, to: setting.end,
          mapping: EasyConsistency.Mapping(q: q, k: k, b: b, stage: stage, stages: stages),
          loss: .pseudoHuber(huber), times: setting.times)
      }
    },
    Kind("continuous-consistency", "a consistency function in continuous time, sCM (Lu and Song 2024)") { options, _ in
      let teacher = try TeacherRecipe(options, isNeeded: false)
      let normalisation = try options.number(
        "normalisation", default: 0.1, in: .positive, "c of g/(‖g‖ + c), the tangent's")
      let warmup = try options.integer(
        "tangent_warmup", default: 1000, atLeast: 0, "steps until all of the tangent counts")
      let learnsWeight = try options.rareFlag(
        "learned_weight", "the loss's weight at each noise level is learned, as in the paper, and not equal")
      var recipe = ObjectiveRecipe(
        "continuous-consistency", usesKernel: true, trains: .map, teacher: teacher, unused: weights
      ) { setting in
        ContinuousConsistency(
          setting.model, process: setting.process, teacher: setting.teacher, to: setting.end,
          normalisation: normalisation, warmup: warmup, times: setting.times)
      }
      (recipe.predictions, recipe.learnsWeight) = ([.edm], learnsWeight)
      return recipe
    },
    Kind(
      "distribution-matching", "a map that draws by a teacher's law, DMD2 (Yin et al. 2024) or SiD (Zhou et al. 2024)"
    ) { options, _ in
      let teacher = try TeacherRecipe(options, isNeeded: true)
      let starts = try starts(options)
      let name = try options.choice("divergence", default: DivergenceName.kl, "between both laws, that is made small")
      let alpha = try options.part(if: name == .fisher, needs: "divergence: fisher") {
        try $0.number("alpha", default: 1.2, in: .from(0, below: 1e6), "of Fisher's divergence")
      }
      let every = try options.integer(
        "every", default: 1, atLeast: 1, atMost: 1000, "steps of the companion for one of the map")
      let isSeparate = try options.rareFlag("separate", "every step has a network of its own, and a companion")
      if isSeparate, !(2...16).contains(starts.count), !options.isDescribing {
        throw options.wrong(
          "separate", "makes a network for each step, here \(starts.count); allowed: 2 to 16 steps, by steps or times")
      }
      var recipe = ObjectiveRecipe(
        "distribution-matching", usesKernel: true, trains: .map, teacher: teacher, unused: weights
      ) { setting in
        DistributionMatching(
          setting.model, teacher: try setting.requireTeacher(for: "distribution-matching"), to: setting.end,
          from: try starts.times(
            from: setting.model.duration, to: setting.end, kernel: setting.model.kernel),
          divergence: alpha.map { .fisher(alpha: $0) } ?? .kullbackLeibler, every: every, times: setting.times)
      }
      recipe.hasCompanion = true
      (recipe.starts, recipe.isSeparate) = (starts, isSeparate)
      return recipe
    },
    Kind("progressive-distillation", "a denoiser for ever fewer steps of ddim (Salimans and Ho 2022)") { options, _ in
      let teacher = try TeacherRecipe(options, isNeeded: false)
      let first = try options.integer("first", default: 64, atLeast: 1, atMost: 65_536, "the student's steps at first")
      let last = try options.integer("last", default: 1, atLeast: 1, atMost: 65_536, "the student's steps in the end")
      var steps = first
      while steps > last { steps /= 2 }
      guard steps == last, first % last == 0, (first / last).nonzeroBitCount == 1 else {
        throw options.wrong("first", "is \(first); allowed: last, \(last), times a power of 2")
      }
      let stage = try options.integer(
        "stage_steps", default: 1000, atLeast: 1, "optimiser steps until steps are halved")
      let spacing = try options.choice(
        "grid", default: ProgressiveDistillation.Spacing.uniform, "of the student's steps: equal in t, or in ln(m/σ)")
      return ObjectiveRecipe(
        "progressive-distillation", usesKernel: true, teacher: teacher, unused: timesAndWeights
      ) { setting in
        ProgressiveDistillation(
          setting.model, teacher: setting.teacher, to: setting.end, first: first, last: last, stage: stage,
          spacing: spacing, times: setting.times)
      }
    },
  ]

  private enum DivergenceName: String, CaseIterable {
    case kl, fisher
  }

  /// Where steps begin.
  private static func starts(_ options: Options) throws -> FlowMapRange.Starts {
    let times = try options.numbers("times", or: "grid", "where steps begin, falling from T; grid: by steps and grid")
    let steps = try options.part(if: times == nil, needs: "times: grid") {
      FlowMapRange.Starts.steps(
        try $0.integer(
          "steps", default: 1, atLeast: 1, atMost: 1000, "of sampling by kind: consistency, which rows begin at"),
        try $0.choice(
          "grid", default: ProgressiveDistillation.Spacing.logSignalToNoise, "of these steps, as in sampling")
          == .uniform ? .uniform : .logSignalToNoise)
    }
    guard let times else { return steps ?? .times([]) }
    guard zip(times, times.dropFirst()).allSatisfy({ $0 > $1 }) else {
      throw options.wrong("times", "does not fall; allowed: times that do, T first")
    }
    return .times(times)
  }

  private static func rho(_ options: Options) throws -> Double {
    try options.number("rho", default: 7, in: .from(1, below: 1e6), "of the grid: equal steps of (σ/m)^{1/ρ}")
  }

  /// How far a row is from its target.
  private struct LossOption {
    enum Kind: String, CaseIterable {
      case squared
      case pseudoHuber = "pseudo-huber"
    }
    let kind: Kind
    /// c; nil: 0.00054 √D.
    let c: Double?

    func loss(_ dimension: Int) -> RowLoss {
      kind == .squared ? .squared : .pseudoHuber(c ?? 0.00054 * Double(dimension).squareRoot())
    }
  }

  private static func rowLoss(_ options: Options, default usual: LossOption.Kind) throws -> LossOption {
    let kind = try options.choice("loss", default: usual, "of a row's distance e: ‖e‖², or √(‖e‖² + c²) − c")
    let c = try options.only(if: kind == .pseudoHuber, needs: "loss: pseudo-huber") {
      try options.number("huber", or: "auto", in: .nonNegative, "c; auto: 0.00054 √D")
    }
    return LossOption(kind: kind, c: c)
  }
}
