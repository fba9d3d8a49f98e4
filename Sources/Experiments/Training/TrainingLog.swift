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
    /// The losses of the steps after the last row, how many there are, and how many steps were skipped.
    var sum = 0.0
    var count = 0
    var skipped = 0
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
      skipped = notes["log_skipped"].flatMap { Int($0) } ?? 0
      seconds = notes["log_seconds"].flatMap { Double($0) }
    }
  }

  private let every, batch: Int
  /// Whether the table says how many steps were skipped.
  private let counts: Bool
  /// How many steps were skipped in all, and why the first of them was.
  private(set) var skipped = 0
  private(set) var firstSkipped: NonFinite?
  /// Since the last row.
  private var skippedLately = 0
  private let unit: String
  private let start = ContinuousClock().now
  /// The seconds that the training took before it was interrupted.
  let secondsBefore: Double
  private var sum = 0.0
  private var count = 0
  private var last: (step: Int, seconds: Double)?
  private var table: CSVText
  private static let columns = ["step", "loss", "learning_rate", "gradient_norm", "seconds"]
  /// The mean loss of the last row; before the first one, of the steps so far.
  private var lastLoss: Double?
  /// How fast the training is, by the last row; empty before the first one.
  private(set) var speed = ""

  /// - Parameters:
  ///   - before: what an interrupted training left; empty for a new one.
  ///   - step: where it stopped; later rows are forgotten.
  ///   - counts: whether there is a column `skipped`, the number of steps that changed nothing.
  init(every: Int, batch: Int, unit: String, before: Kept, step: Int, counts: Bool = false) {
    self.counts = counts
    table = CSVText(columns: Self.columns + (counts ? ["skipped"] : []))
    self.unit = unit
    self.every = every
    self.batch = batch
    var seconds = 0.0
    for line in before.csv.split(separator: "\n").dropFirst() {
      let fields = line.split(separator: ",")
      guard 5...6 ~= fields.count, let number = Int(fields[0]), number <= step, let time = Double(fields[4]) else {
        break
      }
      let lost = fields.count == 6 ? Int(fields[5]) ?? 0 : 0
      table.append(rows: fields.prefix(5).joined(separator: ",") + (counts ? ",\(lost)\n" : "\n"))
      skipped += lost
      rows += 1
      (seconds, lastLoss) = (time, Double(fields[1]))
    }
    secondsBefore = max(seconds, before.seconds ?? 0)
    if before.count >= 0, before.skipped >= 0, before.count < every, before.skipped < every - before.count,
      before.count + before.skipped <= step
    {
      (sum, count, skippedLately) = (before.sum, before.count, before.skipped)
      skipped += before.skipped
    }
  }

  var csv: String { table.text }

  /// How many rows there are.
  private(set) var rows = 0

  /// As `loss 0.41`; empty before the first step.
  var loss: String {
    guard let loss = lastLoss ?? (count > 0 ? sum / Double(count) : nil) else { return "" }
    return String(format: "loss %.3g", loss)
  }

  /// The log for the metadata of an unfinished checkpoint.
  var notes: [String: String] {
    var notes = [
      "log": csv, "log_sum": sum.description, "log_count": String(count), "log_seconds": seconds.description,
    ]
    if counts { notes["log_skipped"] = String(skippedLately) }
    return notes
  }

  private var seconds: Double { secondsBefore + start.duration(to: ContinuousClock().now).seconds }

  mutating func add(_ step: Trainer.Step) {
    if let reason = step.skipped {
      firstSkipped = firstSkipped ?? reason
      skipped += 1
      skippedLately += 1
    } else {
      sum += step.loss
      count += 1
    }
    let seconds = seconds
    if step.number % every == 0 {
      let loss = sum / Double(count)
      let numbers = [loss, step.learningRate, step.gradientNorm, seconds].map(\.description)
      table.add([step.number.description] + numbers + (counts ? [String(skippedLately)] : []))
      rows += 1
      let since = last ?? (step.number - count - skippedLately, secondsBefore)
      let each = (seconds - since.seconds) / Double(step.number - since.step)
      speed = String(format: "%.3g s a step  %.3g ", each, Double(batch) / each) + "\(unit)/s"
      lastLoss = loss
      last = (step.number, seconds)
      (sum, count, skippedLately) = (0, 0, 0)
    }
  }
}
