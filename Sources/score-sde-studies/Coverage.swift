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

/// The table of coverages, and on request all figures as CSV.
func coverage(_ words: [String]) throws {
  var (repeats, rows, names, target) = (500, 500, [String](), "")
  var words = words[...]
  while let word = words.popFirst() {
    guard let value = words.popFirst() else { throw InputError("\(word) has no value") }
    switch word {
    case "--repeats": repeats = try positive(word, value)
    case "--rows": rows = try positive(word, value)
    case "--metrics": names = value.split(separator: ",").map(String.init)
    case "--csv": target = value
    default: throw InputError("'\(word)'; allowed: --repeats, --rows, --metrics, --csv")
    }
  }
  // The copy test's value is a probability under equal laws, which has no other interval.
  let subjects = try subjects().filter { $0.name != "copy-test" && (names.isEmpty || names.contains($0.name)) }
  let study = CoverageStudy(repeats: repeats, count: rows)
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
  if !target.isEmpty { try Data(csv.utf8).write(to: URL(fileURLWithPath: target)) }
}

private func positive(_ key: String, _ text: String) throws -> Int {
  guard let value = Int(text), value > 1 else { throw InputError("\(key) is '\(text)'; allowed: numbers from 2") }
  return value
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
