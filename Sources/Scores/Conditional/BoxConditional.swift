// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Glibc
import Processes

extension UniformBox: ConditionalLaw {
  public func makeConditional() -> any Conditional { BoxConditional(self) }
}

/// A product of truncated normals: x₀ⱼ ~ N(x_tⱼ/m, σ̃²) within the box.
final class BoxConditional: Conditional {
  private let box: UniformBox
  /// Centre, scale, base, width, low and high of every coordinate, eight times over, as the kernel wants them.
  private let patterns: UnsafeMutablePointer<Double>
  private let centres: UnsafeMutablePointer<Double>
  private var deviation = 1.0
  /// Coordinates whose interval lies further out than normal quantiles reach.
  private var far: [(coordinate: Int, sign: Double, edge: Double, width: Double)] = []

  /// Beyond so many deviations the normal's tail is taken as exponential: off by 1/36² of its length.
  private static let farthest = 36.0

  init(_ box: UniformBox) {
    self.box = box
    let d = box.dimension
    patterns = .allocate(capacity: 48 * d)
    centres = .allocate(capacity: d)
    patterns.initialize(repeating: 0, count: 48 * d)
    centres.initialize(repeating: 0, count: d)
    far.reserveCapacity(d)
    for k in 0..<8 {
      for j in 0..<d {
        patterns[32 * d + k * d + j] = box.low[j]
        patterns[40 * d + k * d + j] = box.high[j]
      }
    }
  }

  deinit {
    patterns.deallocate()
    centres.deallocate()
  }

  /// P(z ≤ x)
  private static func below(_ x: Double) -> Double { 0.5 * erfc(-x / 2.0.squareRoot()) }

  func look(at x: UnsafePointer<Double>, _ moments: Moments) {
    let d = box.dimension
    deviation = moments.noiseToSignal
    far.removeAll(keepingCapacity: true)
    for j in 0..<d {
      let centre = x[j] / moments.scale
      centres[j] = centre
      let (low, high) = ((box.low[j] - centre) / deviation, (box.high[j] - centre) / deviation)
      // In the upper tail all is mirrored, so that probabilities are small numbers, and not close to 1.
      let isMirrored = low + high > 0
      let (a, b) = isMirrored ? (-high, -low) : (low, high)
      if b < -Self.farthest { far.append((j, isMirrored ? -1 : 1, b, b - a)) }
      let base = Self.below(a)
      let values = (centre, isMirrored ? -deviation : deviation, base, max(0, Self.below(b) - base))
      for k in 0..<8 {
        let place = patterns + k * d + j
        (place[0], place[8 * d], place[16 * d], place[24 * d]) = values
      }
    }
  }

  func writeMean(into out: UnsafeMutablePointer<Double>) {
    for j in 0..<box.dimension {
      let (low, high) = ((box.low[j] - centres[j]) / deviation, (box.high[j] - centres[j]) / deviation)
      out[j] = centres[j] + deviation * TruncatedNormal(from: low, to: high).mean
    }
  }

  func draw(into out: Rows, row: Int, seed: UInt64, step: Int) {
    NoiseStream(seed: seed, purpose: .candidates).uniforms(into: out.asOneRow(row), step: step)
    if far.isEmpty { return ck_truncated_normals(out.values, out.values, out.count, out.dimension, patterns) }
    // Few states ever are so far out.
    RowStorage.with(out.span, count: 1) { uniforms in
      uniforms[0].copy(out)
      ck_truncated_normals(out.values, out.values, out.count, out.dimension, patterns)
      for (j, sign, edge, width) in far {
        for i in 0..<out.count {
          let e = log1p(uniforms[0][i, j] * expm1(edge * width)) / edge
          out[i, j] = min(max(centres[j] + deviation * sign * (edge - e), box.low[j]), box.high[j])
        }
      }
    }
  }
}
