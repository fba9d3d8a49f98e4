// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Solvers

extension Experiment {
  /// The optimised grid of a solver, its own or that of `sampling`; nil where its grid is another.
  private func optimisedGrid(of solver: any Solver) -> OptimisedGrid? {
    guard (solver.steps ?? 0) > 0 else { return nil }
    return (solver.grid ?? plan.sampling.grid) as? OptimisedGrid
  }

  /// - Throws: `InputError` where a guidance makes of a solver with an optimised grid one that has no times to find,
  ///   and where a checkpoint's score turns out to be none for a solver.
  func requireSolvable(_ solvers: [GuidedSolver]) throws {
    for guided in solvers {
      do {
        let setting = setting(of: guided)
        if optimisedGrid(of: guided.solver) != nil { _ = try setting.checkable(guided.solver) }
        try setting.requireLimit(of: guided.solver)
      } catch let error as InputError where error.location.isEmpty {
        throw InputError("\(guided.named.name): \(error.message)", at: "sampling.solvers")
      }
    }
  }

  private func setting(of guided: GuidedSolver) -> SamplingSetting {
    SamplingSetting(
      plan.prepared, start: plan.sampling.start?.time, epsilon: plan.sampling.epsilon, grid: plan.sampling.grid,
      traits: guided.score.traits)
  }

  /// Every solver, those of optimised grids in times that are found now, or that the store has.
  /// - Parameter startStates: what samples begin with; nil: draws of the prior.
  /// - Throws: `ComputationError` where no times can be found.
  func withOptimisedTimes(
    _ solvers: [GuidedSolver], _ data: DataInCoordinates, _ startStates: Batch?
  ) throws -> PlacedSolvers {
    var placed = PlacedSolvers(plan.prepared.noise)
    for guided in solvers {
      guard let grid = optimisedGrid(of: guided.solver), let loop = guided.solver.fixedSteps else {
        placed.add(guided)
        continue
      }
      try placed.add(guided, loop, in: times(of: loop, grid, guided, data, startStates))
    }
    return placed
  }

  /// Rows that times are found with have a seed of their own, so that they are none of the samples.
  private static let searchSeed: UInt64 = 0x7469_6d65_73

  private func times(
    of loop: FixedSteps, _ grid: OptimisedGrid, _ guided: GuidedSolver, _ data: DataInCoordinates,
    _ startStates: Batch?
  ) throws -> GridSearch.Found {
    let (sampling, seed) = (plan.sampling, plan.seed &+ Self.searchSeed)
    let sampler = Sampler(
      process: plan.prepared, score: guided.score, dimension: data.source.dimension, seed: seed,
      epsilon: sampling.epsilon,
      beginning: try startStates.flatMap {
        try sampling.start?.beginning($0, plan.prepared, seed: seed, period: nil)
      }, threads: threads)
    // Conditions of samples are known for as many rows as there are samples.
    let rows = min(grid.rows, max(1, sampling.count))
    let own = OptimisedGrid(search: grid.search, rows: rows, candidates: grid.candidates, trials: grid.trials)
    let identity = try identity(of: loop, own, sampler)
    let network = plan.training == nil ? nil : ModelStore.name(plan.model.identity)
    let path = KeptTimes.path(identity, network: network, in: store)
    if let kept = Team.current.decided({ KeptTimes.read(path, identity: identity) }) { return kept.found }
    let bar = ProgressBar("times \(guided.named.name)", total: max(1, own.trials), unit: "grid", quiet: quiet)
    defer { bar.finish() }
    let found = try GridSearch(sampler, loop, own).run(progress: bar)
    try Team.current.onRoot { try KeptTimes(identity: identity, found: found).write(to: path, in: store) }
    return found
  }

  /// How many rows tell one score from another.
  private static let tellingRows = 16

  /// What found times depend on: the options of the search, the process, and what the solver makes of some rows in the
  /// process's own times, to the last bit: that of the score with its weights, guidance and conditions, and of the
  /// solver with its options.
  private func identity(of loop: FixedSteps, _ grid: OptimisedGrid, _ sampler: Sampler) throws -> String {
    let usual = loop.with(grid: plan.process.samplingSpacing.grid)
    let count = min(Self.tellingRows, grid.rows)
    let ends = try sampler.draw(count, with: usual, denoise: false, block: sampler.problem.score.shardRows)
    var checksum = Checksum()
    for value in ends.batch.values { checksum.add(word: value.bitPattern) }
    return """
      search 1: \(grid.search.rawValue), rows \(grid.rows), candidates \(grid.candidates), trials \(grid.trials)
      process: \(plan.processKind), from \(sampler.problem.setting.start) to \(sampler.problem.epsilon)
      solver: \(type(of: loop.predictor)), steps \(loop.steps ?? 0), last step \(loop.lastStep.rawValue)
      ends of \(count) rows of seed \(sampler.problem.seed): \(checksum.text)
      """
  }
}
