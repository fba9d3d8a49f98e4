// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import Testing

extension ObservationPlanTests {
  static let refusals: [(changes: [String], place: String, says: String)] = [
    (["operator={kind: matrix, values: [[1, 2, 3]]}"], "operator", "row 1 has 3 values; allowed: 2"),
    (["operator={kind: matrix, values: [[1, 2], [1]]}"], "operator", "row 2 has 1 values"),
    (["operator={kind: matrix, values: [[1, .nan]]}"], "operator.values", "finite number"),
    (["operator={kind: matrix}"], "operator.values", "is missing; allowed: one of values, file"),
    (["operator={kind: mask, indices: [2]}"], "operator", "index 2 for rows of 2 values; allowed: 0 to 1"),
    (["operator={kind: mask, indices: [1, 1]}"], "operator", "twice"),
    (["operator={kind: mask, indices: [0, 1], keeps: outside}"], "operator", "nothing is seen"),
    (["operator={kind: mask, half: left}"], "operator", "needs images"),
    (["operator={kind: mask, half: middle}"], "operator.half", "left, right, top, bottom"),
    (["operator={kind: mask, half: left, share: 0.5}"], "operator.", "stands beside"),
    (["operator={kind: mask, indices: [0], seed: 3}"], "operator.seed", "needs share"),
    (["operator={kind: mask, share: 1}"], "operator.share", "below 1"),
    (["operator=[]"], "operator", "is an empty list"),
    (["operator=[identity, {kind: matrix, values: [[1]]}]"], "operator", "number 1: row 1 has 1 values"),
    (["operator=warp"], "operator", "unknown name 'warp'"),
    (["noise=0"], "guidance", "divides by the noise"),
    (["noise=-0.1"], "noise.deviation", "0 or more"),
    (["noise=.nan"], "noise", "allowed: gaussian, poisson"),
    (["noise=[1, 1]"], "noise", "noise of 2 values for observations of 1"),
    (["noise=[-1]"], "noise.deviations", "above 0"),
    (["noise={covariance: [[1, 2], [0, 1]]}"], "noise.covariance", "not symmetric"),
    (["noise={covariance: [[1, 2], [2, 1]]}"], "noise.covariance", "not positive definite"),
    (["noise={covariance: [[1, 2]]}"], "noise.covariance", "1 rows, and one of 2 values"),
    (["noise={covariance: [[1, 0], [0, 1]]}"], "noise", "noise of 2 values"),
    (["noise={kind: poisson, peak: 0}"], "noise.peak", "above 0"),
    (["noise={kind: poisson, peak: 5, low: 1}"], "noise.high", "above low"),
    (["noise={kind: poisson, peak: 5}"], "value", "allowed: counts"),
    (["value=[1, 2]"], "value", "has 2 values; allowed: 1"),
    (["value=[[1], [2, 3]]"], "value", "has 2 values in row 2"),
    (["value=[.nan]"], "value", "finite number"),
    (["value=.nan"], "value", "not a finite number"),
    (["value=[]"], "value", "is not a list of numbers"),
    (["value={held_out: -1}"], "held_out", "a row's number"),
    (["value={held_out: [1, 1]}"], "held_out", "twice"),
    (["value={held_out: {first: 0}}"], "held_out.first", "1 or more"),
    (["value={held_out: {first: 13}}"], "value", "13 observations for 12 samples"),
    (["value={held_out: {last: 3}}"], "held_out.first", "is missing"),
    (["held_out=3"], "held_out", "stands beside value"),
    (["value=null"], "value", "is missing; allowed: one of value, held_out"),
    (["noize=3"], "noize", "unknown key; did you mean 'noise'?"),
  ]

  @Test("what does not fit is refused in one line with its place", arguments: refusals.indices)
  func refused(index: Int) {
    let (changes, place, says) = Self.refusals[index]
    let error = #expect(throws: InputError.self) {
      try Self.plan(Self.points, changes.map { "sampling.observation.\($0)" })
    }
    let text = error?.description ?? ""
    #expect(text.contains("sampling.") && text.contains(place) && text.contains(says), "\(changes): \(text)")
    #expect(!text.contains("\n"))
  }

  @Test(
    "images: what lies outside, does not divide or cannot be",
    arguments: [
      ("operator={kind: mask, box: [5, 5, 4, 4]}", "is not within the image of 8 × 8"),
      ("operator={kind: crop, box: [0, 0, 9, 1]}", "is not within the image of 8 × 8"),
      ("operator={kind: crop, box: [0, 0, 1]}", "has 3 numbers; allowed: 4"),
      ("operator={kind: crop, box: [0, 0, 0, 3]}", "is not within"),
      ("operator={kind: downsample, factor: 3}", "factor 3 for images of 8 × 8"),
      ("operator={kind: downsample, factor: 16}", "factor 16 for images of 8 × 8"),
      ("operator={kind: blur, deviation: 0}", "above 0"),
      ("operator={kind: blur, deviation: 1, size: 4}", "odd"),
      ("operator={kind: blur, deviation: 9}", "size 55 for images of 8 × 8 pixels"),
      ("operator={kind: blur, deviation: 1, size: 9, edges: valid}", "at most 8"),
      ("operator=gray", "several channels"),
      ("operator=[{kind: mask, share: 0.5}, {kind: downsample, factor: 2}]", "number 1: needs a whole image"),
      ("value=[7]", "has 1 values; allowed: 32"),
    ])
  func images(change: String, says: String) {
    let error = #expect(throws: InputError.self) { try Self.plan(Self.images, ["sampling.observation.\(change)"]) }
    #expect(error?.description.contains(says) == true, "\(error?.description ?? "")")
  }

  @Test("values that no image gives are refused") func unreachable() throws {
    let values = (0..<64).map { $0 == 9 ? "200" : "0.5" }.joined(separator: ", ")
    let error = #expect(throws: InputError.self) {
      try Self.plan(
        Self.images, ["\(Self.key)=identity", "sampling.observation.value=[\(values)]"])
    }
    #expect(error?.description.contains("row 1 holds 200 at value 10") == true, "\(error?.description ?? "")")
  }

  @Test("held-out rows that there are not are refused before anything is written") func beyond() throws {
    try withFolder { folder in
      let run = try Self.experiment(Self.points, ["sampling.observation.value={held_out: 40}"], folder + "/r")
      let error = #expect(throws: InputError.self) { try run.run() }
      #expect(error?.description.contains("asks for held-out row 40 of 40; allowed: 0 to 39") == true)
      #expect(error?.description.contains("sampling.observation.value: asks") == true, "\(error?.description ?? "")")
      #expect(!FileManager.default.fileExists(atPath: folder + "/r/config.yaml"))
    }
  }

  @Test("an observation that nobody looks at is refused") func unused() {
    let error = #expect(throws: InputError.self) { try Self.plan(Self.points, ["sampling.guidance=none"]) }
    #expect(error?.description.contains("sampling.observation: has no effect") == true)
  }

  @Test("an array of one dimension is a row; what reading a file guesses is told") func files() throws {
    try withFolder { folder in
      func write(_ name: String, _ values: [Double], _ shape: String) throws {
        var header = "{'descr': '<f8', 'fortran_order': False, 'shape': \(shape), }"
        header += String(repeating: " ", count: 117 - header.count) + "\n"
        var npy = Data([0x93]) + Data("NUMPY".utf8) + Data([1, 0, 118, 0]) + Data(header.utf8)
        for value in values { withUnsafeBytes(of: value.bitPattern.littleEndian) { npy += Data($0) } }
        try npy.write(to: URL(fileURLWithPath: "\(folder)/\(name)"))
      }
      try write("row.npy", [1, 2], "(2,)")
      try write("column.npy", [1, 2], "(2, 1)")
      try Data("0,5;1,5\n".utf8).write(to: URL(fileURLWithPath: folder + "/comma.csv"))
      let identity = ["\(Self.key)=identity"]
      let row = try Self.observation(Self.points, identity + ["sampling.observation.value=\(folder)/row.npy"])
      var given: Batch?
      if case .given(let values) = row.value { given = values }
      #expect(given == Batch(rows: [[1, 2]]))
      let matrix = try Self.observation(Self.points, ["\(Self.key)={kind: matrix, file: \(folder)/row.npy}"])
      #expect(matrix.model.linear?.matrix.rows == 1 && matrix.model.linear?.matrix.dense[0, 1] == 2)
      let error = #expect(throws: InputError.self) {
        try Self.plan(Self.points, ["\(Self.key)={kind: matrix, file: \(folder)/column.npy}"])
      }
      #expect(error?.message.contains("rows of 1 values; allowed: 2") == true)
      for change in [
        identity + ["sampling.observation.value=\(folder)/comma.csv"],
        ["\(Self.key)={kind: matrix, file: \(folder)/comma.csv}"],
      ] {
        let told = try Self.plan(Self.points, change).warnings
        #expect(told.count == 1 && told[0].contains("file: ") && told[0].contains("decimal comma"), "\(told)")
      }
    }
  }

  // MARK: Formulas

  @Test("an operator and a likelihood may be formulas") func formulas() throws {
    let curved = try Self.observation(
      Self.points, ["\(Self.key)={kind: formula, values: 'x1^2 + a*x2', parameters: {a: 2}}"])
    #expect(curved.model.linear == nil && curved.model.observedDimension == 1)
    let text = Self.points.replacing(
      "operator: {kind: matrix, values: [[1, 1]]}, noise: 0.5, value: [0.7]",
      with: "likelihood: 'sum(normal(y, x, s))', parameters: {s: 0.5}, value: [[0.7, 1], [0, 0]]")
    let formula = try Self.observation(text, [])
    var (x, y, out) = (Batch(rows: [[0.5, 0.2]]), Batch(rows: [[0.7, 1]]), [0.0])
    x.withRows { x in
      y.withRows { formula.model.makeEvaluator(for: x.span).logLikelihood(x, of: $0, into: &out) }
    }
    let normal = -0.5 * (0.2 * 0.2 + 0.8 * 0.8) / 0.25 - 2 * (log(0.5) + 0.5 * log(2 * Double.pi))
    #expect(abs(out[0] - normal) < 1e-12)
    #expect(try Self.plan(Self.plan(text, []).resolved, []).resolved == Self.plan(text, []).resolved)
    for (change, says) in [
      ("likelihood='normal(y, x'", "sampling.observation.likelihood"), ("likelihood='sum(y)'", "does not name x"),
      ("likelihood='y'", "gives a list of 2"),
      ("likelihood='normal(y, x, q)'", "q"), ("likelihood='x'", "gives a list of 2"), ("noise=0.1", "needs operator"),
      ("value={held_out: 1}", "draws no observations"), ("value=[[1, 2], [3]]", "has 1 values in row 2"),
      ("operator=identity", "stands beside"),
    ] {
      let error = #expect(throws: InputError.self) { try Self.plan(text, ["sampling.observation.\(change)"]) }
      #expect(error?.description.contains(says) == true, "\(change): \(error?.description ?? "")")
      #expect(error?.description.contains("\n") == false)
    }
    let fault = #expect(throws: InputError.self) {
      try Self.plan(Self.points, ["\(Self.key)={kind: formula, values: ['x1', 'x1 +']}"])
    }
    #expect(fault?.description.contains("formula 2") == true, "\(fault?.description ?? "")")
  }

  @Test("formulas that are numbers nowhere, and observations that no row gives, are told before a run")
  func formulasWithoutNumbers() throws {
    func likelihood(_ text: String, _ value: String = "[[0.7, 1], [0, 0]]") throws -> [String] {
      let text = Self.points.replacing(
        "operator: {kind: matrix, values: [[1, 1]]}, noise: 0.5, value: [0.7]",
        with: "likelihood: '\(text)', value: \(value)")
      return try Self.plan(text, []).foreseen()
    }
    #expect(try likelihood("sum(normal(y, x, 0.5))").isEmpty)
    // A number at some rows is one.
    #expect(try likelihood("sum(normal(y, sqrt(x), 0.5))").isEmpty)
    let nowhere = #expect(throws: InputError.self) { try likelihood("log(y1 - 5) + x1") }
    #expect(
      nowhere?.description.contains("sampling.observation.likelihood: is no number for observation 1 at any of 90 rows")
        == true, "\(nowhere?.description ?? "")")
    #expect(nowhere?.location.hasPrefix("seen.yaml:") == true || nowhere?.location.contains(".yaml:") == true)
    let far = try likelihood("uniform(y1, x1 - 1, x1 + 1)", "[[0.7], [90], [91]]")
    #expect(far.count == 1 && far[0].contains("is −∞ for observation 2 and 1 more at all of 90 rows"), "\(far)")
    let curved = #expect(throws: InputError.self) {
      try Self.plan(
        Self.points,
        ["\(Self.key)={kind: formula, values: ['x1^2', '1/(x2 - x2)']}", "sampling.observation.value=[1, 1]"]
      ).foreseen()
    }
    #expect(
      curved?.description.contains("operator: value 2 is no finite number at any of 90 rows") == true,
      "\(curved?.description ?? "")")
  }

  // MARK: Results

  @Test("a picture has what was seen, the truth and samples of it, another their spread") func pictures() throws {
    let shape = ImageShape(height: 8, width: 8, channels: 1)
    let plan = try Self.observation(
      Self.images, ["\(Self.key)=[{kind: crop, box: [0, 0, 4, 8]}, {kind: mask, half: top}]"])
    let dataset = try Self.plan(Self.images, []).data.load(seed: 4)
    let observed = try plan.observed(in: dataset, seed: 4)
    let images = PosteriorImages(observed: observed, plan: plan, shape: shape)
    // Samples 0, 2, 4 are of the first observation: their pixels are 0.2 and 0.6, a deviation of 0.2 √(4/3).
    var samples = Batch(count: 6, dimension: 64)
    for i in 0..<6 { for j in 0..<64 { samples[i, j] = [0.2, 0, 0.6, 0, 0.4, 0][i] } }
    let panel = try #require(images.figure(samples, solver: "em").panels[0][0])
    #expect(panel.title == "observed | truth | 3 samples")
    let spread = try #require(images.spread(samples, solver: "em"))
    #expect(spread.panels[0][0]?.title == "observed | truth | mean | deviation, white: 0.2")
    #expect(spread.title == "em: spread of 3 samples")
    #expect(images.spread(samples.prefix(3), solver: "em") == nil)
    // Given values have no truth; other shapes are enlarged to the data's, and what is not seen is gray.
    let given = PosteriorImages(observed: Observed(values: observed.values, truth: nil), plan: plan, shape: shape)
    #expect(given.figure(samples, solver: "em").panels[0][0]?.title == "observed | 3 samples")
    let seen = try #require(plan.shape.pictures(of: Batch(rows: [[Double](repeating: 1, count: 16)])))
    #expect(seen.row(0).elementsEqual((0..<32).map { $0 < 16 ? 1 : 0 }))
    let counts = RowShape(dimension: 2, image: ImageShape(height: 1, width: 2, channels: 1))
    #expect(counts.pictures(of: Batch(rows: [[0, 30]]), low: 0, high: 60)?.values == [-1, 0])
  }

  @Test("points: the likelihood is drawn where the plane shows it, and the truth") func figures() throws {
    let data = try Self.plan(Self.points, []).data.load(seed: 4).heldOutRows
    for (d, series) in [(1, 4), (2, 5), (3, 3)] {
      // Data, samples and the truth, and the likelihood: one line, or two contours.
      let a = Matrix(rows: 1, columns: d, values: [Double](repeating: 1, count: d))
      let model = try LinearObservation(SparseMatrix(a), noise: .deviation(0.5))
      let rows = Batch(values: (0..<20 * d).map { Double($0 % 7) - 3 }, dimension: d)
      let observed = Observed(values: Batch(rows: [[0.5], [1]]), truth: rows.prefix(2))
      let figure = try PosteriorFigure(observed: observed, model: model, prior: d == 2 ? data : rows).figure(
        rows, solver: "em")
      let panels = figure.panels.joined().compactMap { $0 }
      #expect(panels.count == (d == 3 ? 3 : 2) && panels.allSatisfy { $0.series.count == series }, "\(d)")
      #expect(d == 3 || panels[0].title == "y = 0.5")
    }
  }

  @Test("results have the observations, the truth and pictures, the same for any threads") func results() throws {
    try withFolder { folder in
      let figures = ["sampling.figures=[png, svg]"]
      func run(_ text: String, _ changes: [String], _ name: String, threads: Int? = nil) throws {
        _ = try Self.experiment(text, figures + changes, "\(folder)/\(name)", threads: threads).run([.sample])
      }
      func exists(_ name: String) -> Bool { FileManager.default.fileExists(atPath: "\(folder)/\(name)") }
      try run(Self.images, [], "i", threads: 1)
      try run(Self.images, [], "j", threads: 2)
      for name in [
        "observations.csv", "truth.csv", "samples/em.csv", "samples/em-posterior.svg", "samples/em-spread.svg",
      ] {
        #expect(exists("i/\(name)") && contents("\(folder)/i/\(name)") == contents("\(folder)/j/\(name)"), "\(name)")
      }
      let lines = contents(folder + "/i/observations.csv").split(separator: "\n")
      #expect(lines.count == 3 && lines[0].hasPrefix("y1,y2,") && lines[0].hasSuffix(",y32"))
      #expect(contents(folder + "/i/truth.csv").split(separator: "\n").count == 3)
      // Values that are given have no truth, and one sample of each has no spread: what was there goes.
      let given = (0..<12).map { _ in "[" + [String](repeating: "0.5", count: 32).joined(separator: ", ") + "]" }
      try run(Self.images, ["sampling.observation.value=[\(given.joined(separator: ", "))]"], "i")
      #expect(exists("i/observations.csv") && !exists("i/truth.csv") && !exists("i/samples/em-spread.png"))
      #expect(exists("i/samples/em-posterior.png"))
      // Points: the likelihood is drawn where the plane shows it.
      try run(Self.points, [], "p")
      #expect(contents(folder + "/p/observations.csv") == "y1\n0.7\n")
      #expect(exists("p/samples/em-posterior.svg"))
      #expect(!exists("p/samples/em-spread.svg"))
      // Without an observation nothing of it stays.
      try run(
        Self.points.replacing(
          "  observation: {operator: {kind: matrix, values: [[1, 1]]}, noise: 0.5, value: [0.7]}\n", with: ""),
        ["sampling.guidance=none"], "p")
      #expect(!exists("p/observations.csv") && !exists("p/samples/em-posterior.png"))
    }
  }
}
