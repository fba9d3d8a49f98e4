// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension SDE {
  /// Carries states forward by Euler–Maruyama through rising times, with f and G of the middle of each step, so that the error of
  /// their change in time is of second order:
  ///
  ///     x ← x + h f(x, t + h/2) + √h G(x, t + h/2) z.
  ///
  /// Step k takes the stream's normals of that number; a row depends on nothing but the stream and itself.
  public func simulate(_ x: Rows, through times: [Double], from stream: NoiseStream) {
    RowStorage.with(x.span, count: 2) { rows in
      let (noise, next) = (rows[0], rows[1])
      for (k, (t, s)) in zip(times, times.dropFirst()).enumerated() {
        stream.normals(into: noise, step: k)
        next.copy(x)
        addDrift(x, at: 0.5 * (t + s), times: s - t, to: next)
        addNoise(noise, x, at: 0.5 * (t + s), times: (s - t).squareRoot(), to: next)
        x.copy(next)
      }
    }
  }
}
