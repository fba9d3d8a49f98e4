// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

extension Catalogue {
  static let standardCoordinates = Kinds<any CoordinatesRecipe>([
    Kind("standardise", "(x − m)/s with the mean m and the standard deviation s of the training rows") { options, _ in
      StandardiseRecipe(
        per: try options.choice(
          "per", default: StandardiseRecipe.Sharing.auto,
          "a mean and a deviation for each column, or one for all values; auto: all for images, else column"))
    },
    Kind("dequantise", "x + δ (u − ½), u uniform and new in every training step: data of levels δ apart get a density")
    {
      options, _ in
      let levels = try options.number(
        "levels", or: "data", in: .atLeast(2),
        "how many values the data can have; data: what the data says, as images do")
      let (low, high) = try options.only(if: options.isDescribing || levels != nil, needs: "levels: a number") {
        (
          try options.number("low", default: -1, "with levels: the smallest of them"),
          try options.number("high", default: 1, "with levels: the largest of them")
        )
      }
      guard let levels else { return DequantiseRecipe() }
      guard let count = Int(exactly: levels), count <= 1_000_000_000 else {
        throw options.wrong("levels", "is \(written(levels)); allowed: whole numbers of 2 or more, or data")
      }
      guard low < high else { throw options.wrong("high", "is \(written(high)); allowed: above low") }
      return DequantiseRecipe(Quantisation(levels: count, low: low, high: high))
    },
    Kind("logarithm", "ln x, for data above 0") { _, _ in FixedCoordinates(Logarithm()) },
    Kind("autoencoder", "latents of pictures, by an autoencoder that is trained already; without a determinant") {
      options, catalogue in
      let path = try options.file(
        "path", example: "vae", allowed: "a file or folder",
        "of diffusers' AutoencoderKL, or the results of an experiment that trained one; relative to the config")
      let subfolder = try options.optionalText(
        "subfolder", allowed: "a folder within path", "diffusers' model in it; without: path itself, or vae")
      let variant = try options.optionalText(
        "variant", allowed: "such as fp16", "of diffusers' weights; without: those that have none, or the only ones")
      let latents = try options.choice(
        "latents", default: AutoencoderCoordinates.Latents.mean,
        "the mean of a picture's latents, or a draw of their law, new in every training step")
      let encoding = try options.choice(
        "encode", default: AutoencoderCoordinates.Encoding.once,
        "all training rows before the first step, or the pictures of every step anew, with crops and flips of their own"
      )
      let file = try AutoencoderFile(path, subfolder: subfolder, variant: variant, catalogue)
      for note in file.notes { options.note("path", note) }
      return AutoencoderCoordinatesRecipe(file.autoencoder, latents: latents, encoding: encoding)
    },
  ])
}
