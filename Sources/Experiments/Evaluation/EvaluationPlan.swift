// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Scores

/// How samples are judged.
public struct EvaluationPlan: Sendable {
  /// What judges samples, by the name of its column.
  public private(set) var metrics: [(name: String, metric: any Metric)]
  /// What judges the model, and no solver.
  public let modelMetrics: [(name: String, metric: any ModelMetric)]
  /// Whether the config names metrics, or these are the usual ones.
  public let namesMetrics: Bool
  /// Those of `metrics` that nobody named.
  private var unnamed: Set<String>
  /// How often every solver draws its samples.
  public let repeats: Int
  /// How many resamples the bootstrap takes, in metrics that have one.
  public let bootstrap: Int
  /// Whether solvers are compared with exact solutions of their own problem.
  public let pathError: Bool
  /// Whether the config asks for that.
  let namesPathError: Bool

  /// Whether solvers are compared, row by row, with the flow of the data's exact score.
  public let mapError: Bool
  /// Whether the config asks for that.
  let namesMapError: Bool
  /// The columns of that.
  let mapErrorNames: [String]

  /// What a kind of `evaluation.metrics` judges.
  private enum Judge {
    case samples(any Metric)
    case model(any ModelMetric)
  }

  /// The name of the column of path errors.
  static let pathErrorName = "path-error"

  /// - Parameters:
  ///   - hasRows: whether there are rows to judge by.
  ///   - ofAutoencoder: whether an autoencoder is trained, which draws no samples.
  ///   - hasExactMap: whether the exact score of the data's law is known.
  ///   - map: between which times the score's network maps; nil: it is a score alone.
  ///   - hasExactPaths: whether the score is exact, and a solver follows the flow or the reverse SDE.
  init(
    _ options: Options, hasRows: Bool = true, ofAutoencoder: Bool = false, hasExactPaths: Bool = false,
    hasExactMap: @autoclosure () -> Bool = false, map: FlowMapRange? = nil, _ catalogue: Catalogue
  ) throws {
    let kinds = Kinds<Judge>(
      catalogue.metrics.all.map { kind in
        Kind(kind.name, kind.about) { .samples(try kind.decode($0, $1)) }
      }
        + catalogue.modelMetrics.all.map { kind in
          Kind(kind.name, kind.about) { .model(try kind.decode($0, $1)) }
        })
    let judges = try options.namedKinds(
      "metrics", of: kinds, or: "auto", usual: ofAutoencoder ? ["psnr"] : catalogue.usualMetrics, in: catalogue,
      "of samples or of the model; auto: the quick ones; names, or mappings with kind, its options, and name where a "
        + "kind stands twice")
    namesMetrics = options.has("metrics") && options.value(of: "metrics")?.scalar == nil
    metrics = judges.compactMap { name, judge in
      if case .samples(let metric) = judge { (name, metric) } else { nil }
    }
    modelMetrics = judges.compactMap { name, judge in
      if case .model(let metric) = judge { (name, metric) } else { nil }
    }
    unnamed = namesMetrics ? [] : Set(metrics.map(\.name))
    if ofAutoencoder, let first = metrics.first {
      throw options.wrong("metrics", "'\(first.name)' judges samples, and an autoencoder draws none; allowed: psnr")
    }
    if !hasRows && namesMetrics && !judges.isEmpty {
      throw options.wrong("metrics", "has no effect; it needs data with rows to judge by: allowed: []")
    }
    repeats = try options.integer(
      "repeats", default: 1, atLeast: 1, atMost: 1000, "how often every solver draws its samples, from other noise")
    bootstrap = try options.integer(
      "bootstrap", default: 200, atLeast: 20, atMost: 100_000, "resamples, of metrics whose interval is a bootstrap's")
    if options.has("bootstrap"), bootstrap != 200, !metrics.contains(where: { $0.metric.usesBootstrap }) {
      let place = options.wrong("bootstrap", "").location
      options.source?.notes.add("\(place): changes nothing: no metric here has a bootstrap's interval")
    }
    namesPathError = options.has("path_error")
    pathError = try options.flag(
      "path_error", default: hasExactPaths,
      "a column more: RMS distance from the exact flow, or from the reverse SDE on the same Brownian paths; by default "
        + "where the score is exact")
    namesMapError = options.has("map_error")
    mapError = try options.flag(
      "map_error", default: map != nil && hasExactMap(),
      "columns more: root mean square, median and 90th percentile of the distance, row by row, from the flow of the "
        + "data's exact score, and errors of a map as a map; by default where the network is one and that score is "
        + "known")
    mapErrorNames = mapError ? MapErrors.names(map) : []
    if !mapError, !namesMapError { options.settleAbsent("map_error") }
    if mapError, !options.isDescribing, !hasExactMap() {
      throw options.wrong("map_error", "needs data and a process whose exact score is known; allowed: false")
    }
    // A figure of memorisation may join them.
    let joins = !metrics.isEmpty && !metrics.contains { $0.metric.judgesMemorisation }
    try Self.checkColumns(
      (joins ? [Self.memorisationName] : []) + judges.map(\.name) + (pathError ? [Self.pathErrorName] : [])
        + mapErrorNames, options)
  }

  /// The columns of a table must have names of their own.
  private static func checkColumns(_ names: [String], _ options: Options) throws {
    var taken = Set(SolverTable.ownColumns)
    for name in names {
      for column in SolverTable.columns(of: name) {
        guard taken.insert(column).inserted else {
          throw options.wrong("metrics", "'\(name)' would be a second column \(column); allowed: another name")
        }
      }
    }
  }

  /// The same with the metrics that go with those of the config, as the rows at hand have them.
  ///
  /// - Class accuracy, where the config names no metrics, the data has classes, and all samples were drawn for such.
  /// - The share of copies of training rows beside any figure of quality, whether named or not, where no figure of the
  ///   config says that: copies are perfect by all others.
  /// - Parameters:
  ///   - data: what samples are compared with.
  ///   - conditions: what each sample was drawn for.
  ///   - count: how many samples there are.
  func completed(for data: Dataset, _ conditions: Conditions, count: Int) -> EvaluationPlan {
    var plan = self
    func add(_ name: String, _ metric: any Metric) {
      plan.metrics.append((name, metric))
      plan.unnamed.insert(name)
    }
    if !namesMetrics, !metrics.contains(where: { $0.name == Self.classAccuracyName }),
      data.isOfClasses(conditions, count: count)
    {
      add(Self.classAccuracyName, ClassAccuracy())
    }
    if !metrics.isEmpty, !metrics.contains(where: { $0.metric.judgesMemorisation }) {
      add(Self.memorisationName, Memorisation())
    }
    return plan
  }

  private static let classAccuracyName = "class-accuracy"
  private static let memorisationName = "memorisation"

  /// How many values may be compared with the training rows, for each solver and for the held-out rows, by metrics that
  /// nobody named: some seconds of work. And how many values training rows may have, which metrics hold twice: 2 GiB.
  private static let quickValues = 2e10
  private static let fewValues = 1 << 27

  /// The same without metrics that nobody named and that are of a kind; those that were named stay, and say what they
  /// cannot judge.
  func without(_ isLeftOut: (any Metric) -> Bool) -> EvaluationPlan {
    var plan = self
    plan.metrics.removeAll { isLeftOut($0.metric) && unnamed.contains($0.name) }
    return plan
  }

  /// Which metrics are left out: those that look at the training rows and were not named, where that takes long, or
  /// much memory.
  func leftOut(trainingRows: Int, dimension: Int, samples: Int, heldOutRows: Int) -> [String] {
    let values = Double(trainingRows) * Double(dimension)
    if values <= Double(Self.fewValues), values * Double(max(samples, heldOutRows)) <= Self.quickValues { return [] }
    return metrics.filter { $0.metric.usesTraining && unnamed.contains($0.name) }.map(\.name)
  }

  /// The columns that evaluation adds to `solvers.csv`, named as metrics are.
  var columns: [String] {
    metrics.map(\.name) + (pathError ? [Self.pathErrorName] : []) + mapErrorNames
  }

  /// Which values of a column are better.
  func better(_ column: String) -> Direction {
    metrics.first { $0.name == column }?.metric.better ?? .lower
  }
}

extension Catalogue {
  /// The metrics of a config that names none: quick ones, and those that a package added.
  var usualMetrics: [String] {
    let quick = ["sliced-wasserstein", "mmd", "energy-distance", "memorisation"]
    return metrics.names.filter { quick.contains($0) || Self.standardMetrics[$0] == nil }
  }
}

extension Dataset {
  /// Whether rows have classes, two or more, and every sample was drawn for one of them.
  fileprivate func isOfClasses(_ conditions: Conditions, count: Int) -> Bool {
    guard let labels = trainingConditions.listedClasses else { return false }
    let drawn: Set<Int>
    switch conditions {
    case .all(.label(let label)): drawn = [label]
    case .inTurn(let classes): drawn = Set(0..<min(classes, max(1, count)))
    case .labels(let labels): drawn = Set(labels.prefix(count))
    default: return false
    }
    let known = Set(labels)
    return known.count > 1 && drawn.isSubset(of: known)
  }
}
