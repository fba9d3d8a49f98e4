// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Processes
import Solvers

/// Ways from each row of data to the next: both are brought to a time, interpolated there, and solvers go on from what
/// lies between them (Ho et al. 2020, section 4.3, with noise; Song et al. 2021, section 4.3, with codes of the flow).
///
/// Sample i begins with frame i mod F of F = (rows − 1) · frames, of which frame f of a pair has the weight
/// f/(frames − 1) of the pair's second row. The command `interpolate` has the same frames, and decodes by the flow.
struct InterpolationStart: StartRecipe {
  /// How rows are brought to the time.
  enum Encoding: String, CaseIterable, Sendable {
    /// By the probability flow of the experiment's score, without guidance: the same for all samples of a frame.
    case flow
    /// m(t) x + σ(t) z, with the same z for all frames of a pair. Each further round of frames has noise of its own.
    case noise
  }

  let time: Double?
  let source: StartRows
  let perPair: Int
  let interpolation: Interpolation
  let encoding: Encoding

  var needsFlow: Bool { encoding == .flow }
  var frames: Int? { perPair }

  func check(_ process: PreparedProcess, _ data: any DataSource, count: Int) throws {
    if encoding == .noise { _ = try process.requireStartKernel() }
    let rows = try source.check(data)
    guard rows > 1 else { throw InputError("has one row; allowed: two or more, with a way from each to the next") }
    let needed = (rows - 1) * perPair
    guard count == 0 || count >= needed else {
      throw InputError("has \(needed) frames for \(count) samples; allowed: sampling.count of as many or more")
    }
  }

  func rows(of data: DataInCoordinates) throws -> Batch { try source.rows(of: data) }
  func conditions(of data: DataInCoordinates) throws -> Conditions? { try source.conditions(of: data) }

  func beginning(_ rows: Batch, _ process: PreparedProcess, seed: UInt64, period: Int?) throws -> Beginning {
    let time = time ?? process.duration
    let total = (rows.count - 1) * perPair
    /// A sample's place among those of its repeat.
    @Sendable func place(_ number: Int) -> Int { period.map { number % $0 } ?? number }
    if encoding == .flow {
      let way = interpolation.frames(between: rows, frames: perPair)
      return Beginning(at: time) { x in
        for row in 0..<x.count {
          for (j, value) in way.row(place(x.first + row) % total).enumerated() { x[row, j] = value }
        }
      }
    }
    let moments = try process.requireStartKernel().moments(at: time)
    let (scale, deviation) = (moments.scale, moments.variance.squareRoot())
    let stream = NoiseStream(seed: seed, purpose: .edit)
    /// Rounds of frames in a repeat.
    let rounds = period.map { ($0 + total - 1) / total } ?? 0
    return Beginning(at: time) { x in
      for row in 0..<x.count {
        let number = x.first + row
        let (round, frame) = (place(number) / total, place(number) % total)
        let pair = frame / perPair
        let noise = ((period.map { number / $0 } ?? 0) * rounds + round) * rows.count + pair
        RowStorage.with(RowSpan(first: noise, count: 2, dimension: x.dimension), count: 1) { storage in
          let ends = storage[0]
          stream.normals(into: ends, step: 0)
          for end in 0..<2 {
            for (j, value) in rows.row(pair + end).enumerated() {
              ends[end, j] = scale * value + deviation * ends[end, j]
            }
          }
          interpolation.write(
            ends.row(0), ends.row(1), at: Double(frame % perPair) / Double(perPair - 1), into: x.row(row))
        }
      }
    }
  }
}
