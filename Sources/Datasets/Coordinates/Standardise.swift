// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

/// y = (x − m)/s with the mean m and the standard deviation s of the training rows: of each column, or of all values
/// together.
///
/// Values that never change are only shifted: their s is 1. ln |det ∂y/∂x| = −Σ ln s.
public struct Standardise: ElementwiseCoordinates {
  /// A value for each column.
  public let means, deviations: [Double]

  /// - Parameters:
  ///   - means: m, a value for each column.
  ///   - deviations: s, a value above 0 for each column.
  public init(means: [Double], deviations: [Double]) {
    precondition(means.count == deviations.count && deviations.allSatisfy { $0 > 0 }, "s > 0, one for each m")
    (self.means, self.deviations) = (means, deviations)
  }

  /// The mean and the standard deviation (divided by the count) of rows.
  /// - Parameters:
  ///   - rows: the rows to train on.
  ///   - perColumn: whether every column has its own; false: all values share one, as suits images.
  /// - Throws: `InputError` where they are not finite.
  public init(fitting rows: any DataRows, perColumn: Bool) throws {
    let d = rows.dimension
    precondition(rows.count > 0, "no rows to fit to")
    // All values together are one long column.
    let (width, count) = perColumn ? (d, rows.count) : (1, rows.count * d)
    func sums(_ term: (_ value: Double, _ column: Int) -> Double) -> [Double] {
      var sums = [Double](repeating: 0, count: width)
      rows.forEachChunk { x in
        for start in stride(from: 0, to: x.size, by: width) {
          for j in 0..<width { sums[j] += term(x.values[start + j], j) }
        }
      }
      return sums
    }
    var means = sums { value, _ in value }.map { $0 / Double(count) }
    let squares = sums { value, j in (value - means[j]) * (value - means[j]) }
    var deviations: [Double] = []
    for j in 0..<width {
      let deviation = (squares[j] / Double(count)).squareRoot()
      guard means[j].isFinite, deviation.isFinite else {
        throw InputError("standardise: \(perColumn ? "column \(j + 1) has" : "the data have") no finite deviation")
      }
      // What rounding leaves of a constant is no deviation.
      deviations.append(deviation > 1e-14 * abs(means[j]) ? deviation : 1)
    }
    if !perColumn {
      means = Array(repeating: means[0], count: d)
      deviations = Array(repeating: deviations[0], count: d)
    }
    self.init(means: means, deviations: deviations)
  }

  /// The means, then the deviations.
  public var fitted: [Double] { means + deviations }

  public func encode(_ x: Rows, into y: Rows, from stream: NoiseStream?, step: Int) throws {
    forEach(x) { i, j in y.values[i] = (x.values[i] - means[j]) / deviations[j] }
  }

  public func decode(_ y: Rows, into x: Rows) {
    forEach(y) { i, j in x.values[i] = means[j] + deviations[j] * y.values[i] }
  }

  public func addLogDeterminant(_ y: Rows, to out: UnsafeMutablePointer<Double>) -> Bool {
    let sum = deviations.reduce(0) { $0 + log($1) }
    for row in 0..<y.count { out[row] -= sum }
    return true
  }

  /// e = s, k = 0
  public func writeDerivatives(_ y: Rows, of x: Rows, slope e: Rows, logSlope k: Rows, curvature: Rows) {
    forEach(y) { i, j in e.values[i] = deviations[j] }
    k.fill(0)
    curvature.fill(0)
  }

  private func forEach(_ rows: Rows, _ body: (_ index: Int, _ column: Int) -> Void) {
    precondition(rows.dimension == means.count, "rows of another dimension")
    for row in 0..<rows.count {
      for j in 0..<rows.dimension { body(row * rows.dimension + j, j) }
    }
  }
}
