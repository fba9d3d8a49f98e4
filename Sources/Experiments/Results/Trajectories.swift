// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Solvers
import Synchronization

/// Which rows are followed through a solve, and how often.
public struct TrajectoryPlan: Sendable, Equatable {
  /// Rising.
  public let rows: [Int]
  /// Every so many steps; the start and the end always.
  public let every: Int

  /// Reads `sampling.trajectories`.
  init(_ options: Options, count: Int) throws {
    let wanted = try options.numbers("rows", or: "first", "rows to follow, counted from 0; or the first ones")
    let first = try options.integer("first", default: 16, atLeast: 1, "how many rows from row 0 on, without `rows`")
    every = try options.integer("every", default: 1, atLeast: 1, "of how many steps one is kept; first and last always")
    if let wanted {
      if options.has("first") { throw options.wrong("first", "stands beside rows; allowed: one of the two") }
      for row in wanted where row != row.rounded() || row < 0 || row >= Double(count) {
        throw options.wrong(
          "rows", "holds \(written(row)); allowed: whole numbers from 0, below count, which is \(count)")
      }
      guard Set(wanted).count == wanted.count else { throw options.wrong("rows", "names a row twice") }
      rows = wanted.map { Int($0) }.sorted()
    } else {
      rows = Array(0..<min(first, count))
    }
  }
}

/// What was seen of some rows of a solve.
struct Trajectories {
  struct Moment {
    let step: Int
    let time: Double
    let values: [Double]
  }

  /// The moments of each row, by row.
  let rows: [(row: Int, moments: [Moment])]
  let dimension: Int

  /// The state of all rows at a share of the way, 0 the start and 1 the end. Rows may have steps of their own.
  func state(at share: Double) -> Batch {
    Batch(
      values: rows.flatMap { $0.moments[Int((share * Double($0.moments.count - 1)).rounded())].values },
      dimension: dimension)
  }

  /// The largest number of moments of a row.
  var length: Int { rows.map(\.moments.count).max() ?? 0 }

  /// Watches a solve for the plan's rows.
  final class Recorder: StepObserver {
    private let plan: TrajectoryPlan
    /// What was kept of each row, and the last state where it was not.
    private let seen = Mutex<[Int: (kept: [Moment], last: Moment?)]>([:])

    init(_ plan: TrajectoryPlan) { self.plan = plan }

    func reached(_ x: Rows, step: Int, at time: Double) {
      for row in plan.rows where row >= x.first && row < x.first + x.count {
        let start = (row - x.first) * x.dimension
        let moment = Moment(step: step, time: time, values: (start..<start + x.dimension).map { x.values[$0] })
        let isKept = step % plan.every == 0
        seen.withLock {
          if isKept { $0[row, default: ([], nil)].kept.append(moment) }
          $0[row, default: ([], nil)].last = isKept ? nil : moment
        }
      }
    }

    func trajectories(dimension: Int) -> Trajectories {
      let seen = seen.withLock { $0 }
      return Trajectories(
        rows: seen.keys.sorted().map { row in
          let (kept, last) = seen[row] ?? ([], nil)
          return (row, kept + (last.map { [$0] } ?? []))
        }, dimension: dimension)
    }
  }

  static func header(dimension: Int) -> String {
    let columns = dimension > 256 ? [] : (0..<dimension).map { "x\($0)" }
    return (["solver", "row", "step", "time"] + columns).joined(separator: ",") + "\n"
  }

  /// Lines of `trajectories.csv`; above 256 dimensions without the state, which `states` has in the same order.
  func csv(solver: String) -> String {
    var text = ""
    for (row, moments) in rows {
      for moment in moments {
        text += "\(solver),\(row),\(moment.step),\(moment.time)"
        if dimension <= 256 { for value in moment.values { text += ",\(value)" } }
        text += "\n"
      }
    }
    return text
  }

  var states: Batch { Batch(values: rows.flatMap { $0.moments.flatMap(\.values) }, dimension: dimension) }
}

extension Trajectories {
  /// Moments for pictures, scaled down to the data's root mean square where theirs is larger, as early states are noise of
  /// any size.
  private func frame(at share: Double, like data: Batch) -> Batch {
    func size(_ batch: Batch) -> Double {
      (batch.values.reduce(0) { $0 + $1 * $1 } / Double(max(1, batch.values.count))).squareRoot()
    }
    var batch = state(at: share)
    let factor = size(data) / size(batch)
    if factor < 1 { for i in batch.values.indices { batch.values[i] *= factor } }
    return batch
  }

  private func shares(_ count: Int) -> [Double] {
    let count = min(count, length)
    return count < 2 ? [1] : (0..<count).map { Double($0) / Double(count - 1) }
  }

  /// A film strip from start to end: of images up to 8 rows at 12 moments, else all rows at 8.
  func strip(shape: ImageShape?, data: Batch) -> Picture {
    guard let shape else {
      return Picture.row(shares(8).map { Picture.scatter(frame(at: $0, like: data), heldOut: data, size: 240) })
    }
    let shares = shares(12)
    let frames = shares.map { frame(at: $0, like: data) }
    let images = (0..<min(8, rows.count)).flatMap { row in frames.flatMap { Array($0.row(row)) } }
    return Picture.grid(Batch(values: images, dimension: dimension), shape: shape, columns: shares.count)
  }

  /// An animated PNG of up to 60 frames; the last one stays for a while.
  func animation(shape: ImageShape?, data: Batch) throws -> Data {
    let frames = shares(60).map { share in
      let batch = frame(at: share, like: data)
      return shape.map { Picture.grid(batch, shape: $0) } ?? Picture.scatter(batch, heldOut: data, size: 360)
    }
    return try AnimatedPicture.png(frames)
  }
}
