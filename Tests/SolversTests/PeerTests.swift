// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Pairs
import Processes
import Scores
import Solvers
import Testing

@Suite("Solvers against the code of their peers") struct PeerTests {
  /// Peers and we compute in double precision, so that only rounding differs. Twelve steps leave 1e-13 of it, among
  /// peers as between them and us; our times between those of a grid come from an inversion that may be wrong by as
  /// much. The smallest difference between two methods of the fixture is 2e-5.
  private static let tolerance = 1e-10

  @Test("the same end from the same start, times and noise", arguments: PeerRun.all)
  func ends(run: PeerRun) throws {
    let fixture = try SolversFixture.load()
    let mixture = try GaussianMixture(
      weights: fixture.weights, means: fixture.means, covariances: fixture.covariances)
    let process = VPSDE(LinearBeta(fixture.betaMin, fixture.betaMax))
    for grid in ["logSNR", "uniform"] {
      let times = try #require(fixture.times[grid])
      let problem = SamplingProblem(
        process: process, score: mixture.score(under: process), dimension: 2, seed: 1, epsilon: times.last,
        path: FixedPath(normals: fixture.noise), grid: try ListedTimes(times))
      let solver = FixedSteps(run.predictor, steps: times.count - 1, lastStep: .full)
      var x = Batch(rows: fixture.start)
      try x.withRows { _ = try solver.solve($0, in: SolveContext(problem, rows: $0.span)) }
      for peer in run.peers {
        let end = try #require(fixture.runs[peer]?[grid], "\(peer)")
        let error = largestError(x, Batch(rows: end))
        #expect(error < Self.tolerance, "\(peer) on \(grid) times: \(error)")
      }
    }
  }

  @Test("every run of a peer is compared with something of ours") func complete() throws {
    let compared = Set(PeerRun.all.flatMap(\.peers))
    #expect(try compared == Set(SolversFixture.load().runs.keys))
  }

  @Test("φ-functions are mpmath's to a few units in the last place") func phiFunctions() throws {
    let table = try SolversFixture.load().phi
    for (z, values) in pairs(table.arguments, table.values) {
      for (k, value) in zip(1..., values) {
        // The recursion subtracts k times; it is worst at |z| = 2, where the series takes over.
        let error = abs(phi(k, z) / value - 1)
        #expect(error < 1e-14, "φ_\(k)(\(z)): \(error)")
      }
    }
  }
}

/// One of our methods, and what the fixture calls the same.
struct PeerRun: Sendable, CustomTestStringConvertible {
  let predictor: any Predictor
  let peers: [String]

  var testDescription: String { "\(predictor): \(peers.joined(separator: ", "))" }

  init(_ predictor: any Predictor, _ peers: String...) {
    self.predictor = predictor
    self.peers = peers
  }

  static let all =
    [
      PeerRun(DDIM(), "diffusers ddim eta 0"),
      PeerRun(DDIM(eta: 0.5), "diffusers ddim eta 0.5"),
      PeerRun(DDIM(eta: 1), "diffusers ddim eta 1"),
      PeerRun(DPMSolver(order: 2), "dpm-solver dpmsolver 2", "diffusers dpmsolver 2"),
      PeerRun(DPMSolver(order: 3), "dpm-solver dpmsolver 3"),
      PeerRun(
        DPMSolverPP(order: 2, correction: .published), "diffusers dpmsolver++ 2 midpoint", "k-diffusion dpmpp_2m",
        "k-diffusion dpmpp_2m_sde midpoint eta 0", "dpm-solver dpmsolver++ 2 dpmsolver"),
      PeerRun(
        DPMSolverPP(order: 2, correction: .exact), "diffusers dpmsolver++ 2 heun",
        "k-diffusion dpmpp_2m_sde heun eta 0", "dpm-solver dpmsolver++ 2 taylor"),
      PeerRun(
        DPMSolverPP(order: 3, correction: .published), "diffusers dpmsolver++ 3 heun", "k-diffusion dpmpp_3m_sde eta 0",
        "dpm-solver dpmsolver++ 3 taylor"),
      PeerRun(
        DPMSolverPP(order: 2, eta: 0.5, correction: .published), "k-diffusion dpmpp_2m_sde midpoint eta 0.5"),
      PeerRun(DPMSolverPP(order: 2, eta: 0.5, correction: .exact), "k-diffusion dpmpp_2m_sde heun eta 0.5"),
      PeerRun(
        DPMSolverPP(order: 2, eta: 1, correction: .published), "diffusers sde-dpmsolver++ 2 midpoint",
        "k-diffusion dpmpp_2m_sde midpoint eta 1"),
      PeerRun(
        DPMSolverPP(order: 2, eta: 1, correction: .exact), "diffusers sde-dpmsolver++ 2 heun",
        "k-diffusion dpmpp_2m_sde heun eta 1"),
      PeerRun(DPMSolverPP(order: 3, eta: 0.5, correction: .published), "k-diffusion dpmpp_3m_sde eta 0.5"),
      PeerRun(DPMSolverPP(order: 3, eta: 1, correction: .published), "k-diffusion dpmpp_3m_sde eta 1"),
    ]
    + (1...3).map { PeerRun(DEIS(order: $0), "diffusers deis \($0)") }
    + [2, 3].flatMap { order in
      UniPC.Variant.allCases.map { variant in
        PeerRun(
          UniPC(order: order, variant: variant), "diffusers unipc \(order) \(variant)",
          "unipc unipc \(order) \(variant)")
      }
    }
}

/// Given normals, by step, row and coordinate.
struct FixedPath: BrownianPath {
  let normals: [[[Double]]]

  func makeWalker(for rows: RowSpan) -> any BrownianWalker { Walker(normals) }

  final class Walker: BrownianWalker {
    private let normals: [[[Double]]]
    init(_ normals: [[[Double]]]) { self.normals = normals }

    func increment(from t: Double, to s: Double, step: Int, into z: Rows, area: Rows?) {
      precondition(area == nil, "only increments are given")
      for i in 0..<z.count {
        for j in 0..<z.dimension { z[i, j] = normals[step][z.first + i][j] }
      }
    }
  }
}

/// solvers.json
struct SolversFixture: Decodable, Sendable {
  let weights: [Double]
  let means: [[Double]]
  let covariances: [[[Double]]]
  let betaMin, betaMax: Double
  /// One value for each grid.
  let times: [String: [Double]]
  let start: [[Double]]
  /// Step, row, coordinate.
  let noise: [[[Double]]]
  /// The end of each run on each grid.
  let runs: [String: [String: [[Double]]]]
  let phi: Phi

  struct Phi: Decodable, Sendable {
    let arguments: [Double]
    /// φ_1 to φ_5 of each.
    let values: [[Double]]
  }

  static func load() throws -> SolversFixture {
    let url = try #require(Bundle.module.url(forResource: "solvers", withExtension: "json", subdirectory: "Fixtures"))
    return try JSONDecoder().decode(SolversFixture.self, from: Data(contentsOf: url))
  }
}
