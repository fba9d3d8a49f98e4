// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// A process that knows exact scores by itself, without a kernel.
public protocol KnowsExactScores: SDE {
  /// The score of pₜ for data of the given law; nil where it is not known.
  func exactScore(of law: DataLaw) -> (any Score)?
}

extension PreparedProcess {
  /// The exact score of data of a known law: through the kernel, or through coordinates in which the process has one.
  /// nil where it is not known.
  public func exactScore(of law: DataLaw) -> (any Score)? {
    if let known = sde as? any KnowsExactScores { return known.exactScore(of: law) }
    if let kernel { return law.isExponential ? nil : MixtureScore(law.mixture, kernel: kernel) }
    guard let transformed, let coordinates = transformed.coordinates as? any LawCoordinates,
      let inner = coordinates.law(of: law)
    else { return nil }
    return transformed.process.exactScore(of: inner).map { TransformedScore($0, transformed.coordinates) }
  }
}

extension PreparedProcess {
  /// The exact score of rows of which this is known: of each row that of its class, and of the whole law where nothing
  /// is known of it. nil where it is not known.
  /// - Parameters:
  ///   - law: the law of the data.
  ///   - conditions: what is known of each row. Where the law has no classes, they are looked at only to be refused.
  public func exactScore(of law: DataLaw, given conditions: Conditions) -> (any Score)? {
    guard let whole = exactScore(of: law) else { return nil }
    if conditions == .nothing { return whole }
    var scores: [Int: any Score] = [:]
    for label in Set(law.classes ?? []).sorted() {
      guard let score = law.given(.label(label)).flatMap({ exactScore(of: $0) }) else { return nil }
      scores[label] = score
    }
    return ScoreOfClasses(scores, whole: whole, given: conditions)
  }
}

extension SDE {
  /// The exact score of data of a known law, for a process that nobody has prepared; nil where it is not known.
  public func score(of law: DataLaw) -> (any Score)? { PreparedProcess(self).exactScore(of: law) }
}

extension GaussianMixture {
  /// The exact score of this mixture as data of a process that has a kernel.
  public func score(under process: some KernelSDE) -> MixtureScore { MixtureScore(self, kernel: process.makeKernel()) }
}
