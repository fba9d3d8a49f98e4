// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Scores

/// Draws of the exact posterior, in the units of the data: what samples given an observation are judged by, in place of
/// rows of data. It is known where the law of the data is a Gaussian mixture, and what was seen is y = A x + Gaussian
/// noise. Rows of several observations have the number of theirs as a class.
struct PosteriorRows {
  /// Draws to judge by, and as many as there are samples to stand in the samples' place.
  let dataset: Dataset
  /// Which observation each sample was drawn for; nothing where there is one.
  let conditions: Conditions

  /// How many draws samples are compared with, at least.
  private static let fewest = 2000
  /// Keys the draws.
  private static let (judging, standing) = (Purpose(rawValue: 53), Purpose(rawValue: 54))

  /// - Parameters:
  ///   - observation: in the coordinates of the model.
  ///   - data: whose law is the prior.
  ///   - count: how many samples there are.
  ///   - seed: keys the draws.
  /// - Returns: nil where the posterior is not known.
  init?(_ observation: Observation, _ data: DataInCoordinates, count: Int, seed: UInt64) {
    guard let law = data.law, !law.isExponential, let model = observation.model.linear else { return nil }
    let posterior = PosteriorLaw(law.mixture, model)
    let (held, several) = (max(Self.fewest, data.dataset.heldOutRows.count), observation.values.count)
    func draws(_ count: Int, _ purpose: Purpose) -> Batch {
      data.decoded(posterior.draw(count, given: observation.values, from: NoiseStream(seed: seed, purpose: purpose)))
    }
    func labels(_ count: Int) -> Conditions {
      several == 1 ? .nothing : .labels((0..<count).map { $0 % several })
    }
    dataset = Dataset(
      training: draws(max(1, count), Self.standing), heldOut: draws(held, Self.judging),
      trainingConditions: labels(max(1, count)), heldOutConditions: labels(held))
    conditions = several == 1 ? .nothing : .inTurn(classes: several)
  }
}
