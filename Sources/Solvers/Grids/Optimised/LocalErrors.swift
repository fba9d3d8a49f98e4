// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Synchronization

/// What every possible step of a method does wrong, measured on exact paths of the probability flow.
///
/// From the exact state x_i at candidate i the method takes one step to candidate j, and misses x_j by e_ij. At ε that
/// is J_j e_ij, with the flow's Jacobian J_j from t_j to ε: for random signs w, E (wᵀ J_j e)² = ‖J_j e‖², and J_jᵀ w
/// for all j comes from one way back along the path, the adjoint equation dw/dt = −(∂F/∂x)ᵀ w by Heun's method. To
/// first order a solve's error is the sum of its J_j e_ij, whose root mean squares bound that of the sum: they are the
/// costs of steps. (Watson et al. 2021 search so for bounds of the likelihood; GITS, Chen et al. 2024, for errors of
/// Euler's steps, whose growth it takes for a constant.)
///
/// Multistep methods remember two or three steps: they are told exact ones of the same number of intervals before.
/// Where the score has no Jacobian, or the process none that is known, J is left out.
package struct LocalErrors {
  package let costs: StepCosts
  /// The exact states at ε.
  package let ends: Batch

  /// How many earlier steps a method may look back on.
  private static let history = 3

  /// - Parameters:
  ///   - sampler: whose problem's score is evaluated; its rows 0 ..< `rows` are solved.
  ///   - loop: the method, of the flow.
  ///   - progress: is told of each shard.
  package init(
    _ sampler: Sampler, _ loop: FixedSteps, _ candidates: CandidateTimes, rows: Int, progress: (any ProgressObserver)?
  ) throws {
    let problem = sampler.problem
    let memorising = Sampler(
      SamplingProblem(
        process: problem.prepared, score: MemorisingScore(base: problem.score), dimension: problem.dimension,
        seed: problem.seed, epsilon: problem.epsilon, path: problem.path, grid: problem.grid,
        beginning: problem.beginning), threads: sampler.threads)
    let flow = ReferenceSolver(problem.setting).searchFlow()
    let shards = Mutex<[Int: Sums]>([:])
    var batch = Batch(count: rows, dimension: problem.stateDimension)
    batch.withRows { problem.begin($0) }
    _ = try memorising.run(&batch, problem.path, nil, nil, restart: { problem.begin($0) }) { x, context in
      let sums = try Self.sums(x, loop, candidates, flow, context)
      shards.withLock { $0[x.first] = sums }
      progress?.advance(by: 1)
      return StepCount(accepted: 0)
    }
    let all = shards.withLock { $0 }
    let m = candidates.count
    var (plain, atEnd) = ([Double](repeating: 0, count: (m + 1) * (m + 1)), [Double]())
    let isWeighted = all.values.allSatisfy { $0.atEnd != nil }
    atEnd = plain
    // In the order of rows, so that sums do not depend on who finished first.
    for first in all.keys.sorted() {
      guard let sums = all[first] else { continue }
      for k in plain.indices {
        plain[k] += sums.plain[k]
        if let weighted = sums.atEnd { atEnd[k] += weighted[k] }
      }
    }
    var costs = StepCosts(count: m)
    for i in 0..<m {
      for j in i + 1...m {
        let cost = ((isWeighted ? atEnd : plain)[i * (m + 1) + j] / Double(rows)).squareRoot()
        costs[i, j] = cost.isFinite ? cost : .infinity
      }
    }
    self.costs = costs
    ends = try sampler.projected(batch)
  }

  /// Sums of squares over a shard's rows, for each pair of candidates.
  private struct Sums {
    var plain: [Double]
    /// With the flow's Jacobian; nil where it is not known.
    var atEnd: [Double]?
  }

  private static func sums(
    _ x: Rows, _ loop: FixedSteps, _ candidates: CandidateTimes, _ flow: ProbabilityFlow, _ context: SolveContext
  ) throws -> Sums {
    let (times, m) = (candidates.times, candidates.count)
    let states = try times.indices.map { k in
      if k > 0 { _ = try flow.transport(x, from: times[k - 1], to: times[k], in: context) }
      let state = context.makeRows()
      state.copy(x)
      return state
    }
    let adjoints = try adjoints(states, times, context)
    let stepper = try loop.predictor.makeStepper(in: context)
    let (moved, history) = (context.makeRows(), loop.predictor.hasLowerOrders ? Self.history : 0)
    let none = [Double](repeating: 0, count: (m + 1) * (m + 1))
    var sums = Sums(plain: none, atEnd: adjoints == nil ? nil : none)
    for i in 0..<m {
      for j in i + 1...m {
        let length = j - i
        let before = min(history, i / length)
        stepper.stateChanged()
        for k in stride(from: before, through: 0, by: -1) {
          let (from, to) = (i - k * length, i - k * length + length)
          moved.copy(states[from])
          try stepper.step(
            moved, Step(from: times[from], to: times[to], index: before - k, count: loop.steps))
        }
        for row in 0..<x.count {
          var square = 0.0
          for c in 0..<x.dimension {
            let e = moved[row, c] - states[j][row, c]
            square += e * e
          }
          sums.plain[i * (m + 1) + j] += square
        }
        guard let adjoints else { continue }
        for w in adjoints[j] {
          for row in 0..<x.count {
            var dot = 0.0
            for c in 0..<x.dimension { dot += w[row, c] * (moved[row, c] - states[j][row, c]) }
            sums.atEnd?[i * (m + 1) + j] += dot * dot / Double(adjoints[j].count)
          }
        }
      }
    }
    return sums
  }

  /// J_jᵀ w at every candidate for some w; nil where the Jacobian is not known. The scores at the states are remembered
  /// on the way.
  private static func adjoints(_ states: [Rows], _ times: [Double], _ context: SolveContext) throws -> [[Rows]]? {
    let (problem, x) = (context.problem, states[0])
    let probes = x.dimension <= 64 ? 4 : 1
    let (score, product) = (context.makeRows(), context.makeRows())
    var isKnown = problem.kernel != nil
    /// (∂F/∂x)ᵀ w at a candidate. The score's Jacobian is symmetric, and the process's part a multiple of it and of I.
    func slope(_ w: Rows, _ k: Int, into out: Rows) throws {
      try context.score.pullback(w, into: product)
      out.fill(0)
      problem.process.addFlowDerivative(
        along: w, score: score, scoreDerivative: product, states[k], at: times[k], times: 1, to: out)
    }
    let stream = NoiseStream(seed: problem.seed, purpose: .divergence)
    var adjoints = times.map { _ in [Rows]() }
    let (first, second, ahead) = (
      (0..<probes).map { _ in context.makeRows() }, context.makeRows(), context.makeRows()
    )
    for k in times.indices.reversed() {
      try context.score.linearise(states[k], at: .all(times[k]), into: score)
      guard isKnown else { continue }
      do {
        for p in 0..<probes {
          let w = context.makeRows()
          if k == times.count - 1 {
            stream.uniforms(into: w, step: p)
            for i in 0..<w.size { w.values[i] = w.values[i] < 0.5 ? -1 : 1 }
          } else {
            let (h, later) = (times[k] - times[k + 1], adjoints[k + 1][p])
            for i in 0..<w.size { ahead.values[i] = later.values[i] - h * first[p].values[i] }
            try slope(ahead, k, into: second)
            for i in 0..<w.size {
              w.values[i] = later.values[i] - 0.5 * h * (first[p].values[i] + second.values[i])
            }
          }
          try slope(w, k, into: first[p])
          adjoints[k].append(w)
          isKnown = isKnown && (0..<w.size).allSatisfy { w.values[$0].isFinite && abs(w.values[$0]) < 1e6 }
        }
      } catch is InputError {
        // The score has no Jacobian.
        isKnown = false
      }
    }
    return isKnown ? adjoints : nil
  }
}

extension ReferenceSolver {
  /// The flow that searches compare with: exact to far less than any error of few steps.
  func searchFlow() -> ProbabilityFlow {
    isExact ? ProbabilityFlow(.rk8pd, rtol: 1e-9, atol: 1e-9) : ProbabilityFlow(.rkf45, rtol: 1e-5, atol: 1e-5)
  }
}
