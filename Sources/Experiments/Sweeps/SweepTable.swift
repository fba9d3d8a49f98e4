// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// `sweep.csv`: a row a run, solver and repeat; every swept key and every metric is a column. It has no times, so that
/// it is the same to the last byte however often the sweep was stopped.
struct SweepTable: Sendable {
  let keys: [String]
  /// Finished runs by their number.
  private var runs: [Int: (run: SweepRun, tables: RunTables)] = [:]

  init(keys: [String]) { self.keys = keys }

  mutating func add(_ run: SweepRun, _ tables: RunTables) { runs[run.number] = (run, tables) }

  private var inOrder: [(run: SweepRun, tables: RunTables)] { runs.keys.sorted().compactMap { runs[$0] } }

  /// The metrics of all runs, in the order in which they appear.
  private var metrics: [String] {
    var (names, known) = ([String](), Set<String>())
    for (_, tables) in inOrder { for name in tables.metrics where known.insert(name).inserted { names.append(name) } }
    return names
  }

  /// A swept key's column, where the table has one of that name already.
  static func column(of key: String) -> String { RunTables.fields.contains(key) ? "sweep.\(key)" : key }

  var csv: String {
    let metrics = metrics
    var text = CSVText(
      columns: ["run"] + keys.map(Self.column) + RunTables.fields + ["repeat"]
        + metrics.flatMap { [$0, $0 + "_low", $0 + "_high"] })
    for (run, tables) in inOrder {
      for row in tables.rows {
        let estimates = metrics.flatMap { name -> [String] in
          let estimate = row.estimates[name] ?? RunTables.Estimate()
          return [estimate.value, estimate.low, estimate.high]
        }
        text.add([run.name] + run.values + row.fields + [row.repetition] + estimates)
      }
    }
    return text.text
  }

  // MARK: What is best

  private struct Candidate {
    let run: SweepRun
    let solver: String
    let value, low, high: Double
  }

  /// The best run and solver by every metric: a table for the terminal; nil where nothing was measured.
  var best: String? {
    var lines = [["metric", "best", "95 % interval", "run", "solver", "as good"]]
    var named: [SweepRun] = []
    let rising = runs.values.reduce(into: Set<String>()) { $0.formUnion($1.tables.rising) }
    for metric in metrics {
      let candidates = candidates(metric)
      let isRising = rising.contains(metric)
      guard let best = candidates.min(by: { isRising ? $0.value > $1.value : $0.value < $1.value }) else { continue }
      // Others whose intervals meet that of the best are not told apart from it.
      let equals = candidates.filter { $0.low <= best.high && $0.high >= best.low }.count - 1
      let hasInterval = best.high > best.low
      lines.append([
        metric.replacing("_", with: "-"), rounded(best.value),
        hasInterval ? "\(rounded(best.low)) to \(rounded(best.high))" : "", best.run.name, best.solver,
        hasInterval ? "\(equals) more" : "",
      ])
      if !named.contains(where: { $0.number == best.run.number }) { named.append(best.run) }
    }
    guard lines.count > 1 else { return nil }
    let headings = Sweep.shortened(keys)
    let runs = named.sorted { $0.number < $1.number }.flatMap { run in
      let settings = zip(headings, run.values).filter { !$1.isEmpty }.map { "\($0)=\($1)" }
      return "run \(run.name): \(settings.joined(separator: " "))".wrapped(at: 80)
    }
    return ([TextTable(lines).text] + runs).joined(separator: "\n")
  }

  private func candidates(_ metric: String) -> [Candidate] {
    inOrder.flatMap { run, tables in
      tables.rows.compactMap { row in
        guard row.repetition == "all", let estimate = row.estimates[metric], let value = Double(estimate.value),
          value.isFinite
        else { return nil }
        return Candidate(
          run: run, solver: row.fields[2], value: value, low: Double(estimate.low) ?? value,
          high: Double(estimate.high) ?? value)
      }
    }
  }

  private func rounded(_ value: Double) -> String { String(format: "%.4g", value) }
}
