// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Evaluation
import Glibc
import Processes
import Scores
import Solvers

/// The accuracy trap (arXiv 2602.04189): posteriors of a mixture in 16 dimensions whose error at the true x says
/// nothing of how right they are. (x₁, x₂) ~ 0.8 N(0, I) + 0.2 N((3, 3), 2 I), the rest N(0, 1); many weak observations
/// of the rest, or few strong ones of the first four; noise 0.2 or 0.5. The posterior is known, so that every method is
/// judged by what it is to draw.
public struct AccuracyTrap: Sendable {
  /// How many samples a method draws.
  public let count: Int
  /// How many exact draws they are compared with.
  public let referenceCount: Int
  /// The seeds, each with an observation of its own.
  public let seeds: [UInt64]
  /// How many steps the methods take.
  public let steps: Int
  private let threads: Int

  /// - Parameters:
  ///   - seeds: how many seeds, each with an observation of its own; 2 or more.
  ///   - count: how many samples a method draws.
  ///   - referenceCount: how many exact draws they are compared with.
  ///   - steps: how many steps the methods take.
  ///   - threads: how many shards are solved at once.
  public init(
    seeds: Int = 20, count: Int = 1000, referenceCount: Int = 4000, steps: Int = 500,
    threads: Int = Shards.processors
  ) {
    precondition(seeds > 1 && count > 1 && referenceCount > 1 && steps > 0)
    (self.count, self.referenceCount, self.steps, self.threads) = (count, referenceCount, steps, threads)
    self.seeds = (0..<seeds).map { UInt64($0 + 1) }
  }

  /// An operator with its noise.
  public struct Setting: Sendable {
    /// "many weak, 0.2", say.
    public let name: String
    /// How x is seen.
    public let observation: LinearObservation
  }

  /// The four settings.
  public static func settings() throws -> [Setting] {
    let weak = SparseMatrix(
      columns: 16, entries: (0..<14).map { [(column: $0 + 2, value: 0.10 + 0.05 * Double($0))] })
    let strong = SparseMatrix(columns: 16, entries: (0..<4).map { [(column: $0, value: 3)] })
    return try [("many weak", weak), ("few strong", strong)].flatMap { name, matrix in
      try [0.2, 0.5].map { noise in
        Setting(
          name: "\(name), \(noise)", observation: try LinearObservation(matrix, noise: .deviation(noise)))
      }
    }
  }

  /// The x that is seen.
  public static let truth = [3, 2, 0.5, -0.5, 1, 0.8, -0.6, 1.1, -0.9, 0.4, 0, -1.2, 0.7, -0.3, 0.5, -0.8]

  /// The law of x.
  public static func prior() throws -> GaussianMixture {
    var means = Batch(count: 2, dimension: 16)
    (means[1, 0], means[1, 1]) = (3, 3)
    var variances = [Double](repeating: 1, count: 32)
    (variances[16], variances[17]) = (2, 2)
    return GaussianMixture(weights: [0.8, 0.2], means: means, variances: variances)
  }

  /// A posterior method as it draws: with which score, and by which solver.
  public struct Method: Sendable {
    /// As guidances are named.
    public let name: String
    /// How many sets of samples it draws for each observation.
    var repeats = 1
    let make:
      @Sendable (_ base: MixtureScore, _ observation: Observation, _ steps: Int) throws -> (
        score: any Score, solver: any Solver
      )
  }

  /// All methods that there are for linear observations, the exact score among them.
  public static let methods: [Method] = {
    func likelihood(
      _ name: String, _ method: any LikelihoodScore, _ predictor: any Predictor = Ancestral(), times: Double = 1,
      repeats: Int = 1
    ) -> Method {
      Method(name: name, repeats: repeats) { base, observation, steps in
        let score = PosteriorScore(base, kernel: base.kernel, observation: observation, likelihood: method)
        return (score, FixedSteps(predictor, steps: max(1, Int(times * Double(steps)))))
      }
    }
    func stepping(
      _ name: String, _ make: @escaping @Sendable (Observation) throws -> any PosteriorStep
    ) -> Method {
      Method(name: name) { base, observation, steps in
        (base, FixedSteps(PosteriorSteps(try make(observation), observation), steps: steps))
      }
    }
    return [
      Method(name: "exact", repeats: 5) { base, observation, steps in
        let linear = observation.model.linear!
        let law = PosteriorLaw(base.mixture, linear)
        let score = ScoreByObservation(
          law.mixtures(given: observation.values).map { MixtureScore($0, kernel: base.kernel) })
        return (score, FixedSteps(Ancestral(), steps: steps))
      },
      likelihood("mmps", MMPS(iterations: 16), repeats: 5),
      // The same with a fifth of the steps.
      likelihood("mmps, UniPC", MMPS(iterations: 16), UniPC(), times: 0.2, repeats: 5),
      likelihood("tmpd", TMPD()), likelihood("pigdm", PiGDM()),
      // Its gradient is so large that 500 steps are not stable under few strong observations.
      likelihood("dps", DPS(), times: 4),
      stepping("dps, residual") { _ in DPSStep(scale: 0.3) }, stepping("ddnm") { try DDNM($0) },
      stepping("ddrm") { try DDRM($0) }, stepping("diffpir") { try DiffPIR($0, lambda: 1, zeta: 1) },
      Method(name: "daps") { base, observation, steps in
        (base, try DAPS(observation, steps: max(1, steps / 5), flowSteps: 5))
      },
      Method(name: "repaint") { base, observation, steps in
        (base, try RePaint(observation, steps: max(1, steps / 5), jump: 10, resamplings: 5))
      },
      Method(name: "smc, 16 particles") { base, observation, steps in
        let solver = try ParticleSolver(
          FixedSteps(Ancestral(), steps: max(1, steps / 5), grid: LogSignalToNoiseGrid()),
          method: TwistedMethod(observation.model, spread: .jacobian), score: base, observation: observation,
          particles: 16, share: 0.5)
        return (FewerRows(base, rows: 16), solver)
      },
    ]
  }()

  /// What a method's samples are, seed by seed: means over its sets of samples.
  public struct Outcome: Sendable {
    /// The method's name; "floor" for other exact draws.
    public let method: String
    /// The sliced Wasserstein distance to exact draws.
    public private(set) var distances: [Double] = []
    /// The weight of the second mode, less its exact weight.
    public private(set) var weightErrors: [Double] = []
    /// The squares of these.
    public private(set) var weightSquares: [Double] = []
    /// The root mean square error of the samples' mean at the true x.
    public private(set) var errors: [Double] = []

    init(method: String) { self.method = method }

    mutating func add(_ sets: [(distance: Double, weightError: Double, error: Double)]) {
      func mean(_ value: ((distance: Double, weightError: Double, error: Double)) -> Double) -> Double {
        sets.reduce(0.0) { $0 + value($1) } / Double(sets.count)
      }
      distances.append(mean { $0.distance })
      weightErrors.append(mean { $0.weightError })
      weightSquares.append(mean { $0.weightError * $0.weightError })
      errors.append(mean { $0.error })
    }
  }

  /// How many sets of exact draws the floor is the mean of.
  private static let floorRepeats = 10

  /// Draws by every method, and compares. The last outcome is the floor: as many exact draws.
  public func run(_ setting: Setting, methods: [Method] = AccuracyTrap.methods) throws -> [Outcome] {
    let (prior, process) = (try Self.prior(), VPSDE())
    let base = prior.score(under: process)
    var outcomes = (methods.map(\.name) + ["floor"]).map { Outcome(method: $0) }
    let clean = setting.observation.matrix.dense.times(Self.truth)
    for seed in seeds {
      let noise = NoiseStream(seed: seed, purpose: .data).normals(count: 1, dimension: clean.count)
      let values = Batch(
        values: zip(clean, noise.values).map { $0 + setting.deviation * $1 }, dimension: clean.count)
      let observation = Observation(setting.observation, values: values)
      let law = PosteriorLaw(prior, setting.observation)
      let posterior = law.mixture(given: values.values)
      let reference = law.draw(referenceCount, given: values, from: NoiseStream(seed: seed, purpose: .heldOutData))
      for (place, method) in methods.enumerated() {
        let (score, solver) = try method.make(base, observation, steps)
        let sampler = Sampler(
          process: process, score: score, dimension: 16, seed: seed, epsilon: 1e-4, grid: LogSignalToNoiseGrid(),
          threads: threads)
        let samples = try sampler.draw(count * method.repeats, with: solver).batch
        outcomes[place].add(try judge(samples, posterior, reference, seed))
      }
      let others = law.draw(
        count * Self.floorRepeats, given: values, from: NoiseStream(seed: seed, purpose: .corrector))
      outcomes[methods.count].add(try judge(others, posterior, reference, seed))
    }
    return outcomes
  }

  /// Each set of `count` samples beside exact draws.
  private func judge(
    _ samples: Batch, _ posterior: GaussianMixture, _ reference: Batch, _ seed: UInt64
  ) throws -> [(distance: Double, weightError: Double, error: Double)] {
    try (0..<samples.count / count).map { set in
      let values = samples.values[set * count * 16..<(set + 1) * count * 16]
      let samples = Batch(values: Array(values), dimension: 16)
      let comparison = Comparison(samples: samples, heldOut: reference, seed: seed, threads: threads)
      var square = 0.0
      for j in 0..<16 {
        let mean = (0..<count).reduce(0.0) { $0 + samples[$1, j] } / Double(count)
        square += (mean - Self.truth[j]) * (mean - Self.truth[j]) / 16
      }
      return (
        try SlicedWasserstein(projections: 128).evaluate(comparison),
        posterior.weightOfSecond(samples) - posterior.weightOfSecond, square.squareRoot()
      )
    }
  }
}

extension AccuracyTrap.Setting {
  /// σ
  fileprivate var deviation: Double {
    if case .deviation(let deviation) = observation.noise { deviation } else { .nan }
  }
}

extension GaussianMixture {
  fileprivate var weightOfSecond: Double { componentCount > 1 ? weights[1] : 0 }

  /// The mean over samples of how likely each is to come of the second of two components with diagonal covariances.
  fileprivate func weightOfSecond(_ samples: Batch) -> Double {
    guard componentCount > 1, let variances = diagonalVariances else { return 0 }
    var sum = 0.0
    for i in 0..<samples.count {
      var logs = [0.0, 0.0]
      for k in 0..<2 {
        logs[k] = log(weights[k])
        for j in 0..<dimension {
          let gap = samples[i, j] - means[k, j]
          logs[k] -= 0.5 * (gap * gap / variances[k * dimension + j] + log(variances[k * dimension + j]))
        }
      }
      sum += 1 / (1 + exp(logs[0] - logs[1]))
    }
    return sum / Double(samples.count)
  }
}

extension AccuracyTrap.Outcome {
  /// How many times the mean distance of the floor its own is, with a 95 % interval over seeds.
  public func ratio(to floor: AccuracyTrap.Outcome) -> (value: Double, low: Double, high: Double) {
    Self.ratio(distances, floor.distances)
  }

  /// How many times the root mean square error of the floor's weights its own is, with a 95 % interval over seeds.
  public func weightRatio(to floor: AccuracyTrap.Outcome) -> (value: Double, low: Double, high: Double) {
    let (value, low, high) = Self.ratio(weightSquares, floor.weightSquares)
    return (value.squareRoot(), max(0, low).squareRoot(), max(0, high).squareRoot())
  }

  /// The ratio of the means of pairs, by the delta method.
  private static func ratio(_ a: [Double], _ b: [Double]) -> (value: Double, low: Double, high: Double) {
    let n = Double(a.count)
    let (own, other) = (a.reduce(0, +) / n, b.reduce(0, +) / n)
    let ratio = own / other
    let residuals = zip(a, b).map { ($0 - ratio * $1) / other }
    let spread = (residuals.reduce(0.0) { $0 + $1 * $1 } / (n * (n - 1))).squareRoot()
    return (ratio, ratio - 1.96 * spread, ratio + 1.96 * spread)
  }

  /// The mean over seeds of the second mode's weight less its exact weight, and half the length of its 95 % interval.
  public var weightBias: (mean: Double, half: Double) {
    let n = Double(weightErrors.count)
    let mean = weightErrors.reduce(0, +) / n
    let variance = weightErrors.reduce(0.0) { $0 + ($1 - mean) * ($1 - mean) } / (n - 1)
    return (mean, 1.96 * (variance / n).squareRoot())
  }

  /// The root mean square over seeds of the errors of the second mode's weight.
  public var weightError: Double {
    (weightSquares.reduce(0, +) / Double(weightSquares.count)).squareRoot()
  }

  /// The mean over seeds of the error at the true x.
  public var rootMeanSquareError: Double { errors.reduce(0, +) / Double(errors.count) }
}

extension Matrix {
  fileprivate func times(_ x: [Double]) -> [Double] {
    (0..<rows).map { i in (0..<columns).reduce(0.0) { $0 + self[i, $1] * x[$1] } }
  }
}
