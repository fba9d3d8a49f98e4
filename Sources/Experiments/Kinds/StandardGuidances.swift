// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Scores

extension Catalogue {
  static let standardGuidances = Kinds<any Guidance>([
    .classifierFree, .adaptiveProjected, .autoguidance, .classifier,
    .exact, .dps, .pigdm, .tmpd, .mmps, .ddnm, .ddrm, .diffpir, .repaint, .daps,
    particleGuidance, monteCarloGuidance, .otherScore,
  ])
}
