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
  var (repeats, rows, seed) = (500, 500, UInt64(7))
  /// The metrics of the table, with commas between them; nil for all.
  var metrics: String?
  /// The keys of its laws; empty for all.
  var laws: [String] = []
  /// A CSV file for all figures; empty for none.
  var target = ""

  /// - Throws: `InputError` for words that are no option, and for values that an option cannot have.
  init(_ words: [String]) throws {
    var words = words[...]
    while let word = words.popFirst() {
      let known = ["--metrics", "--laws", "--repeats", "--rows", "--seed", "--csv"]
      guard known.contains(word) else {
        throw InputError("coverage: '\(word)' is no option; allowed: \(known.joined(separator: ", "))")
      }
      guard let value = words.popFirst(), !value.isEmpty, !value.hasPrefix("--") else {
        throw InputError("\(word) has no value")
      }
      switch word {
      case "--repeats": repeats = try Self.number(word, value)
      case "--rows": rows = try Self.number(word, value)
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
  let study = CoverageStudy(repeats: options.repeats, count: options.rows, seed: options.seed)
  var csv = CoverageStudy.header
  // Before the work, so that a file that cannot be written costs none.
  try options.write(csv)
  print("| metric | " + chosen.map(\.name).joined(separator: " | ") + " |")
  print("|---|" + String(repeating: "--:|", count: chosen.count))
  for subject in all where asked.isEmpty || asked.contains(subject.name) {
    var cells: [String] = []
    let start = ContinuousClock().now
    for problem in chosen {
      let result = try study.run(subject.name, subject.metric, on: problem)
      csv += result.line
      cells.append(result.cell)
    }
    let seconds = String(format: "%.2f", start.duration(to: ContinuousClock().now).seconds)
    report("\(subject.name): \(cells.joined(separator: ", ")) %; \(seconds) s")
    print("| `\(subject.name)` | " + cells.joined(separator: " | ") + " |")
  }
  try options.write(csv)
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
