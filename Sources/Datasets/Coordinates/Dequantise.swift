// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// y = x + δ (u − ½) with a uniform u: data of a few levels, δ apart, fill the intervals around them, so that they have
/// a density (Theis et al. 2016, section 3.1).
///
/// Every row of every training step has a u of its own. The way back is the identity: samples are not rounded to
/// levels.
public struct Dequantise: ElementwiseCoordinates {
  private let quantisation: Quantisation

  /// Noise one spacing wide around each of these levels.
  public init(_ levels: Quantisation) { quantisation = levels }

  public var levels: Quantisation? { quantisation }

  /// How many levels there are, the smallest and the largest.
  public var fitted: [Double] { [Double(quantisation.levels), quantisation.low, quantisation.high] }

  /// - Throws: `InputError` for numbers that are not those of `fitted`.
  public init(fitted numbers: [Double]) throws {
    guard numbers.count == 3, let levels = Int(exactly: numbers[0]), levels >= 2, numbers[1] < numbers[2] else {
      throw InputError("dequantise: \(numbers) are no levels")
    }
    self.init(Quantisation(levels: levels, low: numbers[1], high: numbers[2]))
  }

  /// - Throws: `InputError` for a value that is no level, to a thousandth of their distance.
  public func check(_ rows: any DataRows) throws {
    let (low, spacing) = (quantisation.low, quantisation.spacing)
    try rows.forEachChunk { x in
      for i in 0..<x.size {
        let value = x.values[i]
        let level = (value - low) / spacing
        let nearest = level.rounded()
        guard abs(level - nearest) < 1e-3, nearest >= 0, nearest < Double(quantisation.levels) else {
          throw InputError(
            "dequantise: row \(x.first + i / x.dimension + 1) holds \(value), which is none of \(quantisation.levels) "
              + "levels from \(low) to \(quantisation.high)")
        }
      }
    }
  }

  public func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    guard let stream else {
      if x.values != y.values { y.copy(x) }
      return
    }
    let spacing = quantisation.spacing
    RowStorage.with(x.span, count: 1) { uniforms in
      stream.uniforms(into: uniforms[0], step: step)
      for i in 0..<x.size { y.values[i] = x.values[i] + spacing * (uniforms[0].values[i] - 0.5) }
    }
  }

  public func decode(_ y: Rows, into x: Rows) { if x.values != y.values { x.copy(y) } }

  public func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool { true }

  /// e = 1, k = 0
  public func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows) {
    e.fill(1)
    k.fill(0)
    curvature.fill(0)
  }
}
