// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Models
import Networks
import Processes
import Solvers
import Testing

@Suite("Runs whose numbers go wrong") struct NonFiniteRunTests {
  private static let gaussian = """
    name: gauss
    data: {kind: gaussian-mixture, weights: [1], means: [[1, 2]], deviations: [0.5], held_out: 30}
    process: {kind: vp}
    score: {kind: exact}
    sampling: {count: 0, solvers: []}
    likelihood: {max_steps: 5000}
    """

  @Test("the good rows of a table are written, the bad ones are nan and named") func badRow() throws {
    try withFolder { folder in
      let (input, output) = (folder + "/x.csv", folder + "/y.csv")
      let rows = (0..<256).map { "\(Double($0) / 100),2" } + ["1.7e308,0"]
      try ("x0,x1\n" + rows.joined(separator: "\n") + "\n").write(toFile: input, atomically: true, encoding: .utf8)
      let experiment = makeExperiment(try plan(Self.gaussian), folder: folder)
      let files = PointFiles(input: input, output: output)
      let commands: [(String, () throws -> Void)] = [
        ("likelihood", { _ = try experiment.logDensities(of: files) }),
        ("encode", { _ = try experiment.encode(files) }),
        ("decode", { _ = try experiment.decode(files) }),
      ]
      for (name, command) in commands {
        let failure = #expect(throws: ExperimentFailure.self) { try command() }
        #expect(
          failure?.reasons.count == 1 && failure?.description.contains("row 256, counted from 0") == true, "\(name)")
        let lines = contents(output).split(separator: "\n")
        #expect(lines.count == 258 && lines[257].split(separator: ",").allSatisfy { $0 == "nan" }, "\(name)")
        #expect(!lines.dropLast().contains { $0.contains("nan") || $0.contains("inf") }, "\(name)")
        unlink(output)
      }
      let failure = #expect(throws: ExperimentFailure.self) {
        _ = try experiment.interpolate(files, frames: 2, by: .spherical)
      }
      #expect(failure?.description.contains("row 255") == true)
      #expect(contents(output).split(separator: "\n").count == 1 + 2 * 256)
      // A point that is a number, and whose density is none.
      try ("x0,x1\n" + rows.dropLast().joined(separator: "\n") + "\n1e300,0\n").write(
        toFile: input, atomically: true, encoding: .utf8)
      let summary = #expect(throws: ExperimentFailure.self) { _ = try experiment.logDensities(of: files) }
      #expect(summary?.summary.hasPrefix("256 points: mean log density -") == true)
    }
  }

  @Test("a network whose weights overflow names its layer, in samples and at given points") func layer() throws {
    let network = MLP(dimension: 2, hidden: [8, 8], features: TimeFeatures(.fourier, count: 8, scale: 0.1, seed: 1))
    var values = network.initialParameters(seed: 1)
    let entry = try #require(network.layout.entries.first { $0.parts[0].name == "layers.1.weight" })
    for i in entry.offset..<entry.offset + entry.count { values[i] = 3e38 }
    let process = PreparedProcess(VPSDE())
    let model = ScoreModel(
      network, parameters: values, prediction: .noise, kernel: try #require(process.kernel), duration: 1)
    let sampler = Sampler(process: process, score: model.score(), dimension: 2, seed: 1)
    for solver in [FixedSteps(EulerMaruyama(), steps: 5), ProbabilityFlow(.rkf45)] as [any Solver] {
      let error = #expect(throws: ComputationError.self) { try sampler.draw(10, with: solver) }
      let text = error?.description ?? ""
      for part in ["score", "row ", "step 1", "t = ", "σ/m", "layer layers.1", "learning_rate"] {
        #expect(text.contains(part), "\(text)")
      }
    }
  }

  @Test("training.on_non_finite is no part of what a healthy network is, and its log counts") func skip() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder).run([.train])
      let plain = contents(folder + "/training.csv")
      #expect(plain.hasPrefix("step,loss,learning_rate,gradient_norm,seconds\n"))
      let other = try plan(tiny, overrides: ["training.on_non_finite=skip"])
      #expect(try makeExperiment(other, folder: folder).run([.train]).contains("used again"))
      // A training of its own has one column more, and the same network.
      let (own, checkpoint) = (folder + "/own", "/checkpoint.safetensors")
      _ = try makeExperiment(other, folder: own).run([.train])
      #expect(contents(own + "/training.csv").hasPrefix("step,loss,learning_rate,gradient_norm,seconds,skipped\n"))
      let files = try [folder, own].map { try Data(contentsOf: URL(fileURLWithPath: $0 + checkpoint)) }
      #expect(files[0] == files[1])
      let error = #expect(throws: InputError.self) { try plan(tiny, overrides: ["training.on_non_finite=ignore"]) }
      #expect(error?.description.contains("allowed: stop, skip") == true)
      let wild = try plan(
        tiny, overrides: ["training.learning_rate=1e38", "training.clip=0", "training.decay=constant"])
      let failure = #expect(throws: ExperimentFailure.self) { try makeExperiment(wild, folder: folder + "/wild").run() }
      for part in ["not finite", "at step ", "lower training.learning_rate"] {
        #expect(failure?.description.contains(part) == true, "\(String(describing: failure))")
      }
    }
  }
}
