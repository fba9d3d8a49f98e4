// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct Converge: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Measures the order of convergence of a config's solvers.",
    discussion: """
      Errors are root mean squares over rows of the distance from the exact end of the same prior draw and the same \
      Brownian path. Orders are least-squares slopes with jackknife intervals of 95 %.
      """)
  @OptionGroup var arguments: ConfigArguments
  @Option(name: .customLong("to"), help: "The CSV file to write.")
  var target: String
  @Option(help: "Numbers of steps, rising.")
  var steps = "40,80,160,320"
  @Option(help: "Rows, a multiple of 16.")
  var rows = 1024

  private var counts: [Int]? {
    let counts = steps.split(separator: ",", omittingEmptySubsequences: false).compactMap { Int($0) }
    guard counts.count == steps.filter({ $0 == "," }).count + 1, counts.count > 1, counts.allSatisfy({ $0 > 3 }),
      zip(counts, counts.dropFirst()).allSatisfy({ $0 < $1 }), counts.allSatisfy({ $0 <= 100_000 })
    else { return nil }
    return counts
  }

  func validate() throws {
    guard counts != nil else {
      throw ValidationError("--steps is '\(steps)'; allowed: two or more rising numbers from 4 to 100000, as 40,80,160")
    }
    guard rows > 0, rows % 16 == 0, rows <= 1_000_000 else {
      throw ValidationError("--rows is \(rows); allowed: multiples of 16 up to 1000000")
    }
  }

  func run() throws {
    try reportingErrors {
      let table = try arguments.experiment().measureOrders(steps: counts ?? [], rows: rows, output: target)
      if !arguments.quiet { print(table) }
    }
  }
}
