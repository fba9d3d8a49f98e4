// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import Scores
import Testing

/// The score and the slope of log p(y | x): no method of the field, and enough to see what a guidance is given.
struct Pull: Guidance {
  var usesObservation: Bool { true }

  func check(_ setting: GuidanceSetting) throws { try setting.requireObservation() }

  func guide(_ source: ScoreSource, given conditions: Conditions, in problem: GuidanceProblem) throws -> any Score {
    Pulled(base: try source.score(given: conditions), observation: try problem.requireObservation())
  }

  private struct Pulled: Score {
    let base: any Score
    let observation: Observation

    func makeEvaluator(for rows: RowSpan) throws -> any ScoreEvaluator {
      Evaluator(try base.makeEvaluator(for: rows), observation, rows)
    }

    final class Evaluator: ScoreEvaluator {
      let base: any ScoreEvaluator
      let model: any ObservationEvaluator
      let y, slopes: RowStorage

      init(_ base: any ScoreEvaluator, _ observation: Observation, _ rows: RowSpan) {
        (self.base, model) = (base, observation.model.makeEvaluator(for: rows))
        (y, slopes) = (observation.makeRows(for: rows), RowStorage(rows))
      }

      func evaluate(_ x: Rows, at times: Times, into s: Rows) throws {
        try base.evaluate(x, at: times, into: s)
        let g = slopes.view(like: x)
        model.gradient(x, of: y.view(like: x), into: g)
        // Weak, so that long steps stay finite.
        for i in 0..<x.size { s.values[i] += 0.02 * g.values[i] }
      }
    }
  }
}

@Suite("What was seen of the samples") struct ObservationPlanTests {
  private static let catalogue: Catalogue = {
    var catalogue = Catalogue.standard
    catalogue.guidances.add(Kind("pull", "towards the observation") { _, _ in Pull() })
    return catalogue
  }()

  private static let points = """
    name: seen
    seed: 4
    data: {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.4, 0.3], count: 90, held_out: 40}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 12
      observation: {operator: {kind: matrix, values: [[1, 1]]}, noise: 0.5, value: [0.7]}
      guidance: pull
      solvers: [{name: em, kind: euler-maruyama, steps: 12}]
    evaluation: {metrics: [], path_error: false}
    """

  private static let images = points.replacing(
    "{kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.4, 0.3], count: 90, held_out: 40}",
    with: "{kind: digits}"
  ).replacing("{kind: exact}", with: "{kind: empirical}")
    .replacing("{kind: matrix, values: [[1, 1]]}", with: "{kind: mask, half: left}")
    .replacing("value: [0.7]", with: "value: {held_out: [3, 7]}")

  private static func plan(_ text: String, _ changes: [String], path: String = "t.yaml") throws -> ExperimentPlan {
    try ExperimentPlan(ConfigSource(text: text, path: path, overrides: changes), catalogue: catalogue)
  }

  private static func observation(_ text: String, _ changes: [String], path: String = "t.yaml") throws
    -> ObservationPlan
  {
    try #require(try plan(text, changes, path: path).sampling.observation)
  }

  private static func experiment(_ text: String, _ changes: [String], _ folder: String, threads: Int? = nil) throws
    -> Experiment
  {
    makeExperiment(
      try plan(text, changes), catalogue: catalogue, folder: folder, store: folder + "/.models", threads: threads)
  }

  // MARK: Operators

  private static let key = "sampling.observation.operator"

  /// An operator of digits, which have 8 × 8 pixels, as the places that it sees.
  private static func places(_ text: String) throws -> [Int] {
    let matrix = try #require(try observation(images, ["\(key)=\(text)"]).model.linear?.matrix)
    return (0..<matrix.rows).map { matrix.row($0)[0].column }
  }

  @Test("masks show what they name, or all else") func masks() throws {
    let all = Array(0..<64)
    #expect(try Self.places("{kind: mask, indices: [5, 2, 63]}") == [5, 2, 63])
    #expect(try Self.places("{kind: mask, indices: [5, 2], keeps: outside}") == all.filter { $0 != 5 && $0 != 2 })
    #expect(try Self.places("{kind: mask, box: [1, 2, 2, 3]}") == [10, 11, 12, 18, 19, 20])
    #expect(try Self.places("{kind: mask, half: left}") == all.filter { $0 % 8 < 4 })
    #expect(try Self.places("{kind: mask, half: right}") == all.filter { $0 % 8 >= 4 })
    #expect(try Self.places("{kind: mask, half: top}") == Array(0..<32))
    #expect(try Self.places("{kind: mask, half: bottom}") == Array(32..<64))
    let (one, two) = (
      try Self.places("{kind: mask, share: 0.25}"), try Self.places("{kind: mask, share: 0.25, seed: 1}")
    )
    #expect(one.count == 16 && two.count == 16 && one != two && one == one.sorted() && Set(one).count == 16)
    #expect(try Self.places("{kind: mask, share: 0.25}") == one)
    let others = try Self.places("{kind: mask, share: 0.25, keeps: outside}")
    #expect((one + others).sorted() == all)
  }

  @Test("operators are applied in the order of their list, to images of the size that the last one gave")
  func lists() throws {
    let list = "[{kind: crop, box: [2, 0, 6, 8]}, {kind: blur, deviation: 0.8, size: 3}, {kind: downsample, factor: 2}]"
    let plan = try Self.observation(Self.images, ["\(Self.key)=\(list)"])
    #expect(plan.shape == RowShape(dimension: 12, image: ImageShape(height: 3, width: 4, channels: 1)))
    let matrix = try #require(plan.model.linear?.matrix)
    // The mean of a block of the blurred crop: by hand for the value in row 1, column 2.
    let w = SparseMatrix.gaussianWeights(deviation: 0.8, size: 3)
    var dense = [Double](repeating: 0, count: 64)
    for (y, x) in [(2, 4), (2, 5), (3, 4), (3, 5)] {
      for a in -1...1 { for b in -1...1 { dense[(2 + y + a) * 8 + x + b] += w[a + 1] * w[b + 1] / 4 } }
    }
    let row = matrix.dense
    #expect((0..<64).allSatisfy { abs(row[6, $0] - dense[$0]) < 1e-15 })
    // A list of one is that one, and a bare name is a kind.
    #expect(try Self.observation(Self.images, ["\(Self.key)=[identity]"]).model.observedDimension == 64)
    #expect(try Self.observation(Self.images, ["\(Self.key)=identity"]).shape.image?.height == 8)
    // A mask of a mask shows places of the image.
    let twice = "[{kind: mask, half: right}, {kind: mask, indices: [0, 5]}]"
    let masked = try Self.observation(Self.images, ["\(Self.key)=\(twice)"])
    #expect(masked.shape.places == [4, 13])
  }

  @Test("gray mixes colours") func gray() throws {
    let kind = try #require(Catalogue.standard.operators["gray"])
    let gray = try kind.decode(.describing(), .standard)
    let seen = try gray.seen(of: RowShape(dimension: 18, image: ImageShape(height: 2, width: 3, channels: 3)))
    #expect(seen.shape.image == ImageShape(height: 2, width: 3, channels: 1))
    #expect(pairs(seen.map.matrix?.row(4).map(\.value) ?? [], [0.299, 0.587, 0.114]).allSatisfy { $0 == $1 })
    #expect(throws: InputError("3 weights for images of 4 channels; allowed: as many")) {
      try gray.seen(of: RowShape(dimension: 24, image: ImageShape(height: 2, width: 3, channels: 4)))
    }
  }

  @Test("a matrix may come from a file") func file() throws {
    try withFolder { folder in
      try Data("1,2\n0,-1\n".utf8).write(to: URL(fileURLWithPath: folder + "/a.csv"))
      try Data("0.1,0.2\n0.3,0.4\n".utf8).write(to: URL(fileURLWithPath: folder + "/y.csv"))
      let changes = ["\(Self.key)={kind: matrix, file: a.csv}", "sampling.observation.value=y.csv"]
      let plan = try Self.observation(Self.points, changes, path: folder + "/c.yaml")
      #expect(plan.model.linear?.matrix == SparseMatrix(Matrix([[1, 2], [0, -1]])))
      guard case .given(let values) = plan.value else { throw InputError("no values") }
      #expect(values == Batch(rows: [[0.1, 0.2], [0.3, 0.4]]))
      // From anywhere.
      let resolved = try Self.plan(Self.points, changes, path: folder + "/c.yaml").resolved
      #expect(try Self.plan(resolved, [], path: "elsewhere.yaml").resolved == resolved)
      #expect(throws: InputError.self) {
        try Self.observation(
          Self.points, [changes[0], "sampling.observation.value=missing.csv"], path: folder + "/c.yaml")
      }
    }
  }

  // MARK: Noise and values

  @Test("short forms of noise and values are the long ones") func forms() throws {
    func resolved(_ changes: [String]) throws -> String {
      try Self.plan(Self.points, ["\(Self.key)=identity"] + changes.map { "sampling.observation.\($0)" }).resolved
    }
    let two = "value=[1, 2]"
    for (short, long) in [
      (["noise=0.3", two], ["noise={kind: gaussian, deviation: 0.3}", two]),
      (["noise=[0.3, 1]", two], ["noise={kind: gaussian, deviations: [0.3, 1]}", two]),
      (
        ["noise={covariance: [[1, 0.5], [0.5, 2]]}", two],
        ["noise={kind: gaussian, covariance: [[1, 0.5], [0.5, 2]]}", two]
      ),
      (["value={held_out: 3}"], ["value={held_out: [3]}"]),
    ] {
      let text = try resolved(short)
      #expect(try text == resolved(long))
      #expect(try Self.plan(text, []).resolved == text)
    }
    let beside = Self.points.replacing("value: [0.7]", with: "held_out: {first: 5}")
    guard case .firstHeldOut(5) = try Self.observation(beside, []).value else { throw InputError("no rows") }
    #expect(try Self.plan(beside, []).resolved == Self.plan(Self.plan(beside, []).resolved, []).resolved)
    let counted = try Self.observation(
      Self.points, ["sampling.observation.noise={kind: poisson, peak: 30}", "sampling.observation.value=7"])
    #expect((counted.model as? PoissonObservation)?.peak == 30)
    let covariance = try Self.observation(
      Self.points,
      [
        "\(Self.key)=identity", "sampling.observation.noise={covariance: [[1, 0.5], [0.5, 2]]}",
        "sampling.observation.value=[1, 2]",
      ])
    let c = Matrix([[1, 0.5], [0.5, 2]])
    #expect(covariance.model.linear?.noise == .covariance(c, root: try #require(c.lowerCholesky)))
  }

  @Test("held-out rows are seen with noise of their own, and are the truth") func heldOut() throws {
    let data = try Self.plan(Self.images, []).data
    let dataset = try data.load(seed: 4)
    let both = try Self.observation(Self.images, []).observed(in: dataset, seed: 4)
    let truth = try #require(both.truth)
    #expect(Array(truth.row(1)) == dataset.heldOutRows.row(7) && truth.count == 2)
    // Noise has the deviation asked for: 32 values, so within half of it.
    let noise = (0..<32).map { both.values[0, $0] - truth[0, $0 / 4 * 8 + $0 % 4] }
    let deviation = (noise.reduce(0) { $0 + $1 * $1 } / 32).squareRoot()
    #expect(abs(deviation - 0.5) < 0.25)
    // A row's observation does not depend on which others there are, but on the seed.
    let alone = try Self.observation(Self.images, ["sampling.observation.value={held_out: 7}"])
      .observed(in: dataset, seed: 4)
    #expect(Array(alone.values.row(0)) == Array(both.values.row(1)))
    #expect(try Self.observation(Self.images, []).observed(in: dataset, seed: 5).values != both.values)
    let first = try Self.observation(Self.images, ["sampling.observation.value={held_out: {first: 9}}"])
      .observed(in: dataset, seed: 4)
    #expect(first.values.count == 9 && Array(first.values.row(7)) == Array(both.values.row(1)))
  }

  @Test("an image file is a value") func image() throws {
    try withFolder { folder in
      let shape = ImageShape(height: 8, width: 8, channels: 1)
      var image = Batch(count: 1, dimension: 64)
      for i in 0..<64 { image[0, i] = Double(i * 4) / 127.5 - 1 }
      // A grid of one image, enlarged: cut out by another way of writing it.
      var picture = Picture(width: 8, height: 8)
      for i in 0..<64 { picture.set(i % 8, i / 8, (UInt8(i * 4), UInt8(i * 4), UInt8(i * 4))) }
      try picture.png().write(to: URL(fileURLWithPath: folder + "/y.png"))
      func given(_ changes: [String]) throws -> Batch {
        guard
          case .given(let values) = try Self.observation(
            Self.images, ["sampling.observation.value=y.png"] + changes, path: folder + "/c.yaml"
          ).value
        else { throw InputError("no values") }
        return values
      }
      let whole = try given(["\(Self.key)=identity"])
      #expect(pairs(whole.values, image.values).allSatisfy { abs($0 - $1) < 1e-12 } && shape.count == 64)
      // What a mask hides is not looked at.
      let left = try given([])
      #expect(left.dimension == 32 && left[0, 4] == whole[0, 8])
      let error = #expect(throws: InputError.self) { try given(["\(Self.key)={kind: downsample, factor: 2}"]) }
      #expect(error?.description.contains("is 8 × 8 pixels; allowed: 4 × 4") == true)
    }
  }

  @Test("coordinates: samples of the same posterior, with and without") func coordinates() throws {
    try withFolder { folder in
      func values(_ changes: [String]) throws -> Observation {
        let plan = try Self.plan(Self.points, changes)
        let data = try DataInCoordinates(plan.data, recipes: plan.model.coordinates, seed: plan.seed)
        return try #require(try plan.sampling.observation?.observation(of: data, seed: plan.seed))
      }
      let (plain, standard) = (try values([]), try values(["coordinates=[standardise]"]))
      #expect(plain.model.linear != nil && standard.model.linear != nil)
      #expect(plain.values != standard.values)
      // log p(y | x) of a point is that of its coordinates.
      let plan = try Self.plan(Self.points, ["coordinates=[standardise]"])
      let data = try DataInCoordinates(plan.data, recipes: plan.model.coordinates, seed: plan.seed)
      let x = Batch(rows: [[0.3, -0.2], [1.5, 0.4]])
      func logs(_ observation: Observation, _ rows: Batch) -> [Double] {
        var (rows, y) = (rows, Batch(rows: [Array(observation.values.row(0)), Array(observation.values.row(0))]))
        var out = [0.0, 0]
        rows.withRows { x in
          y.withRows { observation.model.makeEvaluator(for: x.span).logLikelihood(x, of: $0, into: &out) }
        }
        return out
      }
      #expect(pairs(logs(plain, x), logs(standard, try data.encodedStates(x))).allSatisfy { abs($0 - $1) < 1e-12 })
    }
  }

  // MARK: Refusals

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
      #expect(!FileManager.default.fileExists(atPath: folder + "/r/config.yaml"))
    }
  }

  @Test("an observation that nobody looks at is refused") func unused() {
    let error = #expect(throws: InputError.self) { try Self.plan(Self.points, ["sampling.guidance=none"]) }
    #expect(error?.description.contains("sampling.observation: has no effect") == true)
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
    #expect(spread.panels[0][0]?.title == "observed | truth | their mean | standard deviation")
    #expect(spread.title == "em: 2 observations, the spread of 3 samples; white: 0.2")
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
