// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Networks
import Processes
import Scores
import Tensors

/// A network with its conventions and parameters: what training makes of a network under a process. Bound to conditions
/// it is a score, `model.score(given: conditions)`; solvers and likelihoods never hear of conditions.
///
/// With x_t ~ N(α x_0, L Lᵀ) the score of the values that noise acts on, the tail, is affine in the network's output F,
///
///     s_tail = skip x + output F(input x, noise level, condition),
///
/// with factors for a scalar kernel (`Prediction`) and matrices else (`BlockCoefficients`). Other components are 0, as
/// nobody asks for them.
public struct ScoreModel: Sendable {
  /// F: the network, without its parameters.
  public let network: any Network
  /// The flat buffer of the network's layout.
  public let parameters: [Float]
  /// What the network's output stands for.
  public let prediction: Prediction
  /// The law of x_t given x_0.
  public let kernel: any PerturbationKernel
  /// T
  public let duration: Double
  /// σ_d, the standard deviation of all data values, by which EDM's conventions scale.
  public let dataDeviation: Double
  /// Between which times the network maps, where it was trained as a flow map; nil: it is a score alone.
  public let map: FlowMapRange?
  let tapes: TapePool
  /// What the network made of texts.
  let contexts = ContextCache()

  /// - Parameters:
  ///   - network: of the state's dimension, with an output for each value that noise acts on.
  ///   - parameters: a flat buffer of the network's layout.
  ///   - prediction: `noise` or `edm` where the kernel has matrices.
  ///   - kernel: the process's, made once.
  ///   - duration: T
  ///   - dataDeviation: σ_d; only `edm` asks for it.
  ///   - map: between which times the network maps, where it was trained as a flow map.
  public init(
    _ network: any Network, parameters: [Float], prediction: Prediction, kernel: any PerturbationKernel,
    duration: Double, dataDeviation: Double = 1, map: FlowMapRange? = nil
  ) {
    precondition(parameters.count == network.layout.count, "parameters of another network")
    precondition(kernel.isScalar || prediction == .noise || prediction == .edm, "matrices allow noise and edm")
    let blocks = kernel.blocks
    precondition(
      network.dimension % blocks.count == 0
        && network.outputDimension * blocks.count == network.dimension * blocks.noise, "a network of other blocks")
    self.network = network
    self.parameters = parameters
    self.prediction = prediction
    self.kernel = kernel
    self.duration = duration
    self.dataDeviation = dataDeviation
    self.map = map
    tapes = TapePool(parameters: network.layout.count)
  }

  /// The same model with other parameters.
  public func with(parameters: [Float]) -> ScoreModel {
    ScoreModel(
      network, parameters: parameters, prediction: prediction, kernel: kernel, duration: duration,
      dataDeviation: dataDeviation, map: map)
  }

  /// The same model as a flow map; nil: as a score alone.
  public func with(map: FlowMapRange?) -> ScoreModel {
    ScoreModel(
      network, parameters: parameters, prediction: prediction, kernel: kernel, duration: duration,
      dataDeviation: dataDeviation, map: map)
  }

  /// The score of rows with the given conditions.
  /// - Parameter conditions: default: nothing, for a network that knows it; every class in turn for one that is told
  ///   classes and was never trained without.
  /// - Precondition: conditions of the network's shape (`check` throws in their place).
  public func score(given conditions: Conditions? = nil) -> ModelScore {
    ModelScore(self, conditions ?? Self.customaryConditions(of: network))
  }

  private static func customaryConditions(of network: any Network) -> Conditions {
    guard case .classes(let count) = network.conditionShape else { return .nothing }
    return .inTurn(classes: count)
  }

  /// Whether it can be told nothing.
  public var knowsNothing: Bool { network.conditionShape == .nothing || network.knowsNothing }

  /// The dimension of the data that the model is of.
  public var dataDimension: Int { network.dimension / kernel.blocks.count * kernel.blocks.data }

  /// What the network is told about the noise level where the process has these moments at time t.
  public func noiseLevel(_ moments: Moments, at t: Double) -> Double {
    network.noiseInput.level(moments, at: t, of: duration)
  }

  /// How a score and the network's output belong together at one time.
  public enum Coefficients: Sendable {
    /// For a kernel whose moments are scalars.
    case scalar(Prediction.Coefficients)
    /// For a kernel whose moments are matrices.
    case blocks(BlockCoefficients)
  }

  /// The affine map between network and score where the process has these moments.
  public func coefficients(_ moments: Moments) -> Coefficients {
    if let blocks = moments.blocks {
      return .blocks(
        BlockCoefficients(blocks, noise: kernel.blocks.tail, prediction, dataDeviation: dataDeviation))
    }
    return .scalar(scalarCoefficients(moments))
  }

  /// The same for scalar moments.
  public func scalarCoefficients(_ moments: Moments) -> Prediction.Coefficients {
    var coefficients = prediction.coefficients(moments, dataDeviation: dataDeviation)
    if network.takesRawInput { coefficients.input = 1 }
    return coefficients
  }

  /// The affine map between a flow map and the network's output: with the denoiser D = skip x + out F of the first
  /// time, now told of the second time, too (the generalised denoiser G of Kim et al. 2024, CTM, eq. 9),
  ///
  ///     X_{t→s}(x) = (σ_s/σ_t) x + (m_s − m_t σ_s/σ_t) D,
  ///
  /// which is x where s = t, and DDIM's step where D is the denoiser of t.
  /// - Parameters:
  ///   - first: the moments at t.
  ///   - second: the moments at s.
  /// - Returns: the factors of X = skip x + output F(input x, …).
  public func mapCoefficients(from first: Moments, to second: Moments) -> Prediction.Coefficients {
    let denoiser = prediction.denoiser(first, dataDeviation: dataDeviation)
    let ratio = second.deviation / first.deviation
    let share = second.scale - first.scale * ratio
    return Prediction.Coefficients(
      input: scalarCoefficients(first).input, skip: ratio + share * denoiser.skip, output: share * denoiser.output)
  }

  /// The affine map between the log determinant of a flow map and what the network says of it, H: the mean over ln σ̃,
  /// σ̃ = σ/m, of what the flow's divergence differs by from that of data N(0, σ_d² I),
  ///
  ///     ln |det ∂X_{t→s}/∂x| = D/2 ln((m_s² σ_d² + σ_s²)/(m_t² σ_d² + σ_t²)) + (ln σ̃_s − ln σ̃_t) H.
  ///
  /// H is of order D at all times: with y = x/m the flow is dy/dσ̃ = ẑ, and H the mean of σ̃ ∇·ẑ − D σ̃²/(σ̃² + σ_d²).
  /// - Parameters:
  ///   - first: the moments at t.
  ///   - second: the moments at s.
  /// - Returns: the value without H, and H's factor.
  public func determinantCoefficients(from first: Moments, to second: Moments) -> (rest: Double, factor: Double) {
    let square = dataDeviation * dataDeviation
    func total(_ m: Moments) -> Double { m.scale * m.scale * square + m.variance }
    return (
      0.5 * Double(network.dimension) * log(total(second) / total(first)),
      log(second.noiseToSignal / first.noiseToSignal)
    )
  }

  /// - Throws: `InputError` for conditions that the network cannot be told.
  public func check(_ conditions: Conditions) throws {
    let shape = network.conditionShape
    switch conditions {
    case .all(.nothing):
      guard knowsNothing else {
        throw InputError("the network was never told nothing; give every row a condition")
      }
    case .all(let condition):
      guard shape.contains(condition), shape != .text || network.textInput != nil else {
        throw InputError("\(condition) is no condition of a network of \(shape)")
      }
    case .inTurn(let classes):
      guard shape == .classes(classes) else { throw InputError("\(classes) classes for a network of \(shape)") }
    case .labels(let labels):
      guard labels.allSatisfy({ shape.contains(.label($0)) }) else {
        throw InputError("classes \(Set(labels).sorted()) for a network of \(shape)")
      }
    case .numbers(let values):
      guard shape == .numbers(values.dimension) else {
        throw InputError("\(values.dimension) numbers a row for a network of \(shape)")
      }
    case .both(let labels, let values):
      // A network that is told classes alone takes no notice of numbers.
      let isKnown =
        switch shape {
        case .both(_, let count): count == values.dimension
        case .classes: true
        case .nothing, .numbers, .text: false
        }
      guard isKnown, labels.allSatisfy({ $0 >= 0 && $0 < shape.classCount }) else {
        throw InputError("classes and \(values.dimension) numbers a row for a network of \(shape)")
      }
    case .texts:
      guard shape == .text, network.textInput != nil else { throw InputError("texts for a network of \(shape)") }
    case .interleaved(let parts): for part in parts { try check(part) }
    }
  }

  /// Fills the tensor that tells a network its condition.
  /// - Parameters:
  ///   - condition: nothing is index n, or zeros, or the empty text.
  ///   - tensor: as `Network.forward` and `encodeCondition` have it: rows × 1 for classes, rows × (k + 1) for numbers,
  ///     rows × (k + 2) for both, rows × tokens for texts.
  ///   - row: the row of the tensor.
  ///   - network: the network that is told.
  public static func write(_ condition: Condition, into tensor: Tensor, row: Int, for network: any Network) {
    switch (network.conditionShape, condition) {
    case (.classes(let count), .nothing): tensor[row, 0] = Float(count)
    case (.classes, .label(let label)), (.classes, .both(let label, _)): tensor[row, 0] = Float(label)
    case (.numbers(let count), .nothing): for j in 0...count { tensor[row, j] = 0 }
    case (.numbers(let count), .numbers(let values)):
      for j in 0..<count { tensor[row, j] = Float(values[j]) }
      tensor[row, count] = 1
    case (.both(let classes, let count), .nothing):
      tensor[row, 0] = Float(classes)
      for j in 1...count + 1 { tensor[row, j] = 0 }
    case (.both(_, let count), .both(let label, let values)):
      tensor[row, 0] = Float(label)
      for j in 0..<count { tensor[row, j + 1] = Float(values[j]) }
      tensor[row, count + 1] = 1
    case (.text, .nothing), (.text, .text):
      guard let input = network.textInput else { preconditionFailure("a network that cannot read texts") }
      for (j, id) in input.ids(of: condition.text ?? "").enumerated() { tensor[row, j] = Float(id) }
    default: preconditionFailure("a condition of another shape")
    }
  }

  /// A tensor for what some rows are told; nil for a network that is told nothing.
  public static func makeConditionTensor(rows: Int, for network: any Network, on tape: Tape) -> Tensor? {
    switch network.conditionShape {
    case .nothing: nil
    case .text: network.textInput.map { tape.constant(rows: rows, columns: $0.length) }
    case .classes: tape.constant(rows: rows, columns: 1)
    case .numbers(let count): tape.constant(rows: rows, columns: count + 1)
    case .both(_, let count): tape.constant(rows: rows, columns: count + 2)
    }
  }

  /// What the network makes of a text, computed once for every text, and each by itself, so that it does not depend on
  /// what else there is.
  func context(of condition: Condition) -> [Float] {
    guard let input = network.textInput else { preconditionFailure("a network that cannot read texts") }
    return contexts.context(of: input.ids(of: condition.text ?? "")) { ids in
      let tape = tapes.take { network.makeTape(prepared: tapes.prepared) }
      defer { tapes.giveBack(tape) }
      return parameters.withUnsafeBufferPointer { parameters in
        tape.begin(parameters: parameters.baseAddress ?? TapePool.none, recording: false, constants: true)
        let told = tape.constant(rows: 1, columns: ids.count)
        for (j, id) in ids.enumerated() { told[0, j] = Float(id) }
        let context = network.encodeCondition(told, on: tape)
        return (0..<context.columns).map { context[0, $0] }
      }
    }
  }
}

extension NoiseLevelInput {
  /// What a network is told where a process of duration T has these moments at time t.
  public func level(_ moments: Moments, at t: Double, of duration: Double) -> Double {
    switch self {
    case .time: 1000 * t / duration
    case .logNoiseToSignal: log(moments.noiseToSignal)
    case .discrete(let levels): Double(levels) * t / duration - 1
    }
  }
}
