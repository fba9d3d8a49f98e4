// SPDX-License-Identifier: GPL-3.0-or-later
import ScoreSDE

extension Catalogue {
  /// Everything that comes with the toolkit, and what is new. A config names a kind; its options are read where it is made, and each
  /// appears with its default and range in `my-score-sde list`, in `config.yaml` and in error messages.
  public static var mine: Catalogue {
    var catalogue = Catalogue.standard
    catalogue.processes.add(.warming)
    catalogue.predictors.add(Kind("midpoint", "the midpoint rule for the probability flow in t") { _, _ in Midpoint() })
    catalogue.correctors.add(
      Kind("tamed-langevin", "Langevin steps whose drift is at most 1") { options, _ in
        TamedLangevin(size: try options.number("size", default: 0.1, in: .between(0, 1), "of a step, over σ²"))
      })
    catalogue.networks.add(
      Kind("residual", "residual layers on [x, features of the noise level]") { options, _ in
        let width = try options.integer("width", default: 64, atLeast: 1, "of a layer")
        let layers = try options.integer("layers", default: 3, atLeast: 1, "how many")
        return NetworkRecipe { data, seed in
          ResidualNetwork(
            dimension: data.dimension, output: data.outputDimension, width: width, layers: layers, seed: seed)
        }
      })
    catalogue.data.add(
      Kind("rings", "circles about the origin") { options, _ in
        let radii = try options.numbers("radii", example: [1, 2], "of the circles, each as likely")
        let noise = try options.number(
          "noise", default: 0.05, in: .nonNegative, "deviation of the noise on every point")
        return Rings(radii: radii, noise: noise)
      })
    catalogue.coordinates.add(
      Kind("signed-logarithm", "arsinh(x/c), a logarithm for data of both signs") { options, _ in
        FixedCoordinates(
          SignedLogarithm(scale: try options.number("scale", default: 1, in: .positive, "c, where it begins to bend")))
      })
    catalogue.metrics.add(Kind("mean-distance", "‖mean of samples − mean of held-out data‖") { _, _ in MeanDistance() })
    return catalogue
  }
}
