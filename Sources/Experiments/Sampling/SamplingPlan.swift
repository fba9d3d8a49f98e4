// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Plots
import Processes
import Scores
import Solvers

/// What is drawn, and by which solvers.
public struct SamplingPlan: Sendable {
  /// How many samples each solver draws.
  public let count: Int
  /// What a score is told of each sample.
  public let condition: ConditionPlan
  /// What was seen of the samples; nil: nothing.
  public let observation: ObservationPlan?
  /// The guidance of solvers without one of their own, and then each that a solver has of its own; nil: the score as it
  /// is.
  public let guidances: [(any Guidance)?]
  /// The classes that samples can be told though the score knows none, as a guidance knows them; nil: there are none.
  let toldByGuidance: (shape: ConditionShape, occurring: [Int]?)?
  /// nil: the score as it is.
  public var guidance: (any Guidance)? { guidances[0] }
  /// Where samples begin; nil: at T, with draws of the prior.
  public let start: (any StartRecipe)?
  /// ε: where solvers stop.
  public let epsilon: Double
  /// Which noise solvers see.
  public let path: PathKind
  /// The times of solvers with fixed steps that have no grid of their own.
  public let grid: any TimeGrid
  /// How samples are written.
  public let format: Format
  /// The kinds of files of figures.
  public let figures: [Figure.Format]
  /// Times at which arrows of the score are drawn, in the order given.
  public let field: [Double]
  /// nil: none are kept.
  public let trajectories: TrajectoryPlan?
  /// The solvers in their order.
  public let solvers: [NamedSolver]

  /// Which noise solvers see.
  public enum PathKind: String, Sendable, CaseIterable {
    /// Fresh normals for every step (`IndependentPath`).
    case independent
    /// One Brownian path a row for all solvers (`CoupledPath`).
    case coupled
  }

  /// How samples are written.
  public enum Format: String, Sendable, CaseIterable {
    /// A text table.
    case csv
    /// NumPy's format, in doubles.
    case npy
  }

  /// A solver under the name that results have it.
  public struct NamedSolver: Sendable {
    /// The name in tables and file names.
    public let name: String
    /// The kind that the config says.
    public let kind: String
    /// The solver itself.
    public let solver: any Solver
    /// Whether it ends with Tweedie's mean at ε.
    public let denoise: Bool
    /// Which of `guidances` it draws under; 0: that of all solvers.
    public let guidance: Int
  }

  /// - Parameters:
  ///   - conditionShape: what the score can be told of each row; nil where that is not known yet.
  ///   - occurringClasses: the classes that it learns; nil: all, or that is not known yet.
  ///   - knowsNothing: whether it knows rows of which nothing is said; nil where that is not known yet.
  ///   - traits: what the score offers.
  ///   - map: between which times its network maps; nil: it is a score alone.
  ///   - source: what samples begin with, unless `start` says otherwise; nil: draws of the prior.
  ///   - data: the data, and as a model sees them; nil while options are only described.
  init(
    _ options: Options, process: PreparedProcess, conditionShape: ConditionShape?, occurringClasses: [Int]? = nil,
    knowsNothing: Bool? = nil, traits: ScoreTraits, map: FlowMapRange? = nil, source: SourceLaw? = nil,
    data: (own: any DataSource, seen: any DataSource)? = nil, _ catalogue: Catalogue
  ) throws {
    let count = try options.integer("count", atLeast: 0, atMost: 100_000_000, "samples a solver draws")
    self.count = count
    condition = try ConditionPlan(options)
    let observed = try options.optionalSection("observation", "what was seen of the samples: posteriors are drawn")
    // Options that are only described stand for no observation.
    let observation =
      options.isDescribing
      ? observed.flatMap { try? ObservationPlan($0, data: nil, count: count, catalogue) }
      : try observed.map { try ObservationPlan($0, data: data?.own, count: count, catalogue) }
    try observed?.finish()
    self.observation = observation
    func isFine(_ guidance: (any Guidance)?, _ options: Options) throws {
      guard let guidance, let data else { return }
      if let map, !map.isScore, !guidance.replacesScore {
        throw options.wrong(
          "guidance", "leads a score, and the network is a flow map alone; allowed: none, or other-score")
      }
      try options.located("guidance") {
        try guidance.check(
          GuidanceSetting(
            process: process, data: data.seen, traits: traits, conditionShape: conditionShape,
            model: observation?.model, knowsNothing: knowsNothing))
      }
    }
    let shared = try options.guidance(in: catalogue, "how the score is guided by conditions or an observation")
    try isFine(shared, options)
    var guidances = [shared]
    epsilon = try options.number(
      "epsilon", default: process.sde.samplingEpsilon, in: .between(0, process.duration),
      "where solvers stop; default by process")
    let named = try options.kind(
      "start", of: catalogue.starts, or: "prior", in: catalogue,
      "where samples begin: with draws of the prior or of the source at T, or later, with rows of data")
    start = named ?? source.map { SourceStart(source: $0, count: count) }
    if let start = named, let data {
      try options.located("start") { try start.check(process, data.own, count: count) }
      let time = start.time ?? process.duration
      guard time > epsilon, time <= process.duration else {
        throw options.wrong(
          "start",
          "is at the time \(written(time)); allowed: above epsilon, \(written(epsilon)), at most "
            + written(process.duration))
      }
    }
    grid = try options.kind(
      "grid", of: catalogue.grids, default: process.sde.samplingSpacing.rawValue, in: catalogue,
      "the spacing of fixed steps; default by process")
    path = try options.choice(
      "path", default: PathKind.independent,
      "noise: fresh for every step, or one Brownian path per row for all solvers")
    format = try options.choice(
      "format", default: Format.csv, "of sample files; always npy above 256 columns")
    figures = try options.names(
      "figures", default: ["png"], among: Figure.Format.allCases.map(\.rawValue),
      "the kinds of files of figures; [] for none"
    ).compactMap(Figure.Format.init)
    field = try Self.field(options, process, data?.seen.dimension)
    if let map, !map.isScore, shared == nil { try options.refuse("field", needs: "a score, and not a flow map alone") }
    let followed = try options.optionalSection(
      "trajectories", "rows to follow: trajectories.csv, film strips, animations")
    let rows = max(1, count)
    trajectories = try followed.map { try TrajectoryPlan($0, count: rows) }
    try followed?.finish()
    var solvers: [NamedSolver] = []
    for section in try options.sections("solvers", required: true, "each with `name`, `kind` and the kind's options") {
      let name = try Self.name(section)
      try Self.requireFree(name, solvers.map(\.name), section)
      let solver = try section.kind(of: catalogue.allSolvers, in: catalogue)
      let denoise = try Self.denoise(section)
      var own = 0
      if section.has("guidance") || section.isDescribing {
        let ownGuidance = try section.guidance(in: catalogue, "of this solver alone; default: that of all")
        try isFine(ownGuidance, section)
        own = guidances.count
        guidances.append(ownGuidance)
      }
      let (guidance, start) = (guidances[own], self.start)
      let setting = SamplingSetting(
        process, start: start?.time, epsilon: epsilon, grid: grid, traits: guidance?.traits(of: traits) ?? traits,
        map: guidance == nil ? map : nil)
      try section.finish(also: ["kind"])
      try section.located("kind", prefix: "\(section.kindName): ") {
        try setting.checkable(solver).check(setting)
        if data != nil { try guidance?.check(solver) }
        if start != nil, guidance?.beginsByItself ?? false {
          throw InputError("its guidance begins with draws of its own; allowed: no sampling.start")
        }
      }
      if solver.endsWithData { try section.refuse("denoise", needs: "a solver that ends at epsilon") }
      if trajectories == nil { try section.refuse("dense", needs: "sampling.trajectories") }
      solvers.append(NamedSolver(name: name, kind: section.kindName, solver: solver, denoise: denoise, guidance: own))
    }
    if count == 0 && !solvers.isEmpty {
      throw options.wrong("count", "is 0, and there are solvers; allowed: 1 or more")
    }
    self.solvers = solvers
    self.guidances = guidances
    let told = data.flatMap { Self.classes(of: guidances, by: conditionShape, data: $0.seen) }
    toldByGuidance = told
    try condition.check(
      options, shape: told?.shape ?? conditionShape, occurring: told.map { $0.occurring } ?? occurringClasses)
    let leading = guidances.indices.first { guidances[$0]?.usesCondition ?? false }
    if let leading, data != nil, condition.isNothing(for: told?.shape ?? conditionShape) {
      let place = leading == 0 ? "guidance" : "solvers"
      throw options.wrong(place, SamplingPlan.nothingToLeadBy)
    }
    if observation != nil, !guidances.contains(where: { $0?.usesObservation ?? false }) {
      try options.refuse("observation", needs: "a guidance that looks at it, as dps")
    }
    if !solvers.isEmpty && !solvers.contains(where: { $0.solver.usesSharedGrid }) {
      try options.refuse("grid", needs: "a solver of fixed steps without a grid of its own")
    }
    if !solvers.isEmpty && !solvers.contains(where: { $0.solver.usesSharedPath }) {
      try options.refuse("path", needs: "a solver of fixed steps that adds noise")
    }
  }

  /// What is said of a guidance by conditions where samples have none.
  static let nothingToLeadBy =
    "leads by the samples' condition, and sampling.condition is nothing; allowed: {class: …} or another condition"

  /// The classes that a guidance knows, where the score knows none.
  private static func classes(
    of guidances: [(any Guidance)?], by shape: ConditionShape?, data: any DataSource
  ) -> (shape: ConditionShape, occurring: [Int]?)? {
    guard shape == .nothing else { return nil }
    let known = guidances.compactMap { $0?.conditionShape(of: shape, for: data) }.first { $0 != .nothing }
    return known.map { ($0, data.occurringClasses) }
  }

  /// How far apart the first rows of two repeats are in the streams of noise: whole blocks of rows, as a block's spare
  /// rows are drawn too.
  static func stride(of count: Int, _ score: any Score) -> Int {
    Shards(rows: count, size: score.shardRows).count * score.shardRows
  }

  /// The times of `field.png`.
  private static func field(_ options: Options, _ process: PreparedProcess, _ dimension: Int?) throws -> [Double] {
    guard
      let times = try options.numbers("field", or: "none", "times at which arrows of the score are drawn: field.png")
    else { return [] }
    for time in times where !(time > 0 && time <= process.duration) {
      throw options.wrong(
        "field", "holds \(written(time)); allowed: times above 0, at most \(written(process.duration))")
    }
    guard times.count <= 12 else { throw options.wrong("field", "has \(times.count) times; allowed: at most 12") }
    if let dimension, process.sde.stateDimension(of: dimension) != 2 {
      throw options.wrong("field", "has no effect; it needs states of 2 values, which arrows in the plane can show")
    }
    return times
  }

  static func name(_ section: Options) throws -> String {
    let name = try section.text(
      "name", example: "name", allowed: fileNameRule, "names the solver's files; used once")
    guard isFileName(name) else {
      throw section.wrong("name", "is '\(ConfigTree.oneLine(name))'; allowed: \(fileNameRule)")
    }
    return name
  }

  static func denoise(_ section: Options) throws -> Bool {
    try section.flag("denoise", default: true, "end with Tweedie's mean at ε, one more evaluation")
  }

  /// Two solvers must not share a file: their names differ in more than case, which some file systems do not see, and
  /// none is that of another's film strip.
  private static func requireFree(_ name: String, _ others: [String], _ section: Options) throws {
    let lower = name.lowercased()
    for other in others {
      if other.lowercased() == lower {
        throw section.wrong(
          "name", "'\(name)' names two solvers\(other == name ? "" : ", as '\(other)' does"); allowed: once")
      }
      for (a, b) in [(lower, other.lowercased()), (other.lowercased(), lower)] {
        let ending = a.hasPrefix(b) ? a.dropFirst(b.count) : ""
        let isRepeat = ending.hasPrefix("-repeat-") && ending.dropFirst(8).allSatisfy(\.isNumber)
        if isRepeat
          || ["-strip", "-animation", "-trajectories", "-posterior", "-spread", "-edit"].contains(String(ending))
        {
          throw section.wrong("name", "'\(name)' beside '\(other)' names a file of its; allowed: another name")
        }
      }
    }
  }
}

extension Solver {
  /// Whether its steps are spaced by `sampling.grid`.
  fileprivate var usesSharedGrid: Bool { steps != nil && grid == nil }

  /// Whether its noise comes from `sampling.path`. Adaptive steps always have a Brownian path.
  fileprivate var usesSharedPath: Bool {
    if needsBrownianPath || limit == .flow || self is ScheduledSolver { return false }
    return fixedSteps?.predictor.isStochastic ?? true
  }
}
