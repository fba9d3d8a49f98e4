// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Training

/// The rows of `training.csv`: means over runs of steps.
struct TrainingLog {
  /// A log as far as it was when a training was kept. An unfinished checkpoint has it in its metadata, so that the two
  /// are always of one step.
  struct Kept {
    /// The rows, with their header.
    var csv = ""
    /// The losses of the steps after the last row, and how many there are.
    var sum = 0.0
    var count = 0
    /// How long the training took; nil: as the last row says.
    var seconds: Double?

    init(csv: String = "") { self.csv = csv }

    /// - Parameters:
    ///   - notes: a checkpoint's metadata.
    ///   - csv: the rows of a checkpoint whose metadata has none, as older programs wrote it.
    init(notes: [String: String], csv: String) {
      self.csv = notes["log"] ?? csv
      sum = notes["log_sum"].flatMap { Double($0) } ?? 0
      count = notes["log_count"].flatMap { Int($0) } ?? 0
      seconds = notes["log_seconds"].flatMap { Double($0) }
    }
  }

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
  ///   - before: what an interrupted training left; empty for a new one.
  ///   - step: where it stopped; later rows are forgotten.
  init(every: Int, batch: Int, unit: String, before: Kept, step: Int) {
    self.unit = unit
    self.every = every
    self.batch = batch
    var seconds = 0.0
    for line in before.csv.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: ",")
      guard fields.count == 5, let number = Int(fields[0]), number <= step, let time = Double(fields[4]) else { break }
      table.append(rows: line + "\n")
      seconds = time
    }
    secondsBefore = max(seconds, before.seconds ?? 0)
    if (1..<every).contains(before.count), before.count <= step { (sum, count) = (before.sum, before.count) }
  }

  var csv: String { table.text }

  /// The log for the metadata of an unfinished checkpoint.
  var notes: [String: String] {
    ["log": csv, "log_sum": sum.description, "log_count": String(count), "log_seconds": seconds.description]
  }

  private var seconds: Double { secondsBefore + start.duration(to: ContinuousClock().now).seconds }

  mutating func add(_ step: Trainer.Step) {
    sum += step.loss
    count += 1
    let seconds = seconds
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
