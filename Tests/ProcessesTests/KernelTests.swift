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
    let kernel = try #require(process.makeKernel())
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
    let closed = try #require(process.makeKernel())
    func integrated(_ process: some AffineSDE) -> IntegratedKernel { IntegratedKernel(of: process) }
    let other = integrated(process)
    for t in Self.times {
      let (a, b) = (closed.moments(at: t), other.moments(at: t))
      // Nodes are added until the bound is 1e-11. Only in the first cell, where v grows from nothing, it is less of v.
      #expect(other.errorBound <= 1e-11)
      #expect(abs(a.scale / b.scale - 1) < 1e-9, "t = \(t)")
      #expect(abs(a.variance - b.variance) < 1e-9 * a.variance + 1e-15, "t = \(t)")
    }
  }

  @Test(arguments: Processes.names) func simulationHasTheKernelsMoments(_ name: String) throws {
    let process = Processes.named(name)
    let kernel = try #require(process.makeKernel())
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
