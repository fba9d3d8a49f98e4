// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Processes
import Scores

/// What guidances by a class have in common: a weight, and where it acts.
struct GuidanceWeight: Sendable {
  /// w of s = s_∅ + w (s_c − s_∅).
  let value: Double
  /// σ_low and σ_high; nil: everywhere.
  let levels: (low: Double, high: Double)?

  /// Whether guidance changes nothing.
  var isOne: Bool { value == 1 }

  init(_ options: Options, default usual: Double = 2, _ about: String) throws {
    value = try options.number("weight", default: usual, in: .any, about)
    let levels = try options.numbers(
      "interval", or: "all", "σ_low and σ_high: the weight acts where σ_low < σ/m ≤ σ_high, and is 1 elsewhere")
    guard let levels else {
      self.levels = nil
      return
    }
    guard levels.count == 2, levels[0] >= 0, levels[0] < levels[1] else {
      throw options.wrong(
        "interval",
        "is [\(levels.map(written).joined(separator: ", "))]; allowed: two noise levels σ/m of 0 or more, the lower one first"
      )
    }
    self.levels = (levels[0], levels[1])
  }

  func check(_ setting: GuidanceSetting) throws {
    guard let levels else { return }
    try setting.requireKernel()
    guard let end = setting.process.scalarKernel?.moments(at: setting.process.duration) else { return }
    let highest = end.variance.squareRoot() / end.scale
    guard levels.low < highest else {
      throw InputError(
        "interval [\(written(levels.low)), \(written(levels.high))] lies above σ/m at T, \(short(highest)), so that the "
          + "weight acts nowhere; allowed: a lower σ_low")
    }
  }

  func interval(_ problem: GuidanceProblem) throws -> GuidanceInterval? {
    try levels.map { GuidanceInterval($0.low, $0.high, kernel: try problem.requireKernel()) }
  }
}

extension GuidanceSetting {
  /// - Throws: `InputError` for a score that can be told nothing of a row.
  func requireConditions(_ kind: String) throws {
    guard conditionShape != .nothing else {
      throw InputError(
        "\(kind) needs a score that knows conditions; allowed: a network with conditional: true, trained with "
          + "condition_dropout, or score exact on a mixture with classes")
    }
  }
}

extension ScoreSource {
  /// The score with the rows' conditions and the one without, both in one batch.
  /// - Parameters:
  ///   - conditions: those of the rows.
  ///   - kind: the guidance, for messages.
  ///   - negative: a text that stands in place of nothing.
  /// - Throws: `InputError` where one of them is not known, or both are the same.
  func pair(given conditions: Conditions, for kind: String, negative: String? = nil) throws -> ScorePair {
    guard conditionShape != .nothing else {
      throw InputError("\(kind) needs a score that knows conditions; this one knows none", at: "sampling.guidance")
    }
    guard negative == nil || conditionShape == .text else {
      throw InputError(
        "\(kind): negative is a text; the score knows \(conditionShape.text)", at: "sampling.guidance")
    }
    guard knowsNothing || negative != nil else {
      throw InputError(GuidanceSetting.nothingNeeded(kind), at: "sampling.guidance")
    }
    let other = negative.map { Conditions.all(.text($0)) } ?? .nothing
    return ScorePair(
      with: try score(given: conditions), without: try score(given: other),
      together: try score(given: .interleaved([conditions, other])))
  }
}

/// Classifier-free guidance: s = s_∅ + w (s_c − s_∅) (Ho and Salimans 2022).
struct ClassifierFree: Guidance {
  let weight: GuidanceWeight
  /// φ of Lin et al.; 0: nothing is rescaled.
  let rescale: Double
  let quantity: ExtrapolatedScore.Rescaling.Quantity
  /// What the score is led away from, in place of nothing; nil: nothing.
  let negative: String?

  private var rescales: Bool { rescale > 0 && !weight.isOne }

  var usesCondition: Bool { true }
  var texts: [String] { negative.map { [$0] } ?? [] }

  func offersProducts(_ given: Bool) -> Bool { given && !rescales }
  func traits(of traits: ScoreTraits) -> ScoreTraits {
    if weight.isOne { return traits }
    return rescales ? traits.intersection(.memory) : traits.subtracting(.logDensity)
  }

  func check(_ setting: GuidanceSetting) throws {
    try setting.requireConditions("classifier-free")
    if negative != nil, let shape = setting.conditionShape, shape != .text {
      throw InputError("negative is a text; the score knows \(shape.text)")
    }
    if negative == nil { try setting.requireNothing("classifier-free") }
    try weight.check(setting)
    guard rescale > 0 else { return }
    try setting.requireKernel()
    guard setting.data.dimension > 1 else {
      throw InputError("rescale needs rows of 2 values or more, which have a standard deviation")
    }
  }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    let pair = try source.pair(given: conditions, for: "classifier-free", negative: negative)
    if weight.isOne { return pair.with }
    return ExtrapolatedScore(
      pair, weight: weight.value, interval: try weight.interval(problem),
      rescaling: rescales
        ? ExtrapolatedScore.Rescaling(rescale, of: quantity, kernel: try problem.requireKernel()) : nil)
  }
}

/// Adaptive projected guidance (Sadat et al. 2024).
struct AdaptiveProjected: Guidance {
  let weight: GuidanceWeight
  /// η
  let parallel: Double
  /// r; nil: none.
  let threshold: Double?
  /// β
  let momentum: Double

  var usesCondition: Bool { true }

  func offersProducts(_ given: Bool) -> Bool { given && weight.isOne }
  func traits(of traits: ScoreTraits) -> ScoreTraits {
    if weight.isOne { return traits }
    return momentum == 0 ? traits.intersection(.memory) : .memory
  }

  func check(_ setting: GuidanceSetting) throws {
    try setting.requireConditions("adaptive-projected")
    try setting.requireNothing("adaptive-projected")
    try setting.requireKernel()
    try weight.check(setting)
  }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    let pair = try source.pair(given: conditions, for: "adaptive-projected")
    if weight.isOne { return pair.with }
    return ProjectedScore(
      pair, weight: weight.value, parallel: parallel, threshold: threshold, momentum: momentum,
      interval: try weight.interval(problem), kernel: try problem.requireKernel())
  }
}

/// Autoguidance: s = s_weak + w (s − s_weak), away from what a weaker network of the same kind makes (Karras et al.
/// 2024).
struct Autoguidance: Guidance {
  let weight: GuidanceWeight
  /// The weaker network's file, or the folder of its results.
  let path: String

  func traits(of traits: ScoreTraits) -> ScoreTraits { weight.isOne ? traits : traits.intersection(.memory) }

  func check(_ setting: GuidanceSetting) throws { try weight.check(setting) }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    let own = try source.score(given: conditions)
    let weak = try CheckpointScoreRecipe(path: file).resolve(in: problem.scoreSetting)
    if weight.isOne { return own }
    return ExtrapolatedScore(
      ScorePair(with: own, without: try weak.score(given: try weakConditions(conditions, weak))),
      weight: weight.value, interval: try weight.interval(problem))
  }

  /// What the weaker network is told: the same, or nothing where it knows no conditions.
  private func weakConditions(_ conditions: Conditions, _ weak: ScoreSource) throws -> Conditions {
    if weak.conditionShape == .nothing { return .nothing }
    guard conditions == .nothing else { return conditions }
    guard weak.knowsNothing else {
      throw InputError(
        "its network wants \(weak.conditionText), and the samples have no condition", at: path)
    }
    return .nothing
  }

  private var file: String {
    path.hasSuffix(".safetensors") ? path : "\(path)/checkpoint.safetensors"
  }
}
