// SPDX-License-Identifier: GPL-3.0-or-later
import Glibc
import Processes

/// The noise levels that a network counts, i = 0 … N − 1, as schedulers of diffusers see them: σ̃_i = σ/m at the time
/// (i + 1) T/N of a process.
public struct TrainedLevels: Sendable, Equatable {
  /// σ̃_i, which rise.
  public let noiseToSignal: [Double]
  /// N
  public var count: Int { noiseToSignal.count }

  /// The levels of a process at equal steps of its time.
  /// - Parameters:
  ///   - kernel: its kernel, with scalar moments.
  ///   - duration: T
  ///   - count: N, at least 1.
  public init(of kernel: any PerturbationKernel, duration: Double, count: Int) {
    precondition(count > 0, "N > 0")
    noiseToSignal = (1...count).map { kernel.moments(at: duration * Double($0) / Double(count)).noiseToSignal }
  }

  /// The levels of DDPM's forward steps, with ᾱ_i = Π (1 − β_j) rounded as PyTorch does in single precision: 1,000
  /// roundings of 1 − β_j move ᾱ by 1e-6.
  /// - Parameters:
  ///   - betas: β_i, each in (0, 1].
  ///   - lastSignal: ᾱ of the last level in place of the product, where that would be 0; nil: the product.
  public init(betas: [Double], lastSignal: Double? = nil) {
    precondition(!betas.isEmpty, "N > 0")
    var product = 1.0
    var levels = betas.map { beta in
      product *= Double(1 - Float(beta))
      return Self.noise(ofSignal: Double(Float(product)))
    }
    if let lastSignal { levels[levels.count - 1] = Self.noise(ofSignal: lastSignal) }
    noiseToSignal = levels
  }

  /// In single precision, too.
  private static func noise(ofSignal signal: Double) -> Double {
    let signal = Float(signal)
    return Double(((1 - signal) / signal).squareRoot())
  }

  /// ln σ̃ of a level, rounded to single precision as in diffusers: where fractions of levels are cut off, the last
  /// digit decides between two levels.
  private func log(_ level: Int) -> Double { Double(Float(Glibc.log(noiseToSignal[level]))) }

  /// σ̃ at a level, linear between whole numbers; outside, that of the nearest level.
  func interpolated(at level: Double) -> Double {
    let inside = min(max(level, 0), Double(count - 1))
    let below = min(Int(inside), max(0, count - 2))
    guard below + 1 < count else { return noiseToSignal[below] }
    return noiseToSignal[below] + (inside - Double(below)) * (noiseToSignal[below + 1] - noiseToSignal[below])
  }

  /// The level at which σ̃ is `wanted`, with ln σ̃ linear between whole numbers; outside, the nearest level.
  func level(ofNoiseToSignal wanted: Double) -> Double {
    guard count > 1 else { return 0 }
    let wanted = Glibc.log(max(wanted, 1e-10))
    // The last level that is not above it.
    var (low, high) = (0, count)
    while high - low > 1 {
      let middle = (low + high) / 2
      if log(middle) <= wanted { low = middle } else { high = middle }
    }
    let below = min(low, count - 2)
    let (a, b) = (log(below), log(below + 1))
    return Double(below) + min(max((wanted - a) / (b - a), 0), 1)
  }
}
