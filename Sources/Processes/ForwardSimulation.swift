// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension SDE {
  /// Data becomes a state at t = 0: where a kernel has noise there already, as σ_min of a variance-exploding process, it is added.
  public func start(_ x: Rows, from stream: NoiseStream, step: Int) {
    guard let moments = makeKernel()?.moments(at: 0), moments.variance > 0 || moments.scale != 1 else { return }
    RowStorage.with(x.span, count: 1) { rows in
      stream.normals(into: rows[0], step: step)
      for i in 0..<x.size { x.values[i] = moments.scale * x.values[i] + moments.deviation * rows[0].values[i] }
    }
  }

  /// Carries states forward by Euler–Maruyama through rising times, with f and G of the middle of each step, so that the error of
  /// their change in time is of second order:
  ///
  ///     x ← x + h f(x, t + h/2) + √h G(x, t + h/2) z.
  ///
  /// Step k takes the stream's normals of number `firstStep` + k; a row depends on nothing but the stream and itself.
  public func simulate(_ x: Rows, through times: [Double], from stream: NoiseStream, firstStep: Int = 0) {
    RowStorage.with(x.span, count: 2) { rows in
      let (noise, next) = (rows[0], rows[1])
      for (k, (t, s)) in zip(times, times.dropFirst()).enumerated() {
        stream.normals(into: noise, step: firstStep + k)
        next.copy(x)
        addDrift(x, at: 0.5 * (t + s), times: s - t, to: next)
        addNoise(noise, x, at: 0.5 * (t + s), times: (s - t).squareRoot(), to: next)
        x.copy(next)
      }
    }
  }
}
