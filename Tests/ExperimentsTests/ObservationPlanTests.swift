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
  static let catalogue: Catalogue = {
    var catalogue = Catalogue.standard
    catalogue.guidances.add(Kind("pull", "towards the observation") { _, _ in Pull() })
    return catalogue
  }()

  static let points = """
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

  static let images = points.replacing(
    "{kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.4, 0.3], count: 90, held_out: 40}",
    with: "{kind: digits}"
  ).replacing("{kind: exact}", with: "{kind: empirical}")
    .replacing("{kind: matrix, values: [[1, 1]]}", with: "{kind: mask, half: left}")
    .replacing("value: [0.7]", with: "value: {held_out: [3, 7]}")

  static func plan(_ text: String, _ changes: [String], path: String = "t.yaml") throws -> ExperimentPlan {
    try ExperimentPlan(ConfigSource(text: text, path: path, overrides: changes), catalogue: catalogue)
  }

  static func observation(_ text: String, _ changes: [String], path: String = "t.yaml") throws
    -> ObservationPlan
  {
    try #require(try plan(text, changes, path: path).sampling.observation)
  }

  static func experiment(_ text: String, _ changes: [String], _ folder: String, threads: Int? = nil) throws
    -> Experiment
  {
    makeExperiment(
      try plan(text, changes), catalogue: catalogue, folder: folder, store: folder + "/.models", threads: threads)
  }

  // MARK: Operators

  static let key = "sampling.observation.operator"

  /// An operator of digits, which have 8 × 8 pixels, as the places that it sees.
  static func places(_ text: String) throws -> [Int] {
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
}
