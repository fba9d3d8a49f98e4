// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Training

/// The rows of `training.csv`: means over runs of steps.
struct TrainingLog {
  private let every, batch: Int
  private let unit: String
  private let start = ContinuousClock().now
  /// The seconds that the training took before it was interrupted.
  private let secondsBefore: Double
  private var sum = 0.0
  private var count = 0
  private var last: (step: Int, seconds: Double)?
  private var table = CSVText(columns: ["step", "loss", "learning_rate", "gradient_norm", "seconds"])
  private(set) var note = ""

  /// - Parameters:
  ///   - before: the text that an interrupted training left; empty for a new one.
  ///   - step: where it stopped; later rows are forgotten.
  init(every: Int, batch: Int, unit: String, before: String, step: Int) {
    self.unit = unit
    self.every = every
    self.batch = batch
    var seconds = 0.0
    for line in before.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: ",")
      guard fields.count == 5, let number = Int(fields[0]), number <= step, let time = Double(fields[4]) else { break }
      table.append(rows: line + "\n")
      seconds = time
    }
    secondsBefore = seconds
  }

  var csv: String { table.text }

  mutating func add(_ step: Trainer.Step) {
    sum += step.loss
    count += 1
    let seconds = secondsBefore + start.duration(to: ContinuousClock().now).seconds
    if step.number % every == 0 {
      let loss = sum / Double(count)
      table.add([step.number.description] + [loss, step.learningRate, step.gradientNorm, seconds].map(\.description))
      let since = last ?? (step.number - count, secondsBefore)
      let each = (seconds - since.seconds) / Double(step.number - since.step)
      note = String(format: "loss %.4f  %.3g s a step  %.3g ", loss, each, Double(batch) / each) + "\(unit)/s"
      last = (step.number, seconds)
      (sum, count) = (0, 0)
    }
  }
}
