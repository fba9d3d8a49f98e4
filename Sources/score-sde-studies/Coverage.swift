// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Experiments
import Foundation

/// Laws that are nearly the same, and that differ clearly, in few and in many dimensions.
let problems: [CoverageStudy.Problem] = {
  let means: [[Double]] = [[2, 0], [-1, 1.5], [-1, -1.5]]
  func problem(_ name: String, _ dimension: Int, _ weights: [Double], _ deviation: Double) -> CoverageStudy.Problem {
    .init(
      name, samples: ClusterLaw(dimension: dimension, means: means, weights: weights, deviation: deviation),
      data: ClusterLaw(dimension: dimension, means: means))
  }
  return [
    problem("near, 2", 2, [1.2, 1, 0.9], 1.05), problem("far, 2", 2, [2, 1, 1], 1.3),
    problem("near, 8", 8, [1.2, 1, 1], 1.1), problem("far, 8", 8, [2, 1, 1], 1.3),
    problem("near, 64", 64, [1.5, 1, 1], 1.05),
  ]
}()

/// The words after `coverage` and `coverage-models`.
private struct CoverageOptions {
  var (repeats, rows) = (500, 500)
  /// Empty: all.
  var metrics: Set<String> = []
  /// Where all figures go as CSV; empty: nowhere.
  var target = ""

  init(_ words: [String]) throws {
    var words = words[...]
    while let word = words.popFirst() {
      guard let value = words.popFirst() else { throw InputError("\(word) has no value") }
      switch word {
      case "--repeats": repeats = try number(word, value, atLeast: 4)
      case "--rows": rows = try number(word, value, atLeast: 2)
      case "--metrics": metrics = Set(value.split(separator: ",").map(String.init))
      case "--csv": target = value
      default: throw InputError("'\(word)'; allowed: --repeats, --rows, --metrics, --csv")
      }
    }
  }

  private func number(_ key: String, _ text: String, atLeast least: Int) throws -> Int {
    guard let value = Int(text), value >= least else {
      throw InputError("\(key) is '\(text)'; allowed: numbers from \(least)")
    }
    return value
  }

  func write(_ csv: String) throws {
    if !target.isEmpty { try Data(csv.utf8).write(to: URL(fileURLWithPath: target)) }
  }
}

/// The table of coverages, and on request all figures as CSV.
func coverage(_ words: [String]) throws {
  let options = try CoverageOptions(words)
  // The copy test's value is a probability under equal laws, which has no other interval.
  let subjects = try subjects().filter {
    $0.name != "copy-test" && (options.metrics.isEmpty || options.metrics.contains($0.name))
  }
  let study = CoverageStudy(repeats: options.repeats, count: options.rows)
  var csv = CoverageStudy.header
  print("| metric | " + problems.map(\.name).joined(separator: " | ") + " |")
  print("|---|" + String(repeating: "--:|", count: problems.count))
  for subject in subjects {
    var cells: [String] = []
    let start = ContinuousClock().now
    for problem in problems {
      let result = try study.run(subject.name, subject.metric, on: problem)
      csv += result.line
      cells.append(result.cell)
    }
    report("\(subject.name): \(cells.joined(separator: ", ")); \(start.duration(to: ContinuousClock().now))")
    print("| `\(subject.name)` | " + cells.joined(separator: " | ") + " |")
  }
  try options.write(csv)
}

/// The same of figures of models.
func coverageOfModels(_ words: [String]) throws {
  let options = try CoverageOptions(words)
  let study = ModelCoverageStudy(repeats: options.repeats, rows: options.rows)
  let problems = ModelCoverageStudy.problems
  var results: [CoverageStudy.Result] = []
  for problem in problems {
    let start = ContinuousClock().now
    let found = try study.run(problem, only: options.metrics)
    results += found
    let cells = found.map { "\($0.metric) \($0.cell)" }.joined(separator: ", ")
    report("\(problem.name): \(cells); \(start.duration(to: ContinuousClock().now))")
  }
  print("| metric | " + problems.map(\.name).joined(separator: " | ") + " |")
  print("|---|" + String(repeating: "--:|", count: problems.count))
  for metric in problems[0].metrics where results.contains(where: { $0.metric == metric }) {
    let cells = problems.map { problem in
      results.first { $0.metric == metric && $0.problem == problem.name }?.cell ?? "–"
    }
    print("| `\(metric)` | " + cells.joined(separator: " | ") + " |")
  }
  try options.write(CoverageStudy.header + results.map(\.line).joined())
}

extension CoverageStudy {
  static let header =
    "metric,problem,rows,repeats,expected,standard_error,deviation,relative_length,below,covered,above,coverage,"
    + "coverage_low,coverage_high\n"
}

extension CoverageStudy.Result {
  var line: String {
    let interval = coverageInterval
    let numbers = [expected, standardError, deviation, relativeLength].map { "\($0)" }.joined(separator: ",")
    return "\(metric),\"\(problem)\",\(count),\(repeats),\(numbers),\(below),\(covered),\(above),\(coverage),"
      + "\(interval.low),\(interval.high)\n"
  }

  /// The share in percent; bold where its own interval leaves out 93 to 97.
  var cell: String {
    let text = String(format: "%.1f", 100 * coverage)
    return coverageInterval.high < 0.93 || coverageInterval.low > 0.97 ? "**\(text)**" : text
  }
}
