import Core
import Processes
import Solvers
import Glibc

let process = VPSDE()
let mixture = try GaussianMixture(weights: Array(repeating: 1, count: 8), means: (0..<8).map { [4 * cos(Double($0) * .pi / 4), 4 * sin(Double($0) * .pi / 4)] }, deviations: Array(repeating: 0.5, count: 8))
for method in [EulerMaruyama(), ReverseDiffusion(), Ancestral()] as [any Predictor] {
  let sampler = Sampler(process: process, score: mixture.score(under: process), dimension: 2, seed: 1)
  for _ in 0..<3 {
  let s = try sampler.draw(10_000, with: PredictorCorrector(method, steps: 1000))
  let n = Double(s.batch.count)
  print(s.statistics, s.batch.values.reduce(0) { $0 + $1 * $1 } / n) }
}
for m in GSLIntegrator.Method.allCases {
  let sampler = Sampler(process: process, score: mixture.score(under: process), dimension: 2, seed: 1)
  let s = try sampler.draw(10_000, with: ProbabilityFlow(m))
  print(m, s.statistics, s.batch.values.reduce(0) { $0 + $1 * $1 } / 10000)
}
