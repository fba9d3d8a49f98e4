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
      ("Euler-Maruyama", FixedSteps(EulerMaruyama(), steps: 200)),
      ("predictor-corrector", FixedSteps(ReverseDiffusion(), corrector: Langevin(snr: 0.16), steps: 100)),
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
      let summary = try makeExperiment(plan, catalogue: catalogue, folder: folder + "/r", quiet: true).run()
      #expect(summary.contains("em"))
      #expect(contents(folder + "/r/solvers.csv").contains("tiny,ou,em,euler-maruyama,40,10,11,11,"))
    }
    #expect(Listing(catalogue).text().contains("Ornstein–Uhlenbeck"))
  }

  @Test("Docs/Extending.md shows the example's process, all functions of formulas, and processes that are valid")
  func extendingGuide() throws {
    let text = contents(repository.appendingPathComponent("Docs/Extending.md").path)
    let shown = text.components(separatedBy: "<!-- process -->\n```swift\n")[1].components(separatedBy: "\n```")[0]
    let file = contents(
      repository.appendingPathComponent("Experiments/Extending/Sources/MyKinds/WarmingSDE.swift").path)
    let code = file.split(separator: "\n", omittingEmptySubsequences: false).filter { !$0.hasPrefix("//") }
    #expect(shown == code.joined(separator: "\n").trimmingCharacters(in: .newlines))
    let package = text.components(separatedBy: "<!-- package -->\n```swift\n")[1].components(separatedBy: "```")[0]
    #expect(package == contents(repository.appendingPathComponent("Experiments/Extending/Package.swift").path))
    // A package is found by the name of its own, and not by that of a clone's folder.
    let own = contents(repository.appendingPathComponent("Package.swift").path)
    #expect(own.contains("let package = Package(\n  name: \"score-sde\","))
    #expect(package.contains(".package(name: \"score-sde\", path: \"../..\")"))
    #expect(package.matches(of: #/package: "([^"]*)"/#).allSatisfy { $0.1 == "score-sde" })
    // "… and the functions sqrt, exp, … and pow."
    let listed = text.replacing("\n", with: " ").components(separatedBy: "the functions ")[1]
      .components(separatedBy: ".")[0]
    let names = listed.replacing(" and ", with: ", ").split(whereSeparator: { $0 == "," || $0.isWhitespace })
    #expect(Set(names.map(String.init)) == Set(Expression.functions))
    let processes = text.split(separator: "\n").filter { $0.hasPrefix("process: {") }
    #expect(processes.count == 4)
    for line in processes {
      let config = tiny.replacing("process: {kind: vp}", with: String(line))
        .replacing("{kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}", with: "{kind: empirical}")
        .replacing("training: {steps: 60, batch: 64}\n", with: "")
      _ = try plan(config)
    }
  }

  @Test("Docs/Processes.md has a row for every process and every schedule") func processes() {
    let text = contents(repository.appendingPathComponent("Docs/Processes.md").path)
    let parts = text.components(separatedBy: "\n## Schedules")
    #expect(parts.count == 2)
    for name in Catalogue.standard.processes.names { #expect(parts[0].contains("\n| `\(name)` |"), "\(name)") }
    for name in Catalogue.standard.schedules.names { #expect(parts[1].contains("\n| `\(name)` |"), "\(name)") }
  }

  @Test("every config in Experiments is valid") func configs() throws {
    let folder = repository.appendingPathComponent("Experiments").path
    let names = try FileManager.default.contentsOfDirectory(atPath: folder).filter { $0.hasSuffix(".yaml") }
    #expect(names.count > 20)
    for name in names {
      let source = try ConfigSource(path: folder + "/" + name, overrides: standingIn(for: name))
      // SweepConfigTests has those.
      if source.isSweep { continue }
      let plan = try ExperimentPlan(source)
      #expect(name == plan.name + ".yaml")
    }
  }
}
