// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Processes
import Scores

/// PNDM (Liu et al. 2022; without Runge–Kutta steps the PLMS of latent diffusion): with F_i the network's outputs, from
/// the second step on
///
///     F = (3, −1)/2,  (23, −16, 5)/12,  (55, −59, 37, −9)/24
///
/// of F_i, F_{i−1}, …; the first step is made once by Euler, the level below is called, and it is made again with the
/// mean of both outputs. Or the first three steps are Runge and Kutta's, with F = (F_1 + 2 F_2 + 2 F_3 + F_4)/6 and the
/// level in the middle called twice. Then x moves from the level called to N_trained/N below by DDIM's formula.
///
/// It knows levels and no states: begun later in its list of calls (image to image), it takes the second call for the
/// repeated one as diffusers does, so that states lag a level behind.
struct PNDM {
  private let solver: ScheduledSolver
  private let levels: TrainedLevels
  private let places: LevelPlaces
  private let calls: [SchedulePlan.Step]

  init(
    _ solver: ScheduledSolver, _ plan: SchedulePlan, _ levels: TrainedLevels, _ places: LevelPlaces, first: Int
  ) {
    (self.solver, self.levels, self.places) = (solver, levels, places)
    calls = Array(plan.steps.dropFirst(first))
  }

  /// σ̃ of a level; below the first, that of the end.
  private func noise(_ level: Int) -> Double {
    level >= 0
      ? levels.noiseToSignal[min(level, levels.count - 1)]
      : solver.scheduler.endsWithoutNoise ? 0 : levels.noiseToSignal[0]
  }

  private static let weights: [[Double]] = [
    [1], [3.0 / 2, -1.0 / 2], [23.0 / 12, -16.0 / 12, 5.0 / 12], [55.0 / 24, -59.0 / 24, 37.0 / 24, -9.0 / 24],
  ]

  func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let ratio = levels.count / solver.count
    let sum = Combination(capacity: 4)
    var outputs = (0..<4).map { _ in context.makeRows() }
    let (start, output, total) = (context.makeRows(), context.makeRows(), context.makeRows())
    var known = 0
    context.started(at: calls.first.map { places.time(of: $0.level) } ?? 0, x)
    let doubled = solver.scheduler.startsWithRungeKutta ? 12 : 0
    for (i, call) in calls.enumerated() {
      var (from, to) = (Int(call.level), Int(call.level) - ratio)
      let node = places.node(call: call)
      // Outputs at the beginnings of steps are remembered; others belong to a step that is made again.
      let isRemembered = i < doubled ? i % 4 == 0 : i != 1 || doubled > 0
      if isRemembered {
        outputs.insert(outputs.removeLast(), at: 0)
        known = min(4, known + 1)
      }
      try evaluate(x, node, into: isRemembered ? outputs[0] : output, context)
      // From the units of the process to those in which m² + σ² = 1, where levels follow each other.
      scale(x, by: 1 / places.unit(at: node.time))
      if i < doubled {
        let stage = i % 4
        if stage == 0 {
          start.copy(x)
          total.fill(0)
          output.copy(outputs[0])
        }
        ck_add_scaled(total.values, output.values, (stage == 0 || stage == 3 ? 1.0 : 2.0) / 6, x.size)
        if stage == 3 { output.copy(total) }
        (from, to) = (Int(calls[i - stage].level), Int(call.level) - (stage % 2 == 0 ? ratio / 2 : 0))
        x.copy(start)
      } else if !isRemembered {
        ck_combine(output.values, 0.5, output.values, 0.5, outputs[0].values, output.size)
        x.copy(start)
        (from, to) = (from + ratio, from)
      } else {
        for (weight, term) in zip(Self.weights[known - 1], outputs) { sum.add(weight, term) }
        sum.write(to: output)
        if i == 0 { start.copy(x) }
      }
      move(x, by: output, from: noise(from), to: noise(to))
      let next = i + 1 < calls.count ? calls[i + 1] : nil
      solver.constraint?.apply(to: x, noiseToSignal: next.map { noise(Int($0.level)) })
      let time = next.map { places.time(of: $0.level) } ?? 0
      scale(x, by: places.unit(at: time))
      try context.finished(step: i + 1, at: time, x)
    }
    return StepCount(accepted: Double(calls.count))
  }

  /// The network's output, ε or v in units of √(m² + σ²), from the score.
  private func evaluate(_ x: Rows, _ node: ScheduledNode, into output: Rows, _ context: SolveContext) throws {
    try context.score.evaluate(x, at: .all(node.time), into: output)
    let told = node.told
    switch solver.scheduler.held {
    case .noise, .data: ck_combine(output.values, -told.deviation, output.values, 0, output.values, output.size)
    case .velocity:
      // v = m ε − σ D, with D = (x + σ² s)/m.
      let unit = (told.scale * told.scale + told.variance).squareRoot()
      let (m, deviation) = (told.scale / unit, told.deviation / unit)
      ck_combine(
        output.values, -deviation / told.scale, x.values, -m * told.deviation - deviation * told.variance / told.scale,
        output.values, output.size)
    }
  }

  private func scale(_ x: Rows, by factor: Double) { ck_combine(x.values, factor, x.values, 0, x.values, x.size) }

  /// x ← m_s (x/m_t + (σ̃_s − σ̃_t) ε)
  private func move(_ x: Rows, by output: Rows, from: Double, to: Double) {
    let (start, end) = (1 / (1 + from * from).squareRoot(), 1 / (1 + to * to).squareRoot())
    // ε = m v + σ x
    let isVelocity = solver.scheduler.held == .velocity
    let (own, share) = isVelocity ? (from * start, start) : (0, 1)
    ck_combine(
      x.values, end / start + end * (to - from) * own, x.values, end * (to - from) * share, output.values, x.size)
  }
}
