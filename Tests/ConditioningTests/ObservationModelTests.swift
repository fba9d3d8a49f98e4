// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Glibc
import Pairs
import Testing

@Suite("Observations that are not linear, not Gaussian or in coordinates") struct ObservationModelTests {
  private static let covariance = Matrix([[0.5, 0.2], [0.2, 0.3]])

  private static func noises() throws -> [LinearObservation.Noise] {
    [
      .deviation(0.7), .deviations([0.5, 2]),
      .covariance(covariance, root: try #require(covariance.lowerCholesky)),
    ]
  }

  @Test("Gaussian noise around a curved map: density, gradient, pullback", arguments: 0..<3)
  func gaussian(kind: Int) throws {
    let noise = try Self.noises()[kind]
    let model = try NonlinearObservation(CurvedMap(dimension: 3), noise: noise)
    var evaluated = Evaluated(model, someRows(4, 3), someRows(4, 2, step: 3))
    // Third derivatives of the log likelihood are of order 10, times h²/6.
    evaluated.checkDerivatives(within: 1e-8)
    let inverse =
      kind == 0 ? (1 / 0.49) * Matrix.identity(2) : kind == 1 ? Matrix([[4, 0], [0, 0.25]]) : Self.covariance.inverse
    let logs = evaluated.logLikelihood()
    let expected = evaluated.expected()
    for row in 0..<4 {
      let r = (0..<2).map { evaluated.y[row, $0] - expected[row, $0] }
      var form = 0.0
      for i in 0..<2 { for j in 0..<2 { form += r[i] * inverse[i, j] * r[j] } }
      let determinant = inverse[0, 0] * inverse[1, 1] - inverse[0, 1] * inverse[1, 0]
      #expect(abs(logs[row] - (-0.5 * form + 0.5 * log(determinant) - log(2 * .pi))) < 1e-12)
    }
  }

  @Test("a linear map gives what the linear model gives") func linear() throws {
    let a = SparseMatrix(Matrix([[1, 2, 0], [0, -1, 0.5]]))
    for noise in try Self.noises() {
      let (plain, curved) = (
        Evaluated(try LinearObservation(a, noise: noise), someRows(3, 3), someRows(3, 2, step: 1)),
        Evaluated(try NonlinearObservation(a, noise: noise), someRows(3, 3), someRows(3, 2, step: 1))
      )
      #expect(pairs(plain.logLikelihood(), curved.logLikelihood()).allSatisfy { abs($0 - $1) < 1e-12 })
      #expect(pairs(plain.gradient().values, curved.gradient().values).allSatisfy { abs($0 - $1) < 1e-12 })
      #expect(plain.expected() == curved.expected())
    }
  }

  @Test("drawn observations have the mean and the covariance of the noise", arguments: 0..<3)
  func draws(kind: Int) throws {
    let model = try NonlinearObservation(CurvedMap(dimension: 3), noise: Self.noises()[kind])
    let n = 20_000
    var x = Batch(rows: [[Double]](repeating: [0.3, -0.5, 0.8], count: n))
    var y = Batch(count: n, dimension: 2)
    try x.withRows { x in
      try y.withRows { try model.draw(x, into: $0, from: NoiseStream(seed: 1, purpose: .observation)) }
    }
    let mean = [0.09 + sin(-0.5), 0.25 + sin(0.8)]
    let c = kind == 0 ? 0.49 * Matrix.identity(2) : kind == 1 ? Matrix([[0.25, 0], [0, 4]]) : Self.covariance
    for i in 0..<2 {
      let own = (0..<n).reduce(0) { $0 + y[$1, i] } / Double(n)
      // Four standard errors.
      #expect(abs(own - mean[i]) < 4 * (c[i, i] / Double(n)).squareRoot())
      for j in 0...i {
        let value = (0..<n).reduce(0) { $0 + (y[$1, i] - mean[i]) * (y[$1, j] - mean[j]) } / Double(n)
        let error = ((c[i, i] * c[j, j] + c[i, j] * c[i, j]) / Double(n)).squareRoot()
        #expect(abs(value - c[i, j]) < 4 * error)
      }
    }
  }

  // MARK: Counts

  @Test("counts: the law, its slopes, also where rates are below the floor") func poisson() throws {
    let a = SparseMatrix(Matrix([[1, 0.5, 0], [0, -1, 0.5]]))
    let model = try PoissonObservation(a, peak: 12)
    var evaluated = Evaluated(
      model, Batch(rows: [[0.2, 0.4, 0.1], [-0.9, 0.9, 0.3], [-2, 1.5, 0.2]]), Batch(rows: [[9, 3], [0, 2], [1, 0]]))
    // A row within the law, one near 0, and one with rates of −7.5 and −2.4.
    evaluated.checkDerivatives(within: 1e-6)
    let logs = evaluated.logLikelihood()
    let rates = [6 * (1.4), 6 * (1 - 0.4 + 0.05)]
    let exact = 9 * log(rates[0]) - rates[0] - lgamma(10) + 3 * log(rates[1]) - rates[1] - lgamma(4)
    #expect(abs(logs[0] - exact) < 1e-12 && logs.allSatisfy(\.isFinite))
    // The expected counts, none where the rate is negative.
    let expected = evaluated.expected()
    #expect(abs(expected[0, 0] - rates[0]) < 1e-12 && expected.row(2).allSatisfy { $0 == 0 })
    // What was counted pulls a rate that is too dark up, however dark.
    let gradient = evaluated.gradient()
    #expect(gradient[2, 0] == 6 * (1 / 0.01) && gradient[2, 2] == 0)
    for (y, says) in [([1.5, 0], "1.5"), ([-1, 0], "-1"), ([.nan, 0], "nan"), ([.infinity, 0], "inf")] {
      let error = #expect(throws: InputError.self) { try model.check(Batch(rows: [[1, 2], y])) }
      #expect(error?.message.contains("row 2 holds \(says)") == true)
    }
    try model.check(Batch(rows: [[0, 7]]))
    for (peak, low, high, floor) in [
      (0.0, -1.0, 1.0, 0.1), (-1, -1, 1, 0.1), (1, 1, 1, 0.1), (1, -1, 1, 0), (.nan, -1, 1, 1),
    ] {
      #expect(throws: InputError.self) {
        try PoissonObservation(a, peak: peak, low: low, high: high, floor: floor)
      }
    }
  }

  @Test("drawn counts have the law's mean and variance, and its shares", arguments: [0.05, 0.7, 3, 40, 5000])
  func counts(rate: Double) throws {
    let model = try PoissonObservation(SparseMatrix(Matrix([[1]])), peak: rate, low: 0, high: 1)
    let n = 20_000
    var (x, y) = (Batch(values: [Double](repeating: 1, count: n), dimension: 1), Batch(count: n, dimension: 1))
    try x.withRows { x in
      try y.withRows { try model.draw(x, into: $0, from: NoiseStream(seed: 2, purpose: .observation)) }
    }
    let mean = y.values.reduce(0, +) / Double(n)
    let variance = y.values.reduce(0) { $0 + ($1 - rate) * ($1 - rate) } / Double(n)
    // Four standard errors; the fourth central moment is 3 λ² + λ.
    #expect(abs(mean - rate) < 4 * (rate / Double(n)).squareRoot())
    #expect(abs(variance - rate) < 4 * ((2 * rate * rate + rate) / Double(n)).squareRoot())
    for k in [0, 1, Int(rate)] {
      let share = exp(Double(k) * log(rate) - rate - lgamma(Double(k) + 1))
      let found = Double(y.values.count { $0 == Double(k) }) / Double(n)
      #expect(abs(found - share) < 4 * (share * (1 - share) / Double(n)).squareRoot() + 1e-9, "\(k)")
    }
    #expect(y.values.allSatisfy { $0 >= 0 && $0 == $0.rounded() })
  }

  // MARK: Coordinates

  @Test("an observation of data is one of their coordinates") func coordinates() throws {
    let a = SparseMatrix(Matrix([[1, 2, 0], [0, -1, 0.5]]))
    let values = someRows(3, 2, step: 4)
    let (slopes, shifts) = ([0.5, 2, 1.5], [0.1, -0.3, 0.7])
    for noise in try Self.noises() {
      let data = Observation(try LinearObservation(a, noise: noise), values: values)
      let own = try data.inCoordinates(.affine(slopes: slopes, shifts: shifts))
      // It stays linear, and its matrix is folded.
      let folded = try #require(own.model.linear?.matrix)
      #expect(folded == a.scaled(columns: slopes))
      let u = someRows(3, 3)
      var x = u
      for i in x.values.indices { x.values[i] = shifts[i % 3] + slopes[i % 3] * u.values[i] }
      var (inData, inCoordinates) = (
        Evaluated(data.model, x, data.values), Evaluated(own.model, u, own.values)
      )
      #expect(pairs(inData.logLikelihood(), inCoordinates.logLikelihood()).allSatisfy { abs($0 - $1) < 1e-12 })
      inCoordinates.checkDerivatives(within: 1e-7)
    }
    // What is not linear in the data keeps its y, and has slopes of the chain.
    let counts = Observation(
      try PoissonObservation(a, peak: 20), values: Batch(rows: [[3, 4], [0, 9], [30, 1]]))
    let affine = try counts.inCoordinates(.affine(slopes: slopes, shifts: shifts))
    #expect(affine.model.linear == nil && affine.values == counts.values)
    var evaluated = Evaluated(affine.model, someRows(3, 3, low: -0.3, high: 0.3), affine.values)
    evaluated.checkDerivatives(within: 1e-5)
    let logarithms = try Observation(try LinearObservation(a, noise: .deviation(0.4)), values: values)
      .inCoordinates(.elementwise(Logarithm()))
    #expect(logarithms.model.linear == nil)
    var curved = Evaluated(logarithms.model, someRows(3, 3), values)
    curved.checkDerivatives(within: 1e-6)
    let plain = Evaluated(
      try LinearObservation(a, noise: .deviation(0.4)),
      Batch(values: someRows(3, 3).values.map { exp($0) }, dimension: 3),
      values)
    #expect(pairs(plain.logLikelihood(), curved.logLikelihood()).allSatisfy { abs($0 - $1) < 1e-11 })
  }

  @Test("noise of 0 is an exact observation, and only a linear one can be it") func exact() throws {
    let a = SparseMatrix(Matrix([[1, 2]]))
    let model = try LinearObservation(a, noise: .deviation(0))
    #expect(model.isExact && model.white == a)
    var (x, y) = (Batch(rows: [[1, 2]]), Batch(count: 1, dimension: 1))
    try x.withRows { x in
      try y.withRows { try model.draw(x, into: $0, from: NoiseStream(seed: 1, purpose: .observation)) }
    }
    #expect(y.values == [5])
    #expect(throws: InputError.self) { try NonlinearObservation(a, noise: .deviation(0)) }
    #expect(throws: InputError.self) { try LinearObservation(a, noise: .deviations([0])) }
    #expect(throws: InputError.self) { try LinearObservation(a, noise: .deviation(-1)) }
    #expect(throws: InputError.self) { try NonlinearObservation(a, noise: .deviations([1, 1])) }
  }
}
