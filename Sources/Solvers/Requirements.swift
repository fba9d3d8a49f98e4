// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// What a solver is defined for. Combinations that lack it are refused before anything is computed.
public struct Requirements: OptionSet, Sendable {
  public let rawValue: Int
  public init(rawValue: Int) { self.rawValue = rawValue }

  /// A perturbation kernel m(t) x₀ + σ(t) z.
  public static let kernel = Requirements(rawValue: 1)
  /// Noise that does not depend on the state, and a drift that is linear in it.
  public static let additiveNoise = Requirements(rawValue: 2)
  /// A score that knows log pₜ(x).
  public static let logDensity = Requirements(rawValue: 4)
  /// A score whose Jacobian is exact to double precision.
  public static let jacobian = Requirements(rawValue: 8)
  /// The map of the flow, of a network that was trained for it.
  public static let flowMap = Requirements(rawValue: 16)
  /// A score: what every solver asks for that does not ask for the map of the flow.
  public static let score = Requirements(rawValue: 32)

  private static let texts: [(Requirements, String)] = [
    (.flowMap, "a flow map: a network of an objective that trains one, as consistency-training"),
    (.score, "a score, and the network is a flow map alone; allowed: the solvers flow-map and consistency"),
    (.kernel, "a process whose perturbation kernel is m(t) x₀ + σ(t) z"),
    (.additiveNoise, "a linear process, whose noise does not depend on the state"),
    (.logDensity, "a score that knows its log density: exact or empirical"),
    (.jacobian, "a score whose Jacobian is known in double precision: exact or empirical"),
  ]

  /// One phrase for each.
  public var phrases: [String] { Self.texts.filter { contains($0.0) }.map(\.1) }
}

/// What a solver's definition can be checked against, before there is a score.
public struct SamplingSetting: Sendable {
  /// The process with its kernel and prior.
  public let prepared: PreparedProcess
  /// Where solvers begin; T, unless they are given other states than draws of the prior.
  public let start: Double
  /// ε
  public let epsilon: Double
  /// The grid of solvers with fixed steps that have none of their own.
  public let grid: any TimeGrid
  /// What the score offers.
  public let traits: ScoreTraits
  /// Between which times the map of the flow maps; nil: there is none.
  public let map: FlowMapRange?

  /// The process itself.
  public var process: any SDE { prepared.sde }
  /// The kernel where its moments are scalars.
  public var kernel: (any PerturbationKernel)? { prepared.scalarKernel }
  /// How noise grows, which spaces steps.
  public var noise: (any PerturbationKernel)? { prepared.noise }

  /// - Parameters:
  ///   - prepared: the process, with its kernel and prior.
  ///   - start: where solvers begin; nil: at T.
  ///   - epsilon: where solvers stop.
  ///   - grid: of solvers with fixed steps that have none of their own.
  ///   - traits: what the score offers.
  ///   - map: between which times the map of the flow maps; nil: there is none.
  public init(
    _ prepared: PreparedProcess, start: Double? = nil, epsilon: Double, grid: any TimeGrid, traits: ScoreTraits,
    map: FlowMapRange? = nil
  ) {
    self.prepared = prepared
    self.start = start ?? prepared.duration
    self.epsilon = epsilon
    self.grid = grid
    self.traits = traits
    self.map = map
  }

  /// Which of the requirements there are.
  var offers: Requirements {
    var offers: Requirements = []
    if kernel != nil { offers.insert(.kernel) }
    if prepared.hasAdditiveNoise { offers.insert(.additiveNoise) }
    if traits.contains(.logDensity) { offers.insert(.logDensity) }
    if traits.contains(.jacobian) { offers.insert(.jacobian) }
    if map != nil { offers.insert(.flowMap) }
    if map?.isScore ?? true { offers.insert(.score) }
    return offers
  }

  /// The times of N steps, the start first and ε last.
  /// - Parameters:
  ///   - steps: N
  ///   - own: the solver's grid, where it has one.
  /// - Throws: `InputError` where the grid is not defined for the process, or its times do not fall.
  public func times(steps: Int, grid own: (any TimeGrid)?) throws -> [Double] {
    let times = try (own ?? grid).times(from: start, to: epsilon, steps: steps, kernel: noise)
    for i in 1..<times.count where !(times[i] < times[i - 1]) {
      throw InputError(
        "the grid's times do not fall: step \(i) of \(steps) goes from t = \(times[i - 1]) to \(times[i]); allowed: "
          + "fewer steps, or a grid that spaces them wider")
    }
    return times
  }

  /// - Throws: `InputError` that names what is missing.
  public func require(_ requirements: Requirements) throws {
    let missing = (requirements.contains(.flowMap) ? requirements : requirements.union(.score)).subtracting(offers)
    if let phrase = missing.phrases.first { throw InputError("needs \(phrase)") }
  }
}
