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

/// What `coverage` is asked for.
struct CoverageOptions {
  var (repeats, rows, averaged, seed) = (500, 500, 1, UInt64(7))
  /// The metrics of the table, with commas between them; nil for all.
  var metrics: String?
  /// The keys of its laws; empty for all.
  var laws: [String] = []
  /// Whether `repeats` is not the default.
  var namesRepeats = false
  /// A CSV file for all figures; empty for none.
  var target = ""

  /// - Throws: `InputError` for words that are no option, and for values that an option cannot have.
  init(
    _ words: [String], of study: String = "coverage",
    known: [String] = ["--metrics", "--laws", "--repeats", "--rows", "--averaged", "--seed", "--csv"]
  ) throws {
    var words = words[...]
    while let word = words.popFirst() {
      guard known.contains(word) else {
        throw InputError("\(study): '\(word)' is no option; allowed: \(known.joined(separator: ", "))")
      }
      guard let value = words.popFirst(), !value.isEmpty, !value.hasPrefix("--") else {
        throw InputError("\(word) has no value")
      }
      switch word {
      case "--repeats": (repeats, namesRepeats) = (try Self.number(word, value), true)
      case "--rows": rows = try Self.number(word, value)
      case "--averaged": averaged = try Self.number(word, value)
      case "--seed":
        guard let number = UInt64(value) else {
          throw InputError("--seed is '\(value)'; allowed: whole numbers from 0 to 2⁶⁴ − 1")
        }
        seed = number
      case "--metrics": metrics = value
      case "--laws": laws = try Self.names(word, value, of: problems.map(\.key))
      default: target = value
      }
    }
  }

  private static func number(_ key: String, _ text: String) throws -> Int {
    guard let value = Int(text), (2...1_000_000).contains(value) else {
      throw InputError("\(key) is '\(text)'; allowed: whole numbers from 2 to 1000000")
    }
    return value
  }

  /// - Throws: `InputError` where the file cannot be written.
  func write(_ csv: String) throws {
    if target.isEmpty { return }
    do { try Data(csv.utf8).write(to: URL(fileURLWithPath: target)) } catch {
      throw InputError("--csv is '\(target)', which cannot be written")
    }
  }

  /// The names that a text lists.
  static func names(_ key: String, _ text: String, of all: [String]) throws -> [String] {
    let names = text.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
    for name in names where !all.contains(name) {
      throw InputError("\(key) has '\(name)'; allowed: \(all.joined(separator: ", "))")
    }
    return names
  }
}

/// The table of coverages, and on request all figures as CSV.
func coverage(_ words: [String]) throws {
  let options = try CoverageOptions(words)
  // The copy test's value is a probability under equal laws, which has no other interval.
  let all = try subjects().filter { $0.name != "copy-test" }
  let asked = try options.metrics.map { try CoverageOptions.names("--metrics", $0, of: all.map(\.name)) } ?? []
  let chosen = problems.filter { options.laws.isEmpty || options.laws.contains($0.key) }
  let study = CoverageStudy(repeats: options.repeats, count: options.rows, sets: options.averaged, seed: options.seed)
  // Its value takes five networks.
  let slow = CoverageStudy(
    repeats: options.namesRepeats ? options.repeats : options.repeats / 5, count: options.rows,
    sets: options.averaged, seed: options.seed)
  var csv = CoverageStudy.header
  // Before the work, so that a file that cannot be written costs none.
  try options.write(csv)
  print("| metric | " + chosen.map(\.name).joined(separator: " | ") + " |")
  print("|---|" + String(repeating: "--:|", count: chosen.count))
  for subject in all where asked.isEmpty || asked.contains(subject.name) {
    var cells: [String] = []
    let start = ContinuousClock().now
    for problem in chosen {
      let result = try (subject.name == "c2st" ? slow : study).run(subject.name, subject.metric, on: problem)
      csv += result.line
      cells.append(result.cell)
    }
    report("\(subject.name): \(cells.joined(separator: ", ")) %; \(seconds(since: start))")
    print("| `\(subject.name)` | " + cells.joined(separator: " | ") + " |")
  }
  try options.write(csv)
}

/// How long it is ago, for people.
private func seconds(since start: ContinuousClock.Instant) -> String {
  String(format: "%.2f s", start.duration(to: ContinuousClock().now).seconds)
}

/// The same of figures of models.
func coverageOfModels(_ words: [String]) throws {
  let options = try CoverageOptions(words, of: "coverage-models", known: ["--metrics", "--repeats", "--rows", "--csv"])
  let problems = ModelCoverageStudy.problems
  let asked = try options.metrics.map { try CoverageOptions.names("--metrics", $0, of: problems[0].metrics) } ?? []
  guard options.repeats >= 4 else { throw InputError("--repeats is \(options.repeats); allowed: 4 or more") }
  let study = ModelCoverageStudy(repeats: options.repeats, rows: options.rows)
  try options.write(CoverageStudy.header)
  var results: [CoverageStudy.Result] = []
  for problem in problems {
    let start = ContinuousClock().now
    let found = try study.run(problem, only: Set(asked))
    results += found
    let cells = found.map { "\($0.metric) \($0.cell)" }.joined(separator: ", ")
    report("\(problem.name): \(cells); \(seconds(since: start))")
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

extension CoverageStudy.Problem {
  /// Its name as a word.
  var key: String { name.replacingOccurrences(of: ", ", with: "-") }
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
