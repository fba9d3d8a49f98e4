// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

extension Catalogue {
  /// Everything that comes with the toolkit, and what is new: a line for each. A config names a kind; its options are
  /// read where it is made, and each appears with its default and range in `my-score-sde list`, in `config.yaml` and in
  /// error messages.
  public static var mine: Catalogue {
    var catalogue = Catalogue.standard
    catalogue.processes.add(.warming)
    catalogue.predictors.add(.kutta3)
    catalogue.predictors.add(.midpoint)
    catalogue.correctors.add(.tamedLangevin)
    catalogue.data.add(.rings)
    catalogue.coordinates.add(.signedLogarithm)
    catalogue.metrics.add(.meanDistance)
    catalogue.networks.add(.residual)
    catalogue.networks.add(.gated)
    catalogue.guidances.add(.beyond)
    catalogue.objectives.add(.meanTeacher)
    return catalogue
  }
}
