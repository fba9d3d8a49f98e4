// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Training

// Objectives of maps between any two times.
extension Catalogue {
  static let flowMapObjectives: [Kind<ObjectiveRecipe>] = [
    Kind("lagrangian", "a flow map whose end moves with the flow (Boffi et al. 2024, 2025); wants second: true") {
      options, _ in
      try flowMap("lagrangian", options, diagonal: 0.5, weights, goesForward: true, choosesTimes: true) {
        base, setting in
        LagrangianMap(base, times: setting.times)
      }
    },
    Kind("eulerian", "a flow map whose end stays as its beginning moves (Boffi et al. 2024, 2025); wants second: true")
    {
      options, _ in
      try flowMap("eulerian", options, diagonal: 0.5, weights, choosesTimes: true) { base, setting in
        EulerianMap(base, times: setting.times)
      }
    },
    Kind("progressive", "a flow map whose long steps are two short ones (Boffi et al. 2025); wants second: true") {
      options, _ in
      try flowMap("progressive", options, diagonal: 0.5, weights, choosesTimes: true) { base, setting in
        ProgressiveMap(base, times: setting.times)
      }
    },
    Kind("mean-flow", "a flow map by its mean velocity, MeanFlow (Geng et al. 2025); wants second: true") {
      options, _ in
      let power = try options.number("power", default: 1, in: .closed(0, 1), "p of the weight 1/(‖e‖² + c)^p")
      let offset = try options.number("offset", default: 1e-3, in: .positive, "c, likewise")
      return try flowMap("mean-flow", options, diagonal: 0.75, weights) { base, setting in
        MeanFlow(base, power: power, offset: offset, times: setting.times)
      }
    },
    Kind("shortcut", "a flow map by steps of halves, shortcut models (Frans et al. 2024); wants second: true") {
      options, _ in
      let levels = try options.integer(
        "levels", default: 7, atLeast: 1, atMost: 30, "log₂ of how many of the smallest steps there are")
      return try flowMap("shortcut", options, diagonal: 0.75, weights) { base, setting in
        ShortcutMap(base, levels: levels, times: setting.times)
      }
    },
  ]

  /// What all of them ask for.
  private static func flowMap(
    _ name: String, _ options: Options, diagonal: Double, _ unused: [String], goesForward: Bool = false,
    choosesTimes: Bool = false, _ make: @escaping @Sendable (TwoTimes, ObjectiveSetting) -> any Objective
  ) throws -> ObjectiveRecipe {
    let teacher = try TeacherRecipe(options, isNeeded: false)
    let share = try options.number(
      "diagonal", default: diagonal, in: .between(0, 1), "share of rows whose two times are equal, where D is learned")
    let forward =
      goesForward
      ? try options.number(
        "forward", default: 0, in: .closed(0, 1),
        "share of the other rows whose map goes from small noise to large, as likelihoods by the map want it") : 0
    if forward == 0, goesForward { options.settleAbsent("forward") }
    let secondTimes =
      choosesTimes
      ? try options.choice(
        "second_times", default: TwoTimes.SecondTimes.logRatio,
        "between ε and the first: uniform in ln(σ/m), or in t, which is better where ln(σ/m) reaches far at T, as of "
          + "straight paths") : .logRatio
    var recipe = ObjectiveRecipe(
      name, usesKernel: true, trains: .both, isOfTwoTimes: true, teacher: teacher, unused: unused
    ) { setting in
      make(
        TwoTimes(
          setting.model, process: setting.process, teacher: setting.teacher, to: setting.end, diagonal: share,
          forward: forward, secondTimes: secondTimes), setting)
    }
    recipe.goesForward = forward > 0
    return recipe
  }
}
