// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core
import Glibc

/// The steps of a scheduler.
public struct SchedulePlan: Sendable, Equatable {
  /// A step, with one evaluation at its beginning.
  public struct Step: Sendable, Equatable {
    /// The level that the network is told, 0 … N − 1.
    public let level: Double
    /// σ̃ that the state is taken to have, before and after.
    public let from, to: Double
    /// The largest order of a method with several.
    public let maximumOrder: Int
  }

  /// In their order. Of PNDM, what is called and the noise of that level: its steps go elsewhere.
  public let steps: [Step]
  /// What a state of unit variance is multiplied by at the beginning, for the state at the first σ̃ with m² + σ² = 1:
  /// 1, or σ̃/√(1 + σ̃²) of methods that begin with noise alone.
  public let initialScale: Double
}

extension Scheduler {
  /// The steps of a sampling.
  /// - Parameters:
  ///   - steps: N, at least 1; of `heun` each has two evaluations, and of `pndm` there is one more.
  ///   - levels: those of the network.
  /// - Throws: `InputError` where the levels are not there.
  public func plan(steps: Int, levels: TrainedLevels) throws -> SchedulePlan {
    precondition(steps > 0, "N > 0")
    switch method {
    case .ddim, .ddpm, .pndm: return try planByLevels(steps, levels)
    case .euler, .eulerAncestral, .heun, .lms, .dpmSolverPP, .uniPC, .deis: return try planBySigmas(steps, levels)
    }
  }

  /// Whether it is DPM-Solver++, UniPC or DEIS, which choose their steps from the levels' whole range.
  private var isMultistep: Bool {
    switch method {
    case .dpmSolverPP, .uniPC, .deis: true
    default: false
    }
  }

  /// Whether it is one of k-diffusion's methods, whose states begin as σ̃ times noise.
  var beginsWithSigma: Bool {
    switch method {
    case .euler, .eulerAncestral, .heun, .lms: true
    default: false
    }
  }

  // MARK: Methods that count levels

  private func planByLevels(_ steps: Int, _ levels: TrainedLevels) throws -> SchedulePlan {
    guard steps <= levels.count else {
      throw InputError("\(steps) steps; allowed: at most \(levels.count), as many as there are levels")
    }
    let told = try spaced(steps, levels).map(Int.init)
    let ratio = levels.count / steps
    // Where a level below the first is asked for, the end.
    func noise(_ level: Int) -> Double {
      if level >= 0 { return levels.noiseToSignal[level] }
      return endsWithoutNoise ? 0 : levels.noiseToSignal[0]
    }
    var called = told
    if method == .pndm, startsWithRungeKutta {
      guard told.count > 3 else {
        throw InputError("\(steps) steps that begin with Runge and Kutta's; allowed: 4 or more")
      }
      called = Array(told.dropFirst(3))
      // Each step from a level to the next: its beginning, twice the middle, its end.
      for i in [2, 1, 0] {
        let (end, middle) = (told[i + 1], told[i + 1] + ratio / 2)
        called.insert(contentsOf: [told[i], middle, middle, end], at: 0)
      }
    } else if method == .pndm, told.count > 1 {
      called.insert(told[1], at: 1)
    }
    return SchedulePlan(
      steps: called.enumerated().map { i, level in
        let next: Int
        if case .ddpm = method { next = i + 1 < told.count ? told[i + 1] : -1 } else { next = level - ratio }
        return SchedulePlan.Step(level: Double(level), from: noise(level), to: noise(next), maximumOrder: .max)
      }, initialScale: 1)
  }

  /// The levels of the spacing, falling.
  private func spaced(_ steps: Int, _ levels: TrainedLevels) throws -> [Double] {
    let end = levels.count - levels.noiseToSignal.count { -log($0) < lowestLogSignalToNoise }
    var told: [Double]
    switch spacing {
    case .linspace:
      let points = isMultistep ? steps + 1 : steps
      let width = points > 1 ? Double(end - 1) / Double(points - 1) : 0
      told = (0..<points).map { i in
        let level = i > 0 && i == points - 1 ? Double(end - 1) : Double(i) * width
        return beginsWithSigma ? Double(Float(level)) : level.rounded(.toNearestOrEven)
      }.reversed()
      if isMultistep { told.removeLast() }
    case .leading:
      let points = isMultistep ? steps + 1 : steps
      let ratio = end / points
      told = (0..<points).map { Double($0 * ratio) }.reversed()
      if isMultistep { told.removeLast() }
      told = told.map { $0 + Double(offset) }
    case .trailing:
      // As many as numpy.arange has, whose last may round to a level that is not there.
      let ratio = Double(levels.count) / Double(steps)
      told = (0..<Int((Double(end) / ratio).rounded(.up))).map {
        (Double(end) - Double($0) * ratio).rounded(.toNearestOrEven) - 1
      }
    }
    if let wrong = told.first(where: { $0 < 0 || $0 > Double(levels.count - 1) }) {
      throw InputError(
        "\(steps) steps of '\(spacing.rawValue)' spacing with an offset of \(offset) ask for level \(Int(wrong)); "
          + "allowed: levels 0 to \(levels.count - 1)")
    }
    return told
  }

  // MARK: Methods in σ̃

  private func planBySigmas(_ steps: Int, _ levels: TrainedLevels) throws -> SchedulePlan {
    var told = try spaced(steps, levels)
    var noise = told.map(levels.interpolated)
    var last = lastSigma == .zero ? 0 : levels.noiseToSignal[0]
    let ends =
      isMultistep
      ? (low: levels.noiseToSignal[0], high: levels.noiseToSignal[levels.count - 1])
      : (low: noise[noise.count - 1], high: noise[0])
    func follow(_ values: [Double]) {
      noise = values
      told = values.map { sigma in
        let level = levels.level(ofNoiseToSignal: sigma)
        if !isMultistep { return Double(Float(level)) }
        let isRounded = (sigmas == .karras || sigmas == .lu) && !cutsFractions
        return level.rounded(isRounded ? .toNearestOrEven : .down)
      }
      switch method {
      case .uniPC, .deis: if lastSigma == .lowest { last = values[values.count - 1] }
      default: break
      }
    }
    switch sigmas {
    case .trained: break
    case .logLinear:
      let (first, end) = (log(levels.noiseToSignal.last ?? 0), log(levels.noiseToSignal[0]))
      // As many σ̃ as steps, and one more, which stands before the last.
      noise = (0...steps).map { exp(first + (end - first) * Double($0) / Double(steps)) }
    case .karras, .exponential, .beta, .lu:
      follow(owns(steps, low: lowestSigma ?? ends.low, high: highestSigma ?? ends.high))
    }
    noise = (noise + [last]).map { Double(Float($0)) }
    let count = told.count
    let first = noise[0]
    return SchedulePlan(
      steps: (0..<count).map {
        SchedulePlan.Step(
          level: told[$0], from: noise[$0], to: noise[$0 + 1], maximumOrder: maximumOrder(of: $0, among: count))
      }, initialScale: beginsWithSigma && spacing != .leading ? first / (1 + first * first).squareRoot() : 1)
  }

  /// N values of σ̃ from `high` to `low`.
  private func owns(_ count: Int, low: Double, high: Double) -> [Double] {
    (0..<count).map { i in
      let share = count > 1 ? Double(i) / Double(count - 1) : 0
      switch sigmas {
      case .exponential: return exp(log(high) + share * (log(low) - log(high)))
      case .beta: return low + gsl_cdf_beta_Pinv(1 - share, 0.6, 0.6) * (high - low)
      case .lu: return exp(log(high) + share * (log(low) - log(high)))
      case .karras, .trained, .logLinear:
        let (a, b) = (pow(high, 1.0 / 7), pow(low, 1.0 / 7))
        return pow(a + share * (b - a), 7)
      }
    }
  }

  private func maximumOrder(of step: Int, among count: Int) -> Int {
    let left = count - step
    switch method {
    case .dpmSolverPP(let order, _, _):
      if left == 1, endsWithEuler || lowersLastOrders && count < 15 || lastSigma == .zero { return 1 }
      return left <= 2 && lowersLastOrders && count < 15 ? min(order, left) : order
    case .deis(let order): return left <= 2 && lowersLastOrders && count < 15 ? min(order, left) : order
    case .uniPC(let order, _): return lowersLastOrders ? min(order, left) : order
    case .ddim, .ddpm, .pndm, .euler, .eulerAncestral, .heun, .lms: return .max
    }
  }
}
