// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc

/// PyTorch's random numbers on a processor, `torch.Generator("cpu").manual_seed(seed)`, for pictures that a seed alone
/// decides: a Mersenne twister MT19937 (Matsumoto and Nishimura 1998) whose draws come one after the other, so what is
/// drawn depends on what was drawn before. Everything else here takes its noise from `NoiseStream`.
///
/// Uniforms are exact. PyTorch's normals depend in their last bits on the vector instructions of its machine; these are
/// rounded from double precision, and agree to 1e-6.
public struct PyTorchRandom: Sendable {
  private static let (size, middle) = (624, 397)
  private var state: [UInt32]
  private var next = size
  /// The second normal of a pair, where it is not used yet.
  private var kept: Double?

  /// The generator of a seed, of which the lowest 32 bits count.
  public init(seed: UInt64) {
    state = [UInt32](repeating: 0, count: Self.size)
    state[0] = UInt32(truncatingIfNeeded: seed)
    for i in 1..<Self.size { state[i] = 1_812_433_253 &* (state[i - 1] ^ (state[i - 1] >> 30)) &+ UInt32(i) }
  }

  /// 32 random bits.
  public mutating func word() -> UInt32 {
    if next == Self.size { twist() }
    var y = state[next]
    next += 1
    y ^= y >> 11
    y ^= (y << 7) & 0x9d2c_5680
    y ^= (y << 15) & 0xefc6_0000
    return y ^ (y >> 18)
  }

  private mutating func twist() {
    for i in 0..<Self.size {
      let mixed = (state[i] & 0x8000_0000) | (state[(i + 1) % Self.size] & 0x7fff_ffff)
      state[i] = state[(i + Self.middle) % Self.size] ^ (mixed >> 1) ^ (mixed & 1 == 0 ? 0 : 0x9908_b0df)
    }
    next = 0
  }

  /// `torch.rand(count)`: uniforms in [0, 1) of 24 bits.
  public mutating func uniforms(_ count: Int) -> [Float] { (0..<count).map { _ in uniform() } }

  private mutating func uniform() -> Float { Float(word() & 0xff_ffff) * 0x1p-24 }

  /// `torch.randn(count)` in single precision. Of 16 numbers or more, uniforms become normals by Box and Muller in
  /// blocks of 16, place j with place j + 8, and the last 16 are drawn once more where the count is no multiple of 16.
  /// Fewer are made one by one from uniforms of 53 bits.
  public mutating func normals(_ count: Int) -> [Float] {
    guard count >= 16 else { return (0..<count).map { _ in Float(normal()) } }
    var values = uniforms(count)
    for start in stride(from: 0, through: count - 16, by: 16) { Self.transform(&values, from: start) }
    if count % 16 != 0 {
      for i in count - 16..<count { values[i] = uniform() }
      Self.transform(&values, from: count - 16)
    }
    return values
  }

  private static func transform(_ values: inout [Float], from start: Int) {
    for j in start..<start + 8 {
      let radius = (-2 * log(Double(1 - values[j]))).squareRoot()
      let angle = 2 * Double.pi * Double(values[j + 8])
      (values[j], values[j + 8]) = (Float(radius * cos(angle)), Float(radius * sin(angle)))
    }
  }

  private mutating func normal() -> Double {
    if let kept {
      self.kept = nil
      return kept
    }
    let (angle, share) = (2 * Double.pi * longUniform(), longUniform())
    let radius = (-2 * log1p(-share)).squareRoot()
    kept = radius * sin(angle)
    return radius * cos(angle)
  }

  private mutating func longUniform() -> Double {
    let (high, low) = (UInt64(word()), UInt64(word()))
    return Double((high << 32 | low) & (1 << 53 - 1)) * 0x1p-53
  }
}
