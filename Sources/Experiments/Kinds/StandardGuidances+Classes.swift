// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning

extension Kind<any Guidance> {
  static let classifierFree = Kind(
    "classifier-free", "s_∅ + w (s_c − s_∅), the scores with the samples' condition and without"
  ) { options, _ in
    let weight = try GuidanceWeight(options, "w: 1 is the condition alone, 0 no condition, above 1 more than it")
    let rescale = try options.number(
      "rescale", default: 0, in: .closed(0, 1), "φ: how far rows get the standard deviation that s_c gives them")
    let quantity = try options.only(if: rescale > 0, needs: "rescale above 0") {
      try options.choice(
        "rescale_of", default: ExtrapolatedScore.Rescaling.Quantity.noise,
        "which values have that deviation: the noise ε, or the data x̂₀")
    }
    let negative = try options.optionalText(
      "negative", "what samples are led away from, in place of nothing, where conditions are texts")
    return ClassifierFree(weight: weight, rescale: rescale, quantity: quantity, negative: negative)
  }

  static let adaptiveProjected = Kind(
    "adaptive-projected", "classifier-free guidance whose part along x̂₀ is weakened, limited, and has momentum"
  ) { options, _ in
    AdaptiveProjected(
      weight: try GuidanceWeight(options, "w: 1 is the condition alone, above 1 more than it"),
      parallel: try options.number("eta", default: 0, in: .any, "η: the share of the part along x̂₀ that stays"),
      threshold: try options.number(
        "norm_threshold", or: "none", in: .positive, "r: the largest norm of a step x̂₀(c) − x̂₀(∅) of a row"),
      momentum: try options.number(
        "momentum", default: 0, in: .between(-1, 1), "β: the share of the last step in the next, below 0 in the paper"))
  }

  static let autoguidance = Kind(
    "autoguidance", "s_weak + w (s − s_weak), away from a weaker network's score"
  ) { options, _ in
    Autoguidance(
      weight: try GuidanceWeight(options, "w: 1 is the score alone, above 1 farther from the weaker one"),
      path: try options.file(
        "checkpoint", example: "checkpoint.safetensors", allowed: "a checkpoint.safetensors, or a folder of results",
        "the weaker network's, under the same process; relative to the config"))
  }

  static let classifier = Kind(
    "classifier", "s_∅ + w ∇ log p_t(c | x), by a classifier of noised rows that is trained once and kept"
  ) { options, _ in
    ClassifierGuidance(
      weight: try GuidanceWeight(options, default: 1, "w: 1 is the class by the classifier's word, above 1 more of it"),
      recipe: try ClassifierRecipe(options))
  }
}
