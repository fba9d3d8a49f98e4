// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// A forward SDE  dx = f(x, t) dt + G(x, t) dw  on 0 ≤ t ≤ duration, which destroys data into a prior.
///
/// Knows no network and no solver. Every operation *adds* `times` · term to `out`, row by row, so that a solver builds
/// its update without temporaries; `out` never overlaps the other arguments. `t` holds for all rows.
///
/// A process whose f and G are f(x, t) = a(t) x and g(t) conforms to `AffineSDE` instead and gets all of this; one with
/// matrices A(t) and G(t) to `LinearSDE`. Noise that depends on the state (in the sense of Itô) conforms here.
public protocol SDE: Sendable {
  /// T: the time at which the prior is reached.
  var duration: Double { get }

  /// ε: the time at which samplers stop by default, 0 ≤ ε < T.
  var samplingEpsilon: Double { get }

  /// How samplers space fixed steps by default.
  var samplingSpacing: TimeSpacing { get }

  /// out += times · f(x, t)
  func addDrift(_ x: Rows, at t: Double, times: Double, to out: Rows)

  /// out += times · (G Gᵀ s + ∇·(G Gᵀ)) for the score s = ∇ₓ log pₜ(x)
  func addScoreDrift(_ s: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)

  /// out += times · G(x, t) z
  func addNoise(_ z: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)

  /// Where the way back begins.
  func makePrior() -> any Prior

  /// The law of x_t given x_0 where it is m(t) x_0 + √v(t) z; nil for a process that has no such kernel.
  func makeKernel() -> (any PerturbationKernel)?

  /// How noise grows, as m and v of such a kernel, for what spaces times by σ/m; nil where nothing is known of it.
  func makeNoiseKernel() -> (any PerturbationKernel)?

  /// The exact score of data of a known law; nil where the process does not know it.
  func score(of law: DataLaw) -> (any Score)?

  /// The process of ln x, where that is an affine one: a network is then trained on logarithms.
  var logarithm: (any AffineSDE)? { get }

  /// out += times · the derivative of the probability flow's field at x along v, where s is the score at x and ds its derivative
  /// along v. Default: central differences in x for f and G.
  func addFlowDerivative(
    along v: Rows, score s: Rows, scoreDerivative ds: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows)

  /// How many values a state has for data of `dimension` values: more where the process has a velocity, say.
  func stateDimension(of dimension: Int) -> Int

  /// Throws `InputError` for data that the process is not made for.
  func requireDimension(_ dimension: Int) throws

  /// Writes states at t = 0 that hold the data; what else is in them is drawn.
  func lift(_ data: Rows, into state: Rows, from stream: NoiseStream)

  /// Of what `lift` drew for each state, the log density; `out` has `state.count` values.
  func auxiliaryLogDensity(_ state: Rows, into out: UnsafeMutablePointer<Double>)

  /// Writes the data of each state, its first values.
  func project(_ state: Rows, into data: Rows)
}

/// A spacing of fixed steps.
public enum TimeSpacing: String, Sendable, CaseIterable {
  /// Equal steps of t.
  case uniform
  /// Equal steps of √t.
  case quadratic
  /// Equal steps of ln(m/σ): safe where rates grow without bound.
  case logSignalToNoise = "log-snr"
  /// Equal steps of (σ/m)^{1/7} (Karras et al. 2022).
  case karras
}

/// The law of data, where it is known: that of x, or of ln x, is a Gaussian mixture.
public struct DataLaw: Sendable {
  public let mixture: GaussianMixture
  /// Whether the data are the exponentials of the mixture's draws.
  public let isExponential: Bool

  public init(_ mixture: GaussianMixture, isExponential: Bool = false) {
    self.mixture = mixture
    self.isExponential = isExponential
  }
}

/// A customary ε, or less where a process is short: no more than T/100.
public func safeEpsilon(_ customary: Double, _ duration: Double) -> Double { min(customary, duration / 100) }

extension SDE {
  public var samplingSpacing: TimeSpacing { .uniform }
  public func makeKernel() -> (any PerturbationKernel)? { nil }
  public func makeNoiseKernel() -> (any PerturbationKernel)? { makeKernel() ?? logarithm?.makeNoiseKernel() }
  public var logarithm: (any AffineSDE)? { nil }
  public func stateDimension(of dimension: Int) -> Int { dimension }
  public func requireDimension(_ dimension: Int) throws {}
  public func lift(_ data: Rows, into state: Rows, from stream: NoiseStream) { state.copy(data) }
  public func auxiliaryLogDensity(_ state: Rows, into out: UnsafeMutablePointer<Double>) {
    out.update(repeating: 0, count: state.count)
  }

  public func project(_ state: Rows, into data: Rows) {
    if state.dimension == data.dimension { return data.copy(state) }
    for row in 0..<state.count {
      for j in 0..<data.dimension { data[row, j] = state[row, j] }
    }
  }

  public func score(of law: DataLaw) -> (any Score)? {
    guard !law.isExponential, let kernel = makeKernel() else { return nil }
    return MixtureScore(law.mixture, kernel: kernel)
  }

  public func addFlowDerivative(
    along v: Rows, score s: Rows, scoreDerivative ds: Rows, _ x: Rows, at t: Double, times: Double, to out: Rows
  ) {
    RowStorage.with(x.span, count: 2) { rows in
      let (ahead, zero) = (rows[0], rows[1])
      // (F(x + δ v) − F(x − δ v))/2δ at one score: exact for quadratic fields, else to δ² of the third derivative.
      let delta = 1e-5
      for sign in [1.0, -1] {
        for i in 0..<x.size { ahead.values[i] = x.values[i] + sign * delta * v.values[i] }
        addFlow(ahead, score: s, at: t, times: sign * times / (2 * delta), to: out)
      }
      // The field is affine in the score: G Gᵀ ds is a difference.
      addScoreDrift(ds, x, at: t, times: -0.5 * times, to: out)
      addScoreDrift(zero, x, at: t, times: 0.5 * times, to: out)
    }
  }

  /// out += times · (f − ∇·(G Gᵀ) − G Gᵀ s): the drift of the reverse-time SDE (Anderson 1982), whose noise is that of
  /// the forward one.
  public func addReverseDrift(_ x: Rows, score s: Rows, at t: Double, times: Double, to out: Rows) {
    addDrift(x, at: t, times: times, to: out)
    addScoreDrift(s, x, at: t, times: -times, to: out)
  }

  /// out += times · (f − ½ ∇·(G Gᵀ) − ½ G Gᵀ s): the field of the probability-flow ODE, which has the SDE's marginals
  /// (Song et al. 2021, eq. 13).
  public func addFlow(_ x: Rows, score s: Rows, at t: Double, times: Double, to out: Rows) {
    addDrift(x, at: t, times: times, to: out)
    addScoreDrift(s, x, at: t, times: -0.5 * times, to: out)
  }
}
