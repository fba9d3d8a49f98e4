// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Glibc
import ScoreSDE
import Testing

@Suite("score-sde check") struct ProcessCheckTests {
  private static let mixture = ProcessKindsTests.mixture

  private func checked(_ process: String, data: String = mixture + "}", catalogue: Catalogue = .standard) throws
    -> String
  {
    let score = data.contains("mixture") ? "exact" : "empirical"
    let text =
      "name: c\ndata: \(data)\nprocess: \(process)\nscore: {kind: \(score)}\nsampling: {count: 1, solvers: [{name: em, kind: euler-maruyama, steps: 10}]}\n"
    let plan = try ExperimentPlan(ConfigSource(text: text, path: "test.yaml", overrides: []), catalogue: catalogue)
    return try makeExperiment(plan, folder: "/nonexistent", quiet: true).checkProcess(
      rows: 2048, steps: 1000, tolerance: 0.01)
  }

  static let sound: [String: String] = [
    "vp": "", "sub-vp": "", "ve": "", "edm": "sigma_max: 40", "iddpm": "", "rectified-flow": "", "vp-interpolant": "",
    "schedule": "alpha: [1, 0.97, 0.89, 0.75, 0.54, 0.28, 0.03], sigma: [0, 0.24, 0.46, 0.66, 0.84, 0.96, 1]",
    "formula": "drift_rate: '-0.5*(b0 + t*(b1-b0))', diffusion: 'sqrt(b0 + t*(b1-b0))', parameters: {b0: 0.1, b1: 20}",
    "cld": "", "ornstein-uhlenbeck": "noise: [[1, 0.5], [0.5, 1]]",
    "geometric-brownian-motion": "prior_deviation: 2.17",
  ]

  @Test("every process passes its own check", arguments: sound.keys.sorted())
  func passes(kind: String) throws {
    let data = Self.mixture + (kind == "geometric-brownian-motion" ? ", exponential: true}" : "}")
    let options = Self.sound[kind].map { $0.isEmpty ? "" : ", " + $0 } ?? ""
    let table = try checked("{kind: \(kind)\(options)}", data: data)
    #expect(!table.contains("skipped"), "\(table)")
    // A formula's kernel is integrated, and its error bound a line more.
    #expect(table.split(separator: "\n").count == (kind == "formula" ? 11 : 10), "\(table)")
  }

  @Test("no process is left out") func all() {
    #expect(Set(Self.sound.keys) == Set(Catalogue.standard.processes.names))
  }

  /// A process of constant β that may say something else than it does.
  private struct Constant: AffineSDE {
    var rate = 12.0
    var kernelVariance = 1.0
    var kernelScale = 1.0
    var noise = 1.0
    var prior = 1.0
    func driftRate(at t: Double) -> Double { -0.5 * rate }
    func diffusion(at t: Double) -> Double { noise * rate.squareRoot() }
    var priorVariance: Double? { prior }
    var samplingEpsilon: Double { 1e-3 }
    func makeKernel() -> any PerturbationKernel {
      ClosedFormKernel { t in
        Moments(scale: exp(-0.5 * rate * t * kernelScale), variance: -expm1(-rate * t) * kernelVariance)
      }
    }
  }

  /// An Ornstein–Uhlenbeck process with another's kernel.
  private struct Mistaken: LinearSDE {
    var base = try! OrnsteinUhlenbeck(noise: [[1, 0.5], [0.5, 1]])
    let other: OrnsteinUhlenbeck
    var blocks: Int { 2 }
    var priorCovariance: Matrix { base.priorCovariance }
    func driftMatrix(at t: Double) -> Matrix { base.driftMatrix(at: t) }
    func diffusionMatrix(at t: Double) -> Matrix { base.diffusionMatrix(at: t) }
    func makeKernel() -> any PerturbationKernel { other.makeKernel() }

    init(noise: [[Double]] = [[1, 0.5], [0.5, 1]], relaxation: [[Double]]? = nil) {
      other = try! OrnsteinUhlenbeck(noise: noise, relaxation: relaxation)
    }
  }

  /// What is wrong, and which finding must say so.
  private static let unsound: [(process: any SDE, says: String?)] = [
    (Mistaken(), nil),
    (Mistaken(noise: [[1, 0.50001], [0.50001, 1]]), "kernel against f and G"),
    (Mistaken(relaxation: [[1, 1e-5], [1e-5, 1]]), "kernel against f and G"),
    (Constant(), nil),
    (Constant(kernelVariance: 1.00001), "kernel against f and G"),
    (Constant(kernelScale: 1.00001), "kernel against f and G"),
    (Constant(kernelVariance: 1.5), "simulation against kernel: variance"),
    (Constant(kernelScale: 0.25), "simulation against kernel: mean"),
    (Constant(prior: 1.7), "prior is reached"),
    (Constant(rate: 0.2), "prior is reached"),
    (Constant(kernelVariance: 1.5), "reverse SDE returns to the data"),
    (Constant(noise: 1.3), "probability flow returns to the data"),
    (Constant(prior: 1.7), "probability flow returns to the data"),
    (Constant(noise: 1.02), "flow's log density"),
  ]

  @Test("check finds what is wrong with a process", arguments: unsound.indices)
  func fails(index: Int) throws {
    let (process, says) = Self.unsound[index]
    var catalogue = Catalogue.standard
    catalogue.processes.add(Kind("constant", "for this test") { _, _ in process })
    guard let says else {
      _ = try checked("{kind: constant}", catalogue: catalogue)
      return
    }
    let failure = #expect(throws: ExperimentFailure.self) { try checked("{kind: constant}", catalogue: catalogue) }
    #expect(failure?.reasons.contains { $0.hasPrefix("c: \(says)") } == true, "\(String(describing: failure))")
  }

  @Test("check proposes the largest distance, and the time at which little noise is left") func proposes() throws {
    try withFolder { folder in
      let text = """
        name: c
        data: {kind: gaussian-mixture, weights: [1], means: [[0, 0]], deviations: [2], count: 1000}
        process: {kind: ve, sigma_max: 40}
        score: {kind: exact}
        sampling: {count: 1, solvers: [{name: em, kind: euler-maruyama, steps: 10}]}
        """
      let (path, experiment) = (folder + "/check.csv", makeExperiment(try plan(text), folder: folder, quiet: true))
      _ = try experiment.checkProcess(rows: 2048, steps: 1000, tolerance: 0.05, output: path)
      let rows = contents(path).split(separator: "\n").map { $0.split(separator: ",").map(String.init) }
      func found(_ name: String) throws -> Double {
        try #require(Double(rows.first { $0[0] == name }?[1] ?? ""))
      }
      // The farthest of 1,000 points of a Gaussian of deviation 2 are some 2 √(2 ln 1000) · 2 = 15 apart.
      let spread = try found("proposed sigma_max")
      #expect(spread > 12 && spread < 18)
      // σ(t) = 0.01 · 4000^t less its beginning is 0.05 of the deviation.
      let kernel = try #require(try plan(text).prepared.kernel)
      let time = try found("proposed epsilon")
      #expect(abs(kernel.moments(at: time).deviation - 0.05 * 2) < 0.01)
    }
  }

  @Test("check takes a few points as their own law, and refuses those without a logarithm") func points() throws {
    try withFolder { folder in
      let path = folder + "/points.csv"
      try Data((1...24).map { "\($0),\($0 % 3)\n" }.joined().utf8).write(to: URL(fileURLWithPath: path))
      let data = "{kind: csv, path: \(path)}"
      let table = try checked("{kind: vp}", data: data)
      #expect(table.contains("flow's log density") && !table.contains("FAILS"), "\(table)")
      try Data((1...24).map { "\($0),\($0 % 3 - 1)\n" }.joined().utf8).write(to: URL(fileURLWithPath: path))
      let error = #expect(throws: InputError.self) { try checked("{kind: geometric-brownian-motion}", data: data) }
      #expect(error?.description.contains("needs values above 0") == true, "\(String(describing: error))")
    }
  }
}
