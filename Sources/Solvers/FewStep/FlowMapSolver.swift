// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// Samples by the map of the flow, in N steps of a grid: x ← X_{t_i→t_{i+1}}(x), or with noise in between
///
///     x ← X_{t_i→u}(x),  x ← r x + √q z  from u to t_{i+1},   ln σ̃(u) = ln σ̃(t_{i+1}) − γ (ln σ̃(t_{i+1}) − ln
///     σ̃(ε)),
///
/// where each map but the last goes beyond its step's end, and the forward process takes it back (γ-sampling of Kim et
/// al. 2024, CTM, algorithm 3). γ = 0 adds no noise; with γ = 1 each map goes to ε, as those of a consistency function
/// do.
///
/// NFE a row: N.
public struct FlowMapSolver: Solver {
  private let count: Int
  /// γ, 0 to 1.
  public let noise: Double
  public let grid: (any TimeGrid)?

  public var steps: Int? { count }
  public var requires: Requirements { [.kernel, .flowMap] }
  public var limit: Limit { isDeterministic ? .flow : .law }
  public var endsWithData: Bool { true }
  private var isDeterministic: Bool { noise == 0 || count == 1 }

  /// - Parameters:
  ///   - steps: N, at least 1.
  ///   - noise: γ, 0 to 1.
  ///   - grid: where steps begin and end; nil: the problem's grid.
  public init(steps: Int, noise: Double = 0, grid: (any TimeGrid)? = nil) {
    precondition(steps > 0 && (0...1).contains(noise))
    (count, self.noise, self.grid) = (steps, noise, grid)
  }

  public func check(_ setting: SamplingSetting) throws {
    try checkTimes(setting)
    let times = try setting.times(steps: count, grid: grid)
    guard let map = setting.map, let kernel = setting.kernel else { return }
    try setting.check(starts: times.dropLast(), of: map)
    for (index, t) in times.dropFirst().enumerated() {
      let s = target(t, isLast: index == count - 1, kernel, setting.epsilon)
      guard map.reaches(s) else {
        throw InputError(map.complaint(of: s, count == 1 ? "sampling.epsilon" : "a step's end"))
      }
    }
  }

  /// Where the map goes in a step that ends at t.
  private func target(_ t: Double, isLast: Bool, _ kernel: any PerturbationKernel, _ epsilon: Double) -> Double {
    if isLast || noise == 0 { return t }
    if noise == 1 { return epsilon }
    let (here, end) = (kernel.moments(at: t).noiseToSignal, kernel.moments(at: epsilon).noiseToSignal)
    return kernel.time(ofNoiseToSignal: here * pow(end / here, noise), from: epsilon, to: t)
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let problem = context.problem
    let kernel = try problem.requireKernel(for: "flow-map")
    let times = try problem.setting.times(steps: count, grid: grid)
    let (next, noise) = (context.makeRows(), context.makeRows())
    context.started(at: times[0], x)
    for i in 0..<count {
      let (t, s) = (times[i], times[i + 1])
      let u = target(s, isLast: i == count - 1, kernel, problem.epsilon)
      try context.map(x, from: t, to: u, into: next)
      if u < s {
        NoiseStream(seed: problem.seed, purpose: .predictor).normals(into: noise, step: i)
        let (r, q) = kernel.moments(at: u).transition(to: kernel.moments(at: s))
        ck_combine(x.values, r, next.values, q.squareRoot(), noise.values, x.size)
      } else {
        x.copy(next)
      }
      try context.finished(step: i + 1, at: s, x)
    }
    return StepCount(accepted: Double(count))
  }
}

extension Solver {
  /// As `check` of every solver, for one that overrides it.
  func checkTimes(_ setting: SamplingSetting) throws {
    try setting.require(requires)
    guard let steps else { return }
    _ = try setting.times(steps: steps, grid: grid)
  }
}

extension SamplingSetting {
  /// - Throws: `InputError` where a step begins at a time that a map was not trained at.
  func check(starts: ArraySlice<Double>, of map: FlowMapRange) throws {
    guard let trained = map.starts else { return }
    let known = try trained.times(from: process.duration, to: map.end, kernel: kernel)
    guard let t = starts.first(where: { t in known.allSatisfy { abs(t - $0) > 1e-6 * process.duration } }) else {
      return
    }
    throw InputError(
      "a step begins at t = \(t), and the network was trained to map from "
        + "\(known.map { "\($0)" }.joined(separator: ", ")) alone; allowed: \(trained.option(to: map.end)), as its "
        + "objective has")
  }
}

extension FlowMapRange.Starts {
  /// The times that steps begin at, falling from T.
  /// - Throws: `InputError` where they are not defined for the process.
  public func times(from start: Double, to end: Double, kernel: (any PerturbationKernel)?) throws -> [Double] {
    switch self {
    case .steps(let count, let spacing):
      return try spacing.grid.times(from: start, to: end, steps: count, kernel: kernel).dropLast()
    case .times(let times):
      guard times.first == start, let last = times.last, last > end else {
        throw InputError("steps begin at \(times); allowed: T = \(start) first, and all above ε = \(end)")
      }
      return times
    }
  }

  /// What options of a solver say the same.
  func option(to end: Double) -> String {
    switch self {
    case .steps(let count, let spacing): "steps: \(count), grid: \(spacing.rawValue)"
    case .times(let times):
      "steps: \(times.count), grid: {kind: list, times: \(times + [end])}"
    }
  }
}

extension FlowMapRange {
  /// Why it does not map to a time.
  func complaint(of s: Double, _ what: String) -> String {
    reachesAnyTime
      ? "\(what) is \(s), and the network maps to times from \(end) on; allowed: that or more"
      : "\(what) is \(s), and the network maps to \(end) alone; allowed: that, or noise: 1 between steps, or a network "
        + "with second: true"
  }
}
