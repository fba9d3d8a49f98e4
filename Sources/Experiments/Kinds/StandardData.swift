// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Scores

extension Catalogue {
  static let standardData = Kinds<any DataSource>([
    Kind("digits", "1,797 handwritten digits of 8 × 8 pixels in [−1, 1]; 1,498 train") { _, _ in Digits() },
    Kind("gaussian-mixture", "draws from Σ w_k N(μ_k, Σ_k), whose score is known exactly") { options, _ in
      let weights = try options.numbers("weights", "of the components, 0 or more; scaled to sum 1")
      let means = try options.matrix("means", "a list of coordinates per component")
      let law = try options.located("kind", prefix: "gaussian-mixture: ") {
        try options.oneOf([
          (
            "deviations",
            { options in
              let deviations = try options.numbers("deviations", "a standard deviation per component")
              return try GaussianMixture(weights: weights, means: means, deviations: deviations)
            }
          ),
          (
            "covariances",
            { options in
              let covariances = try options.matrices("covariances", "a matrix per component")
              return try GaussianMixture(weights: weights, means: means, covariances: covariances)
            }
          ),
        ])
      }
      let exponential = try options.flag(
        "exponential", default: false, "rows are the exponentials of the draws: positive data")
      let (count, heldOut) = try counts(options)
      return MixtureData(law, exponential: exponential, count: count, heldOut: heldOut)
    },
    plane(.twoMoons, noise: 0.05, "two half circles"),
    plane(.swissRoll, noise: 0.05, "a spiral"),
    plane(.checkerboard, noise: 0, "the even squares of a 4 × 4 board on [−2, 2]²"),
    Kind("csv", "rows of a CSV file, plain or gzipped; row i is held out when i mod 6 = 5") { options, _ in
      let path = try options.file("path", allowed: "a file", "the file, relative to the config")
      let sizes = try options.optionalIntegers("shape", atLeast: 1, "[height, width, channels], for images in [−1, 1]")
      let shape = try sizes.map { sizes in
        guard sizes.count == 3, [1, 3].contains(sizes[2]), sizes[0] <= 65_536, sizes[1] <= 65_536 else {
          throw options.wrong("shape", "is not [height, width, channels] with 1 or 3 channels")
        }
        return ImageShape(height: sizes[0], width: sizes[1], channels: sizes[2])
      }
      return try CSVData(path: path, shape: shape, conditions: try conditionColumns(options))
    },
    Kind(
      "images", "the .png files of a folder and those in it, cropped to squares; file i is held out when i mod 6 = 5"
    ) { options, _ in
      let path = try options.file("path", allowed: "a folder", "the folder, relative to the config")
      let size = try options.integer(
        "size", default: 32, atLeast: 1, atMost: 4096, "height and width of a row, in pixels")
      let channels = try options.choice("channels", default: 3, among: [1, 3], "3: RGB, or 1: gray")
      let flip = try options.flag("flip", default: true, flipping)
      let crops = try options.integer(
        "crops", default: 2000, atLeast: 1, atMost: 10_000_000,
        "rows of the training images for tables and metrics, if images are larger")
      let heldOut = try options.integer(
        "held_out", default: 1000, atLeast: 2, atMost: 10_000_000, "rows of the held-out images, likewise")
      return try ImageFolder(
        path: path, size: size, channels: channels, flip: flip, crops: crops, heldOut: heldOut)
    },
    Kind("idx", "images of an IDX file, as MNIST's, plain or gzipped; image i is held out when i mod 6 = 5") {
      options, _ in
      let path = try options.file("path", allowed: "a file", "images, relative to the config")
      let labels = try options.optionalFile("labels", "a label for every image")
      let heldOut = try options.optionalFile("held_out", "images to judge by, in place of every sixth")
      let heldOutLabels = try options.optionalFile("held_out_labels", "a label for each of those")
      let flip = try options.flag("flip", default: false, flipping)
      return try IDXImages(path: path, labels: labels, heldOut: heldOut, heldOutLabels: heldOutLabels, flip: flip)
    },
    Kind("cifar10", "CIFAR-10's binary files; test_batch.bin is held out, without it every sixth image") { options, _ in
      let path = try options.file(
        "path", allowed: "a folder", "of data_batch_1.bin to data_batch_5.bin, relative to the config")
      return try CIFAR10(path: path, flip: try options.flag("flip", default: true, flipping))
    },
  ])

  private static func plane(_ shape: PlaneData.Shape, noise: Double, _ about: String) -> Kind<any DataSource> {
    Kind(shape.rawValue, about) { options, _ in
      let noise = try options.number("noise", default: noise, in: .nonNegative, "deviation of the noise on every point")
      let (count, heldOut) = try counts(options)
      return PlaneData(shape, noise: noise, count: count, heldOut: heldOut)
    }
  }

  private static let flipping = "mirror half of the training rows left to right"

  /// The columns of a CSV file that are conditions: at most one of the three keys.
  private static func conditionColumns(_ options: Options) throws -> ConditionColumns {
    let column = "a column: its name in the header, or its number from 0"
    let label = try options.optionalText("label", allowed: column, "the class of each row, a whole number from 0")
    let numbers = try options.optionalTexts("condition", allowed: "columns, as for label", "numbers known of each row")
    let text = try options.optionalText("text", allowed: "a column, as for label", "a text for each row")
    let given = [("label", label != nil), ("condition", numbers != nil), ("text", text != nil)].filter(\.1)
    if given.count > 1 {
      throw options.wrong(given[1].0, "stands beside \(given[0].0); allowed: one of label, condition, text")
    }
    if let label { return .label(label) }
    if let numbers { return .numbers(numbers) }
    return text.map { .text($0) } ?? .nothing
  }

  private static func counts(_ options: Options) throws -> (Int, Int) {
    (
      try options.integer("count", default: 10_000, atLeast: 1, atMost: 100_000_000, "rows to train on"),
      try options.integer("held_out", default: 5_000, atLeast: 2, atMost: 100_000_000, "rows to judge by")
    )
  }
}
