// SPDX-License-Identifier: GPL-3.0-or-later

/// Numbers of runs, as Slurm and people write many of them: `1-3,7`.
package struct RunRanges: Equatable {
  private let ranges: [ClosedRange<Int>]

  /// - Parameter numbers: in any order, each once or more often.
  package init(_ numbers: some Sequence<Int>) {
    ranges = Set(numbers).sorted().reduce(into: []) { ranges, number in
      if let last = ranges.last, last.upperBound + 1 == number {
        ranges[ranges.count - 1] = last.lowerBound...number
      } else {
        ranges.append(number...number)
      }
    }
  }

  /// `1-3,7`: the array of a job.
  package var array: String { text("-", ",") { String($0) } }

  /// `001 to 003, 007`: for people.
  package var words: String { text(" to ", ", ", SweepRun.name) }

  private func text(_ through: String, _ comma: String, _ name: (Int) -> String) -> String {
    ranges.map { $0.count == 1 ? name($0.lowerBound) : name($0.lowerBound) + through + name($0.upperBound) }
      .joined(separator: comma)
  }
}
