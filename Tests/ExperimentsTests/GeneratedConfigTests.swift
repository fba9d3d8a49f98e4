// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Experiments
import Foundation
import ScoreSDE
import Testing

/// Over everything that the catalogue has: a new kind is tested without being named.
@Suite("Every kind and every option") struct GeneratedConfigTests {
  private static let catalogue = Catalogue.standard

  private static func declared<Value>(_ kind: Kind<Value>) -> [Declaration] {
    let options = Options.describing()
    _ = try? kind.decode(options, catalogue)
    return options.declarations
  }

  /// Values for the options that have no default.
  private static func required(_ family: String, _ kind: String, _ folder: String) -> String {
    switch (family, kind) {
    case ("data", "gaussian-mixture"): "weights: [1, 1], means: [[-0.8], [0.8]], deviations: [0.5, 0.5], count: 100"
    case ("data", "uniform-box"): "low: [-1], high: [1], count: 100"
    case ("data", "csv"): "path: \(folder)/d.csv"
    case ("process", "ornstein-uhlenbeck"): "noise: [[1]]"
    case ("process", "schedule"): "alpha: [1, 0.5, 0.01], sigma: [0, 0.8, 1]"
    case ("process", "formula"): "alpha: '1 - t', sigma: t, duration: 0.99"
    case ("schedule", "betas"): "betas: [0.1, 0.5, 0.9, 0.9, 0.9]"
    case ("grid", "list"): "times: [1, 0.5, 0.001]"
    case ("solver", "probability-flow"), ("solver", "adaptive"), ("solver", "jolicoeur-martineau"): ""
    case ("solver", "annealed-langevin"): "steps: 4, steps_per_level: 3"
    case ("solver", _): "steps: 6"
    default: ""
    }
  }

  /// A config with one section of a kind; `more` stands within that section.
  private static func config(
    _ family: String, _ kind: String, _ more: String, folder: String = "/nowhere",
    process: String = "{kind: vp}"
  ) -> String {
    let own = [required(family, kind, folder), more].filter { !$0.isEmpty }
    // What is given twice is given as asked.
    let keys = Set(more.split(separator: ":").prefix(1).map { $0.trimmingCharacters(in: .whitespaces) })
    let parts = own[0...].enumerated().flatMap { index, part in
      index == 0 && own.count > 1 ? split(part).filter { !keys.contains(key(of: $0)) } : [part]
    }
    let section = "{" + (["kind: \(kind)"] + parts).joined(separator: ", ") + "}"
    func pick(_ name: String, _ usual: String) -> String { name == family ? section : usual }
    let isPositive = section.contains("geometric-brownian-motion")
    let data =
      "{kind: gaussian-mixture, weights: [1, 1], means: [[-0.8], [0.8]], deviations: [0.5, 0.5], count: 100\(isPositive ? ", exponential: true" : "")}"
    var score = pick("score", "{kind: exact}")
    var training = ""
    if family == "network" { score = "{kind: network, network: \(section)}" }
    if family == "objective" { score = "{kind: network, network: {kind: mlp, hidden: [8], features: 4}}" }
    if family == "score" && kind == "network" || family == "network" || family == "objective" {
      training = "training: {steps: 1, objective: \(pick("objective", "denoising"))}"
    }
    let solver =
      family == "solver"
      ? "{name: s, " + section.dropFirst()
      : "{name: s, kind: euler-maruyama, steps: \(family == "grid" && kind == "list" ? 2 : 6)}"
    let corrected = "{name: s, kind: predictor-corrector, steps: 6, corrector: \(section)}"
    return """
      name: c
      data: \(pick("data", ["unet", "diffusers"].contains(kind) ? "{kind: digits}" : data))
      coordinates: \(family == "coordinates" ? "[\(section)]" : "[]")
      process: \(pick("process", family == "schedule" ? (process == "{kind: vp}" ? "{kind: vp, schedule: SCHEDULE}" : process).replacing("SCHEDULE", with: section) : process))
      score: \(score)
      \(training)
      sampling:
        count: 8
        grid: \(pick("grid", "uniform"))
        trajectories: {first: 1}
        solvers: [\(family == "corrector" ? corrected : solver)]
      \(["bits-per-dimension"].contains(kind) ? "likelihood: {levels: 9}" : "")
      evaluation: {metrics: \(family == "metric" ? "[\(section)]" : "auto")}
      """
  }

  /// `a: [1, 2], b: 3` at the commas between options.
  private static func split(_ text: String) -> [String] {
    var (parts, depth) = ([""], 0)
    for c in text {
      if "[{".contains(c) { depth += 1 }
      if "]}".contains(c) { depth -= 1 }
      if c == "," && depth == 0 { parts.append("") } else { parts[parts.count - 1].append(c) }
    }
    return parts.map { $0.trimmingCharacters(in: .whitespaces) }
  }

  private static func key(of part: String) -> String { String(part.prefix { $0 != ":" }) }

  private static let families: [(name: String, kinds: [(name: String, options: [Declaration])])] = [
    ("data", catalogue.data.all.map { ($0.name, declared($0)) }),
    ("coordinates", catalogue.coordinates.all.map { ($0.name, declared($0)) }),
    ("process", catalogue.processes.all.map { ($0.name, declared($0)) }),
    ("schedule", catalogue.schedules.all.map { ($0.name, declared($0)) }),
    ("score", catalogue.scores.all.map { ($0.name, declared($0)) }),
    ("network", catalogue.networks.all.map { ($0.name, declared($0)) }),
    ("objective", catalogue.objectives.all.map { ($0.name, declared($0)) }),
    (
      "solver",
      catalogue.predictors.all.map { kind in
        (
          kind.name,
          declared(kind)
            + [
              Kind<Int>("", "") { options, catalogue in
                _ = try options.integer("steps", example: 6, atLeast: 1, "")
                return 0
              }
            ].flatMap(declared)
        )
      } + catalogue.solvers.all.map { ($0.name, declared($0)) }
    ),
    ("corrector", catalogue.correctors.all.map { ($0.name, declared($0)) }),
    ("grid", catalogue.grids.all.map { ($0.name, declared($0)) }),
    (
      "metric",
      catalogue.metrics.all.map { ($0.name, declared($0)) } + catalogue.modelMetrics.all.map { ($0.name, declared($0)) }
    ),
  ]

  /// Values worth trying, as they are written in a config.
  private static func values(_ option: Declaration) -> [String] {
    if option.type.hasPrefix("one of ") {
      return option.type.dropFirst(7).components(separatedBy: ", ").filter { $0 != option.defaultText }
    }
    switch option.type {
    case "true or false": return [option.defaultText == "true" ? "false" : "true"]
    case "integer": return [(Int(option.defaultText ?? "") ?? 5) + 1, 1, 2, 40].map(String.init)
    case "number":
      let usual = Double(option.defaultText ?? "") ?? 0.5
      return [usual * 0.5, usual + 0.125, 0.4, 2, 1e-3].map(written).filter { $0 != option.defaultText }
    default: return []
    }
  }

  @Test("every key of every kind is in the listing, in messages and in the resolved config")
  func keys() throws {
    let listing = Listing().text()
    try withFolder { folder in
      try Data(("x,y\n" + (0..<30).map { "\($0 % 7),\($0 % 5)\n" }.joined()).utf8).write(
        to: URL(fileURLWithPath: folder + "/d.csv"))
      var checked = 0
      for (family, kinds) in Self.families {
        for (kind, options) in kinds {
          for option in options { #expect(listing.contains("      \(option.key) "), "\(kind).\(option.key)") }
          // As it is, and with each option changed: the branches that an option opens.
          let changes = [""] + options.flatMap { option in Self.values(option).map { "\(option.key): \($0)" } }
          for change in changes {
            let text = Self.config(family, kind, change, folder: folder)
            guard let whole = try? plan(text) else { continue }
            let unknown = Self.config(family, kind, change.isEmpty ? "zzzz: 1" : "\(change), zzzz: 1", folder: folder)
            let error = #expect(throws: InputError.self) { try plan(unknown) }
            let message = "\(error?.message ?? ""),"
            #expect(message.hasPrefix("unknown key; allowed: "), "\(unknown): \(message)")
            for option in options { #expect(message.contains(" \(option.key),"), "\(kind).\(option.key): \(message)") }
            if change.isEmpty {
              // Options of another branch have no place there.
              for option in options where !["formula"].contains(kind) {
                #expect(
                  whole.resolved.contains("\(option.key): ") || whole.resolved.contains("\(option.key):\n"),
                  "\(kind).\(option.key)\n\(whole.resolved)")
              }
            }
            #expect(try plan(whole.resolved).resolved == whole.resolved, "\(text)")
            checked += 1
          }
        }
      }
      #expect(checked > 150, "\(checked)")
    }
  }

  @Test("every key of a section is in its messages")
  func sections() throws {
    let listing = Listing().text()
    for (section, place) in [
      ("config", "zzzz"), ("training", "training.zzzz"), ("sampling", "sampling.zzzz"),
      ("sampling.trajectories", "sampling.trajectories.zzzz"), ("likelihood", "likelihood.zzzz"),
      ("evaluation", "evaluation.zzzz"),
    ] {
      let lines = listing.components(separatedBy: "\n")
      let first = try #require(lines.firstIndex(of: "\(section):"))
      // What goes on below an option is further in.
      let keys = lines[(first + 1)...].prefix { $0.hasPrefix("  ") }.filter { !$0.hasPrefix("   ") }
        .compactMap { $0.split(separator: " ").first }
      #expect(!keys.isEmpty)
      let error = #expect(throws: InputError.self) { try plan(tiny, overrides: ["\(place)=1"]) }
      let message = (error?.message ?? "") + ","
      for key in keys { #expect(message.contains(" \(key),"), "\(section).\(key): \(message)") }
    }
    #expect(listing.contains("deviations (one of deviations, covariances)"))
  }

  /// Samples of the only solver of a config.
  private func draw(_ plan: ExperimentPlan, _ solver: any Solver, count: Int = 64) throws -> Samples {
    let law = try #require(plan.data.law)
    let score = try #require(plan.prepared.exactScore(of: law))
    return try Sampler(
      process: plan.prepared, score: score, dimension: plan.data.dimension, seed: 1, epsilon: plan.sampling.epsilon,
      grid: plan.sampling.grid
    ).draw(count, with: solver)
  }

  @Test("an option of a solver, a corrector or a grid changes the samples, or is refused")
  func effects() throws {
    var refused = 0
    for family in ["solver", "corrector", "grid"] {
      let kinds = try #require(Self.families.first { $0.name == family }).kinds
      for (kind, options) in kinds {
        // A predictor's `last_step` and the like stand beside its own options.
        let all = family == "solver" && Self.catalogue.predictors[kind] != nil ? options + Self.stepping : options
        for option in all where option.key != "grid" || option.type != "" {
          let outcomes = Self.values(option).map { value -> Bool? in
            let change = "\(option.key): \(value)"
            guard let usual = try? plan(Self.config(family, kind, "")) else { return nil }
            guard let changed = try? plan(Self.config(family, kind, change)) else { return nil }
            let before = try? draw(usual, usual.sampling.solvers[0].solver)
            // What it makes fail has an effect.
            guard let after = try? draw(changed, changed.sampling.solvers[0].solver) else { return true }
            return before?.batch != after.batch || option.key == "dense"
          }
          if outcomes.isEmpty { continue }
          if outcomes.allSatisfy({ $0 == nil }) { refused += 1 }
          // Bounds that nothing touches; and Metropolis steps are those of Langevin where all are accepted.
          let isBound = ["max_steps", "first_step", "corrector"].contains(option.key)
          #expect(
            isBound || outcomes.contains(true) || outcomes.allSatisfy { $0 == nil },
            "\(kind).\(option.key): \(outcomes)")
        }
      }
    }
    #expect(refused > 5)
  }

  /// Two classes of points in the plane, as images of 2 × 1, and rows that were learned from.
  private static func comparison(_ seed: UInt64) -> Comparison {
    func draw(_ count: Int, _ step: Int) -> Batch {
      var rows = NoiseStream(seed: 4, purpose: .data).normals(count: count, dimension: 2, step: step)
      for i in 0..<count where i % 2 == 1 { rows[i, 0] += 3 }
      return rows
    }
    let reference = Reference(
      heldOut: draw(200, 1), heldOutConditions: .labels((0..<200).map { $0 % 2 }), training: draw(300, 2),
      trainingConditions: .labels((0..<300).map { $0 % 2 }),
      image: Comparison.Image(height: 2, width: 1, channels: 1))
    return Comparison(
      samples: draw(180, 3), sampleConditions: .labels((0..<180).map { $0 % 2 }), reference: reference,
      truth: draw(30, 4), seed: seed, bootstrap: 20)
  }

  @Test("every metric has a value and an interval with the value in it, and an option of one changes it or is refused")
  func metrics() throws {
    for kind in Self.catalogue.metrics.all {
      func estimate(_ change: String) throws -> Estimate? {
        guard let plan = try? plan(Self.config("metric", kind.name, change)) else { return nil }
        return try plan.evaluation.metrics[0].metric.estimate(Self.comparison(3))
      }
      let usual = try #require(try estimate(""), "\(kind.name)")
      #expect(usual.value.isFinite, "\(kind.name)")
      if let low = usual.low, let high = usual.high {
        #expect(low <= usual.value && usual.value <= high, "\(kind.name): \(low) \(usual.value) \(high)")
      }
      for option in Self.declared(kind) {
        let outcomes = try Self.values(option).map { try estimate("\(option.key): \($0)") }
        #expect(
          outcomes.isEmpty || outcomes.contains { $0 != usual }, "\(kind.name).\(option.key) changes nothing")
      }
    }
  }

  private static let stepping = declared(
    Kind<Int>("", "") { options, _ in
      _ = try options.choice("last_step", default: FixedSteps.LastStep.auto, "")
      return 0
    })

  // MARK: Extremes

  /// For what needs no score.
  private struct Nothing: Score {
    func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator { throw InputError("there is no score") }
  }

  private static let extremes = [
    "1e-300", "1e-100", "1e-30", "1e-12", "1e-6", "1e-3", "0.1", "0.5", "0.9", "0.999", "1", "2", "10", "1e3", "4e3",
    "1e6", "1e12", "1e30", "1e100", "1e300", "-1e300", "-50", "-1e-300",
  ]

  @Test(
    "numbers at the ends of what is allowed are refused, or sampling is finite",
    arguments: ["process", "vp", "sub-vp", "ve", "cld"])
  func finite(family: String) throws {
    let isProcess = family == "process"
    let kinds = try #require(Self.families.first { $0.name == (isProcess ? "process" : "schedule") }).kinds
    let solvers: [any Solver] = [
      FixedSteps(EulerMaruyama(), steps: 12), FixedSteps(ReverseDiffusion(), steps: 12),
      FixedSteps(RungeKutta(.rk4), steps: 12), FixedSteps(DDIM(eta: 0), steps: 12), FixedSteps(UniPC(), steps: 12),
      FixedSteps(EDMHeun(), steps: 12), FixedSteps(AdditiveRungeKutta(.sra1), steps: 12),
    ]
    var (run, refused) = (0, 0)
    for (kind, options) in kinds {
      for option in options where option.type == "number" || option.type == "integer" {
        for value in Self.extremes + (option.type == "integer" ? ["1000000"] : []) {
          // A million levels are asked for once: making them takes a while.
          if option.type == "integer" && value == "1000000" && family != "vp" { continue }
          let text = Self.config(
            isProcess ? "process" : "schedule", kind, "\(option.key): \(value)",
            process: "{kind: \(family), schedule: SCHEDULE}")
          let plan: ExperimentPlan
          do {
            plan = try ExperimentPlan(ConfigSource(text: text, path: "test.yaml"))
          } catch let error as InputError {
            #expect(!error.description.contains("\n"))
            refused += 1
            continue
          }
          run += 1
          let setting = SamplingSetting(
            plan.prepared, epsilon: plan.sampling.epsilon, grid: plan.sampling.grid, traits: [.logDensity, .jacobian])
          for solver in solvers where (try? solver.check(setting)) != nil {
            // Long steps of noise that is proportional to the state leave the positive numbers, whatever the options.
            if plan.prepared.transformed != nil {
              #expect(
                try Sampler(process: plan.prepared, score: Nothing(), dimension: 1, seed: 1).prior(64)
                  .values.allSatisfy { $0 > 0 && $0.isFinite })
              continue
            }
            do {
              _ = try draw(plan, solver, count: 4)
            } catch {
              Issue.record("\(family) \(kind).\(option.key) = \(value): \(error) of \(solver)")
            }
          }
        }
      }
    }
    #expect(run > 30 && refused > 30, "\(run) run, \(refused) refused")
  }

  @Test("grids at the ends of their options fall, or are refused")
  func grids() throws {
    let kinds = try #require(Self.families.first { $0.name == "grid" }).kinds
    var (fallen, refused) = (0, 0)
    for process in ["vp", "sub-vp", "ve", "edm", "rectified-flow", "iddpm", "vp, schedule: cosine", "cld"] {
      // The times of an optimised grid are found when a solver draws: OptimisedGridTests.
      for (kind, options) in kinds where kind != "list" && kind != "optimised" {
        let changes = [""] + options.flatMap { option in Self.extremes.map { "\(option.key): \($0)" } }
        for change in changes {
          for steps in [1, 2, 7, 1000] {
            let text = Self.config("grid", kind, change, process: "{kind: \(process)}")
              .replacing("steps: 6", with: "steps: \(steps)")
            guard let plan = try? ExperimentPlan(ConfigSource(text: text, path: "test.yaml")) else {
              refused += 1
              continue
            }
            let setting = SamplingSetting(
              plan.prepared, epsilon: plan.sampling.epsilon, grid: plan.sampling.grid, traits: [])
            let times = try setting.times(steps: steps, grid: nil)
            #expect(times.count == steps + 1 && times.allSatisfy(\.isFinite))
            #expect(zip(times, times.dropFirst()).allSatisfy { $0 > $1 }, "\(text)")
            fallen += 1
          }
        }
      }
    }
    #expect(fallen > 300, "\(fallen) \(refused)")
  }
}
