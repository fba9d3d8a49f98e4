// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Catalogue {
  static let standardStarts = Kinds<any StartRecipe>([
    Kind("sdedit", "rows of data with the noise of a time, which are drawn anew from there") { options, _ in
      SDEdit(
        time: try options.number("time", example: 0.5, in: .positive, "above ε, at most T: the larger, the freer"),
        source: try options.rowSource())
    }
  ])
}
