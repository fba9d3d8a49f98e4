// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// What a run found, as the tables of its folder say it: texts, which `sweep.csv` takes as they are.
struct RunTables: Sendable {
  /// A metric's value and the ends of its interval; empty where there is none.
  struct Estimate: Sendable {
    var value = "", low = "", high = ""

    var isEmpty: Bool { value.isEmpty && low.isEmpty && high.isEmpty }
  }

  /// A solver, and one repeat of what was measured of it, or `all` of them together.
  struct Row: Sendable {
    /// `experiment` to `nfe_max`.
    var fields: [String]
    var repetition: String
    var estimates: [String: Estimate] = [:]
  }

  static let fields = ["experiment", "process", "solver", "kind", "count", "steps", "nfe", "nfe_max"]
  /// Columns of `solvers.csv` that are neither these nor metrics.
  private static let others: Set = ["seconds", "seed", "overrides"]

  private(set) var rows: [Row] = []
  /// In the order of the columns.
  private(set) var metrics: [String] = []
  /// Metrics of which more is better.
  private(set) var rising: Set<String> = []

  /// - Parameters:
  ///   - solvers: the text of `solvers.csv`.
  ///   - evaluation: the text of `evaluation.csv`; nil where there is none.
  /// - Returns: nil where they are no tables of this program.
  init?(solvers: String, evaluation: String?) {
    let table = CSVTable(solvers)
    guard Self.fields.allSatisfy(table.columns.contains) else { return nil }
    let own = table.columns.filter { !Self.fields.contains($0) && !Self.others.contains($0) }
    metrics = own.filter { name in
      !["_low", "_high"].contains { name.hasSuffix($0) && own.contains(String(name.dropLast($0.count))) }
    }
    for index in 0..<table.count {
      var row = Row(fields: Self.fields.map { table[$0, index] ?? "" }, repetition: "all")
      for metric in metrics {
        row.estimates[metric] = Estimate(
          value: table[metric, index] ?? "", low: table[metric + "_low", index] ?? "",
          high: table[metric + "_high", index] ?? "")
      }
      rows.append(row)
    }
    if let evaluation { add(CSVTable(evaluation)) }
  }

  /// Adds the repeats of every solver behind it, and what was measured of the model itself behind all.
  private mutating func add(_ table: CSVTable) {
    var found: [String: [String: [String: Estimate]]] = [:]
    var repeats: [String: [String]] = [:]
    for index in 0..<table.count where table["class", index]?.isEmpty ?? true {
      guard let solver = table["solver", index], let name = table["metric", index], let value = table["value", index]
      else { continue }
      let (metric, repetition) = (SolverTable.column(name), table["repeat", index] ?? "all")
      if table["better", index] == "higher" { rising.insert(metric) }
      if !metrics.contains(metric) { metrics.append(metric) }
      if repeats[solver]?.contains(repetition) != true { repeats[solver, default: []].append(repetition) }
      found[solver, default: [:]][repetition, default: [:]][metric] = Estimate(
        value: value, low: table["low", index] ?? "", high: table["high", index] ?? "")
    }
    let solvers = rows
    rows = solvers.flatMap { row in
      let own = found[row.fields[2]] ?? [:]
      var row = row
      row.estimates.merge(own["all"] ?? [:]) { known, _ in known }
      return [row]
        + Self.parts(repeats[row.fields[2]]).map {
          Row(fields: row.fields, repetition: $0, estimates: own[$0] ?? [:])
        }
    }
    guard let first = solvers.first, let own = found[""] else { return }
    let fields = Array(first.fields[..<2]) + Array(repeating: "", count: Self.fields.count - 2)
    rows += (["all"] + Self.parts(repeats[""])).compactMap { name in
      own[name].map { Row(fields: fields, repetition: name, estimates: $0) }
    }
  }

  /// Repeats that stand for themselves: one alone is all of them.
  private static func parts(_ repeats: [String]?) -> [String] {
    let own = (repeats ?? []).filter { $0 != "all" }
    return own.count > 1 ? own : []
  }
}

/// The state of one run's folder.
struct RunFolder {
  let path: String

  /// The tables of a run that came to its end with this config, if nothing of it is missing or changed since then.
  func finished(_ configHash: String) -> RunTables? {
    guard let manifest = Manifest.summary(of: path), manifest.isDone, manifest.configHash == configHash else {
      return nil
    }
    return tables(manifest)
  }

  /// The hash of the config that a run of this folder came to its end with.
  var configHash: String? { Manifest.summary(of: path).flatMap { $0.isDone ? $0.configHash : nil } }

  private func tables(_ manifest: Manifest.Summary) -> RunTables? {
    guard manifest.files["solvers.csv"] != nil,
      manifest.files.keys.allSatisfy({ FileManager.default.fileExists(atPath: "\(path)/\($0)") })
    else { return nil }
    func text(_ name: String) -> String? {
      guard let hash = manifest.files[name], SHA256.text(ofFile: "\(path)/\(name)") == hash else { return nil }
      return FileManager.default.contents(atPath: "\(path)/\(name)").map { String(decoding: $0, as: UTF8.self) }
    }
    guard let solvers = text("solvers.csv") else { return nil }
    let evaluation = text("evaluation.csv")
    if manifest.files["evaluation.csv"] != nil && evaluation == nil { return nil }
    return RunTables(solvers: solvers, evaluation: evaluation)
  }
}
