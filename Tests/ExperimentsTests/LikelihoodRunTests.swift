// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import Processes
import ScoreSDE
import Testing

@Suite("Likelihood commands") struct LikelihoodRunTests {
  private static let gaussian = """
    name: gauss
    data: {kind: gaussian-mixture, weights: [1], means: [[1, 2]], deviations: [0.5], held_out: 30}
    process: {kind: vp}
    score: {kind: exact}
    sampling: {count: 0, solvers: []}
    likelihood: {terminal: exact, rtol: 1.0e-9, atol: 1.0e-9}
    """

  private func table(_ path: String) -> (header: [Substring], rows: [[Double]]) {
    let lines = contents(path).split(separator: "\n").map { $0.split(separator: ",") }
    return (lines.first ?? [], lines.dropFirst().map { $0.compactMap { Double($0) } })
  }

  /// ln N(x; m μ, m² s² + v) of the Gaussian above at the default ε.
  private func logDensity(_ x: [Double]) -> Double {
    let moments = VPSDE().makeKernel().moments(at: 1e-5)
    let variance = moments.scale * moments.scale * 0.25 + moments.variance
    return pairs(x, [1.0, 2.0]).reduce(0) { sum, pair in
      let distance = pair.0 - moments.scale * pair.1
      return sum - 0.5 * log(2 * .pi * variance) - distance * distance / (2 * variance)
    }
  }

  @Test("likelihood writes log densities, their errors and bits per dimension") func likelihood() throws {
    try withFolder { folder in
      let (input, output) = (folder + "/x.csv", folder + "/l.csv")
      try "x0,x1\n1,2\n0.5,1\n".write(toFile: input, atomically: true, encoding: .utf8)
      func run(_ overrides: [String] = []) throws -> String {
        try makeExperiment(try plan(Self.gaussian, overrides: overrides), folder: folder, quiet: true)
          .logDensities(of: PointFiles(input: input, output: output))
      }
      let expected = [logDensity([1, 2]), logDensity([0.5, 1])]
      let summary = try run()
      #expect(table(output).header == ["log_density"])
      // Some hundred steps at tolerance 1e-9.
      for (row, e) in pairs(table(output).rows, expected) { #expect(abs(row[0] - e) < 1e-7) }
      #expect(summary.hasPrefix("2 points: mean log density -") && summary.contains("NFE"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/config.yaml"))

      // ±1 probes know the trace of a multiple of the identity.
      _ = try run(["likelihood.divergence=hutchinson", "likelihood.levels=5", "likelihood.dequantise=false"])
      #expect(table(output).header == ["log_density", "standard_error", "bits_per_dimension"])
      for (row, e) in pairs(table(output).rows, expected) {
        #expect(abs(row[0] - e) < 1e-7 && row[1] < 1e-7)
        // Levels half a unit apart: one bit more.
        #expect(abs(row[2] - (1 - row[0] / (2 * log(2)))) < 1e-12)
      }
      _ = try run(["likelihood.divergence=hutchinson", "likelihood.probes=1"])
      #expect(table(output).header == ["log_density"])
      let bits = try run(["likelihood.levels=5"])
      #expect(bits.contains("bits per dimension"))
      #expect(table(output).header == ["log_density", "bits_per_dimension"])
      // Noise of up to a quarter of a unit moved the points.
      for (row, e) in pairs(table(output).rows, expected) { #expect(abs(row[0] - e) > 1e-4) }
    }
  }

  @Test("encode, decode and interpolate come back to the held-out rows, on a network's score too") func codes() throws {
    try withFolder { folder in
      let network = tiny + "\nlikelihood: {integrator: rk8pd, rtol: 1.0e-7, atol: 1.0e-7}\n"
      _ = try makeExperiment(try plan(network), folder: folder, quiet: true).run([.train])
      for text in [Self.gaussian, network] {
        let experiment = makeExperiment(try plan(text), folder: folder, quiet: true)
        let heldOut = try experiment.plan.data.load(seed: experiment.plan.seed).heldOut
        let (codes, back) = (folder + "/z.csv", folder + "/y.csv")
        #expect(try experiment.encode(PointFiles(input: nil, output: codes)).contains("NFE"))
        _ = try experiment.decode(PointFiles(input: codes, output: back))
        let rows = table(back).rows
        #expect(table(back).header == ["x0", "x1"] && rows.count == heldOut.count)
        // A network that has hardly learned shrinks points by up to e^{∫β/2} = e⁵ = 150, by which the way back
        // stretches the errors of some hundred steps at tolerance 1e-7, and the rounding of floats, 6e-8.
        for i in rows.indices { for j in 0..<2 { #expect(abs(rows[i][j] - heldOut[i, j]) < 1e-3) } }

        _ = try experiment.interpolate(
          PointFiles(input: nil, output: back, count: 3), frames: 4, by: .spherical)
        let way = table(back).rows
        #expect(way.count == 8)
        for (frame, row) in [(0, 0), (3, 1), (4, 1), (7, 2)] {
          for j in 0..<2 { #expect(abs(way[frame][j] - heldOut[row, j]) < 1e-3) }
        }
      }
      // The likelihood section is no part of what a network is trained for.
      let other = try plan(network, overrides: ["likelihood.rtol=1.0e-6"])
      #expect(try makeExperiment(other, folder: folder, quiet: true).run([.train]).contains("used again"))
      let estimated = try plan(network, overrides: ["likelihood.divergence=hutchinson"])
      _ = try makeExperiment(estimated, folder: folder, quiet: true)
        .logDensities(of: PointFiles(input: nil, output: folder + "/l.csv", count: 7))
      #expect(table(folder + "/l.csv").rows.count == 7)
    }
  }

  @Test("wrong points and files are refused in one line, and nothing is written") func refusals() throws {
    try withFolder { folder in
      let (input, output) = (folder + "/x.csv", folder + "/l.csv")
      let experiment = makeExperiment(try plan(Self.gaussian), folder: folder, quiet: true)
      let wrong = [
        ("x0,x1\n1,2\n3\n", "\(input):3: 1 values"), ("1,a\n", "\(input)"),
        ("1,2,3\n", "rows of 3 values; the data has 2"),
        ("1,2\n1,inf\n", "\(input):2: 'inf'"), ("", "no rows"),
      ]
      for (text, says) in wrong {
        try text.write(toFile: input, atomically: true, encoding: .utf8)
        let files = PointFiles(input: input, output: output)
        for command in [
          experiment.logDensities, experiment.encode, experiment.decode,
          { try experiment.interpolate($0, frames: 3, by: .linear) },
        ] {
          let error = #expect(throws: InputError.self) { try command(files) }
          #expect(error?.description.contains(says) == true && error?.description.contains("\n") == false)
        }
      }
      try "1,2\n".write(toFile: input, atomically: true, encoding: .utf8)
      let one = PointFiles(input: input, output: output)
      #expect(throws: InputError.self) { try experiment.interpolate(one, frames: 3, by: .linear) }
      for path in [folder, folder + "/nowhere/l.csv"] {
        #expect(throws: InputError.self) { try experiment.encode(PointFiles(input: input, output: path)) }
      }
      #expect(throws: InputError.self) {
        try experiment.encode(PointFiles(input: folder + "/none.csv", output: output))
      }
      // A network that nobody trained.
      let untrained = makeExperiment(try plan(tiny), folder: folder + "/empty", quiet: true)
      #expect(throws: InputError.self) { try untrained.encode(PointFiles(input: nil, output: output)) }
      #expect(!FileManager.default.fileExists(atPath: output))
    }
  }

  @Test("a network that is conditioned on classes wants to know that of given points") func classes() throws {
    try withFolder { folder in
      let text = """
        name: classes
        data: {kind: digits}
        process: {kind: vp}
        score: {kind: network, network: {kind: unet, channels: [8, 16], blocks: 1, attention: [4], class_conditional: true}}
        training: {steps: 2, batch: 16}
        sampling: {count: 0, solvers: []}
        likelihood: {rtol: 0.1, atol: 0.1, probes: 2, epsilon: 0.01}
        """
      let experiment = makeExperiment(try plan(text), folder: folder, quiet: true)
      _ = try experiment.run([.train])
      // Held-out rows have their own labels.
      _ = try experiment.encode(PointFiles(input: nil, output: folder + "/z.csv", count: 2))
      let files = PointFiles(input: folder + "/z.csv", output: folder + "/x.csv")
      let error = #expect(throws: InputError.self) { try experiment.decode(files) }
      #expect(error?.description.contains("sampling.condition") == true)
      // The score at the points asks, too, and a file may have a column of classes.
      #expect(throws: InputError.self) { try experiment.scorePoints(at: 0.5, files, quantity: .score) }
      let lines = contents(folder + "/z.csv").split(separator: "\n")
      try ([lines[0] + ",label"] + lines.dropFirst().map { $0 + ",3" }).joined(separator: "\n").write(
        toFile: folder + "/labelled.csv", atomically: true, encoding: .utf8)
      _ = try experiment.decode(PointFiles(input: folder + "/labelled.csv", output: folder + "/labelled-x.csv"))
      let given = try plan(text, overrides: ["sampling.condition={class: 3}"])
      _ = try makeExperiment(given, folder: folder, quiet: true).decode(files)
      #expect(contents(folder + "/x.csv") == contents(folder + "/labelled-x.csv"))
      _ = try makeExperiment(given, folder: folder, quiet: true)
        .logDensities(of: PointFiles(input: nil, output: folder + "/l.csv", count: 2))
      #expect(table(folder + "/l.csv").header == ["log_density", "standard_error"])
    }
  }
}
