// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Solvers

extension Catalogue {
  static let standardStarts = Kinds<any StartRecipe>([
    Kind("sdedit", "rows of data with the noise of a time, which are drawn anew from there") { options, _ in
      SDEdit(
        noiseTime: try options.number("time", example: 0.5, in: .positive, "above ε, at most T: the larger, the freer"),
        source: StartRows(source: try options.rowSource()))
    },
    Kind("interpolation", "ways from each row of data to the next, through their states at a time") { options, _ in
      InterpolationStart(
        time: try options.number(
          "time", or: "T", in: .positive,
          "of the states: above ε, at most T. The smaller, the more like a double exposure"),
        source: StartRows(source: try options.rowPairs()),
        perPair: try options.integer(
          "frames", default: 8, atLeast: 2, atMost: 100_000, "samples for each pair of rows, both ends included"),
        interpolation: try options.choice("by", default: Interpolation.spherical, "the way from one state to the next"),
        encoding: try options.choice(
          "encode", default: InterpolationStart.Encoding.flow,
          "flow: states are codes of the rows, by the probability flow of `likelihood`; noise: rows with noise"))
    },
  ])
}
