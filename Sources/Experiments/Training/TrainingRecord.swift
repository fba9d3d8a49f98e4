// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Training

/// What a training shows in its results folder while it runs: the rows of `training.csv`, pictures of samples, and
/// event files where they are asked for. What is trained depends on none of them.
final class TrainingRecord {
  private let folder: ResultsFolder
  private let stage: PreviewStage?
  private let events: TrainingEvents?
  private let total: Int
  /// How many rows of the log are in the folder, and since when.
  private var shown: (rows: Int, time: ContinuousClock.Instant)?
  /// What a reader of the results should know.
  private(set) var notes: [String] = []
  /// Between two writings: a reader sees a row soon, and the disk is left alone.
  private static let pause = Duration.seconds(2)

  /// - Parameters:
  ///   - stage: draws pictures; nil: there are none.
  ///   - total: the steps of the training.
  ///   - logsEvents: whether there are event files.
  init(_ folder: ResultsFolder, _ stage: PreviewStage?, total: Int, logsEvents: Bool) {
    (self.folder, self.stage, self.total) = (folder, stage, total)
    events = logsEvents ? TrainingEvents(folder) : nil
  }

  /// Removes the pictures and events of an earlier run that this one would not make.
  /// - Parameter areTrue: whether they are of this training, as far as it would make them.
  func prepare(areTrue: Bool) {
    folder.removeFiles(in: TrainingPreview.folder) { areTrue && stage?.preview.makes($0, of: total) == true }
    folder.removeFiles(in: TrainingEvents.folder) { _ in areTrue && events != nil }
  }

  /// Shows what was done before, of which later pictures are no part.
  /// - Parameters:
  ///   - log: the rows so far.
  ///   - state: the training so far, whose picture is drawn where it is due and missing.
  func begin(_ log: TrainingLog, _ state: TrainingState) throws {
    try events?.begin(log.csv, seconds: log.secondsBefore, pictures: pictures(until: state.step))
    try write(log)
    if isDue(at: state.step), !folder.exists(TrainingPreview.file(of: state.step, of: total)) { try draw(state) }
  }

  /// The pictures that are there of steps up to one.
  private func pictures(until step: Int) -> [(step: Int, png: Data)] {
    guard let preview = stage?.preview else { return [] }
    return folder.names(in: TrainingPreview.folder).compactMap { name in
      guard preview.makes(name, of: total), let its = TrainingPreview.step(ofFile: name), its <= step else {
        return nil
      }
      return FileManager.default.contents(atPath: folder.file(name)).map { (its, $0) }
    }
  }

  /// Shows new rows, unless others were shown just now.
  func update(_ log: TrainingLog) throws {
    guard log.rows > shown?.rows ?? -1 else { return }
    if let shown, shown.time.duration(to: ContinuousClock().now) < Self.pause { return }
    try write(log)
  }

  /// Shows all rows.
  func write(_ log: TrainingLog) throws {
    if shown?.rows != log.rows {
      try folder.write(log.csv, to: "training.csv")
      try events?.add(rowsOf: log.csv)
    }
    shown = (log.rows, ContinuousClock().now)
  }

  /// Notes what a reader of the results should know.
  func note(_ texts: [String]) { notes += texts }

  /// Whether there is a picture of a step.
  func isDue(at step: Int) -> Bool { stage?.preview.isDue(at: step, of: total) ?? false }

  /// Draws the picture of a step. One that cannot be drawn is told, and the training goes on.
  func draw(_ state: TrainingState) throws {
    guard let stage else { return }
    do {
      let (name, png) = (TrainingPreview.file(of: state.step, of: total), try stage.png(of: state.averages))
      try folder.write(png, to: name)
      try events?.add(picture: png, step: state.step)
    } catch let error as ComputationError where !error.isStop {
      notes.append("no picture of step \(state.step): \(error)")
    } catch let error as InputError {
      notes.append("no picture of step \(state.step): \(error)")
    }
  }

  /// Shows what there is of a training that came to its end earlier: its rows, and its last picture.
  func show(_ csv: String, _ state: TrainingState) throws {
    if let events, !events.exists {
      let table = CSVTable(csv)
      let seconds = table.count > 0 ? table.number("seconds", table.count - 1) ?? 0 : 0
      try events.begin(csv, seconds: seconds, pictures: pictures(until: total))
    }
    guard let preview = stage?.preview, !folder.exists(TrainingPreview.file(of: total, of: total)) else { return }
    try draw(state)
    if preview.steps < total {
      notes.append("the network was trained before: of its pictures, only that of the last step can be drawn")
    }
  }
}
