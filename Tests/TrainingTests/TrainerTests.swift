// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Pairs
import Processes
import Tensors
import Testing
import Training

@Suite("Trainer") struct TrainerTests {
  @Test("the state has the same bytes for 1, 2 and 3 threads", arguments: [100, 300, 257])
  func threads(batch: Int) throws {
    // 71,000 parameters: three chunks of the update; 4 shards of the batch, the last one short for 100 and 257.
    let states = try [1, 2, 3].map { threads in
      let trainer = try trainer(TrainingPlan(steps: 6, batch: batch), network: mlp([256, 256]), threads: threads)
      var state = trainer.initialState()
      try trainer.run(&state)
      return bits(state)
    }
    #expect(states[0] == states[1] && states[0] == states[2])
  }

  @Test("another seed gives other parameters, before and after training") func seeds() throws {
    var states = try [UInt64(5), 6].map { try trainer(TrainingPlan(steps: 2), seed: $0).initialState() }
    #expect(states[0].parameters != states[1].parameters)
    #expect(states[0].parameters == mlp([16, 16]).initialParameters(seed: 5))
    // The same initial parameters under another seed see other batches.
    states[1] = states[0]
    for (i, seed) in [UInt64(5), 6].enumerated() { try trainer(TrainingPlan(steps: 2), seed: seed).run(&states[i]) }
    #expect(states[0].parameters != states[1].parameters)
  }

  @Test("a run stopped and resumed, through a checkpoint, has the bytes of an uninterrupted one") func resume() throws {
    let plan = TrainingPlan(steps: 40, batch: 64, warmup: 5, optimiser: .adamw, weightDecay: 0.1)
    let trainer = try trainer(plan)
    var whole = trainer.initialState()
    var losses: [Double] = []
    try trainer.run(&whole) {
      losses.append($0.loss)
      return true
    }
    #expect(whole.step == 40 && losses.count == 40)

    var part = trainer.initialState()
    var numbers: [Int] = []
    var again: [Double] = []
    try trainer.run(&part) {
      numbers.append($0.number)
      again.append($0.loss)
      return $0.number < 17
    }
    #expect(part.step == 17 && numbers == Array(1...17))
    let layout = trainer.objective.network.layout
    let file = try Safetensors(decoding: Checkpoint(state: part, config: "c").encoded(layout: layout))
    var resumed = try Checkpoint(file, layout: layout, path: "p").state
    try trainer.run(&resumed) {
      again.append($0.loss)
      return true
    }
    #expect(bits(resumed) == bits(whole) && again == losses)
    // Nothing is left to do.
    try trainer.run(&resumed) { _ in
      Issue.record("a step beyond the plan")
      return true
    }
    #expect(bits(resumed) == bits(whole))
  }

  @Test("an error of onStep ends the run after its step") func onStepThrows() throws {
    let trainer = try trainer(TrainingPlan(steps: 5, batch: 32))
    var state = trainer.initialState()
    #expect(throws: InputError("enough")) {
      try trainer.run(&state) { if $0.number == 2 { throw InputError("enough") } else { return true } }
    }
    #expect(state.step == 2)
  }

  @Test(
    "at the start, noise prediction loses the mean of w ‖z‖²/D with w = 1, g²/σ² or 1 + σ²/m²",
    arguments: Weighting.allCases)
  func firstLoss(_ weighting: Weighting) throws {
    let plan = TrainingPlan(steps: 1, batch: 8192, weighting: weighting, epsilon: 0.1)
    let trainer = try trainer(plan)
    var state = trainer.initialState()
    var loss = 0.0
    try trainer.run(&state) {
      loss = $0.loss
      return true
    }
    let times = (0..<1000).map { 0.1 + 0.9 * (Double($0) + 0.5) / 1000 }
    let weights = times.map { t -> Double in
      let beta = 0.1 + 19.9 * t
      let integral = t * (0.1 + 9.95 * t)
      return switch weighting {
      case .uniform: 1.0
      case .likelihood: beta / (1 - exp(-integral))
      case .edm: exp(integral)
      case .flowMatching: beta * beta / (4 * (1 - exp(-integral)))
      }
    }
    let mean = weights.reduce(0, +) / 1000
    // 4 standard errors of a weighted mean of 2 · 8192 squares of normals, √(2 E w²/16384). The last layer
    // starts at a hundredth of its usual size, so its output adds about 1e-4 of the loss: 1e-3 is allowed.
    let square = weights.reduce(0) { $0 + $1 * $1 } / 1000
    #expect(abs(loss - mean) < 4 * (2 * square / 16384).squareRoot() + 1e-3 * mean)
  }

  @Test("a step reports the rate of its number and the gradient's norm before clipping; the clip limits the update")
  func clip() throws {
    var norms: [Double] = []
    var states: [TrainingState] = []
    for clip in [0, 1e-6] {
      let trainer = try trainer(TrainingPlan(steps: 10, batch: 64, warmup: 4, clip: clip))
      var state = trainer.initialState()
      try trainer.run(&state) {
        #expect($0.number == 1 && $0.learningRate == trainer.plan.rate(at: 0))
        norms.append($0.gradientNorm)
        return false
      }
      states.append(state)
    }
    #expect(norms[0] == norms[1] && norms[0] > 1e-3)
    // After one step the first moment is (1 − β₁) times the gradient used: float rounding.
    #expect(abs(norm(states[0].firstMoments) / (0.1 * norms[0]) - 1) < 1e-5)
    #expect(abs(norm(states[1].firstMoments) / (0.1 * 1e-6) - 1) < 1e-5)
    #expect(states[0].parameters != states[1].parameters)
    // Gradients of 1e-8 and less meet Adam's ε of 1e-8: a shorter step.
    func way(_ state: TrainingState) throws -> Double {
      let start = try trainer(TrainingPlan(steps: 1)).initialState().parameters
      return norm(pairs(state.parameters, start).map { $0 - $1 })
    }
    #expect(try way(states[1]) < 0.9 * way(states[0]))
  }

  @Test("AdamW multiplies the weights by 1 − rate · decay first, and ends with smaller ones than Adam")
  func adamw() throws {
    func run(_ optimiser: TrainingPlan.Optimiser, steps: Int) throws -> (before: [Float], after: [Float]) {
      let plan = TrainingPlan(
        steps: 200, batch: 32, learningRate: 1e-2, decay: .constant, optimiser: optimiser, weightDecay: 0.5)
      let trainer = try trainer(plan)
      var state = trainer.initialState()
      let before = state.parameters
      try trainer.run(&state) { $0.number < steps }
      return (before, state.parameters)
    }
    let (adam, adamw) = (try run(.adam, steps: 1), try run(.adamw, steps: 1))
    for i in adam.before.indices {
      // Rounding of floats of at most 2.
      #expect(abs(adamw.after[i] - (adam.after[i] - 0.005 * adam.before[i])) < 1e-6)
    }
    #expect(try norm(run(.adamw, steps: 200).after) < 0.9 * norm(run(.adam, steps: 200).after))
  }

  @Test("the average follows a ← d a + (1 − d) p with d = min(ema, (1 + n)/(10 + n))") func average() throws {
    let trainer = try trainer(TrainingPlan(steps: 12, batch: 32, learningRate: 1e-2, ema: 0.4))
    var state = trainer.initialState()
    #expect(state.averages == state.parameters)
    var expected = state.averages.map { Double($0) }
    for step in 0..<12 {
      try trainer.run(&state) { _ in false }
      let d = min(0.4, Double(1 + step) / Double(10 + step))
      for i in expected.indices { expected[i] = d * expected[i] + (1 - d) * Double(state.parameters[i]) }
    }
    #expect(state.step == 12)
    // Float rounding of a dozen updates of values of at most 2.
    for i in expected.indices { #expect(abs(Double(state.averages[i]) - expected[i]) < 2e-6) }
  }

  @Test("a huge learning rate fails at the step whose loss is not finite, and keeps the state before it")
  func overflow() throws {
    let plan = TrainingPlan(steps: 10, batch: 32, learningRate: 1e38, decay: .constant, clip: 0)
    let trainer = try trainer(plan)
    var state = trainer.initialState()
    var last = 0
    let error = try #require(throws: ComputationError.self) {
      try trainer.run(&state) {
        last = $0.number
        return true
      }
    }
    guard case .nonFinite(let found) = error else {
      Issue.record("\(error)")
      return
    }
    #expect(found.step == last + 1 && state.step == last && last >= 1)
    var before = trainer.initialState()
    try trainer.run(&before) { $0.number < last }
    #expect(bits(state) == bits(before))
  }
}

@Suite("Training plan") struct TrainingPlanTests {
  @Test("the rate rises linearly over the warm-up and stays, or falls along half a cosine") func rates() {
    let constant = TrainingPlan(steps: 100, learningRate: 2e-3, decay: .constant, warmup: 10)
    let cosine = TrainingPlan(steps: 100, learningRate: 2e-3, decay: .cosine, warmup: 10)
    for step in 0..<100 {
      let rise = min(1, Double(step + 1) / 10)
      // Rounding.
      #expect(abs(constant.rate(at: step) - 2e-3 * rise) < 1e-17)
      #expect(abs(cosine.rate(at: step) - 1e-3 * rise * (1 + cos(Double.pi * Double(step) / 100))) < 1e-17)
    }
    #expect(constant.rate(at: 0) == 2e-4 && constant.rate(at: 99) == 2e-3)
    #expect(abs(cosine.rate(at: 50) - 1e-3) < 1e-17 && abs(cosine.rate(at: 100)) < 1e-17)
    #expect(TrainingPlan(steps: 100, learningRate: 1, warmup: 0).rate(at: 0) == 1)
  }

  @Test("the average's decay is (1 + n)/(10 + n) until it reaches its limit") func averages() {
    let plan = TrainingPlan(steps: 1, ema: 0.999)
    #expect(plan.average(at: 0) == 0.1 && plan.average(at: 8) == 0.5)
    // (1 + n)/(10 + n) = 0.999 at n = 8990.
    #expect(plan.average(at: 8989) < 0.999 && plan.average(at: 8991) == 0.999 && plan.average(at: 1 << 40) == 0.999)
    #expect(TrainingPlan(steps: 1, ema: 0).average(at: 100) == 0)
  }
}
