// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Models
import Processes

/// A time with what objectives of few steps ask of it.
struct NoiseNode: Sendable {
  let time: Double
  let moments: Moments
  /// σ̃ = σ/m
  let ratio: Double
  /// ln σ̃
  let logRatio: Double

  init(_ model: ScoreModel, at time: Double) {
    self.time = time
    moments = model.kernel.moments(at: time)
    ratio = moments.noiseToSignal
    logRatio = log(ratio)
  }
}

/// N + 1 times from ε to T, at equal steps of κ = σ̃^{1/ρ} (Karras et al. 2022, eq. 5), rising, with K − 1 more between
/// any two: a teacher's steps.
struct NoiseGrid: Sendable {
  /// All times, K (N) + 1 of them.
  let nodes: [NoiseNode]
  /// K
  let parts: Int
  /// The first node alone, ε: where consistency functions end.
  let end: [NoiseNode]
  /// N
  var intervals: Int { (nodes.count - 1) / parts }
  private let rho: Double

  init(_ model: ScoreModel, from end: Double, intervals: Int, parts: Int = 1, rho: Double = 7) {
    let (kernel, duration) = (model.kernel, model.duration)
    func coordinate(_ t: Double) -> Double { pow(kernel.moments(at: t).noiseToSignal, 1 / rho) }
    let (low, high, count) = (coordinate(end), coordinate(duration), intervals * parts)
    nodes = (0...count).map { i in
      if i == 0 || i == count { return NoiseNode(model, at: i == 0 ? end : duration) }
      let ratio = pow(low + (high - low) * Double(i) / Double(count), rho)
      return NoiseNode(model, at: kernel.time(ofNoiseToSignal: ratio, from: end, to: duration))
    }
    (self.parts, self.rho, self.end) = (parts, rho, [nodes[0]])
  }

  /// The node where interval n begins: the smaller time.
  subscript(_ n: Int) -> NoiseNode { nodes[n * parts] }

  /// The interval, from 0, that a time lies in.
  func interval(of time: Double) -> Int {
    var (low, high) = (0, intervals)
    while high - low > 1 {
      let middle = (low + high) / 2
      if nodes[middle * parts].time <= time { low = middle } else { high = middle }
    }
    return low
  }

  /// dσ̃/dκ at a node, in units of the steps of κ between neighbouring nodes.
  func slope(at node: Int) -> Double {
    let (low, high) = (pow(nodes[0].ratio, 1 / rho), pow(nodes[nodes.count - 1].ratio, 1 / rho))
    let step = (high - low) / Double(nodes.count - 1)
    return rho * pow(low + step * Double(node), rho - 1) * step
  }
}
