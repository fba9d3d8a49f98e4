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
    guard let table = CSVRecords(solvers), Self.fields.allSatisfy({ table.columns[$0] != nil }) else { return nil }
    let own = table.names.filter { !Self.fields.contains($0) && !Self.others.contains($0) }
    metrics = own.filter { name in
      !["_low", "_high"].contains { name.hasSuffix($0) && own.contains(String(name.dropLast($0.count))) }
    }
    for index in table.rows.indices {
      var row = Row(fields: Self.fields.map { table[index, $0] ?? "" }, repetition: "all")
      for metric in metrics {
        row.estimates[metric] = Estimate(
          value: table[index, metric] ?? "", low: table[index, metric + "_low"] ?? "",
          high: table[index, metric + "_high"] ?? "")
      }
      rows.append(row)
    }
    if let evaluation {
      guard let table = CSVRecords(evaluation) else { return nil }
      add(table)
    }
  }

  /// Adds the repeats of every solver behind it, and what was measured of the model itself behind all.
  private mutating func add(_ table: CSVRecords) {
    var found: [String: [String: [String: Estimate]]] = [:]
    var repeats: [String: [String]] = [:]
    for index in table.rows.indices where table[index, "class"]?.isEmpty ?? true {
      guard let solver = table[index, "solver"], let name = table[index, "metric"], let value = table[index, "value"]
      else { continue }
      let (metric, repetition) = (SolverTable.column(name), table[index, "repeat"] ?? "all")
      if table[index, "better"] == "higher" { rising.insert(metric) }
      if !metrics.contains(metric) { metrics.append(metric) }
      if repeats[solver]?.contains(repetition) != true { repeats[solver, default: []].append(repetition) }
      found[solver, default: [:]][repetition, default: [:]][metric] = Estimate(
        value: value, low: table[index, "low"] ?? "", high: table[index, "high"] ?? "")
    }
    let solvers = rows
    rows = solvers.flatMap { row in
      let own = (repeats[row.fields[2]] ?? []).filter { $0 != "all" }
      var row = row
      row.estimates.merge(found[row.fields[2]]?["all"] ?? [:]) { own, _ in own }
      // One repeat is all of them.
      let parts =
        own.count < 2
        ? []
        : own.map { repetition in
          Row(fields: row.fields, repetition: repetition, estimates: found[row.fields[2]]?[repetition] ?? [:])
        }
      return [row] + parts
    }
    if let first = solvers.first {
      for repetition in repeats[""] ?? [] where repetition == "all" || repeats[""]?.count ?? 0 > 2 {
        let fields = Array(first.fields[..<2]) + Array(repeating: "", count: Self.fields.count - 2)
        rows.append(Row(fields: fields, repetition: repetition, estimates: found[""]?[repetition] ?? [:]))
      }
    }
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
