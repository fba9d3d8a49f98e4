// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// A place of a scheduler's plan: a state of given moments, at which the score is asked for at another time of the
/// process, that of the level told.
struct ScheduledNode {
  /// m and v of the state there.
  let moments: Moments
  /// The time of the level told.
  let time: Double
  /// m and v of the process at that time; √(m² + v) is that of `moments`, so states need no scaling.
  let told: Moments
}

/// The score of states at the nodes of a plan: node i stands at the time −i of `ScheduledKernel`.
///
/// The network's output, held fixed, gives the denoised mean D = p x + q s of a state x, with s the score at the time
/// told; clipped, D gives back a score (m D − x)/v.
final class ScheduledEvaluator: ScoreEvaluator {
  private let base: any ScoreEvaluator
  private let nodes: [ScheduledNode]
  private let held: HeldOutput
  private let clipping: Clipping

  init(_ base: any ScoreEvaluator, _ nodes: [ScheduledNode], _ held: HeldOutput, _ clipping: Clipping) {
    (self.base, self.nodes, self.held, self.clipping) = (base, nodes, held, clipping)
  }

  func cost(at t: Double) -> Int { base.cost(at: nodes[Int(-t)].time) }
  func culprit(_ x: Rows, at t: Double) -> String? { base.culprit(x, at: nodes[Int(-t)].time) }

  func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
    guard case .all(let t) = times else { preconditionFailure("rows of a schedule stand at one time") }
    let node = nodes[Int(-t)]
    try base.evaluate(x, at: .all(node.time), into: s)
    if node.moments == node.told && clipping == .none { return }
    let (p, q) = Self.denoising(node, held)
    ck_combine(s.values, p, x.values, q, s.values, s.size)
    clipping.apply(to: s)
    let variance = node.moments.variance
    ck_combine(s.values, -1 / variance, x.values, node.moments.scale / variance, s.values, s.size)
  }

  /// p and q of D = p x + q s.
  static func denoising(_ node: ScheduledNode, _ held: HeldOutput) -> (Double, Double) {
    let (own, told) = (node.moments, node.told)
    switch held {
    // D = (x − σ ε)/m with ε = −σ_told s
    case .noise: return (1 / own.scale, own.deviation * told.deviation / own.scale)
    case .data: return (1 / told.scale, told.variance / told.scale)
    case .velocity:
      // In units of √(m² + v): D = m x − σ v with v = m_told ε_told − σ_told D_told.
      let unit = (told.scale * told.scale + told.variance).squareRoot()
      let (m, deviation) = (own.scale / unit, own.deviation / unit)
      let (toldScale, toldDeviation) = (told.scale / unit, told.deviation / unit)
      return (
        m / unit + deviation * toldDeviation / told.scale,
        deviation * (toldScale * told.deviation + toldDeviation * told.variance / told.scale)
      )
    }
  }
}

/// A process whose kernel has the moments of node i at the time −i. Only its kernel is asked for.
struct ScheduledProcess: KernelSDE {
  let base: any SDE
  let moments: [Moments]

  var duration: Double { base.duration }
  func makePrior() -> any Prior { base.makePrior() }

  func makeKernel() -> any PerturbationKernel {
    let moments = moments
    return ClosedFormKernel { moments[Int(-$0)] }
  }

  func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows) {
    base.addDrift(x, at: t, times: times, to: out)
  }
  func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    base.addScoreDrift(s, x, at: t, times: times, to: out)
  }
  func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    base.addNoise(z, x, at: t, times: times, to: out)
  }
}
