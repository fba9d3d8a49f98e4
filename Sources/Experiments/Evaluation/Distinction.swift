// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Evaluation
import Foundation

/// Which solvers a metric can tell apart.
///
/// Every pair of solvers is tested for a difference, with the held-out rows and the noise that they share, and Holm's
/// correction (1979) keeps the chance of one false finding or more among all pairs of a metric at 5 %. As it holds for
/// all pairs at once, it holds for those with the solver that happens to come out best.
struct Distinction {
  /// The best solver, by its place in the list.
  let best: Int?
  /// The others that cannot be told from it.
  let likeBest: [Int]
  /// Whether no two solvers can be told apart.
  let isBlind: Bool

  /// - Parameters:
  ///   - estimates: of each solver; nil where there is none.
  ///   - better: which values are better.
  ///   - floor: values up to it are all the same: errors that are those of what measures them.
  init(_ estimates: [Estimate?], better: Direction, floor: Double = -.infinity) {
    let known = estimates.indices.filter { estimates[$0]?.low != nil }
    let ranked = estimates.indices.filter { estimates[$0] != nil }.sorted {
      let (a, b) = (estimates[$0]?.value ?? .nan, estimates[$1]?.value ?? .nan)
      return better == .lower ? a < b : a > b
    }
    best = ranked.first
    var pairs: [(a: Int, b: Int, p: Double)] = []
    for (place, a) in known.enumerated() {
      for b in known[(place + 1)...] {
        guard let first = estimates[a], let second = estimates[b] else { continue }
        let isBelow = max(first.value, second.value) <= floor
        pairs.append((a, b, isBelow ? 1 : Self.probability(first, second)))
      }
    }
    let order = pairs.indices.sorted { (pairs[$0].p, $0) < (pairs[$1].p, $1) }
    let clear = order.enumerated().prefix { pairs[$1].p <= 0.05 / Double(order.count - $0) }.map(\.element)
    let told = Set(clear)
    isBlind = !pairs.isEmpty && told.isEmpty
    let best = best
    likeBest = pairs.indices.filter { !told.contains($0) }.compactMap { pair in
      pairs[pair].a == best ? pairs[pair].b : pairs[pair].b == best ? pairs[pair].a : nil
    }.sorted()
  }

  /// The chance of a difference as large as this one between equal solvers, by the normal law.
  private static func probability(_ a: Estimate, _ b: Estimate) -> Double {
    let difference = Estimate.difference(a, b, sameNoise: true)
    guard let low = difference.low, let high = difference.high else { return 1 }
    return Self.probability(of: difference.value, halfWidth: (high - low) / 2)
  }

  /// As above, of a difference whose 95 % interval is ± `halfWidth`.
  static func probability(of difference: Double, halfWidth: Double) -> Double {
    guard halfWidth > 0 else { return difference == 0 ? 1 : 0 }
    return erfc(abs(difference) / halfWidth * normalQuantile / 2.0.squareRoot())
  }
}

/// The 97.5 % quantile of the normal law: ± so many deviations are a 95 % interval.
let normalQuantile = 1.959963984540054
