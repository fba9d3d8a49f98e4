import Core
import Glibc
// SPDX-License-Identifier: GPL-3.0-or-later
import Tensors

/// [sin(w_k u), cos(w_k u)] of a noise label u: how a network sees the noise level.
public struct TimeFeatures: Sendable, Equatable {
  public enum Kind: String, Sendable, CaseIterable {
    /// w_k = 10000^{−k/half} on u = 1000 t / T (Vaswani et al. 2017; Ho et al. 2020)
    case sinusoidal
    /// w_k = 2π · scale · normal, on u = ln(σ/m) (Tancik et al. 2020; Song et al. 2021)
    case fourier
  }

  public let kind: Kind
  /// How many numbers, sines and cosines together; even.
  public let count: Int
  public let frequencies: [Float]

  /// - Parameters:
  ///   - scale: the spread of Fourier frequencies.
  ///   - seed: draws the Fourier frequencies.
  public init(_ kind: Kind, count: Int, scale: Double, seed: UInt64) {
    precondition(count > 0 && count % 2 == 0, "an even number of features")
    self.kind = kind
    self.count = count
    let half = count / 2
    switch kind {
    case .sinusoidal:
      frequencies = (0..<half).map { Float(exp(-log(10_000) * Double($0) / Double(half))) }
    case .fourier:
      let normals = NoiseStream(seed: seed, purpose: .features).normals(count: 1, dimension: half)
      frequencies = normals.values.map { Float(2 * .pi * scale * $0) }
    }
  }

  public var label: NoiseLabel { kind == .sinusoidal ? .time : .logNoise }

  /// Features of a column of labels.
  public func callAsFunction(_ label: Tensor, on tape: Tape) -> Tensor {
    let row = tape.constant(rows: 1, columns: frequencies.count)
    frequencies.withUnsafeBufferPointer { row.values.update(from: $0.baseAddress!, count: $0.count) }
    return tape.sinusoids(label, frequencies: row)
  }
}
