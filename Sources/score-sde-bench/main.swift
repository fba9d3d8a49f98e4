// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Glibc
import Processes
import ScoreNetworks
import Solvers
import Training

let process = VPSDE()
let kernel = process.makeKernel()!
let moons = try PlaneData(.twoMoons, noise: 0.05).load(seed: 1)
for (hidden, batch) in [(128, 512), (256, 1024)] {
  let network = MLP(
    dimension: 2, hidden: [hidden, hidden, hidden], features: TimeFeatures(.sinusoidal, count: 64, scale: 1, seed: 1))
  let score = NetworkScore(
    network, parameters: network.initialParameters(seed: 1), prediction: .noise, kernel: kernel, duration: 1)
  let plan = TrainingPlan(steps: 2000, batch: batch, decay: .constant, clip: 0)
  for threads in [1, 2] {
    let trainer = Trainer(score, process: process, data: moons.training, plan: plan, seed: 1, threads: threads)
    var state = trainer.initialState()
    let clock = ContinuousClock(); let start = clock.now
    var last = 0.0
    try trainer.run(&state) {
      last += $0.loss; return true
    }
    print(
      hidden, threads, start.duration(to: clock.now).seconds / 2000 * 1e6, "us/step", last / 2000, state.parameters[5])
  }
}
