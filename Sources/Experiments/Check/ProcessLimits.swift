// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// The numbers that a process must have for solvers to be finite. A config outside is refused before anything is
/// computed.
///
/// σ/m is what solvers and grids divide by, and multistep methods take powers of its change in a step: between 10⁻³⁰ at
/// ε and 10³⁰ at T all of them fit into a double, with room for the data. All of f, G, kernel and prior must be finite.
struct ProcessLimits {
  static let smallest = 1e-30
  static let largest = 1e30

  let process: PreparedProcess
  /// The smallest time that anything is asked at.
  let epsilon: Double

  /// - Throws: `InputError` without a location.
  func check() throws {
    let inner = process.transformed?.process ?? process
    guard (Self.smallest...Self.largest).contains(process.duration) else {
      throw InputError(
        "T is \(written(process.duration)); allowed: \(written(Self.smallest)) to \(written(Self.largest))")
    }
    try checkRates(inner)
    if let transformed = process.transformed { try checkStates(transformed) }
    guard let kernel = inner.kernel else { return }
    try checkNoise(kernel)
    if let linear = inner.linear {
      let prior = linear.priorCovariance(under: kernel)
      guard prior.values.allSatisfy({ abs($0) <= Self.largest * Self.largest }), prior.lowerCholesky != nil else {
        throw InputError("the prior's covariance is not finite and positive definite: \(prior.values)")
      }
    }
  }

  /// States of the prior are finite, ten deviations to both sides.
  private func checkStates(_ transformed: PreparedProcess.Transformed) throws {
    guard let deviation = transformed.process.priorCovariance?.diagonal.max()?.squareRoot() else { return }
    var (y, x) = (Batch(values: [-10 * deviation, 10 * deviation], dimension: 1), Batch(count: 2, dimension: 1))
    y.withRows { y in x.withRows { transformed.coordinates.decode(y, into: $0) } }
    guard x.values.allSatisfy({ $0.isFinite && $0 != 0 }) else {
      throw InputError(
        "ten deviations of the prior, \(written(deviation)) each, are a state of \(x[0, 0]) or \(x[1, 0]); allowed: a "
          + "smaller one")
    }
  }

  /// Times between ε and T, closer to ε and to T where rates may have poles.
  private var times: [Double] {
    let (end, steps) = (process.duration, 24)
    let even = (0...steps).map { epsilon + (end - epsilon) * Double($0) / Double(steps) }
    let early = (1...steps).map { epsilon + (end - epsilon) / Double(1 << min($0, 62)) }
    return even.dropLast() + early + early.map { end + epsilon - $0 } + [end]
  }

  /// σ/m grows from above 0 at ε to a finite value at T.
  private func checkNoise(_ kernel: any PerturbationKernel) throws {
    for t in times {
      let moments = kernel.moments(at: t)
      var values = [moments.scale, moments.variance]
      if let blocks = moments.blocks {
        values += blocks.propagator.values + blocks.covariance.values + blocks.propagator.inverse.values
      }
      guard values.allSatisfy(\.isFinite), moments.scale >= 0, moments.variance >= 0 else {
        throw InputError(
          "its kernel is not finite at t = \(written(t)): m is \(moments.scale) and σ² is \(moments.variance); "
            + "allowed: finite numbers")
      }
    }
    let (low, high) = (
      kernel.moments(at: epsilon).noiseToSignal, kernel.moments(at: process.duration).noiseToSignal
    )
    guard high.isFinite, low > 0, low < high else {
      throw InputError("needs σ/m to grow from above 0 at ε to a finite value at T; it is \(low) and \(high)")
    }
    guard high <= Self.largest, low >= Self.smallest else {
      throw InputError(
        "needs σ/m between \(written(Self.smallest)) at ε and \(written(Self.largest)) at T; it is \(low) and \(high)")
    }
  }

  /// f and G are finite.
  private func checkRates(_ process: PreparedProcess) throws {
    for t in times {
      var values: [Double] = []
      if let affine = process.sde as? any AffineSDE {
        values = [affine.driftRate(at: t), affine.diffusion(at: t)]
      } else if let linear = process.linear {
        values = linear.driftMatrix(at: t).values + linear.diffusionMatrix(at: t).values
      }
      if let bad = values.first(where: { !(abs($0) <= Self.largest) }) {
        throw InputError(
          "its drift or its noise is \(bad) at t = \(written(t)); allowed: at most \(written(Self.largest))")
      }
    }
  }
}
