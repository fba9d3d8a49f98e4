// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Tensors

/// [sin(w_k u), cos(w_k u)] of a noise level u: how a network sees it.
public struct TimeFeatures: Sendable, Equatable {
  /// Which frequencies, and of which noise level.
  public enum Kind: String, Sendable, CaseIterable {
    /// w_k = 10000^{−k/half} on u = 1000 t / T (Vaswani et al. 2017; Ho et al. 2020)
    case sinusoidal
    /// w_k = 2π · scale · normal, on u = ln(σ/m) (Tancik et al. 2020; Song et al. 2021)
    case fourier
  }

  /// Which frequencies, and of which noise level.
  public let kind: Kind
  /// How many numbers, sines and cosines together; even.
  public let count: Int
  /// w_k, half as many as features; with the factor 2π.
  public let frequencies: [Float]

  /// - Parameters:
  ///   - kind: which frequencies.
  ///   - count: how many features; even.
  ///   - scale: the spread of Fourier frequencies.
  ///   - seed: draws the Fourier frequencies.
  public init(_ kind: Kind, count: Int, scale: Double, seed: UInt64) {
    precondition(count > 0 && count % 2 == 0, "an even number of features")
    self.kind = kind
    self.count = count
    let half = count / 2
    frequencies =
      switch kind {
      case .sinusoidal: (0..<half).map { Float(exp(-log(10_000) * Double($0) / Double(half))) }
      case .fourier: Self.turns(half, scale: 2 * .pi * scale, seed: seed)
      }
  }

  /// scale · normal, of Fourier features: how often they turn while u grows by 1, or with a factor 2π in the scale the
  /// angles of that.
  public static func turns(_ count: Int, scale: Double, seed: UInt64) -> [Float] {
    NoiseStream(seed: seed, purpose: .features).normals(count: 1, dimension: count).values.map { Float(scale * $0) }
  }

  /// What the network asks to be told: t, or ln(σ/m).
  public var noiseInput: NoiseLevelInput { kind == .sinusoidal ? .time : .logNoiseToSignal }

  /// Features of a column of noise levels: rows × `count`.
  public func callAsFunction(_ noiseLevel: Tensor, on tape: Tape) -> Tensor {
    let row = tape.constant(rows: 1, columns: frequencies.count)
    frequencies.withUnsafeBufferPointer { row.values.update(from: $0.baseAddress!, count: $0.count) }
    return tape.sinusoids(noiseLevel, frequencies: row)
  }
}
