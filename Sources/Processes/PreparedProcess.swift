// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A process with what is made of it once: its kernel, which may have taken an integration, and its prior. Samplers,
/// models, objectives and exact scores take it, so that nobody integrates again.
public struct PreparedProcess: Sendable {
  /// The process itself.
  public let sde: any SDE
  /// The law of x_t given x_0; nil where the process does not know it.
  public let kernel: (any PerturbationKernel)?
  /// The law close to that of x_T, where the way back begins.
  public let prior: any Prior
  /// The process in coordinates in which it is linear; nil where there are none.
  public let transformed: Transformed?

  /// T: the process runs on [0, T].
  public var duration: Double { sde.duration }

  /// How noise grows, as moments m and v, for what spaces times by σ/m: the kernel, or that of the transformed process.
  public var noise: (any PerturbationKernel)? { kernel ?? transformed?.process.noise }

  /// The kernel where its moments are scalars.
  public var scalarKernel: (any PerturbationKernel)? { kernel.flatMap { $0.isScalar ? $0 : nil } }

  /// The process where it is linear.
  public var linear: (any LinearSDE)? { sde as? any LinearSDE }

  /// Whether noise is a scalar g(t) times z.
  public var hasScalarDiffusion: Bool { sde is any AffineSDE }

  /// g(t) where noise is a scalar times z; else not a number.
  public func scalarDiffusion(at t: Double) -> Double { (sde as? any AffineSDE)?.diffusion(at: t) ?? .nan }

  /// Whether noise does not depend on the state: G = G(t).
  public var hasAdditiveNoise: Bool { linear != nil }

  /// A process in other coordinates.
  public final class Transformed: Sendable {
    /// y = φ(x), value by value.
    public let coordinates: any ElementwiseCoordinates
    /// The process of y, which is linear.
    public let process: PreparedProcess

    init(_ sde: any TransformedSDE) {
      coordinates = sde.coordinates
      process = PreparedProcess(sde.base)
    }
  }

  /// Makes kernel and prior of a process, once.
  public init(_ sde: any SDE) {
    self.sde = sde
    if let known = sde as? any KernelSDE {
      let kernel = known.makeKernel()
      self.kernel = kernel
      prior = known.makePrior(under: kernel)
    } else {
      kernel = nil
      prior = sde.makePrior()
    }
    transformed = (sde as? any TransformedSDE).map(Transformed.init)
  }

  /// The covariance of the prior of a linear process.
  public var priorCovariance: Matrix? {
    guard let linear, let kernel else { return nil }
    return linear.priorCovariance(under: kernel)
  }
}
