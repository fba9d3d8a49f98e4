// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core
import Foundation
import Processes
import Testing

/// The four lines that a new process needs: an Ornstein–Uhlenbeck process with a growing noise.
struct Custom: AffineSDE {
  func driftRate(at t: Double) -> Double { -1 - t }
  func diffusion(at t: Double) -> Double { 0.5 + t }
}

enum Processes {
  static let names = ["vp", "sub-vp", "ve", "custom"]
  static func named(_ name: String) -> any AffineSDE {
    switch name {
    case "vp": VPSDE()
    case "sub-vp": SubVPSDE()
    case "ve": VESDE(GeometricSigma(0.01, 10))
    default: Custom()
    }
  }
}

@Suite struct KernelTests {
  /// ln m and v at t, by GSL's integration of d ln m/dt = a, dv/dt = 2 a v + g².
  static func integrated(_ process: any AffineSDE, to t: Double) -> Moments {
    final class Box {
      let process: any AffineSDE
      init(_ process: any AffineSDE) { self.process = process }
    }
    let box = Box(process)
    return withExtendedLifetime(box) {
      var system = gsl_odeiv2_system(
        function: { t, y, derivative, parameters in
          let process = Unmanaged<Box>.fromOpaque(parameters!).takeUnretainedValue().process
          let (a, g) = (process.driftRate(at: t), process.diffusion(at: t))
          derivative![0] = a
          derivative![1] = 2 * a * y![1] + g * g
          return Int32(GSL_SUCCESS)
        }, jacobian: nil, dimension: 2, params: Unmanaged.passUnretained(box).toOpaque())
      return withUnsafePointer(to: &system) { system in
        let driver = gsl_odeiv2_driver_alloc_y_new(system, scoresde_odeiv2_rk8pd(), 1e-6, 1e-14, 1e-12)
        defer { gsl_odeiv2_driver_free(driver) }
        var (start, y) = (0.0, [0.0, process.initialVariance])
        gsl_odeiv2_driver_apply(driver, &start, t, &y)
        return Moments(scale: exp(y[0]), variance: y[1])
      }
    }
  }

  static let times = [1e-5, 1e-3, 0.0137, 0.1, 0.25, 0.5, 0.77, 0.9, 1]

  @Test(arguments: Processes.names) func theKernelSolvesTheMomentEquations(_ name: String) throws {
    let process = Processes.named(name)
    let kernel = process.makeKernel()
    // GSL's steps are right to 1e-12 each, some hundred of them; closed forms to rounding, integrated kernels to 1e-11.
    let tolerance = 1e-9
    for t in Self.times {
      let (a, b) = (kernel.moments(at: t), Self.integrated(process, to: t))
      #expect(abs(a.scale / b.scale - 1) < tolerance, "t = \(t)")
      // The absolute tolerance of 1e-14 a step shows where v itself is below 1e-6 (sub-VP at 1e-5: v = 1e-12).
      #expect(abs(a.variance - b.variance) < tolerance * b.variance + 1e-13, "t = \(t)")
    }
  }

  @Test(arguments: ["vp", "sub-vp", "ve"]) func closedFormsEqualIntegratedKernels(_ name: String) throws {
    let process = Processes.named(name)
    let closed = process.makeKernel()
    func integrated(_ process: some AffineSDE) -> IntegratedKernel { IntegratedKernel(of: process) }
    let other = integrated(process)
    for t in [1e-12, 1e-9, 1e-7] + Self.times {
      let (a, b) = (closed.moments(at: t), other.moments(at: t))
      // Nodes are added until the bound is 1e-11.
      #expect(other.errorBound <= 1e-11)
      #expect(abs(a.scale / b.scale - 1) < 1e-9, "t = \(t)")
      #expect(abs(a.variance / b.variance - 1) < 1e-9, "t = \(t)")
    }
  }

  /// dx = g(t) dw
  private struct Noise: AffineSDE {
    let g: @Sendable (Double) -> Double
    func driftRate(at t: Double) -> Double { 0 }
    func diffusion(at t: Double) -> Double { g(t) }
    var priorVariance: Double? { 1 }
  }

  @Test("variances that grow as a power of t are known from the first instant on", arguments: [0.3, 0.5, 1, 2, 6.5])
  func powers(_ power: Double) {
    let kernel = IntegratedKernel(of: Noise { pow($0, power) })
    // The 32 points of the first cell are exact for whole powers of t^⅓ up to 63.
    let tolerance = 1e-11
    #expect(kernel.errorBound < tolerance, "\(kernel.errorBound)")
    for t in [1e-12, 1e-9, 3e-7, 1e-5, 1e-3, 0.1, 0.7, 1] {
      let exact = pow(t, 2 * power + 1) / (2 * power + 1)
      #expect(abs(kernel.moments(at: t).variance / exact - 1) < tolerance, "t = \(t)")
    }
  }

  @Test("the error bound holds for jumps, kinks and poles too, and more nodes make it smaller") func bounds() {
    let noises: [(g: @Sendable (Double) -> Double, variance: @Sendable (Double) -> Double)] = [
      // A jump of g² from 1 to 4 at ⅓, a kink there, and a pole of g².
      ({ $0 < 1.0 / 3 ? 1 : 2 }, { min($0, 1.0 / 3) + 4 * max($0 - 1.0 / 3, 0) }),
      ({ (1 + abs($0 - 1.0 / 3)).squareRoot() }, { $0 + ($0 - 1.0 / 3) * abs($0 - 1.0 / 3) / 2 + 1.0 / 18 }),
      (
        { pow(abs($0 - 1.0 / 3), -0.25) },
        { t in
          2 * (pow(1.0 / 3, 0.5) + (t < 1.0 / 3 ? -1 : 1) * pow(abs(t - 1.0 / 3), 0.5))
        }
      ),
    ]
    for (index, noise) in noises.enumerated() {
      var bounds: [Double] = []
      for most in [1024, 32_768] {
        let kernel = IntegratedKernel(of: Noise(g: noise.g), maximum: most)
        for k in 1...200 {
          let t = Double(k) / 200
          #expect(
            abs(kernel.moments(at: t).variance / noise.variance(t) - 1) <= kernel.errorBound + 1e-13, "\(index) \(t)")
        }
        #expect(kernel.nodes <= most)
        bounds.append(kernel.errorBound)
      }
      #expect(bounds[1] < 0.3 * bounds[0], "\(index): \(bounds)")
    }
    #expect(IntegratedKernel(of: Noise { $0 < 0.5 ? 1 : .nan }).errorBound == .infinity)
  }

  /// Where rates are large at T too, and at the few steps that training takes.
  @Test(arguments: ["vp", "sub-vp", "ve", "custom", "cosine", "rectified-flow", "to 1"])
  func simulatedStatesHaveTheKernelsMoments(_ name: String) throws {
    let process: any AffineSDE
    switch name {
    case "cosine": process = VPSDE(CosineBeta())
    case "rectified-flow": process = RectifiedFlow()
    case "to 1": process = RectifiedFlow(end: 1)
    default: process = Processes.named(name)
    }
    let kernel = process.makeKernel()
    let (count, first, simulation) = (40_000, 0.7, ForwardSimulation(of: process, steps: 100))
    let noise = NoiseStream(seed: 1, purpose: .forward)
    var x = Batch(values: [Double](repeating: first, count: count), dimension: 1)
    let walker = simulation.makeWalker(for: RowSpan(first: 0, count: count, dimension: 1))
    x.withRows { walker.start($0, from: noise, step: 1000) }
    #expect(simulation.times.count >= 101 && simulation.times.last == process.duration)
    for (k, (start, end)) in zip(simulation.times, simulation.times.dropFirst()).enumerated() {
      x.withRows { walker.advance($0, from: start, to: end, stream: noise, step: k) }
      guard k % 10 == 9 || end == process.duration else { continue }
      let n = Double(count)
      let mean = x.values.reduce(0, +) / n
      let variance = x.values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
      let expected = kernel.moments(at: end)
      // 4 standard errors, and of second order in a step: u²/4 of a variance, u ≤ 0.26 the largest step of ln m.
      #expect(abs(mean - expected.scale * first) < 4 * (expected.variance / n).squareRoot() + 0.02 * first, "\(end)")
      #expect(abs(variance / expected.variance - 1) < 4 * (2 / n).squareRoot() + 0.02, "\(end)")
    }
  }

  @Test(arguments: Processes.names) func simulationHasTheKernelsMoments(_ name: String) throws {
    let process = Processes.named(name)
    let kernel = process.makeKernel()
    let (count, steps, first) = (40_000, 1000, 0.7)
    let deviation = process.initialVariance.squareRoot()
    let noise = NoiseStream(seed: 1, purpose: .predictor)
    var x = noise.normals(count: count, dimension: 1, step: steps)
    for i in 0..<count { x.values[i] = first + deviation * x.values[i] }
    let h = 1 / Double(steps)
    try x.forEachShard(threads: 2) { x in
      let storages = (RowStorage(x.span), RowStorage(x.span))
      let (z, next) = (storages.0.rows, storages.1.rows)
      for step in 0..<steps {
        // The middle of the step, so that the weak error of a and g is h².
        let t = (Double(step) + 0.5) * h
        noise.normals(into: z, step: step)
        next.copy(x)
        process.addDrift(x, at: t, times: h, to: next)
        process.addNoise(z, x, at: t, times: h.squareRoot(), to: next)
        x.copy(next)
      }
      withExtendedLifetime(storages) {}
    }
    let n = Double(count)
    let mean = x.values.reduce(0, +) / n
    let variance = x.values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n
    let expected = kernel.moments(at: 1)
    // 4 standard errors, and Euler's step bias: a fixed point's variance is inflated by h |a|/2 ≤ 0.5 % (|a| ≤ 10), and
    // m is too small by a factor e^{-h∫a²/2} ≥ 0.93.
    #expect(
      abs(mean - expected.scale * first) < 4 * (expected.variance / n).squareRoot() + 0.07 * expected.scale * first)
    #expect(abs(variance / expected.variance - 1) < 4 * (2 / n).squareRoot() + 0.006)
  }

  @Test func transitionsComposeToTheKernel() {
    let (a, b) = (Moments(scale: 0.8, variance: 0.3), Moments(scale: 0.2, variance: 0.95))
    let (r, q) = a.transition(to: b)
    #expect(abs(r * a.scale - b.scale) < 1e-15 && abs(r * r * a.variance + q - b.variance) < 1e-15)
  }
}
