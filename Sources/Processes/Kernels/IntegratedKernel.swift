// SPDX-License-Identifier: GPL-3.0-or-later

/// The kernel of a process whose moments are not known in closed form, by integrating their equations once,
///
///     d ln m/dt = a(t), dv/dt = 2 a(t) v + g(t)²,    or    dΦ/dt = A Φ, dC/dt = A C + C Aᵀ + G Gᵀ.
///
/// Between the nodes t_k = T sin²(πk/2N) the moments are cubic Hermite polynomials with exact derivatives, whose error
/// falls as N⁻⁴. The nodes are doubled until the largest error that is found is below a tolerance, or a maximum of
/// nodes is reached: `errorBound` is what was reached. Where a rate is not finite the moments are NaN from there on.
public struct IntegratedKernel: PerturbationKernel {
  public let blocks: StateBlocks
  /// The largest error that was found. For scalars, that of ln m, and of v relative to v or to 1e-10 of its largest
  /// value; for matrices, relative to the largest element of Φ or C.
  public let errorBound: Double
  /// N
  public let nodes: Int
  private let path: any MomentPath

  public var accuracy: KernelAccuracy? { KernelAccuracy(errorBound: errorBound, nodes: nodes) }

  /// The kernel of an affine process, by GSL's Gauss–Legendre quadrature between nodes.
  /// - Parameters:
  ///   - process: the process, whose equations are integrated.
  ///   - tolerance: the error at which no more nodes are added.
  ///   - maximum: how many nodes there are at most.
  public init(of process: some AffineSDE, tolerance: Double = 1e-11, maximum: Int = 32_768) {
    let (path, bound) = QuadraturePath.refined(process, tolerance: tolerance, maximum: maximum)
    (blocks, errorBound, nodes, self.path) = (.whole, bound, path.nodes, path)
  }

  /// The kernel of a linear process with matrices, by GSL's rk8pd.
  /// - Parameters:
  ///   - process: the process, whose equations are integrated.
  ///   - tolerance: the error at which no more nodes are added.
  ///   - maximum: how many nodes there are at most.
  public init(of process: some LinearSDE, tolerance: Double = 5e-10, maximum: Int = 8192) {
    let (path, bound) = MatrixPath.refined(process, tolerance: tolerance, maximum: maximum)
    (blocks, errorBound, nodes, self.path) = (process.stateBlocks, bound, path.nodes, path)
  }

  /// The moments at a time of [0, T], interpolated between the nodes.
  public func moments(at t: Double) -> Moments { path.moments(at: t) }
}

/// Moments between nodes.
protocol MomentPath: Sendable {
  var nodes: Int { get }
  func moments(at t: Double) -> Moments
}
