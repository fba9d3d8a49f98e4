// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Foundation
import Pairs
import Testing

@Suite struct FormulaTests {
  /// The values of a formula at one row of each variable.
  private func values(_ text: String, _ inputs: KeyValuePairs<String, [Double]>) throws -> [Double] {
    let formula = try Formula(text, of: inputs.map { .init($0.key, count: $0.value.count) })
    let evaluator = formula.makeEvaluator()
    let rows = inputs.map { RowStorage(RowSpan(first: 0, count: 1, dimension: $0.value.count)) }
    for (storage, input) in zip(rows, inputs) {
      for (j, value) in input.value.enumerated() { storage.rows[0, j] = value }
    }
    return RowStorage.with(RowSpan(first: 0, count: 1, dimension: formula.count), count: 1) { out in
      evaluator.evaluate(rows.map(\.rows), into: out[0])
      return withExtendedLifetime(rows) { (0..<formula.count).map { out[0][0, $0] } }
    }
  }

  @Test func grammar() throws {
    #expect(try values("-2^2 + 2^3^2/2 - (x1 - 1)*2", ["x": [4]]) == [-4 + 256 - 6])
    #expect(try values("x", ["x": [1, 2, 3]]) == [1, 2, 3])
    #expect(try values("2*x[2:3] + y", ["x": [1, 2, 3], "y": [10, 20]]) == [14, 26])
    #expect(try values("sum(x*y) + mean(x) + norm([3, 4])", ["x": [1, 3], "y": [10, 20]]) == [70 + 2 + 5])
    #expect(try values("max(x) - min(x, 2)[1] + max(x, y)[2]", ["x": [1, 3], "y": [10, 20]]) == [3 - 1 + 20])
    #expect(try values("where(x < 2, 1, where(x >= 3, 3, 2))", ["x": [1, 2, 3]]) == [1, 2, 3])
    #expect(try values("(x <= 2) + 2*(x > 2)", ["x": [1, 2, 3]]) == [1, 1, 2])
    #expect(try values("2e1 + .5 + 1e-1", ["x": [1]]) == [20.6])
    #expect(try values("x1 + x[1] + x10", ["x": [1, 0, 0, 0, 0, 0, 0, 0, 0, 5]]) == [7])
    #expect(try values("r = x1 + 1; s = r*2;\n s + r", ["x": [2]]) == [9])
    let named = try Formula("speed*2", of: [.init("x", count: 2, columns: ["speed": 1])])
    let rows = RowStorage(RowSpan(first: 0, count: 1, dimension: 2))
    rows.rows[0, 1] = 4
    var out = 0.0
    named.makeEvaluator().evaluate([rows.rows], count: 1, into: &out)
    #expect(out == 8)
  }

  /// The vector functions agree with libm to a few units in the last place, over their whole range.
  @Test func functions() throws {
    let cases: [(String, (Double) -> Double, ClosedRange<Double>)] = [
      ("exp(x)", exp, -750...712), ("log(x)", log, 1e-300...1e300), ("tanh(x)", tanh, -30...30),
      ("tanh(x)", tanh, -1...1), ("expm1(x)", expm1, -2...2), ("log1p(x)", log1p, -0.9...3), ("sin(x)", sin, -9...9),
      ("erf(x)", erf, -3...3), ("lgamma(x)", lgamma, 0.1...20), ("sqrt(x)", { $0.squareRoot() }, 0...9),
      ("x^1.7", { pow($0, 1.7) }, 0...5), ("x^3", { $0 * $0 * $0 }, -5...5), ("x^-2", { 1 / ($0 * $0) }, 1...5),
      ("atan2(x, 0.3)", { atan2($0, 0.3) }, -3...3), ("logsumexp(x, 1)", { log(exp($0) + exp(1)) }, -30...30),
    ]
    for (text, function, range) in cases {
      let x = (0...200).map { range.lowerBound + (range.upperBound - range.lowerBound) * Double($0) / 200 }
      let found = try values(text, ["x": x])
      for (a, b) in pairs(found, x.map(function)) {
        // Below 2^-1022 the vector exponential is 0.
        if abs(b) < 0x1p-1022 {
          #expect(abs(a) <= 0x1p-1022, "\(text): \(a), \(b)")
        } else {
          #expect(a == b || abs(a - b) <= 4 * b.ulp, "\(text): \(a), \(b)")
        }
      }
    }
    #expect(try values("exp(x)", ["x": [.infinity, -.infinity, 0]]) == [.infinity, 0, 1])
    #expect(try values("log(x)", ["x": [0, .infinity]]) == [-.infinity, .infinity])
    #expect(try values("log(x)", ["x": [-1, .nan]]).allSatisfy(\.isNaN))
    #expect(try values("tanh(x)", ["x": [400, -400, 0]]) == [1, -1, 0])
    #expect(try values("logsumexp(x)", ["x": [-.infinity, -.infinity]]) == [-.infinity])
    #expect(try values("logsumexp(x)", ["x": [-.infinity, 2]]) == [2])
    #expect(try values("logsumexp(x)", ["x": [-1000, -1000]]) == [-1000 + log(2)])
  }

  @Test func densities() throws {
    let normal = try values("normal(y, x, 0.5)", ["x": [1], "y": [2]])[0]
    #expect(abs(normal - (-2 - log(0.5) - 0.5 * log(2 * .pi))) < 1e-14)
    #expect(try values("uniform(x, 1, 3)", ["x": [0, 2, 4]]) == [-.infinity, -log(2), -.infinity])
    let poisson = try values("poisson(x, 2.5)", ["x": [0, 3]])
    #expect(abs(poisson[0] + 2.5) < 1e-14 && abs(poisson[1] - (3 * log(2.5) - 2.5 - log(6))) < 1e-13)
  }

  /// Reverse mode against central differences, for every function, in a formula that uses values several times. Rows
  /// are more than one block, and not a multiple of it.
  @Test(arguments: [
    "sum(sqrt(x) + exp(x)*log(x) - tanh(x)/x)", "sum(expm1(x)*log1p(x))", "sum(sin(x)*cos(x) + tan(x/2))",
    "sum(asin(x/9) + acos(x/9)^2 + atan(x))", "sum(sinh(x/3) - cosh(x/3) + abs(x - 1)*erf(x))",
    "sum(lgamma(x)*x)", "x1^x2 + x3^2.5 + 2^x1 + x2^3/x3^2", "max(x1, x2)*min(x2, x3)",
    "logsumexp(x) + logsumexp(x, 1)[2]",
    "atan2(x1, x2)*x3", "where(x1 < x2, x1*x2, x3)", "norm(x)*mean(x) + max(x)",
    "sum(normal(y, x, 0.3)) + logsumexp(normal(y1, x1, x2), normal(y2, x2, x3))", "sum(poisson(y, x))",
  ])
  func gradients(_ text: String) throws {
    let formula = try Formula(text, of: [.init("x", count: 3), .init("y", count: 3)])
    let evaluator = formula.makeEvaluator()
    let n = 137
    let span = RowSpan(first: 0, count: n, dimension: 3)
    RowStorage.with(span, count: 3) { rows in
      let (x, y, gradient) = (rows[0], rows[1], rows[2])
      NoiseStream(seed: 3, purpose: .data).uniforms(into: x, step: 0)
      NoiseStream(seed: 3, purpose: .data).uniforms(into: y, step: 1)
      for i in 0..<x.size { x.values[i] = 0.5 + 1.5 * x.values[i] }
      evaluator.pullback([x, y], of: 0, into: gradient)
      var (high, low) = ([Double](repeating: 0, count: n), [Double](repeating: 0, count: n))
      for j in 0..<3 {
        let h = 1e-5
        for i in 0..<n { x[i, j] += h }
        evaluator.evaluate([x, y], count: n, into: &high)
        for i in 0..<n { x[i, j] -= 2 * h }
        evaluator.evaluate([x, y], count: n, into: &low)
        for i in 0..<n {
          x[i, j] += h
          let slope = (high[i] - low[i]) / (2 * h)
          // The differences' own error: h² f‴/6 and rounding over h.
          #expect(abs(gradient[i, j] - slope) < 2e-7 * max(1, abs(slope)), "\(text), row \(i), x\(j + 1)")
        }
      }
    }
  }

  /// Slopes that are infinite stay out of what is not chosen; steps are flat.
  @Test func slopesThatDoNotCount() throws {
    for (text, expected) in [
      ("where(x1 > 0, sqrt(x1), 3*x1)", 3.0), ("(x1 < 2)*5 + x1", 1), ("x1*0 + log(abs(x1))*0", 0),
    ] {
      let formula = try Formula(text, of: [.init("x", count: 1)])
      RowStorage.with(RowSpan(first: 0, count: 1, dimension: 1), count: 2) { rows in
        rows[0][0, 0] = -1
        formula.makeEvaluator().pullback([rows[0]], of: 0, into: rows[1])
        #expect(rows[1][0, 0] == expected, "\(text)")
      }
    }
  }

  /// Products with the Jacobian of a list, and rows of one observation shared by all.
  @Test func lists() throws {
    let formula = try Formula(["x1*x2", "[x1, y*x2]"], of: [.init("x", count: 2), .init("y", count: 1)])
    #expect(formula.count == 3 && formula.isList)
    let (x, y) = (
      RowStorage(RowSpan(first: 0, count: 70, dimension: 2)), RowStorage(RowSpan(first: 0, count: 1, dimension: 1))
    )
    let (v, out) = (
      RowStorage(RowSpan(first: 0, count: 70, dimension: 3)), RowStorage(RowSpan(first: 0, count: 70, dimension: 2))
    )
    y.rows[0, 0] = 5
    for i in 0..<70 {
      (x.rows[i, 0], x.rows[i, 1]) = (Double(i), 2)
      (v.rows[i, 0], v.rows[i, 1], v.rows[i, 2]) = (1, 10, 100)
    }
    formula.makeEvaluator().pullback([x.rows, y.rows], v.rows, of: 0, into: out.rows)
    for i in 0..<70 { #expect(out.rows[i, 0] == 12 && out.rows[i, 1] == Double(i) + 500) }
  }

  @Test(arguments: [
    ("x1 +", "character 5: the end; expected a number, a name, '(' or '['"),
    ("x1 ** 2", "character 4: '**'; a power is written '^'"),
    ("x4", "character 1: 'x4' is not known; allowed: x1 to x3"),
    ("z", "character 1: 'z' is not known; allowed: x, x1 to x3, y, y1 to y2, pi, inf"),
    ("x[4]", "character 3: place 4 of a list of 3; allowed: 1 to 3"),
    ("x[2:1]", "character 3: place 2:1 of a list of 3; allowed: 1 to 3"),
    ("x[a]", "character 3: 'a'; expected a place, as 1"),
    ("x1[1]", "character 3: '['; a single value has no places"),
    ("x + y", "character 3: lists of 3 and 2 values; allowed: lists of one length, or one value"),
    ("(x1", "character 4: the end; expected ')' for the '(' of character 1"),
    ("normal(x1, 2)", "character 13: ')'; expected ',' as in normal(y, mean, deviation), a log density"),
    ("exp(x1, 2)", "character 8: one argument too many; allowed: exp(a)"),
    ("expp(x1)", "character 1: 'expp' is no function; did you mean 'exp'? allowed: "),
    ("x1 == 2", "character 5: '='; expected a number, a name, '(' or '['"),
    ("x1*2 = 2", "character 6: '='; expected <, <=, > or >=, or the end"),
    ("r = 2", "character 6: the end; expected ';' after what 'r' is"),
    ("x1 = 2; x1", "character 1: 'x1' has a meaning already"),
    ("r = 2; r = 3; r", "character 8: 'r' has a meaning already"),
    ("r = s; s = 1; r", "character 5: 's' is not known; allowed: "),
    ("r = 1;", "character 7: the end; expected a number"),
    ("exp", "character 1: 'exp' is a function; expected '(' after it"),
    ("1e999", "character 1: '1e999' is not a finite number"),
    ("x1 $", "character 4: '$'; expected an operator or the end"),
    ("", "character 1: the end; expected a number, a name, '(' or '['"),
    ("normal(x1, y1, 0)", "character 1: a density with a deviation of 0.0; allowed: above 0"),
    ("x1 + sum(normal(y, 0, [1, -2]))", "character 10: a density with a deviation of -2.0; allowed: above 0"),
    ("uniform(x1, 2, 1)", "character 1: a density with a width, high less low, of -1.0; allowed: above 0"),
    ("poisson(y1, -1) + x1", "character 1: a density with a rate of -1.0; allowed: 0 or more"),
    (String(repeating: "(", count: 200), "character 101: nested too deeply; allowed: 100 levels"),
  ])
  func faults(_ text: String, _ message: String) {
    do {
      _ = try Formula(text, of: [.init("x", count: 3), .init("y", count: 2)])
      Issue.record("'\(text)' was read")
    } catch let error as InputError {
      #expect(error.message.hasPrefix(message), "\(error.message)")
    } catch { Issue.record("\(error)") }
  }

  /// A name stands for one thing.
  @Test func names() throws {
    func message(_ text: String, columns: [String: Int] = [:], _ parameters: [String: Double]) -> String? {
      do {
        _ = try Formula(
          text, of: [.init("x", count: 3, columns: columns), .init("y", count: 1)], parameters: parameters)
        return nil
      } catch { return (error as? InputError)?.message }
    }
    #expect(message("a*x1", ["a": 2]) == nil && message("speed*x", columns: ["speed": 2], ["a": 2]) == nil)
    for (name, meaning) in [
      ("x1", "a value of x"), ("x", "all values of x"), ("x7", "a value of x"), ("y1", "a value of y"),
      ("speed", "a column of x"),
    ] {
      #expect(
        message("x2", columns: ["speed": 2], [name: 2])
          == "the parameter '\(name)' has the name of \(meaning); allowed: another name")
    }
    // Columns x0, x1, x2: x1 is the first value by its number and the second by its name.
    let shifted = ["x0": 0, "x1": 1, "x2": 2]
    #expect(message("x0 + x[2]", columns: shifted, [:]) == nil)
    #expect(
      message("x0 + x1", columns: shifted, [:])
        == "character 6: 'x1' is value 1 of x, and the name of the column that is value 2; allowed: x[1] or x[2]")
    #expect(message("x1 + x2", columns: ["x1": 0, "x2": 1], [:]) == nil)
  }

  @Test func likelihoods() throws {
    #expect(throws: InputError("gives a list of 2 values; allowed: a single one, as of sum(…)")) {
      try FormulaLikelihood("normal(y, x, 1)", dimension: 2, observed: 2)
    }
    #expect(throws: InputError("does not name x: every row is as likely as any other")) {
      try FormulaLikelihood("y1 + 1", dimension: 2, observed: 1)
    }
    let model = try FormulaLikelihood("sum(normal(y, x, 0.5))", dimension: 2, observed: 2)
    let linear = try LinearObservation(SparseMatrix(Matrix.identity(2)), noise: .deviation(0.5))
    let span = RowSpan(first: 0, count: 100, dimension: 2)
    RowStorage.with(span, count: 4) { rows in
      NoiseStream(seed: 1, purpose: .data).normals(into: rows[0], step: 0)
      NoiseStream(seed: 1, purpose: .data).normals(into: rows[1], step: 1)
      var (a, b) = ([Double](repeating: 0, count: 100), [Double](repeating: 0, count: 100))
      let (first, second) = (model.makeEvaluator(for: span), linear.makeEvaluator(for: span))
      first.logLikelihood(rows[0], of: rows[1], into: &a)
      second.logLikelihood(rows[0], of: rows[1], into: &b)
      for (a, b) in pairs(a, b) { #expect(abs(a - b) < 1e-12 * max(1, abs(b))) }
      first.gradient(rows[0], of: rows[1], into: rows[2])
      second.gradient(rows[0], of: rows[1], into: rows[3])
      for i in 0..<200 { #expect(abs(rows[2].values[i] - rows[3].values[i]) < 1e-12 * max(1, abs(rows[3].values[i]))) }
    }
  }
}
