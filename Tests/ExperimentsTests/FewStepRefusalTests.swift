// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Testing

@Suite("Few steps that do not fit") struct FewStepRefusalTests {
  static let twoTimes = ["training.objective=lagrangian", "score.network.second=true"]
  static let bothWays = [
    "training.objective={kind: lagrangian, teacher: exact, forward: 0.5}", "score.network.second=true",
    "likelihood.epsilon=1e-3",
  ]

  static let refused: [(changes: [String], says: [String])] = [
    (
      ["training.objective={kind: easy-consistency, stages: 9, q: 8}"],
      ["training.objective.stages", "is 9 with q = 8.0; allowed: q^stages of at most 2^24"]
    ),
    (["sampling.solvers.0.kind=ddim", "sampling.solvers.0.steps=5"], ["solvers.0", "flow map alone"]),
    (["sampling.solvers.2.guidance=none"], ["solvers.2", "flow map alone"]),
    (["sampling.solvers.0.steps=2"], ["solvers.0", "alone; allowed"]),
    (["sampling.epsilon=0.01"], ["sampling.epsilon is 0.01", "0.001 alone"]),
    (["training.epsilon=1e-5"], ["sampling.epsilon is 0.001"]),
    (["sampling.solvers.0.denoise=true"], []),
    (["sampling.solvers.0.denoise=false"], ["denoise", "no effect"]),
    (["sampling.solvers.0.noise=0.5"], ["noise", "steps above 1"]),
    (["sampling.guidance={kind: exact}"], ["guidance", "flow map alone"]),
    (["sampling.field=[0.5]"], ["field", "flow map alone"]),
    (["evaluation.metrics=[kl]"], ["metrics", "flow map alone"]),
    (["likelihood={rtol: 1e-4}"], ["likelihood", "flow map alone"]),
    (["training.weighting=edm"], ["weighting", "no effect"]),
    (["training.noise_levels=log-normal"], ["noise_levels", "no effect"]),
    (["training.objective.teacher=none"], ["teacher", "cannot be read"]),
    (["training.objective.teacher=nowhere"], ["teacher", "nowhere", "cannot be read"]),
    (["training.initial=nowhere"], ["training.initial", "nowhere", "cannot be read"]),
    (["data={kind: two-moons}"], ["teacher", "Gaussian mixture"]),
    (["process={kind: cld}"], ["training", "perturbation kernel"]),
    (["training.objective=lagrangian"], ["training", "second: true"]),
    (["training.objective=continuous-consistency", "score.prediction=noise"], ["prediction edm", "noise"]),
    (["training.objective={kind: progressive-distillation, first: 12}"], ["first", "power of 2"]),
    (["training.objective={kind: consistency-training, first: 10, largest: 4}"], ["largest"]),
    (["training.objective={kind: consistency-distillation, huber: 1}"], ["huber", "pseudo-huber"]),
    (["training.objective={kind: distribution-matching, teacher: exact}"], ["solvers.1", "begins at t", "steps: 1"]),
    (["training.objective={kind: distribution-matching, teacher: exact, steps: 2}"], ["solvers.1", "grid: log-snr"]),
    (["training.objective={kind: distribution-matching, teacher: exact, steps: 4, grid: uniform}"], []),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, times: [1, 0.4]}"],
      ["solvers.1", "begins at t = 0.5005", "steps: 2, grid: {kind: list, times: [1.0, 0.4, 0.001]}"]
    ),
    (
      [
        "training.objective={kind: distribution-matching, teacher: exact, times: [1, 0.4]}",
        "sampling.solvers.1.grid={kind: list, times: [1.0, 0.4, 0.001]}",
      ], []
    ),
    (
      [
        "training.objective={kind: distribution-matching, teacher: exact, steps: 4, grid: uniform}", "training.batch=3",
      ], ["trains 4 steps", "batch is 3", "4 or more"]
    ),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, separate: true}"],
      ["separate", "here 1", "2 to 16 steps, by steps or times"]
    ),
    (
      [
        "training.objective={kind: distribution-matching, teacher: exact, times: [1, 0.5005], separate: true}",
        "score.network.divergence=true", "score.network.second=true",
      ], ["trains no divergence"]
    ),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, times: [0.9, 0.4], separate: true}"],
      ["distribution-matching", "[0.9, 0.4]", "T = 1.0 first"]
    ),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, times: [0.9, 0.4]}"],
      ["distribution-matching", "[0.9, 0.4]", "T = 1.0 first"]
    ),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, times: [1, 1e-4]}"],
      ["distribution-matching", "above ε = 0.001"]
    ),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, times: [0.4, 1]}"], ["times", "does not fall"]
    ),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, times: [1, 0.4], steps: 3}"],
      ["steps", "times: grid"]
    ),
    (
      ["training.objective={kind: distribution-matching, teacher: exact, alpha: 1}"], ["alpha", "divergence: fisher"]
    ),
    (["training.objective=denoising"], ["solvers.0", "flow map"]),
    (["score.network.divergence=true"], ["divergence", "second: true"]),
    (["score.network.second=true", "score.network.divergence=true"], ["trains no divergence"]),
    (twoTimes + ["score.network.divergence=true"], ["trains no divergence", "forward above 0"]),
    (["training.objective={kind: mean-flow, forward: 0.5}", "score.network.second=true"], ["forward"]),
    (twoTimes + ["likelihood={method: flow-map}"], ["likelihood.method", "small ones alone"]),
    (bothWays + ["likelihood={method: flow-map}"], []),
    (bothWays + ["likelihood={method: flow-map, determinant: divergence}"], ["likelihood.method", "no divergence"]),
    (bothWays + ["likelihood={method: flow-map, epsilon: 1e-4}"], ["likelihood.method", "from 0.001 on"]),
    (bothWays + ["likelihood={method: flow-map, divergence: exact}"], ["divergence", "method: ode"]),
    (bothWays + ["likelihood={steps: 3}"], ["steps", "method: flow-map"]),
    (bothWays + ["evaluation.metrics=[{kind: nll, by: divergence}]"], ["metrics", "no divergence"]),
    (bothWays + ["evaluation.metrics=[{kind: nll, steps: 3}]"], ["steps", "jacobian or divergence"]),
    (twoTimes + ["evaluation.metrics=[{kind: nll, by: jacobian}]"], ["metrics", "small ones alone"]),
  ]

  @Test("what does not fit is refused with its place and reason", arguments: refused.indices)
  func refusals(_ index: Int) throws {
    let (changes, says) = Self.refused[index]
    if says.isEmpty {
      _ = try plan(FewStepRunTests.text, overrides: changes)
      return
    }
    let error = #expect(throws: InputError.self) { try plan(FewStepRunTests.text, overrides: changes) }
    let message = error?.description ?? ""
    for part in says { #expect(message.contains(part), "\(changes): \(message)") }
    #expect(!message.contains("\n"))
  }
}
