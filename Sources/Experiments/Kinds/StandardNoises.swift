// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core

extension Catalogue {
  static let standardNoises = Kinds<any NoiseRecipe>([
    Kind("gaussian", "y = h(x) + Gaussian noise; a number in its place is `deviation`, a list `deviations`") {
      options, _ in
      GaussianNoise(
        noise: try options.oneOf([
          ("deviation", { .deviation(try $0.number("deviation", in: .atLeast(0), "of every value; 0: exact")) }),
          (
            "deviations",
            { options in
              let values = try options.numbers("deviations", "of each value")
              for value in values where value <= 0 {
                throw options.wrong("deviations", "holds \(written(value)); allowed: numbers above 0")
              }
              return .deviations(values)
            }
          ),
          ("covariance", { try covariance($0) }),
        ]))
    },
    Kind("poisson", "counts: y ~ Poisson(peak (h(x) − low)/(high − low))") { options, _ in
      let peak = try options.number(
        "peak", in: .between(0, PoissonObservation.largestPeak), "the mean count where h(x) = high")
      let low = try options.number("low", default: -1, "the h(x) without counts; −1 is black in images")
      let high = try options.number("high", default: 1, "the h(x) of `peak` counts; 1 is white in images")
      let floor = try options.number(
        "floor", default: 0.01, in: .positive,
        "below it the rate's logarithm goes on as a straight line, as it has none below 0")
      guard low < high else { throw options.wrong("high", "is \(written(high)); allowed: above low, \(written(low))") }
      return PoissonNoise(peak: peak, low: low, high: high, floor: floor)
    },
  ])

  private static func covariance(_ options: Options) throws -> LinearObservation.Noise {
    let rows = try options.matrix("covariance", example: [[1]], "of all values: symmetric, positive definite")
    let n = rows.count
    if let row = rows.first(where: { $0.count != n }) {
      throw options.wrong("covariance", "has \(n) rows, and one of \(row.count) values; allowed: as many of both")
    }
    let matrix = Matrix(rows)
    for i in 0..<n {
      for j in 0..<i where matrix[i, j] != matrix[j, i] {
        throw options.wrong(
          "covariance",
          "is not symmetric: \(written(matrix[i, j])) in row \(i + 1) and \(written(matrix[j, i])) in row \(j + 1)")
      }
    }
    guard let root = matrix.lowerCholesky, root.values.allSatisfy(\.isFinite) else {
      throw options.wrong("covariance", "is not positive definite")
    }
    return .covariance(matrix, root: root)
  }
}
