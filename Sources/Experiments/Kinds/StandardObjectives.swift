// SPDX-License-Identifier: GPL-3.0-or-later
import Training

extension Catalogue {
  static let standardObjectives = Kinds<ObjectiveRecipe>(
    scoreObjectives + couplingObjectives + fewStepObjectives)

  private static let scoreObjectives: [Kind<ObjectiveRecipe>] = [
    Kind("denoising", "denoising score matching, for processes with a perturbation kernel") { _, _ in .denoising },
    Kind("sliced", "sliced score matching with reduced variance, on simulated paths: for any process") { options, _ in
      let projections = try options.integer("projections", default: 1, atLeast: 1, atMost: 64, "random directions")
      return .sliced(projections: projections, steps: try simulationSteps(options))
    },
    Kind("implicit", "implicit score matching with the exact trace, on simulated paths: for few dimensions") {
      options, _ in .implicit(steps: try simulationSteps(options))
    },
    Kind("autoencoder", "reconstruction and divergence of a variational autoencoder; of score kind autoencoder alone") {
      options, _ in
      let reconstruction = try options.choice(
        "reconstruction", default: AutoencoderObjective.Reconstruction.l1,
        "Σ |x − x̂|, or −ln N(x; x̂, s²) with an s that is learned")
      let weight = try options.number(
        "kl_weight", default: 1e-6, in: .nonNegative,
        "of the divergence of latents from standard normals; 1 with gaussian is the bound of −ln p(x)")
      let perceptual = try options.number(
        "perceptual_weight", default: 0, in: .nonNegative,
        "of differences in features of a network that is trained to tell the classes or the words of the data")
      let steps = try options.only(if: perceptual > 0 || options.isDescribing, needs: "perceptual_weight above 0") {
        try options.integer("perceptual_steps", default: 1000, atLeast: 1, "of the training of that network")
      }
      return .autoencoder(
        reconstruction, klWeight: weight, perceptualWeight: perceptual,
        perceptual: perceptual > 0 ? PerceptualRecipe(steps: steps) : nil)
    },
  ]

  private static func simulationSteps(_ options: Options) throws -> Int {
    try options.integer(
      "simulation_steps", default: 100, atLeast: 1, atMost: 100_000, "steps of simulation from 0 to T")
  }
}
