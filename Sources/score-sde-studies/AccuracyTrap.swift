// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation

/// The table of Docs/Conditional.md, "Accuracy trap".
func accuracyTrap(_ words: [String]) throws {
  var (seeds, rows, steps) = (20, 1000, 500)
  var methods = AccuracyTrap.methods
  var only: [String] = []
  var words = words[...]
  while let word = words.popFirst() {
    guard let value = words.popFirst() else { throw InputError("\(word) has no value") }
    if word == "--only" {
      guard methods.contains(where: { $0.name == value }) else {
        throw InputError("'\(value)'; allowed: '\(methods.map(\.name).joined(separator: "', '"))'")
      }
      only.append(value)
      continue
    }
    guard let number = Int(value), number > 1 else {
      throw InputError("\(word) is '\(value)'; allowed: whole numbers from 2")
    }
    switch word {
    case "--seeds": seeds = number
    case "--rows": rows = number
    case "--steps": steps = number
    default: throw InputError("'\(word)'; allowed: --seeds, --rows, --steps, --only")
    }
  }
  if !only.isEmpty { methods.removeAll { !only.contains($0.name) } }
  let study = AccuracyTrap(seeds: seeds, count: rows, steps: steps)
  for setting in try AccuracyTrap.settings() {
    let start = ContinuousClock().now
    let outcomes = try study.run(setting, methods: methods)
    report("\(setting.name): \(start.duration(to: ContinuousClock().now))")
    guard let floor = outcomes.last else { continue }
    print("\n**\(setting.name)**\n")
    print("| method | sliced W | weight of the second mode, less its own | its error | error at x |")
    print("|---|--:|--:|--:|--:|")
    for outcome in outcomes {
      let (ratio, weight, bias) = (outcome.ratio(to: floor), outcome.weightRatio(to: floor), outcome.weightBias)
      let isFloor = outcome.method == "floor"
      func times(_ ratio: (value: Double, low: Double, high: Double)) -> String {
        String(format: "%.2f (%.2f to %.2f)", ratio.value, ratio.low, ratio.high)
      }
      let cells = [
        isFloor ? String(format: "1 = %.4f", floor.distances.reduce(0, +) / Double(seeds)) : times(ratio),
        String(format: "%+.4f ± %.4f", bias.mean, bias.half),
        isFloor ? String(format: "1 = %.4f", floor.weightError) : times(weight),
        String(format: "%.2f", outcome.rootMeanSquareError),
      ]
      print("| \(outcome.method) | " + cells.joined(separator: " | ") + " |")
    }
  }
}
