// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// How a state is cut into equal blocks, on which the matrices of a linear process act.
public struct StateBlocks: Sendable, Equatable {
  /// n: all blocks of a state.
  public let count: Int
  /// p ≤ n: the first ones, which hold the data at t = 0.
  public let data: Int
  /// q ≤ n: the last ones, which noise acts on. Only of these a score is asked.
  public let noise: Int

  /// - Precondition: 1 ≤ p ≤ n, 1 ≤ q ≤ n.
  public init(count: Int, data: Int, noise: Int) {
    precondition(data >= 1 && data <= count && noise >= 1 && noise <= count, "1 ≤ p ≤ n, 1 ≤ q ≤ n")
    (self.count, self.data, self.noise) = (count, data, noise)
  }

  /// A state that is the data, in one block: scalars act on it.
  public static let whole = StateBlocks(count: 1, data: 1, noise: 1)

  /// The blocks that noise acts on.
  public var tail: Range<Int> { count - noise..<count }

  /// Whether a state is the data and noise acts on all of it.
  public var isWhole: Bool { data == count && noise == count }

  /// How many values a state has for data of `dimension` values.
  public func stateDimension(of dimension: Int) -> Int { dimension / data * count }
}

/// The law of x_t given x_0, N(α x_0, C): α and C are scalars m and v, or matrices that act on the blocks of a state.
public struct Moments: Sendable, Equatable {
  /// m(t). Where α is a matrix, a summary of it: the root mean square of Φ's elements over the data's blocks.
  public let scale: Double
  /// v(t) = σ(t)². Where C is a matrix, the mean of its diagonal over the data's blocks.
  public let variance: Double
  /// The matrices; nil where α and C are scalars.
  public let blocks: BlockMoments?

  /// N(scale · x_0, variance · I)
  public init(scale: Double, variance: Double) {
    self.scale = scale
    self.variance = variance
    blocks = nil
  }

  /// N(Φ E x_0, C), where E puts data into the first `dataBlocks` blocks of a state. 1 × 1 matrices are scalars.
  public init(propagator: Matrix, covariance: Matrix, dataBlocks: Int) {
    let n = propagator.rows
    if n == 1 {
      (scale, variance, blocks) = (propagator.values[0], covariance.values[0], nil)
      return
    }
    var (square, trace) = (0.0, 0.0)
    for i in 0..<dataBlocks {
      for j in 0..<dataBlocks { square += propagator.values[i * n + j] * propagator.values[i * n + j] }
      trace += covariance.values[i * n + i]
    }
    scale = (square / Double(dataBlocks)).squareRoot()
    variance = trace / Double(dataBlocks)
    blocks = BlockMoments(propagator: propagator, covariance: covariance, dataBlocks: dataBlocks)
  }

  /// σ(t)
  public var deviation: Double { variance.squareRoot() }

  /// σ̃ = σ/m: the deviation of x_t/m about x_0, EDM's noise level.
  public var noiseToSignal: Double { deviation / scale }

  /// α: from data to states.
  public var signal: LinearMap { blocks.map { .blocks($0.signal) } ?? .scalar(scale) }

  /// Φ: from states at 0 to states.
  public var propagator: Matrix { blocks?.propagator ?? Matrix([[scale]]) }

  /// C
  public var covariance: LinearMap { blocks.map { .blocks($0.covariance) } ?? .scalar(variance) }

  /// The step from time s (these moments) to a later time t: x_t = r x_s + √q z.
  /// - Precondition: scalars.
  public func transition(to later: Moments) -> (r: Double, q: Double) {
    precondition(blocks == nil && later.blocks == nil, "scalar moments")
    let r = later.scale / scale
    return (r, max(0, later.variance - r * r * variance))
  }
}

/// Φ and C of a linear process with matrices.
public final class BlockMoments: Sendable, Equatable {
  /// Φ(t), n × n: dΦ/dt = A Φ, Φ(0) = I
  public let propagator: Matrix
  /// C(t), n × n: dC/dt = A C + C Aᵀ + G Gᵀ, C(0) the process's initial covariance
  public let covariance: Matrix
  /// How many of the blocks are data, the first ones; the others begin as draws of the process's own.
  public let dataBlocks: Int

  init(propagator: Matrix, covariance: Matrix, dataBlocks: Int) {
    self.propagator = propagator
    self.covariance = covariance
    self.dataBlocks = dataBlocks
  }

  /// Φ E, n × p
  public var signal: Matrix { propagator.columns(0..<dataBlocks) }

  /// The step from time s (these moments) to a later time t: x_t = R x_s + Q^½ z.
  public func transition(to later: BlockMoments) -> (r: Matrix, q: Matrix) {
    let r = later.propagator * propagator.inverse
    return (r, later.covariance - r * covariance * r.transpose)
  }

  public static func == (a: BlockMoments, b: BlockMoments) -> Bool {
    a.propagator == b.propagator && a.covariance == b.covariance && a.dataBlocks == b.dataBlocks
  }
}

/// The perturbation kernel of a process, the law of x_t given x_0 at every time. It is made once for a process and
/// handed to whoever needs it (`PreparedProcess`); all workers share it.
public protocol PerturbationKernel: Sendable {
  /// m and v, or Φ and C, at a time t of [0, T].
  func moments(at t: Double) -> Moments
  /// How states are cut; default: whole, so that moments are scalars.
  var blocks: StateBlocks { get }
  /// How exact the moments are, where they are computed; default: nil, as they are known in closed form.
  var accuracy: KernelAccuracy? { get }
}

/// How exact a computed kernel is.
public struct KernelAccuracy: Sendable {
  /// The largest relative error that was found.
  public let errorBound: Double
  /// At how many times moments are kept.
  public let nodes: Int

  /// An error bound and the number of nodes it was reached with.
  public init(errorBound: Double, nodes: Int) { (self.errorBound, self.nodes) = (errorBound, nodes) }
}

extension PerturbationKernel {
  public var blocks: StateBlocks { .whole }
  public var accuracy: KernelAccuracy? { nil }
  /// Whether its moments are scalars.
  public var isScalar: Bool { blocks.count == 1 }
}

/// A kernel known in closed form.
public struct ClosedFormKernel: PerturbationKernel {
  public let blocks: StateBlocks
  private let formula: @Sendable (Double) -> Moments

  /// - Parameters:
  ///   - blocks: how states are cut; default: whole, so that moments are scalars.
  ///   - formula: the moments at a time t of [0, T].
  public init(blocks: StateBlocks = .whole, _ formula: @escaping @Sendable (Double) -> Moments) {
    self.blocks = blocks
    self.formula = formula
  }

  /// The moments at time t, by the formula.
  public func moments(at t: Double) -> Moments { formula(t) }
}
