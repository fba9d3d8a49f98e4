// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes
import Testing

@Suite struct ExpressionTests {
  static let values: [(String, Double, Double)] = [
    ("-0.5*(b0 + t*(b1-b0))", -0.5 * (0.1 + 0.3 * 19.9), -0.5 * 19.9),
    ("sqrt(b0 + t*(b1-b0))", sqrt(0.1 + 0.3 * 19.9), 0.5 * 19.9 / sqrt(0.1 + 0.3 * 19.9)),
    ("-2^2", -4, 0), ("2^3^2", 512, 0), ("2^-1", 0.5, 0), ("-t^2", -0.09, -0.6), ("--t", 0.3, 1), ("1 - 2 - 3", -4, 0),
    ("8/4/2", 1, 0), ("1e-3*t", 3e-4, 1e-3), (".5 + 1.", 1.5, 0), ("t*t/(1+t)", 0.09 / 1.3, (0.6 * 1.3 - 0.09) / 1.69),
    ("exp(2*t)", exp(0.6), 2 * exp(0.6)), ("expm1(t)", expm1(0.3), exp(0.3)), ("log(t)", log(0.3), 1 / 0.3),
    ("log1p(t)", log1p(0.3), 1 / 1.3), ("sin(pi*t)", sin(0.3 * .pi), .pi * cos(0.3 * .pi)),
    ("cos(t)", cos(0.3), -sin(0.3)),
    ("tan(t)", tan(0.3), 1 / (cos(0.3) * cos(0.3))), ("asin(t)", asin(0.3), 1 / sqrt(0.91)),
    ("acos(t)", acos(0.3), -1 / sqrt(0.91)), ("atan(t)", atan(0.3), 1 / 1.09), ("sinh(t)", sinh(0.3), cosh(0.3)),
    ("cosh(t)", cosh(0.3), sinh(0.3)), ("tanh(t)", tanh(0.3), 1 - tanh(0.3) * tanh(0.3)), ("abs(t-1)", 0.7, -1),
    ("pow(t, 3)", 0.027, 0.27), ("t^t", pow(0.3, 0.3), pow(0.3, 0.3) * (1 + log(0.3))), ("min(t, 0.2)", 0.2, 0),
    ("max(t, 0.2)", 0.3, 1), ("b0*(b1/b0)^t", 0.1 * pow(200, 0.3), 0.1 * pow(200, 0.3) * log(200)),
  ]

  @Test(arguments: values) func valuesAndDerivatives(_ text: String, _ value: Double, _ rate: Double) throws {
    let found = try Expression(text, parameters: ["b0": 0.1, "b1": 20]).evaluate(at: 0.3)
    // Some ten roundings.
    #expect(abs(found.value - value) <= 1e-14 * abs(value), "\(found.value)")
    #expect(abs(found.rate - rate) <= 1e-14 * max(abs(rate), abs(value)), "\(found.rate)")
  }

  @Test func constantsStayWhereSlopesAreInfinite() throws {
    #expect(try Expression("sqrt(0)*t").evaluate(at: 0.5).rate == 0)
    #expect(try Expression("t^2").evaluate(at: 0).rate == 0)
    #expect(try Expression("t^0").evaluate(at: 0).rate == 0)
  }

  static let errors: [(String, String)] = [
    ("", "character 1: the end; expected a number"), ("1 +", "character 4: the end"),
    ("(t + 1", "character 7: the end; expected ')' for the '(' of character 1"), ("t)", "character 2: ')'"),
    ("2t", "character 2: 't'; expected an operator"), ("b2 + t", "character 1: 'b2' is not known; did you mean 'b1'?"),
    ("1 + sqr(t)", "character 5: 'sqr' is no function; did you mean 'sqrt'?"),
    ("sqrt + 1", "character 1: 'sqrt' is a function"),
    ("pow(t)", "character 6: ')'; expected ','"), ("sin(t, 2)", "character 6: ','; expected ')'"),
    ("1.2.3", "character 1: '1.2.3' is not a finite number"), ("1e999", "character 1: '1e999'"),
    ("t ** 2", "character 3: '**'"),
    ("é + 1", "character 1: 'é'"), ("t; 1", "character 2: ';'"), (".", "character 1: '.' is not"),
    (String(repeating: "(", count: 101), "nested too deeply"),
    (String(repeating: "-", count: 5000) + "1", "nested too deeply"),
    (String(repeating: "1+", count: 5001), "a formula of 10002 characters"),
  ]

  @Test(arguments: errors) func errorsPointAtTheCharacter(_ text: String, _ expected: String) {
    let error = #expect(throws: InputError.self) { try Expression(text, parameters: ["b1": 1]) }
    #expect(error?.message.contains(expected) == true, "\(error?.message ?? "")")
  }

  /// Whatever is typed: a value or an error, and no crash.
  @Test func noTextCrashes() {
    let pieces = [
      "t", "pi", "b", "1", "2.5e-3", "e", ".", "(", ")", "+", "-", "*", "/", "^", ",", "sqrt", "sqrt(", "pow(", "min(",
      " ", "\n", "é", "🙂", "\u{301}", "$",
    ]
    let draws = NoiseStream(seed: 1, purpose: .data).uniforms(count: 20_000, dimension: 13, step: 0)
    var parsed = 0
    for row in 0..<draws.count {
      let text = (1...12).prefix(Int(draws[row, 0] * 13)).map { pieces[Int(draws[row, $0] * Double(pieces.count))] }
        .joined()
      guard let expression = try? Expression(text, parameters: ["b": -1]) else { continue }
      parsed += 1
      for t in [0, 0.5, -1, Double.infinity, .nan] { _ = expression.evaluate(at: t) }
    }
    #expect(parsed > 100)
  }

  @Test func aFormulaIsTheProcessItSays() throws {
    let parameters = ["b0": 0.1, "b1": 20.0]
    let process = try FormulaSDE(
      driftRate: Expression("-0.5*(b0 + t*(b1-b0))", parameters: parameters),
      diffusion: Expression("sqrt(b0 + t*(b1-b0))", parameters: parameters))
    let interpolant = try FormulaInterpolant(
      alpha: Expression("cos(pi*t/2)"), sigma: Expression("sin(pi*t/2)"), duration: 0.999)
    let peers: [(any AffineSDE, any AffineSDE)] = [
      (process, VPSDE()), (interpolant, TrigonometricInterpolant(end: 0.999)),
    ]
    for (ours, expected) in peers {
      #expect(ours.duration == expected.duration)
      for t in [1e-3, 0.2, 0.7, 0.99] {
        let kernels = (ours.makeKernel(), expected.makeKernel())
        let (a, b) = (kernels.0.moments(at: t), kernels.1.moments(at: t))
        // The integrated kernel's own bound is 1e-11 between nodes.
        #expect(abs(a.scale / b.scale - 1) < 1e-9)
        #expect(abs(a.variance / b.variance - 1) < 1e-9)
        #expect(abs(ours.driftRate(at: t) / expected.driftRate(at: t) - 1) < 1e-12)
        #expect(abs(ours.diffusion(at: t) / expected.diffusion(at: t) - 1) < 1e-12)
      }
    }
    #expect(abs(process.priorCovariance.values[0] - 1) < 1e-4)
  }

  static let wrongProcesses: [(String, String, String)] = [
    ("1/(1-t)", "1", "drift_rate is inf at t = 1"), ("0", "0", "its variance 0"),
    ("0", "t - 0.5", "diffusion is -0.5 at t = 0"),
    ("1000", "1", "scale is inf"), ("0", "log(t)", "diffusion is -inf at t = 0"), ("sqrt(0.5-t)", "1", "drift_rate is"),
  ]

  @Test(arguments: wrongProcesses) func wrongProcessesAreRefused(_ rate: String, _ diffusion: String, _ text: String) {
    let error = #expect(throws: InputError.self) {
      try FormulaSDE(driftRate: Expression(rate), diffusion: Expression(diffusion))
    }
    #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
  }

  @Test func wrongInterpolantsAreRefused() {
    for (alpha, sigma, text) in [
      ("1 - t", "t", "alpha is 0"), ("1", "1 - t", "does not grow"), ("1", "t - 0.1", "sigma is -0.1"),
      ("1", "0*t", "sigma is 0"),
    ] {
      let error = #expect(throws: InputError.self) {
        try FormulaInterpolant(alpha: Expression(alpha), sigma: Expression(sigma))
      }
      #expect(error?.message.contains(text) == true, "\(error?.message ?? "")")
    }
  }
}
