// SPDX-License-Identifier: GPL-3.0-or-later
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

extension SDE {
  /// The exact score of data of a known law, for a process that nobody has prepared; nil where it is not known.
  public func score(of law: DataLaw) -> (any Score)? { PreparedProcess(self).exactScore(of: law) }
}

extension GaussianMixture {
  /// The exact score of this mixture as data of a process that has a kernel.
  public func score(under process: some KernelSDE) -> MixtureScore { MixtureScore(self, kernel: process.makeKernel()) }
}
