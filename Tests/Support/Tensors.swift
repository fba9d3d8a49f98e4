// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Tensors

/// Normals as floats.
package func values(_ count: Int, seed: UInt64) -> [Float] {
  NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: 1).values.map { Float($0) }
}

extension Tape {
  package func filled(_ rows: Int, _ columns: Int, _ values: [Float]) -> Tensor {
    precondition(values.count == rows * columns)
    let tensor = constant(rows: rows, columns: columns)
    tensor.values.update(from: values, count: rows * columns)
    return tensor
  }
}

extension Tensor {
  package var array: [Float] { (0..<rows).flatMap { i in (0..<columns).map { self[i, $0] } } }
}

package func largest(_ values: some Sequence<Float>) -> Float { values.reduce(0) { max($0, abs($1)) } }

/// The largest distance between two lists of equal length; infinite for others.
package func difference(_ a: [Float], _ b: [Float]) -> Float {
  a.count == b.count ? largest(zip(a, b).map { $0 - $1 }) : .infinity
}

package func dot(_ a: [some BinaryFloatingPoint], _ b: [some BinaryFloatingPoint]) -> Double {
  precondition(a.count == b.count)
  return zip(a, b).reduce(0) { $0 + Double($1.0) * Double($1.1) }
}

extension Safetensors.Entry {
  /// [n, channels, axes …] as rows of positions × channels.
  package var rows: [Float] {
    get throws {
      let (n, c, p) = (shape[0], shape[1], shape.dropFirst(2).reduce(1, *))
      let values = try values
      return (0..<n * p * c).map { i in values[(i / (p * c) * c + i % c) * p + i % (p * c) / c] }
    }
  }
}

/// f′(0) by central differences of steps 1/8 and 1/16, extrapolated: an error of h⁴/480 · f⁽⁵⁾, 5e-7 of f⁽⁵⁾.
package func slope(_ f: (Float) -> [Float]) -> [Double] {
  func difference(_ h: Float) -> [Double] {
    let (up, down) = (f(h), f(-h))
    return zip(up, down).map { (Double($0) - Double($1)) / Double(2 * h) }
  }
  return zip(difference(1 / 16), difference(1 / 8)).map { (4 * $0 - $1) / 3 }
}

// Central differences with h = 1/64: truncation h²/6 · f''' is below 1e-4 for these functions, rounding of floats is
// 6e-8/h = 4e-6 times the size of the output; sums over up to 100 terms lose another factor of a few.
package let h: Float = 1 / 64
package func isClose(_ value: Double, _ expected: Double, scale: Double = 1) -> Bool {
  abs(value - expected) <= 2e-3 * max(scale, abs(expected))
}

/// A tiny U-Net whose channels do not fill blocks of 16.
package func tinyUNet(_ change: (inout UNetArchitecture) -> Void = { _ in }) throws -> UNet {
  var a = UNetArchitecture(
    height: 8, width: 4, channels: 2, widths: [8, 20], blocks: 1, attention: [4], resampling: .convolution)
  a.groups = 4
  a.middleAttentionGroups = 4
  change(&a)
  return try UNet(a)
}
