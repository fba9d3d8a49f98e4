// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import Testing

@Suite("Samples that lead from one row of data to the next") struct InterpolationStartTests {
  private static let points = """
    name: ways
    seed: 3
    data: {kind: gaussian-mixture, weights: [1, 2], means: [[-1, 0], [1, 0.5]], deviations: [0.3, 0.4], held_out: 20}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 14
      epsilon: 1.0e-5
      start: {kind: interpolation, frames: 7, held_out: [2, 5, 9]}
      solvers:
        - {name: ode, kind: probability-flow, integrator: rkf45, rtol: 1.0e-9, atol: 1.0e-9, denoise: false}
    likelihood: {rtol: 1.0e-9, atol: 1.0e-9, epsilon: 1.0e-5}
    evaluation: {metrics: [], path_error: false}
    """

  private static func samples(_ changes: [String], _ folder: String, threads: Int? = nil) throws -> Batch {
    let run = makeExperiment(try plan(points, overrides: changes), folder: folder, threads: threads)
    _ = try run.run([.sample])
    return try NumericTable(reading: "\(folder)/samples/ode.csv").values
  }

  private static func far(_ a: ArraySlice<Double>, _ b: some Sequence<Double>) -> Double {
    pairs(Array(a), Array(b)).reduce(0) { max($0, abs($1.0 - $1.1)) }
  }

  @Test("codes of the flow, decoded by the flow, are the points of the command `interpolate`") func command() throws {
    try withFolder { folder in
      let held = try plan(Self.points).data.load(seed: 3).heldOutRows
      let rows = [2, 5, 9].map { held.row($0).map { written($0) }.joined(separator: ",") }
      try Data((rows.joined(separator: "\n") + "\n").utf8).write(to: URL(fileURLWithPath: folder + "/p.csv"))
      for way in ["spherical", "linear"] {
        let found = try Self.samples(["sampling.start.by=\(way)"], "\(folder)/\(way)", threads: 1)
        _ = try makeExperiment(try plan(Self.points), folder: folder + "/c").interpolate(
          PointFiles(input: folder + "/p.csv", output: folder + "/w.csv"), frames: 7,
          by: try #require(.init(rawValue: way)))
        let expected = try NumericTable(reading: folder + "/w.csv").values
        // Steps of 1e-9, some hundred there and back, shared by other rows; and the table has 17 digits.
        #expect(found.count == 14 && (0..<14).allSatisfy { Self.far(found.row($0), expected.row($0)) < 1e-6 })
        // The ends are the rows themselves.
        for (frame, row) in [(0, 2), (6, 5), (7, 5), (13, 9)] {
          #expect(Self.far(found.row(frame), held.row(row)) < 1e-6)
        }
        #expect(try Self.samples(["sampling.start.by=\(way)"], "\(folder)/2", threads: 2) == found)
      }
      // Rows of the config are the same, and further samples begin the frames anew.
      let values = "value: [" + rows.map { "[\($0)]" }.joined(separator: ", ") + "]"
      let given = ["sampling.start={kind: interpolation, frames: 7, \(values)}", "sampling.count=30"]
      let again = try Self.samples(given, folder + "/d")
      let first = try Self.samples([], folder + "/e")
      #expect((0..<30).allSatisfy { Self.far(again.row($0), first.row($0 % 14)) < 1e-6 })
    }
  }

  @Test("with noise, the frames of a pair have the same noise; further rounds and repeats have others")
  func noise() throws {
    try withFolder { folder in
      // The flow of one Gaussian with mean 0 multiplies by a number: ways stay what they were between states.
      let one = [
        "data={kind: gaussian-mixture, weights: [1], means: [[0, 0]], deviations: [0.7], held_out: 20}",
        "sampling.start={kind: interpolation, frames: 3, held_out: [2, 5], encode: noise, by: linear, time: 0.4}",
        "sampling.count=6",
      ]
      let linear = try Self.samples(one, folder + "/a")
      let middle = [0, 3].map { i in pairs(Array(linear.row(i)), Array(linear.row(i + 2))).map { ($0 + $1) / 2 } }
      for k in 0..<2 { #expect(Self.far(linear.row(3 * k + 1), middle[k]) < 1e-7) }
      #expect(Self.far(linear.row(0), linear.row(3)) > 0.01 && Self.far(linear.row(2), linear.row(5)) > 0.01)
      let round = try Self.samples(one + ["sampling.start.by=spherical"], folder + "/b")
      #expect(Self.far(round.row(0), linear.row(0)) < 1e-7 && Self.far(round.row(2), linear.row(2)) < 1e-7)
      #expect(Self.far(round.row(1), linear.row(1)) > 0.01)
      // So little noise that the ends are the rows: 0.1 t is about the variance.
      let held = try plan(Self.points, overrides: one).data.load(seed: 3).heldOutRows
      let near = try Self.samples(one + ["sampling.start.time=2.0e-5"], folder + "/c")
      #expect(Self.far(near.row(0), held.row(2)) < 0.01 && Self.far(near.row(2), held.row(5)) < 0.01)
      // 4 samples of 3 frames in each repeat: no sample of the second has noise of the first.
      _ = try makeExperiment(
        try plan(Self.points, overrides: one + ["sampling.count=4", "evaluation.repeats=2"]), folder: folder + "/d"
      ).run()
      let repeats = try ["ode", "ode-repeat-2"].map {
        try NumericTable(reading: "\(folder)/d/samples/\($0).csv").values
      }
      for i in [0, 3] { for j in [0, 3] { #expect(Self.far(repeats[0].row(i), repeats[1].row(j)) > 0.001) } }
      #expect(Self.far(repeats[0].row(0), repeats[0].row(3)) > 0.001)
    }
  }

  @Test("images have a picture of their ways") func pictures() throws {
    try withFolder { folder in
      let digits = [
        "data={kind: digits}", "score={kind: empirical}", "sampling.epsilon=0.001", "likelihood.epsilon=0.001",
        "sampling.start={kind: interpolation, frames: 20, held_out: [1, 4, 6], encode: noise, time: 0.3}",
        "sampling.count=40", "sampling.solvers=[{name: ode, kind: ddim, steps: 8}]",
      ]
      let samples = try Self.samples(digits, folder + "/a")
      #expect(FileManager.default.fileExists(atPath: folder + "/a/samples/ode-edit.png"))
      let rows = try plan(Self.points, overrides: digits).data.load(seed: 3).heldOutRows
      let images = PosteriorImages(
        edited: Batch(rows: [1, 4, 6].map { rows.row($0) }), frames: 20,
        shape: ImageShape(height: 8, width: 8, channels: 1))
      let panel = try #require(images.figure(samples, solver: "ode").panels[0][0])
      #expect(panel.title == "from | 12 frames | to")
      // Two images in files: those of a run.
      for name in ["x", "y"] {
        try FileManager.default.copyItem(atPath: folder + "/a/samples/ode-edit.png", toPath: "\(folder)/\(name).png")
      }
      let error = #expect(throws: InputError.self) {
        try plan(
          Self.points,
          overrides: digits + [
            "sampling.start={kind: interpolation, images: {from: \(folder)/x.png, to: \(folder)/y.png}}"
          ])
      }
      #expect(error?.message.contains("pixels; allowed: 8 × 8") == true, "\(error?.description ?? "")")
    }
  }

  @Test("previews begin where samples do, and so does what `converge` measures") func others() throws {
    try withFolder { folder in
      func preview(_ start: String, _ name: String) throws -> Data? {
        let changes = [
          "training={steps: 20, batch: 64, preview: {steps: 20, count: 14, solver: {kind: ddim, steps: 4}}}",
          "sampling.start=\(start)", "score.prediction=edm", "evaluation.metrics=[]",
        ]
        _ = try makeExperiment(try plan(tiny, overrides: changes), folder: folder + name, store: folder + "/m")
          .run([.train])
        return FileManager.default.contents(atPath: folder + name + "/previews/000020.png")
      }
      let (prior, near) = (
        try preview("prior", "/p"), try preview("{kind: sdedit, time: 0.05, held_out: {first: 3}}", "/q")
      )
      let way = try preview("{kind: interpolation, frames: 7, held_out: {first: 3}}", "/r")
      #expect(prior != nil && near != nil && way != nil && prior != near && near != way && prior != way)
      // Solvers have a twentieth of the way to go, where the law hardly changes.
      func error(_ changes: [String]) throws -> Double {
        let experiment = makeExperiment(try plan(Self.points, overrides: changes), folder: folder + "/c")
        _ = try experiment.measureOrders(steps: [8, 16], rows: 16, output: folder + "/o.csv")
        return try #require(CSVTable(contents(folder + "/o.csv")).number("error", 0))
      }
      let heun = ["sampling.solvers=[{name: h, kind: heun, steps: 4}]", "sampling.epsilon=1.0e-3"]
      let whole = try error(heun + ["sampling.start=prior"])
      let short = try error(heun + ["sampling.start={kind: sdedit, time: 0.05, held_out: {first: 3}}"])
      #expect(short < whole / 10, "\(short) \(whole)")
    }
  }

  @Test(
    "what does not fit is refused in one line",
    arguments: [
      (["held_out: 1"], "has one row; allowed: two or more"),
      (["held_out: [1, 2, 3, 4]"], "has 21 frames for 14 samples"),
      (["held_out: [1, 2]", "frames: 1"], "frames"),
      (["held_out: [1, 2]", "time: 2"], "is at the time 2; allowed: above epsilon"),
      (["held_out: [1, 2]", "by: bus"], "unknown name 'bus'"),
      (["held_out: [1, 2]", "encode: morse"], "unknown name 'morse'"),
      (["images: {from: a.csv, to: b.csv}"], "is no PNG file"),
      (["images: {from: a.png}"], "to"),
      (["images: [a.png]"], "is not a mapping"),
      (["held_out: [1, 2]", "images: {from: a.png, to: b.png}"], "stands beside"),
      ([], "one of images, value, held_out"),
    ])
  func refused(parts: [String], says: String) {
    let start =
      (["kind: interpolation", "frames: 7"].filter { part in
        !parts.contains { $0.hasPrefix("frames") } || part != "frames: 7"
      } + parts)
    let error = #expect(throws: InputError.self) {
      try plan(Self.points, overrides: ["sampling.start={\(start.joined(separator: ", "))}"])
    }
    let text = error?.description ?? ""
    #expect(text.contains(says) && !text.contains("\n"), "\(text)")
  }

  @Test("a flow that cannot be taken is refused before anything is written") func flows() {
    for (changes, says) in [
      (["likelihood.integrator=rk4imp"], "explicit"),
      (["sampling.start.time=5.0e-5", "likelihood.epsilon=1.0e-3"], "allowed: above likelihood.epsilon"),
    ] {
      let error = #expect(throws: InputError.self) { try plan(Self.points, overrides: changes) }
      #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
    }
  }
}
