// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import Solvers
import Testing

@Suite("Solver kinds") struct SolverKindsTests {
  private static func exact(_ solvers: String, process: String = "{kind: vp}") -> String {
    """
    name: kinds
    seed: 3
    data: {kind: gaussian-mixture, weights: [1, 2], means: [[-1, 0], [1, 1]], deviations: [0.3, 0.5], count: 50, held_out: 300}
    process: \(process)
    score: {kind: exact}
    sampling:
      count: 300
      grid: log-snr
      solvers:
    \(solvers)
    evaluation: {metrics: [energy-distance], path_error: true}
    """
  }

  private static func line(_ name: String, _ rest: String) -> String { "    - {name: \"\(name)\", \(rest)}" }

  /// Rows of solvers.csv by solver.
  private func run(_ text: String) throws -> [String: [String: String]] {
    try withFolder { folder in
      _ = try makeExperiment(try plan(text), folder: folder, quiet: true).run()
      let rows = contents(folder + "/solvers.csv").split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      return Dictionary(
        uniqueKeysWithValues: rows.dropFirst().map { ($0[2], Dictionary(uniqueKeysWithValues: pairs(rows[0], $0))) })
    }
  }

  /// How far 60 steps may end from the exact path, for data of deviation 1: about twice the worst of the three
  /// processes. A method of strong order 1 has an error of some 0.15, one of order 1.5 a tenth of it; Euler's in t is
  /// 0.1 where σ explodes. All others follow the flow to 0.01.
  private static let pathErrors = [
    "euler-maruyama": 0.35, "reverse-diffusion": 0.35, "ancestral": 0.25, "stochastic-heun": 0.2,
    "dpm-solver++-2m-sde": 0.2, "dpm-solver++-3m-sde": 0.2, "sra1": 0.04, "shark": 0.04, "jm": 0.04, "adaptive": 0.1,
    "ddim": 0.1, "euler": 0.2,
  ]

  @Test("every kind samples from every process, and says what it costs", arguments: ["vp", "sub-vp", "ve"])
  func all(process: String) throws {
    let loops = Catalogue.standard.predictors.names
    let lines = loops.map { Self.line($0, "kind: \($0), steps: 60") }
    let others = [
      Self.line("pc", "kind: predictor-corrector, steps: 60"),
      Self.line("mala", "kind: predictor-corrector, predictor: ancestral, corrector: mala, steps: 60"),
      Self.line("flow", "kind: probability-flow"), Self.line("flow-imp", "kind: probability-flow, integrator: bsimp"),
      Self.line("flow-yp", "kind: probability-flow, integrator: msadams, control: yp"),
      Self.line("flow-sc", "kind: probability-flow, control: scaled, a_y: 0.5, a_dydt: 0.5, scale: 0.1"),
      Self.line("adaptive", "kind: adaptive, rtol: 0.05, atol: 0.05"),
      Self.line("adaptive flow".replacing(" ", with: "-"), "kind: adaptive, method: dpm-solver-3"),
      Self.line("jm", "kind: jolicoeur-martineau"), Self.line("scheduler", "kind: scheduler, steps: 60"),
      Self.line("al", "kind: annealed-langevin, steps: 30, steps_per_level: 100, grid: {kind: karras, rho: 7}"),
    ]
    let options = process == "ve" ? ", sigma_max: 10" : ""
    let rows = try run(
      Self.exact((lines + others).joined(separator: "\n"), process: "{kind: \(process)\(options)}"))
    #expect(rows.count == lines.count + others.count)
    // An exact score is no map along the flow: FewStepRunTests has the solvers of such.
    let maps: Set = ["flow-map", "consistency"]
    #expect(
      Catalogue.standard.solvers.names.allSatisfy { kind in
        maps.contains(kind) || rows.values.contains { $0["kind"] == kind }
      })
    for (name, row) in rows {
      let distance = try #require(Double(row["energy_distance"] ?? ""), "\(name)")
      // 300 against 300 points of deviation 1 differ by some 0.01; Langevin dynamics alone mixes slowly between
      // components.
      #expect(distance < (name == "al" ? 0.5 : 0.1), "\(name): \(distance)")
      let error = Double(row["path_error"] ?? "")
      if ["pc", "mala", "al", "sscs", "scheduler"].contains(name) {
        #expect(error == nil, "\(name)")
      } else {
        #expect(try #require(error) < Self.pathErrors[name] ?? 0.01, "\(name): \(error ?? .nan)")
      }
    }
    // One evaluation more to denoise.
    for (name, nfe) in [
      ("ddim", 61), ("unipc", 61), ("shark", 121), ("dpm-solver-3", 181), ("rk4", 241), ("mala", 181),
    ] {
      #expect(rows[name]?["nfe"] == String(nfe), "\(name)")
    }
  }

  static let wrong: [(line: String, says: String)] = [
    ("kind: adaptive, method: ddim", "unknown name 'ddim'; allowed: heun, stochastic-heun"),
    ("kind: adaptive, method: {kind: heun, s_churn: 3}", "gives no error estimate with churn; allowed: s_churn: 0"),
    ("kind: ddim, steps: 5, eta: 1.5", "allowed: 0 to 1"),
    ("kind: deis, steps: 5, order: 7", "allowed: 1, 2, 3, 4"),
    ("kind: ddim, steps: 5, grid: {kind: list, times: [1, 0.5, 0.001]}", "are 2 steps; steps is 5"),
    ("kind: ddim, steps: 2, grid: {kind: list, times: [1, 0.5, 0.1]}", "to ε = 0.001"),
    ("kind: ddim, steps: 2, grid: {kind: list, times: [1, 0.5, 0.7]}", "do not fall"),
    ("kind: ddim", "is missing"),
    ("kind: unipc, steps: 5, variant: bh3", "allowed: bh1, bh2"),
    ("kind: probability-flow, integrator: rk45", "allowed: rk2, rk4, rkf45"),
    ("kind: probability-flow, control: y, a_dydt: 1", "needs control: standard or scaled"),
    ("kind: probability-flow, a_y: 0.5", "needs control: standard or scaled"),
    ("kind: probability-flow, control: standard, scale: 2", "needs control: scaled"),
    ("kind: probability-flow, control: scaled, scale: 0", "allowed: above 0"),
    ("kind: probability-flow, dense: -1", "allowed: a whole number of 0 or more"),
  ]

  @Test("solvers that cannot be are refused in one line", arguments: wrong)
  func refused(line: String, says: String) throws {
    let error = #expect(throws: InputError.self) { try plan(Self.exact(Self.line("x", line))) }
    #expect(error?.description.contains(says) == true, "\(String(describing: error))")
    #expect(error?.location.hasPrefix("test.yaml:") == true && error?.description.contains("\n") == false)
  }

  @Test("what a score cannot give is refused before anything is trained") func learned() throws {
    let error = #expect(throws: InputError.self) {
      try plan(tiny, overrides: ["sampling.solvers.1.corrector.kind=mala"])
    }
    #expect(error?.message.contains("needs a score that knows its log density") == true, "\(String(describing: error))")
    let implicit = #expect(throws: InputError.self) {
      try plan(tiny, overrides: ["sampling.solvers.0={name: x, kind: probability-flow, integrator: msbdf}"])
    }
    #expect(
      implicit?.message.contains("Jacobian is known in double precision") == true, "\(String(describing: implicit))")
  }

  @Test("the listing says what a kind needs") func listing() {
    let text = Listing().text().split(whereSeparator: \.isWhitespace).joined(separator: " ")
    #expect(text.contains("sra1") && text.contains("needs a linear process"))
    #expect(text.contains("mala") && text.contains("a score that knows its log density"))
  }

  @Test("converge writes a row for every number of steps, and the orders it should find") func converge() throws {
    try withFolder { folder in
      let lines = [
        Self.line("ddim", "kind: ddim, steps: 5"), Self.line("heun", "kind: heun, steps: 5"),
        Self.line("pc", "kind: predictor-corrector, steps: 5"), Self.line("em", "kind: euler-maruyama, steps: 5"),
      ].joined(separator: "\n")
      let text = Self.exact(lines).replacing("grid: log-snr", with: "grid: log-snr\n  epsilon: 0.02")
      let experiment = makeExperiment(try plan(text), folder: folder + "/run", quiet: true)
      let table = try experiment.measureOrders(steps: [40, 80, 160], rows: 256, output: folder + "/orders.csv")
      let rows = contents(folder + "/orders.csv").split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false).map(String.init)
      }
      #expect(rows[0].joined(separator: ",") == "solver,kind,equation,start,steps,error,order,order_low,order_high")
      // Two flows as shipped and with an exact start, one SDE: three rows each.
      #expect(rows.count == 1 + 3 * (2 * 2 + 1) && !table.contains("pc"))
      for row in rows.dropFirst() {
        let expected = row[0] == "heun" ? 2.0 : 1
        // Coarse steps, and some 10 % of noise in the one of the SDE.
        #expect(abs(try #require(Double(row[6])) - expected) < 0.35, "\(row)")
      }
      #expect(!FileManager.default.fileExists(atPath: folder + "/run"))
    }
  }
}
