// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// Moves times for a smaller error at ε, with no derivatives but differences: what LD3 (Tong et al. 2024) minimises by
/// gradients through the solver.
///
/// The lengths of the steps, in the places of `CandidateTimes`, are M softmax(θ): times always fall, and the ends stay.
/// The error is a sum of squares over all coordinates of all rows, so that Levenberg's and Marquardt's method finds
/// most of the way: it solves (JᵀJ + μ diag JᵀJ) Δ = −Jᵀ r, with J by differences. Where a row ends in another
/// component of the data for a small change, J says little; what trials are left move one time after the other, by a
/// share of the shorter step beside it that is halved when none helps (a compass search).
struct GridRefinement {
  private let error: EndError
  private let candidates: CandidateTimes
  /// The places of the best times so far, from 0 to M.
  private(set) var places: [Double]
  private var differences: [Double]
  /// The root mean square of the error at ε.
  var size: Double { EndError.size(differences) }

  /// The change of θ by which J is taken: far above rounding, and below what moves a time by a hundredth of a step.
  private static let change = 1e-3
  private static let shortestMove = 0.005

  /// - Parameters:
  ///   - places: where the times are, with differences that are known.
  init(_ error: EndError, _ candidates: CandidateTimes, _ places: [Double], differences: [Double]) {
    (self.error, self.candidates, self.places, self.differences) = (error, candidates, places, differences)
  }

  var times: [Double] { times(places) }

  private func times(_ places: [Double]) -> [Double] { places.map(candidates.time) }

  /// Takes a grid if it is better.
  private mutating func accept(_ other: [Double]) throws -> Bool {
    guard let found = try error.differences(times(other)), EndError.size(found) < size else { return false }
    (places, differences) = (other, found)
    return true
  }

  /// - Parameters:
  ///   - trials: how many grids may be tried.
  ///   - progress: is told of them.
  mutating func run(trials: Int, progress: (any ProgressObserver)?) throws {
    guard places.count > 2, trials > 0, size > 0 else { return }
    let end = error.tried + trials
    var told = error.tried
    func tell() {
      progress?.advance(by: error.tried - told)
      told = error.tried
    }
    var damping = 1e-2
    // Two thirds of the trials at most: the rest is for what differences do not tell.
    while error.tried + places.count + 1 <= end - trials / 3 {
      let before = size
      guard let (slope, curvature) = try linearised() else { break }
      tell()
      var isBetter = false
      while error.tried < end, damping < 1e6, !isBetter {
        if let other = moved(slope, curvature, damping) { isBetter = try accept(other) } else { error.skip() }
        damping *= isBetter ? 0.2 : 5
        tell()
      }
      damping = max(damping, 1e-8)
      if !isBetter || size > before * (1 - 1e-3) { break }
    }
    var share = 0.25
    while error.tried < end, share > Self.shortestMove {
      var isBetter = false
      for k in 1..<places.count - 1 {
        for sign in [-1.0, 1] where error.tried < end {
          var other = places
          other[k] += sign * share * min(places[k] - places[k - 1], places[k + 1] - places[k])
          isBetter = try accept(other) || isBetter
          tell()
        }
      }
      if !isBetter { share *= 0.5 }
    }
  }

  /// θ of the present places: the logarithms of the steps' lengths.
  private var logLengths: [Double] { zip(places, places.dropFirst()).map { log($1 - $0) } }

  private func places(of logLengths: [Double]) -> [Double] {
    let largest = logLengths.max() ?? 0
    let shares = logLengths.map { exp($0 - largest) }
    let total = shares.reduce(0, +)
    var (places, sum) = ([0.0], 0.0)
    for share in shares.dropLast() {
      sum += share / total
      places.append(Double(candidates.count) * sum)
    }
    return places + [Double(candidates.count)]
  }

  /// Jᵀr and JᵀJ; nil where a change of θ leads to no number.
  private func linearised() throws -> (slope: [Double], curvature: Matrix)? {
    let theta = logLengths
    var columns: [[Double]] = []
    for k in theta.indices {
      var other = theta
      other[k] += Self.change
      guard let changed = try error.differences(times(places(of: other))) else { return nil }
      columns.append(zip(changed, differences).map { ($0 - $1) / Self.change })
    }
    let n = theta.count
    var curvature = Matrix(rows: n, columns: n)
    for i in 0..<n {
      for j in 0...i {
        let dot = zip(columns[i], columns[j]).reduce(0) { $0 + $1.0 * $1.1 }
        curvature[i, j] = dot
        curvature[j, i] = dot
      }
    }
    return (columns.map { zip($0, differences).reduce(0) { $0 + $1.0 * $1.1 } }, curvature)
  }

  /// The places after a step of the damped method; nil where it leads nowhere.
  private func moved(_ slope: [Double], _ curvature: Matrix, _ damping: Double) -> [Double]? {
    let n = slope.count
    var damped = curvature
    let least = 1e-12 * (0..<n).map { curvature[$0, $0] }.reduce(0, +)
    for i in 0..<n { damped[i, i] += damping * curvature[i, i] + least }
    let inverse = damped.inverse
    let step = (0..<n).map { i in -(0..<n).reduce(0) { $0 + inverse[i, $1] * slope[$1] } }
    // A step's length changes by at most a factor of e² at a time.
    guard step.allSatisfy(\.isFinite) else { return nil }
    let theta = zip(logLengths, step).map { $0 + max(-2, min(2, $1)) }
    let other = places(of: theta)
    return zip(other, other.dropFirst()).allSatisfy { $0 < $1 } ? other : nil
  }
}
