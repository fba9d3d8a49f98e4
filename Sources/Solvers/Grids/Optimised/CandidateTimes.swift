// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Processes

/// Times among which a search chooses, and by which it measures: M intervals from T to ε, equal in
///
///     ln σ̃ − ln(1 + κ σ̃),  σ̃ = σ/m,
///
/// with κ = 0, equal steps of ln(m/σ), unless σ̃ grows without bound: then κ = 1/50 leaves the signal's last fiftieth
/// to the first interval. A process that knows no noise has equal steps of t. Between them, place and time are linear.
package struct CandidateTimes: Sendable {
  /// M + 1 falling times.
  package let times: [Double]

  private static let largestNoise = 1e4
  private static let bend = 0.02

  package init(_ setting: SamplingSetting, count: Int) {
    let (start, end) = (setting.start, setting.epsilon)
    let equal = (0...count).map { $0 == count ? end : start + (end - start) * Double($0) / Double(count) }
    guard let kernel = setting.noise else {
      times = equal
      return
    }
    let (high, low) = (kernel.moments(at: start).noiseToSignal, kernel.moments(at: end).noiseToSignal)
    let bend = high < Self.largestNoise ? 0 : Self.bend
    let (first, last) = (high.isFinite ? log(high / (1 + bend * high)) : -log(bend), log(low / (1 + bend * low)))
    let spaced = (0...count).map { i -> Double in
      if i == 0 { return start }
      if i == count { return end }
      let level = exp(first + (last - first) * Double(i) / Double(count))
      return kernel.time(ofNoiseToSignal: level / (1 - bend * level), from: end, to: start)
    }
    // Without noise at ε, or with steps too short to tell.
    let falls = zip(spaced, spaced.dropFirst()).allSatisfy { $0 > $1 }
    times = falls ? spaced : equal
  }

  /// M
  package var count: Int { times.count - 1 }

  /// The time at a place from 0, at T, to M, at ε.
  package func time(at place: Double) -> Double {
    if place <= 0 { return times[0] }
    if place >= Double(count) { return times[count] }
    let i = min(count - 1, Int(place))
    return times[i] + (place - Double(i)) * (times[i + 1] - times[i])
  }

  /// Where a time lies.
  package func place(of time: Double) -> Double {
    let i = min(count - 1, max(0, (times.firstIndex { $0 <= time } ?? count) - 1))
    return Double(i) + min(1, max(0, (time - times[i]) / (times[i + 1] - times[i])))
  }
}
