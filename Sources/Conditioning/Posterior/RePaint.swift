// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers

/// RePaint (Lugmayr et al. 2022, algorithm 1): inpainting. At each step from t to s the values that were seen are drawn
/// anew about y, x_s = m_s y + σ_s z, and the others take a step of ancestral sampling. Every j steps the state jumps j
/// steps back by the forward process, r − 1 times, so that the two parts come to agree.
///
/// Noise of y is not in the method: it takes y for exact. NFE a row: the number of `steps`.
public struct RePaint: Solver {
  private let observation: Observation
  private let count: Int
  /// j
  public let jump: Int
  /// r
  public let resamplings: Int
  public let grid: (any TimeGrid)?
  private let columns: [(column: Int, factor: Double)]

  public var steps: Int? {
    let jumps = count > jump ? (count - 1) / jump : 0
    return count + jumps * jump * (resamplings - 1)
  }
  public var requires: Requirements { .kernel }

  /// - Parameters:
  ///   - observation: what was seen: some values of x, each perhaps times a number.
  ///   - steps: of the grid, at least 1.
  ///   - jump: j, at least 1; the paper has 10.
  ///   - resamplings: r, at least 1; the paper has 10. 1: no jumps.
  ///   - grid: where the steps begin and end; nil for the problem's.
  /// - Throws: `InputError` for an operator that is not a mask, and for more than 10⁸ steps in all.
  public init(
    _ observation: Observation, steps: Int, jump: Int = 10, resamplings: Int = 10, grid: (any TimeGrid)? = nil
  )
    throws
  {
    precondition(steps > 0 && jump > 0 && resamplings > 0)
    self.observation = observation
    (count, self.jump, self.resamplings, self.grid) = (steps, jump, resamplings, grid)
    columns = try Self.columns(observation.model)
    guard Double(count) * Double(resamplings) <= Self.largestSchedule else {
      throw InputError("\(resamplings) resamplings of \(steps) steps; allowed: 10⁸ in all")
    }
  }

  private static let largestSchedule = 1e8

  /// Which value each observed one is, and times what.
  /// - Throws: `InputError` for an operator that is not a mask.
  public static func columns(_ model: any ObservationModel) throws -> [(column: Int, factor: Double)] {
    guard let matrix = model.linear?.matrix,
      (0..<matrix.rows).allSatisfy({ matrix.row($0).count == 1 }), Set(matrix.places).count == matrix.rows
    else { throw InputError("needs an operator that is a mask: each observed value one value of x") }
    return (0..<matrix.rows).map { (matrix.row($0)[0].column, matrix.row($0)[0].value) }
  }

  /// The moves between levels of the grid, 0 at T: down one at a time, and up again.
  static func schedule(_ count: Int, _ jump: Int, _ resamplings: Int) -> [(from: Int, to: Int)] {
    var left: [Int: Int] = [:]
    for height in stride(from: 0, to: count - jump, by: jump) { left[height] = resamplings - 1 }
    var (moves, height) = ([(from: Int, to: Int)](), count)
    while height > 0 {
      moves.append((count - height, count - height + 1))
      height -= 1
      guard let more = left[height], more > 0 else { continue }
      left[height] = more - 1
      for _ in 0..<jump {
        moves.append((count - height, count - height - 1))
        height += 1
      }
    }
    return moves
  }

  public func solve(_ x: Rows, in context: SolveContext) throws -> StepCount {
    let kernel = try context.problem.requireKernel(for: "repaint")
    let times = try context.problem.setting.times(steps: count, grid: grid)
    let levels = times.map { kernel.moments(at: $0) }
    let streams = (
      step: NoiseStream(seed: context.problem.seed, purpose: .posteriorStep),
      seen: NoiseStream(seed: context.problem.seed, purpose: .posteriorSeen)
    )
    let observed = observation.makeRows(for: context.span)
    defer { withExtendedLifetime(observed) {} }
    let (y, noise, seenNoise, score) = (observed.rows, context.makeRows(), context.makeRows(), context.makeRows())
    context.started(at: times[0], x)
    var done = 0
    for (index, move) in Self.schedule(count, jump, resamplings).enumerated() {
      let (here, there) = (levels[move.from], levels[move.to])
      streams.step.normals(into: noise, step: index)
      guard move.to > move.from else {
        let (r, q) = here.transition(to: there)
        for i in 0..<x.size { x.values[i] = r * x.values[i] + q.squareRoot() * noise.values[i] }
        continue
      }
      try context.score.evaluate(x, at: .all(times[move.from]), into: score)
      streams.seen.normals(into: seenNoise, step: index)
      step(x, score: score, y: y, noise: noise, seenNoise: seenNoise, from: here, to: there)
      done += 1
      try context.finished(step: done, at: times[move.to], x)
    }
    return StepCount(accepted: Double(done))
  }

  /// One step down: ancestral sampling, and the values that were seen anew.
  /// - Parameters:
  ///   - x: the states, which are replaced.
  ///   - score: their scores.
  ///   - y: what was seen of them.
  ///   - noise: normals of the step.
  ///   - seenNoise: normals of the values that were seen, rows × dimension.
  ///   - here: the moments where x stands.
  ///   - there: those where it goes.
  public func step(
    _ x: Rows, score: Rows, y: Rows, noise: Rows, seenNoise: Rows, from here: Moments, to there: Moments
  ) {
    let step = StepLevels(from: here, to: there)
    let added = step.addedDeviation(eta: 1)
    let (b, a) = step.coefficients(added: added)
    for i in 0..<x.size {
      let mean = (x.values[i] + here.variance * score.values[i]) / here.scale
      x.values[i] = b * x.values[i] + a * mean + added * noise.values[i]
    }
    for row in 0..<x.count {
      for (i, seen) in columns.enumerated() {
        x[row, seen.column] = there.scale * y[row, i] / seen.factor + there.deviation * seenNoise[row, seen.column]
      }
    }
  }
}

extension Purpose {
  /// The noise of posterior methods that step by themselves.
  public static let posteriorStep = Purpose(rawValue: 64)
  /// The noise of values that were seen.
  public static let posteriorSeen = Purpose(rawValue: 65)
  /// The noise that a method adds before its next level.
  public static let posteriorRenewal = Purpose(rawValue: 66)
}
