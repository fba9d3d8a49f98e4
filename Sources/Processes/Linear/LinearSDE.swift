// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc

/// A process  dx = A(t) x dt + G(t) dw  with matrices. They are n × n and act on a state that is cut into n equal
/// blocks.
///
/// The state may be wider than the data: data fill its first `dataBlocks` blocks at t = 0, and the others (a velocity,
/// say) start from N(0, `initialCovariance`). A new one needs `blocks`, `driftMatrix`, `diffusionMatrix` and
/// `priorCovariance`: its kernel is then integrated numerically.
public protocol LinearSDE: KernelSDE, AugmentedSDE, DifferentiableFlow {
  /// n
  var blocks: Int { get }

  /// p ≤ n: how many blocks hold data; default: all.
  var dataBlocks: Int { get }

  /// How many blocks noise acts on, the last ones; default: all. Nobody asks for the score of the others.
  var noiseBlocks: Int { get }

  /// A(t), so that f(x, t) = A(t) x.
  func driftMatrix(at t: Double) -> Matrix

  /// G(t)
  func diffusionMatrix(at t: Double) -> Matrix

  /// C(0): the covariance of the state at t = 0 given the data; default: 0.
  var initialCovariance: Matrix { get }

  /// The covariance of the prior, which is normal with mean 0.
  var priorCovariance: Matrix { get }

  /// The same where it follows from the kernel; default: `priorCovariance`.
  func priorCovariance(under kernel: any PerturbationKernel) -> Matrix
}

extension LinearSDE {
  public var duration: Double { 1 }
  public var dataBlocks: Int { blocks }
  public var noiseBlocks: Int { blocks }
  public var initialCovariance: Matrix { Matrix(rows: blocks, columns: blocks) }
  public func makeKernel() -> any PerturbationKernel { IntegratedKernel(of: self) }

  public func priorCovariance(under kernel: any PerturbationKernel) -> Matrix { priorCovariance }

  /// How a state is cut.
  public var stateBlocks: StateBlocks { StateBlocks(count: blocks, data: dataBlocks, noise: noiseBlocks) }

  /// How many values a state has for data of `dimension` values: n/p times as many.
  public func stateDimension(of dimension: Int) -> Int { stateBlocks.stateDimension(of: dimension) }

  /// - Throws: `InputError` for data that cannot be cut into the data's blocks.
  public func requireDimension(_ dimension: Int) throws {
    guard dimension % dataBlocks == 0 else {
      throw InputError("needs data whose dimension is a multiple of \(dataBlocks); it is \(dimension)")
    }
  }

  public func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows) {
    out.add(driftMatrix(at: t), x, times: times)
  }

  public func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    let g = diffusionMatrix(at: t)
    out.add(g * g.transpose, s, times: times)
  }

  public func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows) {
    out.add(diffusionMatrix(at: t), z, times: times)
  }

  /// f and G Gᵀ s are linear in state and score together, so the flow's derivative is the flow of the derivatives.
  public func addFlowDerivative(
    along v: Rows, score s: Rows, scoreDerivative ds: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows
  ) {
    addFlow(v, score: ds, at: t, times: times, to: out)
  }

  public func makePrior() -> any Prior { NormalPrior(covariance: priorCovariance) }

  public func makePrior(under kernel: any PerturbationKernel) -> any Prior {
    NormalPrior(covariance: priorCovariance(under: kernel))
  }

  /// Writes states at t = 0 that hold the data; the other blocks are drawn from the initial covariance.
  public func lift(_ data: Rows, into state: Rows, from stream: NoiseStream) {
    if dataBlocks == blocks { return state.copy(data) }
    stream.normals(into: state, step: 0)
    let auxiliary = self.auxiliary(of: state)
    RowStorage.with(auxiliary.span, count: 2) { rows in
      gather(state, into: rows[0])
      if let root = auxiliary.covariance.lowerCholesky { rows[1].add(root, rows[0], times: 1) }
      state.copy(columns: 0..<data.dimension, of: data)
      state.copy(columns: 0..<rows[1].dimension, of: rows[1], to: data.dimension)
    }
  }

  /// Writes the log density of what `lift` drew for each state, 0 where it drew nothing; `out` has `state.count` values.
  public func auxiliaryLogDensity(_ state: Rows, into out: UnsafeMutablePointer<Double>) {
    if dataBlocks == blocks { return out.update(repeating: 0, count: state.count) }
    let auxiliary = self.auxiliary(of: state)
    RowStorage.with(auxiliary.span, count: 1) { rows in
      gather(state, into: rows[0])
      NormalPrior(covariance: auxiliary.covariance).logDensity(rows[0], into: out)
    }
  }

  /// The part of a state that is not data, and its covariance at t = 0.
  private func auxiliary(of state: Rows) -> (span: RowSpan, covariance: Matrix) {
    let width = state.dimension / blocks
    return (
      state.span.with(dimension: width * (blocks - dataBlocks)),
      initialCovariance.block(dataBlocks..<blocks)
    )
  }

  private func gather(_ state: Rows, into auxiliary: Rows) {
    auxiliary.copy(columns: state.dimension - auxiliary.dimension..<state.dimension, of: state)
  }
}
