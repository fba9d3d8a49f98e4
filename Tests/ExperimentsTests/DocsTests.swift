// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Foundation
import ScoreSDE
import Testing

@Suite("Docs") struct DocsTests {
  @Test("Docs/Experiments.md has the tables that the code writes") func experiments() {
    let text = contents(repository.appendingPathComponent("Docs/Experiments.md").path)
    let parts = text.components(separatedBy: "<!-- options -->\n\n")
    #expect(parts.count == 2)
    // `print` ends the text with one more line end.
    #expect(parts.last == Listing().markdown() + "\n", "run `make docs`")
  }

  @Test("the README's example runs, and is this very code") func readme() throws {
    // begin example
    let process = VPSDE()
    let mixture = try GaussianMixture(weights: [1, 2], means: [[-2, 0], [2, 1]], deviations: [0.5, 0.3])
    let sampler = Sampler(process: process, score: mixture.score(under: process), dimension: 2, seed: 1)
    let solvers: [(String, any Solver)] = [
      ("Euler-Maruyama", PredictorCorrector(EulerMaruyama(), steps: 200)),
      ("predictor-corrector", PredictorCorrector(ReverseDiffusion(), corrector: Langevin(snr: 0.16), steps: 100)),
      ("probability flow", ProbabilityFlow(.rkf45, rtol: 1e-6, atol: 1e-6)),
    ]
    for (name, solver) in solvers {
      let samples = try sampler.draw(1000, with: solver)
      print(name, samples.statistics.nfe, samples.batch.row(0))
    }
    // end example
    func lines(_ text: String) -> [String] {
      text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }
    let code = contents(#filePath).components(separatedBy: "// begin example\n")[1]
      .components(separatedBy: "// end example")[0]
    let readme = contents(repository.appendingPathComponent("README.md").path)
      .components(separatedBy: "<!-- example -->\n```swift\n")[1].components(separatedBy: "```")[0]
    #expect(lines(readme) == ["import ScoreSDE"] + lines(code))
  }

  @Test("a process of one's own needs four lines and gets a config kind") func extending() throws {
    struct OrnsteinUhlenbeck: AffineSDE {
      func driftRate(at t: Double) -> Double { -3 }
      func diffusion(at t: Double) -> Double { 6.0.squareRoot() }
    }
    var catalogue = Catalogue.standard
    catalogue.processes.add(Kind("ou", "Ornstein–Uhlenbeck") { _, _ in OrnsteinUhlenbeck() })
    let text = tiny.replacingOccurrences(of: "{kind: vp}", with: "{kind: ou}")
    try withFolder { folder in
      let plan = try ExperimentPlan(ConfigSource(text: text, path: "test.yaml"), catalogue: catalogue)
      let summary = try Experiment(plan, catalogue: catalogue, folder: folder + "/r", quiet: true).run()
      #expect(summary.contains("em"))
      #expect(contents(folder + "/r/solvers.csv").contains("tiny,ou,em,euler-maruyama,40,10,11,11,"))
    }
    #expect(Listing(catalogue).text().contains("Ornstein–Uhlenbeck"))
  }
}
