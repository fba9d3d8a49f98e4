// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores

/// A Gaussian mixture stays one.
extension Standardise: LawCoordinates {
  public func law(of law: DataLaw) -> DataLaw? {
    guard !law.isExponential, law.mixture.dimension == means.count else { return nil }
    let scales = deviations.map { 1 / $0 }
    return DataLaw(
      law.mixture.scaled(by: scales, shiftedBy: zip(means, scales).map { -$0 * $1 }), classes: law.classes)
  }
}

extension Chain: LawCoordinates {
  public func law(of law: DataLaw) -> DataLaw? {
    maps.reduce(law) { law, map in law.flatMap { (map as? any LawCoordinates)?.law(of: $0) } }
  }
}
