// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Scores

/// What a config says was seen of the samples: `sampling.observation`. Row i of the samples has observation i mod their
/// number.
public struct ObservationPlan: Sendable {
  /// How rows are seen, in the units of the data.
  public let model: any ObservationModel
  /// What was seen.
  public let value: ObservedValue
  /// What an observation is to be looked at as.
  public let shape: RowShape
  /// The values of an observation that are black and white, where it is an image.
  let range: ClosedRange<Double>
  /// The key that says what was seen, for messages.
  private let key: String

  /// Reads `sampling.observation`.
  /// - Parameters:
  ///   - options: the section.
  ///   - data: what is seen; nil while options are only described.
  ///   - count: how many samples there are.
  ///   - catalogue: the kinds of operators and of noise.
  /// - Throws: `InputError` with the place of what does not fit together.
  init(_ options: Options, data: (any DataSource)?, count: Int, _ catalogue: Catalogue) throws {
    let setup: Setup = try options.oneOf([
      ("operator", { .seen(try $0.seenOperator(in: catalogue)) }),
      ("likelihood", { .likelihood(try Self.likelihood($0)) }),
    ])
    var isSeen = true
    if case .likelihood = setup { isSeen = false }
    let noise = try options.part(if: isSeen, needs: "operator") { try $0.observationNoise(in: catalogue) }
    let parameters = try options.part(if: !isSeen, needs: "likelihood") {
      try $0.namedNumbers(
        "parameters", reserved: Formula.reserved + ["x", "y"], "numbers that the likelihood may name")
    }
    let key = options.has("held_out") ? "held_out" : "value"
    self.key = options.join(key)
    let source = try options.observedSource()
    let dimension = data?.dimension ?? 2
    switch setup {
    case .seen(let recipe):
      guard let noise else { preconditionFailure("an operator has noise") }
      let seen = try options.located("operator") {
        try recipe.seen(of: RowShape(dimension: dimension, image: data?.imageShape))
      }
      model = try options.located("noise") { try noise.model(of: seen.map) }
      (shape, range) = (seen.shape, noise.range)
      value = try options.located(key) { [model, shape, range] in
        try source.value(of: model, shape, range, isImage: data?.imageShape != nil)
      }
    case .likelihood(let text):
      let given = try options.located(key) { try source.table() }
      let names = data?.columnNames ?? []
      let columns = Dictionary(names.enumerated().map { ($1, $0) }) { first, _ in first }
      model = try options.located("likelihood") {
        try FormulaLikelihood(
          text, dimension: dimension, observed: given.dimension, columns: columns, parameters: parameters ?? [:])
      }
      (shape, range, value) = (RowShape(dimension: given.dimension), -1...1, .given(given))
    }
    if let known = value.count, count > 0, known > count, data != nil {
      throw options.wrong(
        key, "gives \(known) observations for \(count) samples; allowed: at most as many as sampling.count")
    }
  }

  /// How a config says p(y | x).
  private enum Setup {
    case seen(any OperatorRecipe)
    case likelihood(String)
  }

  private static func likelihood(_ options: Options) throws -> String {
    try options.text(
      "likelihood", example: "normal(y, x1, 1)", allowed: "a formula of x and y",
      "log p(y | x), in place of operator and noise")
  }

  /// The observations, and the rows that they are of where these are known, in the units of the data.
  /// - Parameters:
  ///   - dataset: where held-out rows come from.
  ///   - seed: of the experiment; the noise of an observation is keyed by it and by the row's number.
  /// - Throws: `InputError` for held-out rows that there are not.
  public func observed(in dataset: Dataset, seed: UInt64) throws -> Observed {
    let rows = dataset.heldOutRows
    let source: ObservedSource
    switch value {
    case .given(let values): return Observed(values: values, truth: nil)
    case .heldOut(let given): source = .heldOut(given)
    case .firstHeldOut(let count): source = .firstHeldOut(count)
    }
    let numbers = try source.numbers(of: rows.count, at: key) ?? []
    var truth = Batch(count: numbers.count, dimension: rows.dimension)
    var values = Batch(count: numbers.count, dimension: model.observedDimension)
    let stream = NoiseStream(seed: seed, purpose: .observation)
    let one = RowSpan(first: 0, count: 1, dimension: rows.dimension)
    for (place, number) in numbers.enumerated() {
      // Numbered as the held-out row is: its observation is the same whatever others there are.
      let (x, y) = (
        RowStorage(RowSpan(first: number, count: 1, dimension: one.dimension)),
        RowStorage(RowSpan(first: number, count: 1, dimension: values.dimension))
      )
      rows.write(number..<number + 1, into: x.rows.values)
      try model.draw(x.rows, into: y.rows, from: stream)
      for j in 0..<rows.dimension { truth[place, j] = x.rows[0, j] }
      for j in 0..<values.dimension { values[place, j] = y.rows[0, j] }
    }
    return Observed(values: values, truth: truth)
  }

  /// The observations, in the coordinates of a model.
  /// - Throws: `InputError` for held-out rows that there are not, and for coordinates in which they cannot be told.
  package func observation(of data: DataInCoordinates, seed: UInt64) throws -> Observation {
    let observation = Observation(model, values: try observed(in: data.dataset, seed: seed).values)
    return try data.observationMap().map { try observation.inCoordinates($0) } ?? observation
  }
}

/// Observations, in the units of the data.
public struct Observed: Sendable {
  /// A row each.
  public let values: Batch
  /// The rows of data that they are of; nil where nobody knows.
  public let truth: Batch?

  /// Observations, and what they are of.
  package init(values: Batch, truth: Batch?) { (self.values, self.truth) = (values, truth) }
}

/// Where observations come from.
public enum ObservedValue: Sendable {
  /// The observations themselves, a row each.
  case given(Batch)
  /// These held-out rows, from 0, of which an observation is drawn.
  case heldOut([Int])
  /// So many of the first held-out rows.
  case firstHeldOut(Int)

  /// How many there are.
  var count: Int? {
    switch self {
    case .given(let values): values.count
    case .heldOut(let rows): rows.count
    case .firstHeldOut(let count): count
    }
  }
}

extension DataInCoordinates {
  /// The way from the coordinates back to the data, as observations need it; nil where there are no coordinates.
  /// - Throws: `InputError` for coordinates that mix the values of a row.
  func observationMap() throws -> CoordinateMap.Form? {
    guard let coordinates, !coordinates.maps.isEmpty else { return nil }
    let dimension = dataset.trainingRows.dimension
    if let affine = coordinates.affine(dimension: dimension) {
      return .affine(slopes: affine.slopes, shifts: affine.shifts)
    }
    guard let map = coordinates.elementwise else {
      throw InputError(
        "an observation cannot be told in coordinates that mix the values of a row; allowed: those that change each "
          + "value by itself", at: "coordinates")
    }
    return .elementwise(map)
  }
}
