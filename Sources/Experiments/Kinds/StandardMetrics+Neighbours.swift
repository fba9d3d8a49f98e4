// SPDX-License-Identifier: GPL-3.0-or-later
import Evaluation

// Metrics of neighbours, of memorisation and of classifiers.
extension Catalogue {
  static let neighbourMetrics: [Kind<any Metric>] = [
    Kind("precision", "share of samples among the k nearest neighbours of held-out rows") { options, _ in
      ImprovedPrecision(neighbours: try neighbours(options))
    },
    Kind("recall", "share of held-out rows among the k nearest neighbours of samples") { options, _ in
      ImprovedRecall(neighbours: try neighbours(options))
    },
    Kind("density", "in how many neighbourhoods of held-out rows a sample is, over k") { options, _ in
      NeighbourDensity(neighbours: try neighbours(options))
    },
    Kind("coverage", "share of held-out rows with a sample in their neighbourhood") { options, _ in
      NeighbourCoverage(neighbours: try neighbours(options))
    },
    Kind("vendi", "how many of some samples are really different, in effect") { options, _ in
      VendiScore(
        rows: try options.integer("rows", default: 50, atLeast: 2, atMost: 1000, "samples that are counted at a time"))
    },
    Kind("c2st", "accuracy of networks that tell samples from held-out rows, ½ for equal laws; 5 folds") { _, _ in
      ClassifierTwoSampleTest()
    },
    Kind("memorisation", "share of samples that are copies of training rows, by their distances") { _, _ in
      Memorisation()
    },
    Kind("copy-test", "p-value of a test for copies of training rows among samples") { _, _ in CopyTest() },
    Kind("data-copying", "C_T: below 0 where samples are nearer to training rows than data is") { options, _ in
      DataCopying(
        cells: try options.integer("cells", default: 10, atLeast: 1, atMost: 1000, "of training rows, at most"))
    },
    Kind("class-accuracy", "share of samples that a classifier of the data assigns to their class") { _, _ in
      ClassAccuracy()
    },
    Kind("rank-calibration", "p-value of a test whether the truth could be one of its posterior samples") {
      options, _ in
      RankCalibration(
        directions: try options.integer("directions", default: 16, atLeast: 1, atMost: 1000, "random ones, of ranks"),
        bins: try options.integer("bins", default: 10, atLeast: 2, atMost: 1000, "of the histograms of ranks"))
    },
    Kind("truth-error", "root mean square distance from the truth behind the observations") { _, _ in TruthError() },
  ]

  private static func neighbours(_ options: Options) throws -> Int {
    try options.integer("neighbours", default: 5, atLeast: 1, atMost: 1000, "k: a ball reaches to the k-th nearest row")
  }
}
