// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Synchronization
import TestSupport
import Testing
import Training

@Suite("Ranks") struct RanksTests {
  /// 8 lanes of 256 rows, the last one short, and 71,000 parameters: two chunks of the gradient, so that of more ranks
  /// some add nothing up.
  private func plan(_ steps: Int = 4, batch: Int = 1900) -> TrainingPlan {
    TrainingPlan(steps: steps, batch: batch, warmup: 3, optimiser: .adamw, weightDecay: 0.1)
  }

  private func states(
    _ count: Int, machines: [Int]? = nil, threads: Int = 1, _ plan: TrainingPlan
  ) throws -> [[[UInt32]]] {
    try ThreadRanks.run(count, machines: machines) { _ in
      let trainer = try trainer(plan, network: mlp([256, 256]), threads: threads)
      var state = trainer.initialState()
      try trainer.run(&state)
      return bits(state)
    }.values.map { try $0.get() }
  }

  @Test("the state has the same bytes on every one of 1, 2, 3, 4 and 8 ranks, for 1 and 2 threads")
  func bytes() throws {
    // 8 lanes; 10 shards in 8 lanes; 2 lanes, so that of more ranks some have none.
    for batch in [1900, 2400, 130] {
      let expected = try states(1, plan(batch: batch))[0]
      // Ranks of a machine see each other's memory: none, all, some.
      for (count, threads, machines) in [
        (2, 1, nil), (2, 2, [0, 0]), (3, 1, [0, 0, 1]), (4, 2, [0, 1, 0, 1]), (8, 1, nil),
        (8, 1, [0, 0, 0, 0, 0, 0, 0, 0]),
      ] as [(Int, Int, [Int]?)] {
        for state in try states(count, machines: machines, threads: threads, plan(batch: batch)) {
          #expect(
            state == expected,
            "\(count) ranks on machines \(machines ?? []), \(threads) threads, a batch of \(batch)")
        }
      }
    }
  }

  @Test("a training that 3 ranks began and rank 0 stopped goes on with 2 to the bytes of one") func resumed() throws {
    let whole = try states(1, plan(9))[0]
    let middle = ThreadRanks.run(3) { ranks -> TrainingState in
      let trainer = try trainer(self.plan(9), network: mlp([256, 256]), threads: 1)
      var state = trainer.initialState()
      let steps = Mutex(0)
      try trainer.run(&state) { step in
        steps.withLock { $0 += 1 }
        return step.number < 4
      }
      // Rank 0 alone is asked.
      #expect(steps.withLock { $0 } == (ranks.isRoot ? 4 : 0) && state.step == 4)
      return state
    }.values
    let states = try middle.map { try $0.get() }
    #expect(states.allSatisfy { $0 == states[0] })
    let ends = ThreadRanks.run(2) { ranks -> [[UInt32]] in
      let trainer = try trainer(self.plan(9), network: mlp([256, 256]), threads: 2)
      // Only rank 0 has read the checkpoint.
      var state = ranks.isRoot ? states[0] : trainer.initialState()
      try trainer.run(&state)
      return bits(state)
    }.values
    for end in ends { #expect(try end.get() == whole) }
  }

  @Test("a loss that is not finite is the same error on all ranks, with the state before it") func nonFinite() throws {
    func errors(_ count: Int) -> [String] {
      ThreadRanks.run(count) { _ -> String in
        var plan = self.plan(6)
        plan.learningRate = 1e30
        plan.clip = 0
        let trainer = try trainer(plan, network: mlp([256, 256]), threads: 1)
        var state = trainer.initialState()
        do {
          try trainer.run(&state)
          return "no error"
        } catch {
          return "\(error), after \(state.step) steps, \(bits(state).hashValue)"
        }
      }.values.map { (try? $0.get()) ?? "?" }
    }
    let expected = errors(1)[0]
    #expect(expected.contains("not finite"))
    for count in [2, 3] { #expect(errors(count).allSatisfy { $0 == expected }) }
  }

  @Test("an error of rank 0 between steps ends all ranks after the same step") func thrown() throws {
    let results = ThreadRanks.run(3) { _ -> Int in
      let trainer = try trainer(self.plan(9), network: mlp([256, 256]), threads: 1)
      var state = trainer.initialState()
      do {
        try trainer.run(&state) { if $0.number == 2 { throw InputError("enough") } else { return true } }
      } catch let error as InputError {
        #expect(error == InputError("enough"))
        return -state.step
      }
      return state.step
    }.values
    #expect(try results.map { try $0.get() } == [-2, 2, 2])
  }

  @Test("a step carries 2 (R − 1) times the parameters where each of R ranks has one lane, and some words")
  func traffic() throws {
    func bytes(_ count: Int, _ steps: Int, machines: [Int]? = nil) -> Int {
      ThreadRanks.run(count, machines: machines) { _ in
        let trainer = try trainer(self.plan(steps), network: mlp([256, 256]), threads: 1)
        var state = trainer.initialState()
        try trainer.run(&state) { $0.number < steps }
      }.bytes
    }
    let size = mlp([256, 256]).layout.count * MemoryLayout<Float>.size
    let lanes = try trainer(plan(), network: mlp([256, 256])).lanes
    #expect(lanes == 8)
    for count in [2, 4, 8] {
      let step = bytes(count, 3) - bytes(count, 2)
      // All slices of each lane but the owner's; then each slice to all others. Words: 8 losses, the squares of two
      // chunks, a decision.
      let values = size * (lanes - lanes / count + count - 1)
      #expect(step == values + (count - 1) * (8 * 8 + 2 * 8 + 1), "\(count) ranks")
      // On one machine words alone: losses and squares; that a rank without squares has read the lanes; that the slice
      // of each is there.
      let machines = [Int](repeating: 0, count: count)
      let near = bytes(count, 3, machines: machines) - bytes(count, 2, machines: machines)
      #expect(near == (count - 1) * (8 * 8 + 2 * 8 + max(0, count - 2) + count), "\(count) ranks of one machine")
    }
  }

  @Test("a state of rank 0 is that of all, with its snapshot") func synchronised() throws {
    let states = try ThreadRanks.run(3) { ranks -> TrainingState in
      var state = TrainingState(initial: [Float(ranks.rank), 2])
      state.step = 7 + ranks.rank
      if ranks.isRoot { state.snapshot = [5, 6] }
      state.synchronise(ranks)
      return state
    }.values.map { try $0.get() }
    #expect(states.allSatisfy { $0 == states[0] } && states[0].step == 7 && states[2].snapshot == [5, 6])
    #expect(states[2].parameters == [0, 2])
  }
}
