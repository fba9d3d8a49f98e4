// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import Testing

@Suite("Runs") struct RunTests {
  @Test("a run writes every file of the contract") func contract() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder, quiet: true).run()
      #expect(contents(folder + "/config.yaml") == (try plan(tiny)).resolved)
      let solvers = contents(folder + "/solvers.csv").split(separator: "\n")
      #expect(
        solvers[0]
          == "experiment,process,solver,kind,count,steps,nfe,nfe_max,seconds,seed,overrides,"
          + ["sliced_wasserstein", "mmd", "energy_distance", "memorisation"].map { "\($0),\($0)_low,\($0)_high" }
          .joined(separator: ",")
      )
      #expect(solvers.count == 4)
      #expect(solvers[1].hasPrefix("tiny,vp,em,euler-maruyama,40,10,11,11,"))
      #expect(solvers[2].hasPrefix("tiny,vp,pc,predictor-corrector,40,5,11,11,"))
      #expect(solvers[3].hasPrefix("tiny,vp,ode,probability-flow,40,"))
      #expect(solvers.allSatisfy { $0.split(separator: ",", omittingEmptySubsequences: false).count == 23 })
      let training = contents(folder + "/training.csv").split(separator: "\n")
      #expect(training[0] == "step,loss,learning_rate,gradient_norm,seconds" && training.count == 61)
      let losses = contents(folder + "/loss_by_time.csv").split(separator: "\n")
      #expect(losses[0] == "time_low,time_high,training,held_out" && losses.count == 21)
      let samples = contents(folder + "/samples/em.csv").split(separator: "\n")
      #expect(samples[0] == "x0,x1" && samples.count == 41)
      let png = FileManager.default.contents(atPath: folder + "/samples/em.png")
      #expect(png?.prefix(4) == Data([0x89, 0x50, 0x4E, 0x47]))
      let manifest = try JSONSerialization.jsonObject(with: Data(contents(folder + "/manifest.json").utf8))
      #expect((manifest as? [String: Any])?["seed"] as? Int == 3)
      #expect(try FileManager.default.subpathsOfDirectory(atPath: folder).allSatisfy { !$0.hasSuffix(".part") })
    }
  }

  @Test("samples are the same bytes for any number of threads, and a network is used again") func reuse() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder + "/a", threads: 1, quiet: true).run()
      _ = try makeExperiment(try plan(tiny), folder: folder + "/b", threads: 3, quiet: true).run()
      for file in ["samples/em.csv", "samples/pc.csv", "samples/ode.csv"] {
        #expect(contents("\(folder)/a/\(file)") == contents("\(folder)/b/\(file)"))
      }
      let first = FileManager.default.contents(atPath: folder + "/a/checkpoint.safetensors")
      #expect(first == FileManager.default.contents(atPath: folder + "/b/checkpoint.safetensors"))
      let changed = try plan(tiny, overrides: ["sampling.solvers.0.steps=20"])
      let summary = try makeExperiment(changed, folder: folder + "/a", quiet: true).run()
      #expect(summary.contains("used again"))
      let retrained = try plan(tiny, overrides: ["seed=4"])
      #expect(!(try makeExperiment(retrained, folder: folder + "/a", quiet: true).run()).contains("used again"))
      #expect(first != FileManager.default.contents(atPath: folder + "/a/checkpoint.safetensors"))
    }
  }

  @Test("stages one by one give what a run gives") func stages() throws {
    try withFolder { folder in
      let tinyPlan = try plan(tiny)
      _ = try makeExperiment(tinyPlan, folder: folder + "/a", quiet: true).run()
      let staged = makeExperiment(tinyPlan, folder: folder + "/b", quiet: true)
      #expect(throws: InputError.self) { try staged.run([.sample]) }
      #expect(throws: InputError.self) { try staged.run([.evaluate]) }
      #expect(!FileManager.default.fileExists(atPath: folder + "/b"))
      for stage in Experiment.Stage.allCases { _ = try staged.run([stage]) }
      #expect(contents(folder + "/a/samples/ode.csv") == contents(folder + "/b/samples/ode.csv"))
      // All but the column of seconds.
      func stable(_ path: String) -> [[Substring]] {
        contents(path).split(separator: "\n").map { line in
          line.split(separator: ",").enumerated().filter { $0.offset != 8 }.map(\.element)
        }
      }
      #expect(stable(folder + "/a/solvers.csv") == stable(folder + "/b/solvers.csv"))
    }
  }

  @Test("a damaged checkpoint is set aside, and trained again to the same bytes; a foreign one is refused")
  func checkpoints() throws {
    try withFolder { folder in
      let tinyPlan = try plan(tiny)
      let trained = makeExperiment(tinyPlan, folder: folder + "/a")
      _ = try trained.run([.train])
      let path = folder + "/a/checkpoint.safetensors"
      let whole = try #require(FileManager.default.contents(atPath: path))
      let names = try FileManager.default.contentsOfDirectory(atPath: trained.store.folder)
      let kept = try #require(names.first { $0.hasSuffix(".safetensors") }.map { "\(trained.store.folder)/\($0)" })
      let foreign = Data([2, 0, 0, 0, 0, 0, 0, 0]) + Data("{}".utf8)
      var flipped = whole
      flipped[whole.count / 2] ^= 4
      // Both are names of one file.
      try FileManager.default.removeItem(atPath: path)
      for damaged in [Data(), Data("hello".utf8), whole.prefix(100), whole.dropLast(8), flipped, foreign] {
        // In the store, and in a folder of a time before there was one.
        for (place, other) in [(kept, path), (path, kept)] {
          try? FileManager.default.removeItem(atPath: place)
          try? FileManager.default.removeItem(atPath: other)
          try damaged.write(to: URL(fileURLWithPath: place))
          if damaged == foreign && place == path {
            let before = contents(folder + "/a/manifest.json")
            let error = #expect(throws: InputError.self) { try trained.run() }
            #expect(error?.description.hasPrefix(place) == true, "\(error?.description ?? "")")
            #expect(contents(folder + "/a/manifest.json") == before)
            continue
          }
          #expect(!(try trained.run([.train])).contains("used again"))
          for name in [kept, path] { #expect(FileManager.default.contents(atPath: name) == whole) }
          if place == kept { #expect(FileManager.default.contents(atPath: kept + ".damaged") == damaged) }
        }
      }
      // One that the store has whole takes the place of a damaged copy.
      try whole.write(to: URL(fileURLWithPath: kept))
      #expect(try trained.run().contains("used again"))
      #expect(FileManager.default.contents(atPath: path) == whole)
    }
  }

  @Test("another experiment's checkpoint gives the same samples; one of another dimension is refused") func borrowed()
    throws
  {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder + "/a", quiet: true).run()
      let start = tiny.range(of: "score:")!.lowerBound
      let end = tiny.range(of: "sampling:")!.lowerBound
      let text = tiny.replacingCharacters(
        in: start..<end, with: "score: {kind: checkpoint, path: \(folder)/a/checkpoint.safetensors}\n")
      _ = try makeExperiment(try plan(text), folder: folder + "/b", quiet: true).run()
      #expect(contents(folder + "/a/samples/em.csv") == contents(folder + "/b/samples/em.csv"))
      let other = text.replacingOccurrences(
        of: "{kind: two-moons, count: 500, held_out: 200}",
        with: "{kind: gaussian-mixture, weights: [1], means: [[0, 0, 0]], deviations: [1]}")
      #expect(throws: InputError.self) { try makeExperiment(try plan(other), folder: folder + "/c", quiet: true).run() }
    }
  }

  @Test("edm: a checkpoint carries the σ_d of its own data, and samples elsewhere as at home") func edm() throws {
    let text = tiny.replacingOccurrences(of: "{kind: network,", with: "{kind: network, prediction: edm,")
      .replacingOccurrences(of: "batch: 64", with: "batch: 64, weighting: edm, noise_levels: log-normal")
      .replacingOccurrences(of: "kind: euler-maruyama", with: "kind: heun, grid: karras, s_churn: 2")
    try withFolder { folder in
      _ = try makeExperiment(try plan(text), folder: folder + "/a", quiet: true).run()
      #expect(contents(folder + "/a/solvers.csv").contains("tiny,vp,em,heun,40,10,21,21,"))
      let home = contents(folder + "/a/samples/em.csv")
      // From the checkpoint at home, and borrowed by an experiment whose data has another deviation.
      _ = try makeExperiment(try plan(text), folder: folder + "/a", quiet: true).run([.sample])
      #expect(contents(folder + "/a/samples/em.csv") == home)
      let start = text.range(of: "score:")!.lowerBound
      let end = text.range(of: "sampling:")!.lowerBound
      let borrowed = text.replacingCharacters(
        in: start..<end, with: "score: {kind: checkpoint, path: \(folder)/a/checkpoint.safetensors}\n"
      ).replacingOccurrences(of: "two-moons", with: "checkerboard")
      _ = try makeExperiment(try plan(borrowed), folder: folder + "/b", quiet: true).run()
      #expect(contents(folder + "/b/samples/em.csv") == home)
      let given = try plan(text, overrides: ["score.sigma_data=3"])
      _ = try makeExperiment(given, folder: folder + "/c", quiet: true).run()
      #expect(contents(folder + "/c/samples/em.csv") != home)
    }
  }

  @Test("a diverging training stops with its step, and keeps its log") func divergence() throws {
    try withFolder { folder in
      let wild = try plan(tiny, overrides: ["training.learning_rate=1.0e38", "training.clip=0"])
      let failure = #expect(throws: ExperimentFailure.self) {
        try makeExperiment(wild, folder: folder + "/a", quiet: true).run()
      }
      #expect(failure?.description.contains("at step") == true)
      #expect(contents(folder + "/a/training.csv").hasPrefix("step,loss"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/a/checkpoint.safetensors"))
    }
  }

  @Test("a solver that runs out of steps is named; the others are kept") func solverFailure() throws {
    try withFolder { folder in
      let short = try plan(tiny, overrides: ["sampling.solvers.2.max_steps=3"])
      let failure = #expect(throws: ExperimentFailure.self) {
        try makeExperiment(short, folder: folder + "/a", quiet: true).run()
      }
      #expect(failure?.description.contains("solver ode") == true)
      #expect(contents(folder + "/a/solvers.csv").split(separator: "\n").count == 3)
      #expect(FileManager.default.fileExists(atPath: folder + "/a/samples/pc.csv"))
      #expect(!FileManager.default.fileExists(atPath: folder + "/a/samples/ode.csv"))
    }
  }

  @Test("npy samples hold the same numbers as csv") func npy() throws {
    try withFolder { folder in
      _ = try makeExperiment(try plan(tiny), folder: folder + "/a", quiet: true).run()
      _ = try makeExperiment(try plan(tiny, overrides: ["sampling.format=npy"]), folder: folder + "/b", quiet: true)
        .run()
      let data = try #require(FileManager.default.contents(atPath: folder + "/b/samples/em.npy"))
      let start = 10 + Int(data[8]) + 256 * Int(data[9])
      #expect(start % 64 == 0 && data.count == start + 40 * 2 * 8)
      let first = data.subdata(in: start..<start + 8).withUnsafeBytes { $0.loadUnaligned(as: Double.self) }
      let row = contents(folder + "/a/samples/em.csv").split(separator: "\n")[1].split(separator: ",")
      #expect(Double(row[0]) == first)
    }
  }

  @Test("score, noise and denoised of given points agree") func points() throws {
    let text = """
      name: gauss
      data: {kind: gaussian-mixture, weights: [1], means: [[1, 2]], deviations: [0.5]}
      process: {kind: ve, sigma_min: 0.1, sigma_max: 10}
      score: {kind: exact}
      sampling: {count: 0, solvers: []}
      """
    try withFolder { folder in
      let input = folder + "/x.csv"
      try "x0,x1\n1,2\n3,-1\n".write(toFile: input, atomically: true, encoding: .utf8)
      let experiment = makeExperiment(try plan(text), folder: folder, quiet: true)
      func values(_ quantity: PointQuantity) throws -> [Double] {
        try experiment.scorePoints(
          at: 0.5, PointFiles(input: input, output: folder + "/y.csv"), quantity: quantity)
        return contents(folder + "/y.csv").split(separator: "\n").dropFirst().flatMap { $0.split(separator: ",") }
          .compactMap { Double($0) }
      }
      // σ(½) = √(0.1 · 10) = 1, so x_t ~ N(μ, 1.25).
      let expected: [(PointQuantity, [Double])] = [
        (.score, [0, 0, -2 / 1.25, 3 / 1.25]), (.noise, [0, 0, 2 / 1.25, -3 / 1.25]),
        (.denoised, [1, 2, 3 - 2 / 1.25, -1 + 3 / 1.25]),
      ]
      for (quantity, expected) in expected {
        let found = try values(quantity)
        try #require(found.count == expected.count)
        // A dozen roundings of numbers below 3.
        for i in found.indices { #expect(abs(found[i] - expected[i]) < 1e-14, "\(quantity)") }
      }
      try "1,2\n3\n".write(toFile: input, atomically: true, encoding: .utf8)
      let error = #expect(throws: InputError.self) { try values(.score) }
      #expect(error?.description.hasPrefix("\(input):2") == true)
    }
  }

  @Test("coupled paths: two step counts end closer than with independent noise") func coupled() throws {
    let text = """
      name: coupled
      data: {kind: gaussian-mixture, weights: [1, 1], means: [[-1], [1]], deviations: [0.4, 0.4]}
      process: {kind: vp}
      score: {kind: exact}
      sampling:
        count: 200
        solvers:
          - {name: coarse, kind: euler-maruyama, steps: 100}
          - {name: fine, kind: euler-maruyama, steps: 400}
      """
    func gap(_ path: String, grid: String = "uniform") throws -> Double {
      try withFolder { folder in
        let plan = try plan(text, overrides: ["sampling.path=\(path)", "sampling.grid=\(grid)"])
        let experiment = makeExperiment(plan, folder: folder, quiet: true)
        _ = try experiment.run([.train, .sample])
        func column(_ name: String) -> [Double] {
          contents("\(folder)/samples/\(name).csv").split(separator: "\n").compactMap { Double($0) }
        }
        let (a, b) = (column("coarse"), column("fine"))
        return pairs(a, b).reduce(0) { $0 + abs($1.0 - $1.1) } / Double(a.count)
      }
    }
    // Strong error of order 1/100 in the time scale of β = 20, against independent draws with the data's spread of 1.
    #expect(try gap("coupled") < 0.25 * gap("independent"))
    #expect(try gap("coupled", grid: "karras") < 0.25 * gap("independent", grid: "karras"))
  }
}
