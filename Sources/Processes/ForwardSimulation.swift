// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// How the forward SDE carries data to a time, without a kernel: what it begins with, and steps that are good for any
/// process.
public struct ForwardSimulation: Sendable {
  /// The process that is simulated.
  public let process: any SDE
  /// What a kernel has at t = 0, as σ_min of a variance-exploding process; nil where data begin as they are.
  private let beginning: Moments?
  /// Rising times from 0 to T.
  public let times: [Double]

  /// Times where steps are safe: equal in ln(m/σ) from the process's own ε on where it asks for that, else as T
  /// sin²(πk/2N), dense at both ends.
  /// - Precondition: steps > 0.
  public init(of prepared: PreparedProcess, steps: Int) {
    precondition(steps > 0, "N > 0")
    let process = prepared.sde
    self.process = process
    let moments = prepared.scalarKernel?.moments(at: 0)
    beginning = moments.flatMap { $0.variance > 0 || $0.scale != 1 ? $0 : nil }
    let duration = process.duration
    if process.samplingSpacing != .uniform, let kernel = prepared.noise {
      let epsilon = process.samplingEpsilon
      let (low, high) = (kernel.moments(at: epsilon).noiseToSignal, kernel.moments(at: duration).noiseToSignal)
      if low > 0, high > low, high.isFinite {
        times = [0] + kernel.times(equalInLogSignalToNoiseFrom: duration, to: epsilon, steps: steps).reversed()
        return
      }
    }
    times = (0...steps).map { GradedNodes(duration: duration, cells: steps).time($0) }
  }

  /// As above, for a process that nobody has prepared.
  public init(of process: any SDE, steps: Int) { self.init(of: PreparedProcess(process), steps: steps) }

  /// Memory for up to so many rows: for one thread.
  public func makeWalker(for span: RowSpan) -> Walker { Walker(self, span) }

  /// Simulates a block of rows, with the memory for it: for one worker.
  public final class Walker {
    private let simulation: ForwardSimulation
    private let storage: (noise: RowStorage, drift: RowStorage, next: RowStorage)

    init(_ simulation: ForwardSimulation, _ span: RowSpan) {
      self.simulation = simulation
      storage = (RowStorage(span), RowStorage(span), RowStorage(span))
    }

    /// Data become states at t = 0. Takes the stream's normals of number `step`.
    public func start(_ x: Rows, from stream: NoiseStream, step: Int) {
      guard let beginning = simulation.beginning else { return }
      let noise = storage.noise.view(like: x)
      stream.normals(into: noise, step: step)
      for i in 0..<x.size { x.values[i] = beginning.scale * x.values[i] + beginning.deviation * noise.values[i] }
    }

    /// Carries data to T through the simulation's times: the stream's normals from number 0 on.
    public func run(_ x: Rows, from stream: NoiseStream) {
      start(x, from: stream, step: 0)
      for k in 1..<simulation.times.count { advance(x, toNode: k, from: stream) }
    }

    /// The step from time k − 1 of the simulation to time k, with the stream's normals of number k.
    public func advance(_ x: Rows, toNode k: Int, from stream: NoiseStream) {
      advance(x, from: simulation.times[k - 1], to: simulation.times[k], stream: stream, step: k)
    }

    /// A step of h from t: Heun's for the drift and Euler's for the noise (in the sense of Itô), with f and G of its
    /// middle,
    ///
    ///     y = x + h f(x) + √h G(x) z,   x ← x + ½ h (f(x) + f(y)) + √h G(x) z.
    ///
    /// One step: weak order 2 where G does not depend on x, else 1. Takes the stream's normals of number `step`.
    /// - Parameters:
    ///   - x: states, rows × dimension, which are carried on in place.
    ///   - start: the time t at which the step begins.
    ///   - end: the time t + h at which it ends.
    ///   - stream: where the normals come from, by row and step.
    ///   - step: the step's number in the stream.
    public func advance(_ x: Rows, from start: Double, to end: Double, stream: NoiseStream, step: Int) {
      let (noise, drift, next) = (
        storage.noise.view(like: x), storage.drift.view(like: x), storage.next.view(like: x)
      )
      let (process, h, middle) = (simulation.process, end - start, 0.5 * (start + end))
      stream.normals(into: noise, step: step)
      drift.fill(0)
      process.addDrift(x, at: middle, times: h, to: drift)
      next.copy(x)
      process.addNoise(noise, x, at: middle, times: h.squareRoot(), to: next)
      // x + √h G z + ½ h f(x), to which the other half comes.
      for i in 0..<x.size {
        let half = 0.5 * drift.values[i]
        x.values[i] = next.values[i] + half
        next.values[i] += 2 * half
      }
      process.addDrift(next, at: middle, times: 0.5 * h, to: x)
    }
  }
}
