// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation

/// What a results folder says of its solvers and its model, as far as its files have it: older programs wrote less.
struct ResultsReading {
  /// A figure of a solver, or of the model where `solver` is empty.
  struct Figure {
    let solver: String
    let value: Double
    let low, high: Double?
    /// Samples, and rows that they were compared with, as texts.
    let count, heldOut: String
  }

  let folder: String
  /// The name in its tables.
  let experiment: String
  /// In the order of the table.
  let solvers: [String]
  /// By column.
  let figures: [(metric: String, figures: [Figure])]
  /// The same metrics of real rows.
  let data: [String: Figure]
  let better: [String: Direction]
  /// Empty where nobody wrote it.
  let dataHash, seed: String
  /// The resolved config; nil where there is none.
  let config: String?

  /// - Parameter place: a folder, or the name of one in `Results`.
  /// - Throws: `InputError` for a folder that is missing, or whose tables are missing or damaged.
  init(_ place: String) throws {
    let trimmed = place.count > 1 && place.hasSuffix("/") ? String(place.dropLast()) : place
    func isFolder(_ path: String) -> Bool {
      var isFolder: ObjCBool = false
      return FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) && isFolder.boolValue
    }
    guard let folder = [trimmed, "Results/\(trimmed)"].first(where: isFolder), !trimmed.isEmpty else {
      throw InputError("no such results folder; allowed: a folder, or the name of one in Results", at: place)
    }
    self.folder = folder
    let path = "\(folder)/solvers.csv"
    let table = try CSVTable(reading: path, missing: "`run` makes it")
    guard table.columns.contains("solver"), table.columns.contains("experiment") else {
      throw InputError("has no columns experiment and solver: it is no table of this program", at: path)
    }
    experiment =
      (0..<table.count).first.flatMap { table["experiment", $0] } ?? (folder as NSString).lastPathComponent
    solvers = (0..<table.count).map { table["solver", $0] ?? "" }
    let all = "\(folder)/evaluation.csv"
    let evaluation =
      FileManager.default.fileExists(atPath: all) ? try CSVTable(reading: all, missing: "`run` makes it") : nil
    for column in EvaluationTable.columns where evaluation.map({ !$0.columns.contains(column) }) ?? false {
      throw InputError("has no column \(column): it is no table of this program", at: all)
    }
    var (better, data, heldOut): ([String: Direction], [String: Figure], [String: String]) = ([:], [:], [:])
    var model: [(metric: String, figures: [Figure])] = []
    if let evaluation {
      for row in 0..<evaluation.count
      where evaluation["repeat", row] == "all" && evaluation["class", row] == "" {
        guard let metric = evaluation["metric", row], let solver = evaluation["solver", row] else { continue }
        func figure(_ column: String, _ solver: String) -> Figure? {
          let low = column == "value" ? "low" : "data_low"
          return evaluation.number(column, row).map {
            Figure(
              solver: solver, value: $0, low: evaluation.number(low, row),
              high: evaluation.number(low.replacing("low", with: "high"), row),
              count: evaluation["count", row] ?? "", heldOut: evaluation["held_out", row] ?? "")
          }
        }
        better[metric] = evaluation["better", row].flatMap(Direction.init)
        data[metric] = data[metric] ?? figure("data", "data")
        heldOut[metric] = evaluation["held_out", row]
        if solver.isEmpty, let figure = figure("value", "") { model.append((metric, [figure])) }
      }
    }
    // What stands behind a program's own columns, but for bounds.
    let names = table.columns.filter { !SolverTable.ownColumns.contains($0) }
    let metrics = names.filter { name in
      !["_low", "_high"].contains { name.hasSuffix($0) && names.contains(String(name.dropLast($0.count))) }
    }
    figures =
      metrics.map { metric in
        let figures = (0..<table.count).compactMap { row -> Figure? in
          table.number(metric, row).map {
            Figure(
              solver: table["solver", row] ?? "", value: $0, low: table.number(metric + "_low", row),
              high: table.number(metric + "_high", row), count: table["count", row] ?? "",
              heldOut: heldOut[metric] ?? "")
          }
        }
        return (metric, figures)
      } + model
    (self.better, self.data) = (better, data)
    let manifest = try Self.manifest("\(folder)/manifest.json")
    dataHash = manifest["data_hash"] as? String ?? ""
    seed = (manifest["seed"] as? Int).map(String.init) ?? ""
    config = FileManager.default.contents(atPath: "\(folder)/config.yaml").flatMap { String(data: $0, encoding: .utf8) }
  }

  private static func manifest(_ path: String) throws -> [String: Any] {
    guard let data = FileManager.default.contents(atPath: path) else { return [:] }
    guard let manifest = try? JSONSerialization.jsonObject(with: data) as? [String: Any] else {
      throw InputError("is damaged: it is no JSON object", at: path)
    }
    return manifest
  }

  /// Score evaluations a row of each solver.
  func figures(of metric: String) -> [Figure] { figures.first { $0.metric == metric }?.figures ?? [] }
}
