// SPDX-License-Identifier: GPL-3.0-or-later

/// The law of the state x_t of a linear process given the data x_0: N(Φ(t) E x_0, C(t)), where E puts data into the first
/// blocks of a state.
public struct LinearMoments: Sendable, Equatable {
  /// Φ(t), n × n: dΦ/dt = A Φ, Φ(0) = I
  public let propagator: Matrix
  /// C(t), n × n: dC/dt = A C + C Aᵀ + G Gᵀ, C(0) the process's initial covariance
  public let covariance: Matrix

  public init(propagator: Matrix, covariance: Matrix) {
    self.propagator = propagator
    self.covariance = covariance
  }

  /// The step from time s (these moments) to a later time t: x_t = R x_s + Q^½ z.
  public func transition(to later: LinearMoments) -> (r: Matrix, q: Matrix) {
    let r = later.propagator * propagator.inverse
    return (r, later.covariance - r * covariance * r.transpose)
  }
}

extension LinearMoments {
  /// How noisy data are, as scalar moments: mean squares of the elements of Φ, and the mean of C's diagonal, over the data's blocks.
  public func averaged(overData blocks: Int) -> Moments {
    let n = propagator.rows
    var (square, trace) = (0.0, 0.0)
    for i in 0..<blocks {
      for j in 0..<blocks { square += propagator.values[i * n + j] * propagator.values[i * n + j] }
      trace += covariance.values[i * n + i]
    }
    return Moments(scale: (square / Double(blocks)).squareRoot(), variance: trace / Double(blocks))
  }
}

/// The perturbation kernel of a linear process: made once per solve or training, then shared by all workers.
public protocol LinearKernel: Sendable {
  func moments(at t: Double) -> LinearMoments
}

/// A kernel known in closed form.
public struct ClosedFormLinearKernel: LinearKernel {
  private let formula: @Sendable (Double) -> LinearMoments
  public init(_ formula: @escaping @Sendable (Double) -> LinearMoments) { self.formula = formula }
  public func moments(at t: Double) -> LinearMoments { formula(t) }
}
