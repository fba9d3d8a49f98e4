// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes
import Scores

/// A time as exponential integrators see it. In y = x/m the probability flow of every process with a scalar kernel is
/// dy/dσ̃ = ε̂ with σ̃ = σ/m and ε̂ = −σ s; in λ = ln(m/σ) its linear part is known and what is left is smooth.
struct NoiseLevel {
  let time: Double
  let moments: Moments

  /// m
  var scale: Double { moments.scale }
  /// σ
  var deviation: Double { moments.deviation }
  /// σ̃
  var noiseToSignal: Double { moments.noiseToSignal }
  /// λ = ln(m/σ)
  var logSignalToNoise: Double { -log(moments.noiseToSignal) }
}

/// The score as exponential integrators want it: as predicted noise ε̂ = −σ s, or as the mean D = (x + σ² s)/m of the
/// data.
struct LevelEvaluator {
  let kernel: any PerturbationKernel
  let evaluator: CountingEvaluator

  init(_ name: String, in context: SolveContext) throws {
    kernel = try context.problem.requireKernel(for: name)
    evaluator = context.score
  }

  func level(at t: Double) -> NoiseLevel { NoiseLevel(time: t, moments: kernel.moments(at: t)) }

  /// The level with λ = `logSignalToNoise`, which lies between two others.
  func level(logSignalToNoise: Double, from: NoiseLevel, to: NoiseLevel) -> NoiseLevel {
    level(at: kernel.time(ofNoiseToSignal: exp(-logSignalToNoise), from: to.time, to: from.time))
  }

  /// ε̂(x)
  func noise(_ x: Rows, at level: NoiseLevel, into out: Rows) throws {
    try evaluator.evaluate(x, at: .all(level.time), into: out)
    ck_combine(out.values, -level.deviation, out.values, 0, out.values, out.size)
  }

  /// D(x)
  func denoised(_ x: Rows, at level: NoiseLevel, into out: Rows) throws {
    try evaluator.evaluate(x, at: .all(level.time), into: out)
    ck_combine(
      out.values, 1 / level.scale, x.values, level.moments.variance / level.scale, out.values, out.size)
  }
}

/// x ← (m_s/m_t) x + m_s (σ̃_s − σ̃_t) ε̂: first order, and the whole of DDIM without noise. Finite for σ_s = 0.
func eulerStep(_ x: Rows, noise: Rows, from: NoiseLevel, to: NoiseLevel) {
  ck_combine(
    x.values, to.scale / from.scale, x.values, to.scale * (to.noiseToSignal - from.noiseToSignal), noise.values, x.size)
}
