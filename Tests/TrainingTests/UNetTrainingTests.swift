// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks
import Pairs
import Processes
import Scores
import Tensors
import Testing
import Training

@Suite("Training a U-Net") struct UNetTrainingTests {
  @Test("the state has the same bytes for 1 and 4 threads, with dropout") func threads() throws {
    var a = UNetArchitecture(
      height: 4, width: 4, channels: 1, widths: [8, 12], blocks: 1, attention: [2], resampling: .residual)
    (a.groups, a.middleAttentionGroups, a.dropout) = (4, 4, 0.2)
    let network = try UNet(a)
    let data = NoiseStream(seed: 1, purpose: .data).normals(count: 64, dimension: network.dimension)
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .noise, kernel: VPSDE().makeKernel(),
      duration: 1)
    var losses: [[Double]] = []
    let states = try [1, 4].map { threads in
      // Several shards, the last one short.
      let plan = TrainingPlan(steps: 4, batch: 150, learningRate: 1e-2)
      let trainer = Trainer(
        denoising(model, VPSDE(), plan), data: RowSource(data), plan: plan, seed: 5, threads: threads)
      var state = trainer.initialState()
      losses.append([])
      try trainer.run(&state) {
        losses[losses.count - 1].append($0.loss)
        return true
      }
      return bits(state)
    }
    #expect(states[0] == states[1] && losses[0] == losses[1])
    // It began as the zero function, whose loss is the mean square of normals, and left it.
    #expect(abs(losses[0][0] - 1) < 4 * (2.0 / Double(150 * network.dimension)).squareRoot())
    #expect(losses[0][1] != losses[0][0])

    // Places without a channel stay zero in parameters, averages and moments.
    let ones = network.layout.buffer { [Float](repeating: 1, count: $0.count) }
    for values in states[0].dropFirst() {
      #expect(values.count == ones.count && pairs(ones, values).allSatisfy { $0 == 1 || $1 << 1 == 0 })
    }
  }
}
