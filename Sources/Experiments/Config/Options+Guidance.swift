// SPDX-License-Identifier: GPL-3.0-or-later
import Yams

extension Options {
  /// `guidance`: none, one, or a list of them, each of the score that those before it make.
  func guidance(in catalogue: Catalogue, _ about: String) throws -> (any Guidance)? {
    guard value(of: "guidance")?.sequence != nil, !isDescribing else {
      return try kind("guidance", of: catalogue.guidances, or: "none", in: catalogue, about)
    }
    let links = try kinds("guidance", of: catalogue.guidances, in: catalogue, about)
    return links.isEmpty ? nil : GuidanceChain(links: links)
  }
}
