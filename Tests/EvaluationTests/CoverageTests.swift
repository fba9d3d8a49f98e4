// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Testing

/// The study in small; `make coverage` is the whole of it.
@Suite("Coverage of intervals") struct CoverageTests {
  private let problem: CoverageStudy.Problem = {
    let means: [[Double]] = [[2, 0], [-1, 1.5], [-1, -1.5]]
    return .init(
      "far", samples: ClusterLaw(dimension: 2, means: means, weights: [2, 1, 1], deviation: 1.3),
      data: ClusterLaw(dimension: 2, means: means))
  }()

  /// A coverage of 95 % has a deviation of 1.1 % over 400 repeats, and intervals at 150 rows are up to 2 % off.
  @Test("intervals cover the expected value", arguments: ["energy-distance", "kid", "frechet", "sliced-wasserstein"])
  func covers(name: String) throws {
    let metric: any Metric =
      switch name {
      case "energy-distance": EnergyDistance()
      case "kid": KernelDistance()
      case "frechet": FrechetDistance()
      default: SlicedWasserstein(projections: 16)
      }
    let result = try CoverageStudy(repeats: 400, count: 150).run(name, metric, on: problem)
    #expect(result.coverage > 0.90 && result.coverage < 0.98, "\(result)")
    #expect(result.below + result.covered + result.above == 400)
  }

  /// Shares near 1, where few rows are outside and lie together: with as many independent rows as the share of all rows
  /// says, 86.7 % of these intervals cover. A coverage of 94 % has a deviation of 1.4 % over 300 repeats.
  @Test("intervals of shares near 1 cover") func nearOne() throws {
    let result = try CoverageStudy(repeats: 300, count: 500).run("recall", ImprovedRecall(), on: problem)
    #expect(result.expected > 0.998 && result.coverage > 0.91, "\(result)")
    #expect(result.above <= 3)
  }

  /// The law of the study in which the difference of the laws has other directions than the noise: 91.6 % cover if the
  /// slope of the variance is that of the noise's directions on average.
  @Test("intervals of a difference in few of many dimensions cover") func manyDimensions() throws {
    let means: [[Double]] = [[2, 0], [-1, 1.5], [-1, -1.5]]
    let near = CoverageStudy.Problem(
      "near", samples: ClusterLaw(dimension: 64, means: means, weights: [1.5, 1, 1], deviation: 1.05),
      data: ClusterLaw(dimension: 64, means: means))
    let result = try CoverageStudy(repeats: 500, count: 500).run("kid", KernelDistance(), on: near)
    #expect(result.coverage > 0.93 && result.coverage < 0.98, "\(result)")
    #expect(result.below < 14, "\(result)")
  }

  /// A metric whose interval is too short by half: Φ(0.98) − Φ(−0.98) = 67 % of them cover.
  private struct Overconfident: Metric {
    func evaluate(_ comparison: Comparison) throws -> Double {
      comparison.samples.values.reduce(0, +) / Double(comparison.samples.count)
    }
    func estimate(_ comparison: Comparison) throws -> Estimate {
      let value = try evaluate(comparison)
      let halves = (0..<comparison.samples.count).map {
        (comparison.samples[$0, 0] + comparison.samples[$0, 1] - value) / 2
      }
      return Estimate(value, sampleInfluences: halves)
    }
  }

  @Test("the study finds intervals that are too short") func short() throws {
    let result = try CoverageStudy(repeats: 400, count: 100).run("short", Overconfident(), on: problem)
    // 67.3 %, with a deviation of 2.3 %, three of them.
    #expect(abs(result.coverage - 0.673) < 0.07)
    #expect(abs(result.relativeLength - 0.5) < 0.05)
  }

  @Test("the expected value of an unbiased metric is that of the laws") func closedForm() throws {
    // Normal laws with means 0 and a, both with deviation 1: the kernel (⟨x, y⟩ + 1)³ in one dimension has
    // MMD² = 9 (m₁ difference)² … = Σ_k C(3, k) (E X^k − E Y^k)²: 3 a² + 3 a⁴ + (3 a + a³)².
    let a = 0.8
    let line = CoverageStudy.Problem(
      "line", samples: ClusterLaw(dimension: 1, means: [[a]]), data: ClusterLaw(dimension: 1, means: [[0]]))
    let result = try CoverageStudy(repeats: 500, count: 100).run("kid", KernelDistance(), on: line)
    let expected = 3 * a * a + 3 * a * a * a * a + (3 * a + a * a * a) * (3 * a + a * a * a)
    #expect(abs(result.expected - expected) < 4 * result.standardError)
  }
}
