// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Scores
import Testing

/// The tree of autoguidance's toy, against numbers that a script with NumPy has made of the published rule.
@Suite("The tree") struct TreeTests {
  @Test("the law is the published one, to the last component") func law() throws {
    let data = try MixtureData.tree(count: 2000, heldOut: 100)
    let law = try #require(data.law)
    let (mixture, classes) = (law.mixture, try #require(law.classes))
    #expect(mixture.componentCount == 2032 && data.conditionShape == .classes(2) && data.dimension == 2)
    func isNear(_ a: Double, _ b: Double) -> Bool { abs(a - b) < 1e-8 * max(abs(b), 1e-4) }
    #expect(isNear(mixture.weights[0], 0.015335684414026078))
    #expect(isNear(mixture.weights[2031], 5.984770805743059e-05))
    let first = zip(mixture.weights, classes).reduce(0) { $0 + ($1.1 == 0 ? $1.0 : 0) }
    #expect(isNear(first, 0.4770110589478995))
    // The last component is drawn after all 508 normals.
    let points = [0: [0.02134411, 0.06333431], 1015: [0.48176389, -0.59655977], 2031: [-0.4932548, 0.55852667]]
    for (row, point) in points {
      for j in 0..<2 { #expect(abs(mixture.means[row, j] - point[j]) < 1e-8) }
    }
    let covariance = mixture.covariance
    #expect(abs(covariance[0][0] - 0.24985452) < 1e-8 && abs(covariance[1][1] - 0.24989819) < 1e-8)
    #expect(abs(covariance[0][1] - 0.08832074) < 1e-8)
    let own = try #require(law.given(.label(0))).mixture.mean
    #expect(abs(own[0] - 0.37185104) < 1e-8 && abs(own[1] - 0.36460656) < 1e-8)
    let labels = try #require(try data.load(seed: 1).trainingConditions.listedClasses)
    // Of 2,000 draws: four deviations.
    #expect(abs(Double(labels.count { $0 == 0 }) / 2000 - first) < 4 * (0.25 / 2000.0).squareRoot())
  }

  @Test("classes of a mixture's law: parts, what occurs, and what does not") func classes() throws {
    let mixture = try GaussianMixture(weights: [1, 3, 0, 4], means: [[0], [1], [9], [2]], deviations: [1, 2, 1, 3])
    let law = DataLaw(mixture, classes: [3, 0, 0])
    #expect(law.conditionShape == .classes(4) && law.occurringClasses == [0, 3])
    let part = try #require(law.given(.label(0)))
    #expect(part.mixture.weights == [3.0 / 7, 4.0 / 7] && part.mixture.means.values == [1, 2])
    #expect(part.mixture.covariance[0][0] > 4)
    #expect(law.given(.label(1)) == nil && law.given(.numbers([1])) == nil)
    #expect(law.given(.nothing)?.mixture.componentCount == 3)
    #expect(DataLaw(mixture).given(.label(0)) == nil && DataLaw(mixture).conditionShape == .nothing)
    #expect(DataLaw(mixture, classes: [0, 1, 1]).occurringClasses == nil)
    // Full covariances keep their eigenvectors.
    let full = try GaussianMixture(
      weights: [1, 1], means: [[0, 0], [1, 1]], covariances: [[[1, 0], [0, 1]], [[2, 0.7], [0.7, 1]]])
    let second = try #require(DataLaw(full, classes: [0, 1]).given(.label(1)))
    for (i, row) in [[2, 0.7], [0.7, 1]].enumerated() {
      for (j, value) in row.enumerated() { #expect(abs(second.mixture.covariance[i][j] - value) < 1e-12) }
    }
  }
}
