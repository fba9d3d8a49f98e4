// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The events of a training for TensorBoard: a file that grows by whole records, as this format is meant to, so that a
/// TensorBoard that is open follows it. A training that goes on writes it anew from the log that was kept.
///
/// The times of events are those of the log's column `seconds` after the training's begin, as if it had never stopped.
final class TrainingEvents {
  static let folder = "tensorboard"
  private static let file = folder + "/events.out.tfevents.score-sde"
  private let results: ResultsFolder
  /// When the training began, as seconds since 1970.
  private var start = 0.0
  /// The step of the last row that was written.
  private var lastStep = -1

  init(_ results: ResultsFolder) { self.results = results }

  var exists: Bool { results.exists(Self.file) }

  /// Begins the file, with the rows and pictures that are there.
  /// - Parameter seconds: how long the training took before.
  func begin(_ csv: String, seconds: Double, pictures: [(step: Int, png: Data)]) throws {
    start = Date().timeIntervalSince1970 - seconds
    var data = EventFile.beginning(time: start)
    let rows = rows(of: csv)
    lastStep = rows.last?.step ?? -1
    for row in rows { data += events(of: row) }
    for picture in pictures {
      let time = rows.last { $0.step <= picture.step }?.seconds ?? 0
      data += event(of: picture.png, step: picture.step, time: start + time)
    }
    try results.write(data, to: Self.file)
  }

  /// Adds the rows of a log that are not there yet.
  func add(rowsOf csv: String) throws {
    let new = rows(of: csv).filter { $0.step > lastStep }
    guard let last = new.last else { return }
    lastStep = last.step
    try append(new.reduce(into: Data()) { $0 += events(of: $1) })
  }

  func add(picture png: Data, step: Int) throws {
    try append(event(of: png, step: step, time: Date().timeIntervalSince1970))
  }

  private struct Row {
    let step: Int
    let seconds: Double
    let values: [(tag: String, value: Double)]
  }

  /// Every column but those of steps and seconds is a curve.
  private func rows(of csv: String) -> [Row] {
    let table = CSVTable(csv)
    return (0..<table.count).compactMap { row in
      guard let step = table["step", row].flatMap({ Int($0) }) else { return nil }
      let names = table.columns.filter { $0 != "step" && $0 != "seconds" }
      return Row(
        step: step, seconds: table.number("seconds", row) ?? 0,
        values: names.compactMap { name in table.number(name, row).map { ("training/\(name)", $0) } })
    }
  }

  private func events(of row: Row) -> Data {
    EventFile.record(EventFile.scalars(row.values, step: row.step, time: start + row.seconds))
  }

  private func event(of png: Data, step: Int, time: Double) -> Data {
    // Width and height stand in the first chunk of a PNG file.
    func number(_ place: Int) -> Int { png.dropFirst(place).prefix(4).reduce(0) { $0 << 8 | Int($1) } }
    return EventFile.record(
      EventFile.image(png, width: number(16), height: number(20), tag: "preview", step: step, time: time))
  }

  private func append(_ data: Data) throws {
    guard Team.current.isRoot else { return }
    let path = try results.fileToWrite(Self.file)
    let descriptor = open(path, O_WRONLY | O_APPEND | O_NOFOLLOW | O_CLOEXEC)
    guard descriptor >= 0 else { throw WriteError(path: path, reason: String(cString: strerror(errno))) }
    defer { close(descriptor) }
    var rest = data[...]
    while !rest.isEmpty {
      let count = rest.withUnsafeBytes { Foundation.write(descriptor, $0.baseAddress, $0.count) }
      if count < 0 && errno == EINTR { continue }
      guard count > 0 else { throw WriteError(path: path, reason: String(cString: strerror(errno))) }
      rest = rest.dropFirst(count)
    }
  }
}
