// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Processes
import Tensors
import Testing
import Training

@Suite("Numbers that are not finite, in training") struct NonFiniteTests {
  private static let network = mlp([16, 16])

  private func trainer(
    _ plan: TrainingPlan, badRow: Int? = nil, threads: Int = 2
  ) throws -> Trainer {
    var data = try MixtureData(twoGaussians(), count: 100, heldOut: 1).load(seed: 1).training
    if let badRow { data[badRow, 1] = .nan }
    return Trainer(
      denoising(model(Self.network), VPSDE(), plan), data: RowSource(data), plan: plan, seed: 5, threads: threads)
  }

  /// What the first failing step tells.
  private func failure(
    _ plan: TrainingPlan = TrainingPlan(steps: 40, batch: 32), badRow: Int? = nil,
    _ change: (inout [Float], ParameterLayout) -> Void = { _, _ in }
  ) throws -> NonFinite {
    let trainer = try trainer(plan, badRow: badRow)
    var state = trainer.initialState()
    change(&state.parameters, Self.network.layout)
    let error = #expect(throws: ComputationError.self) { try trainer.run(&state) }
    guard case .nonFinite(let found) = error else {
      Issue.record("\(String(describing: error))")
      return NonFinite(.state)
    }
    #expect(found.step == state.step + 1 && !found.remedy.isEmpty && !found.description.contains("\n"))
    return found
  }

  private static func entry(_ name: String) throws -> Range<Int> {
    let entry = try #require(network.layout.entries.first { $0.parts[0].name == name })
    return entry.offset..<entry.offset + entry.count
  }

  @Test("a row of the data that is no number is named") func data() throws {
    let found = try failure(badRow: 7)
    #expect(found.quantity == .loss && found.place == "row 7 of the data" && found.row != nil)
    #expect(found.time != nil && found.noiseToSignal != nil && found.remedy.contains("that row"))
  }

  @Test("a weight that is no number is named", arguments: ["layers.0.weight", "layers.1.bias", "layers.2.weight"])
  func weight(name: String) throws {
    let place = try Self.entry(name).lowerBound + 1
    let found = try failure { values, _ in values[place] = .nan }
    #expect(found.place == "parameter \(name)" && found.remedy.contains("learning_rate"))
  }

  @Test("activations that overflow name their layer", arguments: ["layers.0", "layers.1"])
  func activations(layer: String) throws {
    let range = try Self.entry(layer + ".weight")
    // Positive weights of the largest size: sums over them overflow, whatever is finite before.
    let found = try failure { values, _ in for i in range { values[i] = 3e38 } }
    #expect(found.quantity == .loss && found.place.hasPrefix("layer \(layer) ("), "\(found)")
    #expect(found.row != nil && found.place.contains("of the data") && found.remedy.contains("clip"))
  }

  @Test("outputs that are numbers, and whose squares are none, are told as such") func outputs() throws {
    let range = try Self.entry("layers.2.weight")
    let found = try failure { values, _ in for i in range { values[i] = 3e38 } }
    #expect(found.place.hasPrefix("the loss of outputs that have grown to"), "\(found)")
    #expect(found.row != nil && found.remedy.contains("learning_rate"))
  }

  @Test("a weight of the loss that overflows near t = 0 is told as such") func weighting() throws {
    // g²/σ² is 10⁴⁰ at t = 10⁻⁴⁰, and all times are there.
    let plan = TrainingPlan(
      steps: 3, batch: 8, weighting: .likelihood, noiseLevels: .logNormal, logMean: -300, epsilon: 1e-40)
    let found = try failure(plan)
    #expect(found.quantity == .loss && found.place.hasPrefix("the objective"), "\(found)")
    #expect(found.remedy.contains("training.epsilon") && found.time == 1e-40)
  }

  @Test("a gradient that is no number, of a loss that is one, names its parameter") func gradient() throws {
    let (first, last) = (try Self.entry("layers.1.bias"), try Self.entry("layers.2.weight"))
    // Outputs of 10¹⁷ have a loss of 10³⁴, and times activations of 10²⁴ a gradient of 10⁴¹.
    let found = try failure(TrainingPlan(steps: 3, batch: 32)) { values, _ in
      for i in first { values[i] = 1e24 }
      for i in last { values[i] = 1e-8 }
    }
    #expect(found.quantity == .gradient && found.place.contains("parameter layers.2.weight"), "\(found)")
    #expect(found.row != nil && found.remedy.contains("clip"))
  }

  @Test("a learning rate that is too high is named as the likely cause") func learningRate() throws {
    let found = try failure(
      TrainingPlan(steps: 10, batch: 32, learningRate: 1e38, decay: .constant, clip: 0))
    #expect(found.remedy.contains("learning_rate") && (found.step ?? 0) > 1)
  }

  @Test("steps whose numbers are not finite can be skipped: they change nothing, and are told", arguments: [1, 3])
  func skip(threads: Int) throws {
    var plan = TrainingPlan(steps: 60, batch: 16)
    plan.onNonFinite = .skip
    let trainer = try trainer(plan, badRow: 7, threads: threads)
    var state = trainer.initialState()
    var skipped: [Int] = []
    var before = bits(state)
    while state.step < 60 {
      try trainer.run(&state) { step in
        if step.skipped != nil { skipped.append(step.number) }
        return false
      }
      let after = bits(state)
      // All but the number of steps.
      #expect((after.dropFirst() == before.dropFirst()) == (skipped.last == state.step))
      before = after
    }
    // One row of 100 is drawn in 1 − 0.99¹⁶ = 15 % of the steps.
    #expect(skipped.count > 1 && skipped.count < 25 && state.averages.allSatisfy(\.isFinite))
    // What is wrong at every step is no accident.
    var hopeless = trainer.initialState()
    hopeless.parameters[3] = .nan
    plan.steps = 1000
    let endless = try self.trainer(plan, threads: threads)
    #expect(throws: ComputationError.self) { try endless.run(&hopeless) }
    #expect(hopeless.step < 200)
  }

  @Test("a healthy training has the same bytes either way") func healthy() throws {
    let states = try [TrainingPlan.OnNonFinite.stop, .skip].map { choice in
      var plan = TrainingPlan(steps: 10, batch: 32)
      plan.onNonFinite = choice
      let trainer = try trainer(plan)
      var state = trainer.initialState()
      try trainer.run(&state)
      return bits(state)
    }
    #expect(states[0] == states[1])
  }
}
