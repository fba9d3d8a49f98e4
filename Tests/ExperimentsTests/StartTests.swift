// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import Testing

@Suite("Samples that begin with rows of data") struct StartTests {
  private static let digits = """
    name: edited
    seed: 2
    data: {kind: digits}
    process: {kind: vp}
    score: {kind: empirical}
    sampling:
      count: 8
      start: {kind: sdedit, time: 0.3, held_out: [1, 4]}
      solvers: [{name: em, kind: euler-maruyama, steps: 20}]
    evaluation: {metrics: [], path_error: false}
    """

  private static func samples(_ changes: [String], _ folder: String, solver: String = "em") throws -> Batch {
    let experiment = makeExperiment(try plan(digits, overrides: changes), folder: folder)
    _ = try experiment.run([.sample])
    return try NumericTable(reading: "\(folder)/samples/\(solver).csv").values
  }

  private static func distance(_ a: ArraySlice<Double>, _ b: [Double]) -> Double {
    (pairs(a, b).reduce(0) { $0 + ($1.0 - $1.1) * ($1.0 - $1.1) } / Double(b.count)).squareRoot()
  }

  @Test("the later solvers begin, the more is left of the rows; from T on nothing is") func times() throws {
    try withFolder { folder in
      let rows = try plan(Self.digits).data.load(seed: 2).heldOutRows
      let originals = [rows.row(1), rows.row(4)]
      func far(_ time: Double) throws -> Double {
        let samples = try Self.samples(["sampling.start.time=\(time)"], "\(folder)/\(time)")
        return (0..<8).reduce(0) { $0 + Self.distance(samples.row($1), originals[$1 % 2]) } / 8
      }
      // A time of little noise, of much, and T; digits of the empirical law are some 0.7 from another one.
      let distances = [try far(0.02), try far(0.3), try far(1)]
      #expect(distances[0] < 0.3 && distances[0] < distances[1] && distances[1] < distances[2], "\(distances)")
    }
  }

  @Test("every kind of solver begins there: fixed steps, adaptive ones, the flow, Langevin") func solvers() throws {
    try withFolder { folder in
      let kinds = [
        "{name: a, kind: heun, steps: 8}", "{name: b, kind: dpm-solver-pp, steps: 8, grid: log-snr}",
        "{name: c, kind: probability-flow}", "{name: d, kind: adaptive, method: {kind: heun}}",
        "{name: e, kind: annealed-langevin, steps: 8, steps_per_level: 20}",
        "{name: f, kind: predictor-corrector, steps: 8, corrector: {kind: langevin, snr: 0.1}}",
      ].filter { (try? plan(Self.digits, overrides: ["sampling.solvers=[\($0)]"])) != nil }
      #expect(kinds.count >= 5)
      // So little noise that the nearest row of the law is the row itself, were it there.
      let changes = ["sampling.start.time=0.02", "sampling.solvers=[\(kinds.joined(separator: ", "))]"]
      _ = try makeExperiment(try plan(Self.digits, overrides: changes), folder: folder).run([.sample])
      let rows = try plan(Self.digits).data.load(seed: 2).heldOutRows
      for name in ["a", "b", "c", "d", "e", "f"].prefix(kinds.count) {
        guard FileManager.default.fileExists(atPath: "\(folder)/samples/\(name).csv") else { continue }
        let samples = try NumericTable(reading: "\(folder)/samples/\(name).csv").values
        for i in 0..<8 { #expect(Self.distance(samples.row(i), rows.row(i % 2 == 0 ? 1 : 4)) < 0.45, "\(name) \(i)") }
      }
    }
  }

  @Test("rows of a file or of the config; coordinates; repeats begin with the same; pictures") func forms() throws {
    try withFolder { folder in
      let plain = try Self.samples([], folder + "/a")
      // What is held out as numbers of the config is the same.
      let rows = try plan(Self.digits).data.load(seed: 2).heldOutRows
      let values = [1, 4].map { "[" + rows.row($0).map { written($0) }.joined(separator: ", ") + "]" }
      let given = ["sampling.start={kind: sdedit, time: 0.3, value: [\(values.joined(separator: ", "))]}"]
      #expect(try Self.samples(given, folder + "/b") == plain)
      for format in ["png", "svg"] {
        _ = try Self.samples(["sampling.figures=[\(format)]"], folder + "/a")
        #expect(FileManager.default.fileExists(atPath: "\(folder)/a/samples/em-edit.\(format)"))
      }
      #expect(!FileManager.default.fileExists(atPath: "\(folder)/a/samples/em-edit.png"))
      let images = PosteriorImages(
        edited: rows.rows(0..<2), shape: ImageShape(height: 8, width: 8, channels: 1))
      #expect(images.figure(plain, solver: "em").panels[0][0]?.title == "before | 4 samples")
      // Coordinates change the process's noise, and not what samples begin with: with so little noise an empirical
      // law leads to the training row that is nearest, in both.
      let little = ["sampling.start.time=0.001", "sampling.epsilon=0.0005"]
      let near = try Self.samples(little, folder + "/c")
      let standard = try Self.samples(["coordinates=[standardise]"] + little, folder + "/c")
      for i in 0..<8 { #expect(Self.distance(standard.row(i), Array(near.row(i))) < 0.02) }
      let three = [
        "sampling.start={kind: sdedit, time: 0.02, held_out: [1, 4, 6]}", "sampling.count=6", "evaluation.repeats=2",
      ]
      _ = try makeExperiment(try plan(Self.digits, overrides: three), folder: folder + "/d").run()
      let second = try NumericTable(reading: "\(folder)/d/samples/em-repeat-2.csv").values
      for i in 0..<6 { #expect(Self.distance(second.row(i), rows.row([1, 4, 6][i % 3])) < 0.3) }
    }
  }

  @Test(
    "what does not fit is refused in one line",
    arguments: [
      ("{kind: sdedit, time: 0, held_out: 1}", "above 0"),
      ("{kind: sdedit, time: 2, held_out: 1}", "is at the time 2; allowed: above epsilon"),
      ("{kind: sdedit, time: 1.0e-9, held_out: 1}", "allowed: above epsilon"),
      ("{kind: sdedit, time: 0.5}", "one of image, value, held_out"),
      ("{kind: sdedit, time: 0.5, value: [1, 2]}", "has 2 values; allowed: 64"),
      ("{kind: sdedit, time: 0.5, image: missing.png}", "missing.png"),
      ("{kind: sdedit, time: 0.5, held_out: 1, image: x.png}", "stands beside"),
      ("{kind: sdedit, time: .nan, held_out: 1}", "finite number"),
      (
        "{kind: sdedit, time: 0.5, held_out: {first: 9}}",
        "has 9 rows for 8 samples; allowed: sampling.count of as many"
      ),
      ("elsewhere", "unknown name"),
    ])
  func refused(start: String, says: String) {
    let error = #expect(throws: InputError.self) { try plan(Self.digits, overrides: ["sampling.start=\(start)"]) }
    let text = error?.description ?? ""
    #expect(text.contains(says) && text.contains("sampling.start") || text.contains("missing.png"), "\(text)")
    #expect(!text.contains("\n"))
  }

  @Test("rows that there are not are told before anything is written") func beyond() throws {
    try withFolder { folder in
      let run = makeExperiment(
        try plan(Self.digits, overrides: ["sampling.start.held_out=[100000]"]), folder: folder + "/r")
      let error = #expect(throws: InputError.self) { try run.run() }
      let says = "sampling.start: asks for held-out row 100000 of"
      #expect(error?.description.hasPrefix("test.yaml:8: \(says)") == true, "\(error?.description ?? "")")
      #expect(!FileManager.default.fileExists(atPath: folder + "/r/config.yaml"))
    }
  }

  @Test("processes without such a kernel are refused") func kernels() {
    let error = #expect(throws: InputError.self) {
      try plan(
        Self.digits,
        overrides: ["process={kind: cld}", "sampling.solvers=[{name: s, kind: euler-maruyama, steps: 4}]"])
    }
    #expect(error?.message.contains("m(t) x₀ + σ(t) z") == true)
  }
}
