// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation

/// Experiments side by side: the metrics of each solver with their intervals, and what differs from the first
/// experiment beyond them.
///
/// Two figures differ where their difference lies outside the 95 % interval ± √(h₁² + h₂²), hᵢ half their own
/// intervals, with Holm's correction over all comparisons of a metric. What experiments share, held-out rows or noise,
/// makes this interval too long and never too short: files do not say how much of it is shared.
public struct ExperimentComparison {
  private let readings: [ResultsReading]
  /// What each experiment is called here.
  private let titles: [String]
  private let entries: [Entry]
  /// What is not to be compared, and configs: a line each.
  private let remarks: [String]

  /// How a figure stands to that of the first experiment.
  enum Verdict: String {
    case better, worse, same
    /// Against other rows or counts, or without an interval.
    case unknown = ""

    var mark: String {
      switch self {
      case .better: "+"
      case .worse: "-"
      default: " "
      }
    }
  }

  /// A figure of each experiment.
  private struct Entry {
    let metric, solver: String
    let figures: [ResultsReading.Figure?]
    /// A difference from the first, with half its interval.
    var differences: [(value: Double, half: Double)?]
    var verdicts: [Verdict]
  }

  /// - Parameters:
  ///   - places: folders of results, or names of such in `Results`; two or more.
  ///   - wanted: only these metrics; empty: all.
  /// - Throws: `InputError` for folders that are missing or damaged, and for a metric that none of them has.
  public init(_ places: [String], metrics wanted: [String] = []) throws {
    let readings = try places.map { try ResultsReading($0) }
    self.readings = readings
    let paths = readings.map { URL(fileURLWithPath: $0.folder).resolvingSymlinksInPath().path }
    for (place, path) in zip(places, paths) where paths.filter({ $0 == path }).count > 1 {
      throw InputError("stands twice; allowed: different folders", at: place)
    }
    let titles =
      [readings.map(\.experiment), readings.map { ($0.folder as NSString).lastPathComponent }].first {
        Set($0).count == places.count
      } ?? places
    self.titles = titles
    var names: [String] = []
    for name in readings.flatMap({ $0.figures.map(\.metric) }) where !names.contains(name) { names.append(name) }
    let chosen = wanted.map(SolverTable.column)
    for (name, column) in zip(wanted, chosen) where !names.contains(column) {
      throw InputError("is '\(name)'; allowed: \(names.joined(separator: ", "))", at: "--metric")
    }
    let relations = readings.map { Relation($0, to: readings[0]) }
    var entries: [Entry] = []
    for metric in names where chosen.isEmpty || chosen.contains(metric) {
      let better = readings.compactMap { $0.better[metric] }.first ?? .lower
      var own = Self.entries(of: metric, readings)
      Self.judge(&own, better, relations)
      entries += own
      if readings.contains(where: { $0.data[metric] != nil }) {
        let figures = readings.map { $0.data[metric] }
        entries.append(
          Entry(
            metric: metric, solver: "data", figures: figures, differences: figures.map { _ in nil },
            verdicts: figures.map { _ in .unknown }))
      }
    }
    self.entries = entries
    var remarks: [String] = []
    for (index, relation) in relations.enumerated().dropFirst() {
      remarks += relation.remarks.map { "\(titles[index]) against \(titles[0]): \($0)" }
    }
    self.remarks = remarks
  }

  private static func entries(of metric: String, _ readings: [ResultsReading]) -> [Entry] {
    var solvers: [String] = []
    for solver in readings.flatMap({ $0.figures(of: metric).map(\.solver) }) where !solvers.contains(solver) {
      solvers.append(solver)
    }
    return solvers.map { solver in
      let figures = readings.map { $0.figures(of: metric).first { $0.solver == solver } }
      return Entry(
        metric: metric, solver: solver, figures: figures, differences: figures.map { _ in nil },
        verdicts: figures.map { _ in .unknown })
    }
  }

  /// Finds what differs from the first experiment.
  private static func judge(_ entries: inout [Entry], _ better: Direction, _ relations: [Relation]) {
    var tests: [(entry: Int, column: Int, p: Double)] = []
    for e in entries.indices {
      guard let first = entries[e].figures[0], let low = first.low, let high = first.high else { continue }
      for c in entries[e].figures.indices.dropFirst() {
        guard let other = entries[e].figures[c], let otherLow = other.low, let otherHigh = other.high else { continue }
        let half = (((high - low) * (high - low) + (otherHigh - otherLow) * (otherHigh - otherLow)) / 4).squareRoot()
        entries[e].differences[c] = (other.value - first.value, half)
        // Metrics of other counts have other biases.
        guard relations[c].isComparable, other.count == first.count, other.heldOut == first.heldOut else { continue }
        tests.append((e, c, Distinction.probability(of: other.value - first.value, halfWidth: half)))
      }
    }
    let order = tests.sorted { ($0.p, $0.entry, $0.column) < ($1.p, $1.entry, $1.column) }
    var isClear = true
    for (place, test) in order.enumerated() {
      isClear = isClear && test.p <= 0.05 / Double(order.count - place)
      let difference = entries[test.entry].differences[test.column]?.value ?? 0
      let isBetter = better == .lower ? difference < 0 : difference > 0
      entries[test.entry].verdicts[test.column] = !isClear ? .same : isBetter ? .better : .worse
    }
  }

  // MARK: Output

  /// For the terminal.
  public var text: String {
    var lines = [["metric", "solver"] + titles.map { $0 + " " }]
    var last = ""
    for entry in entries {
      let cells = zip(entry.figures, entry.verdicts).map { figure, verdict in
        figure.map { Self.concise($0) + verdict.mark } ?? "- "
      }
      lines.append([entry.metric == last ? "" : entry.metric, entry.solver.isEmpty ? "(model)" : entry.solver] + cells)
      last = entry.metric
    }
    let legend = [
      "0.123(45) is 0.123 ± 0.045, a 95 % interval; data: real rows in place of samples",
      "+ better, - worse than \(titles[0]) beyond ± √(h₁² + h₂²), h half an interval, by Holm over a metric's comparisons;",
      "unmarked: not told apart, or not comparable. What experiments share makes this test miss more, not less.",
    ]
    return ([TextTable(lines, isFlushLeft: 2).text] + legend + remarks).joined(separator: "\n")
  }

  private static func concise(_ figure: ResultsReading.Figure) -> String {
    guard let low = figure.low, let high = figure.high else { return ConciseNumber.text(figure.value) }
    return ConciseNumber.text(figure.value, half: (high - low) / 2)
  }

  /// Writes a row for each figure.
  /// - Throws: `InputError` for a path where no file can be; `WriteError`
  public func write(to path: String) throws {
    try PointFiles(input: nil, output: path).requireWritable()
    var table = CSVText(columns: [
      "metric", "solver", "experiment", "folder", "value", "low", "high", "count", "held_out", "difference",
      "difference_low", "difference_high", "verdict",
    ])
    for entry in entries {
      for (index, figure) in entry.figures.enumerated() {
        guard let figure else { continue }
        let difference = entry.differences[index]
        let numbers = [
          difference?.value, difference.map { $0.value - $0.half }, difference.map { $0.value + $0.half },
        ]
        var fields = [entry.metric, entry.solver, readings[index].experiment, readings[index].folder]
        fields += [figure.value, figure.low, figure.high].map { $0?.description ?? "" }
        fields += [figure.count, figure.heldOut]
        fields += numbers.map { $0?.description ?? "" }
        table.add(fields + [entry.verdicts[index].rawValue])
      }
    }
    try AtomicFile.write(table.text, to: path)
  }
}
