// SPDX-License-Identifier: GPL-3.0-or-later
import Evaluation

// Metrics of samples and held-out rows.
extension Catalogue {
  static let standardMetrics = Kinds<any Metric>(distanceMetrics + neighbourMetrics)

  // Distances between laws.
  private static let distanceMetrics: [Kind<any Metric>] = [
    Kind("sliced-wasserstein", "sliced Wasserstein distance of order 2") { options, _ in
      SlicedWasserstein(
        projections: try options.integer(
          "projections", default: 256, atLeast: 1, atMost: 1 << 16, "random directions"))
    },
    Kind("mmd", "unbiased MMD², Gaussian kernels at ¼, ½, 1, 2, 4 times the median distance") { _, _ in
      MaximumMeanDiscrepancy()
    },
    Kind("energy-distance", "2 E‖X − Y‖ − E‖X − X′‖ − E‖Y − Y′‖, unbiased") { _, _ in EnergyDistance() },
    Kind("wasserstein", "exact Wasserstein distance of order 2") { _, _ in Wasserstein() },
    Kind("sinkhorn", "Sinkhorn divergence: entropic transport of squared distances, debiased") { options, _ in
      SinkhornDivergence(
        epsilon: try options.number(
          "epsilon", default: 0.1, in: .atLeast(0.01), "of the entropy, in squared median distances of data"))
    },
    Kind("kolmogorov-smirnov", "largest distance of the distribution functions of an axis") { _, _ in
      KolmogorovSmirnov()
    },
    Kind("frechet", "Fréchet distance of normal laws with the same means and covariances, squared") { options, _ in
      FrechetDistance(features: try features(options))
    },
    Kind("kid", "kernel distance: unbiased MMD² of the kernel (⟨x, y⟩/D + 1)³") { options, _ in
      KernelDistance(features: try features(options))
    },
  ]

  private enum Features: String, CaseIterable { case none, classifier }

  private static func features(_ options: Options) throws -> (any FeatureMap)? {
    switch try options.choice(
      "features", default: Features.none, "what is compared: values, or a classifier's features of data with classes")
    {
    case .none: nil
    case .classifier: ClassifierFeatures()
    }
  }
}
