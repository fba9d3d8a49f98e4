// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Processes
import Scores

extension Catalogue {
  static let standardData = Kinds<any DataSource>([
    Kind("digits", "1,797 handwritten digits of 8 × 8 pixels in [−1, 1]; 1,498 train") { _, _ in Digits() },
    Kind("digits-mixture", "draws from a Gaussian mixture that is fitted to the digits, whose score is known exactly") {
      options, _ in
      let isColoured = try options.flag("colours", default: false, "three channels, and digits in one of three inks")
      let hasClasses = try options.flag("classes", default: false, "rows have the classes of their digits")
      let (count, heldOut) = try counts(options)
      return try MixtureData.digits(isColoured: isColoured, hasClasses: hasClasses, count: count, heldOut: heldOut)
    },
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
      let classes = try options.optionalIntegers(
        "classes", atLeast: 0, "a class per component, from 0: rows have them, and the exact score knows them")
      if let classes, classes.count != weights.count {
        throw options.wrong(
          "classes", "has \(classes.count) classes; allowed: \(weights.count), one for each component")
      }
      if let largest = classes?.max(), largest >= 100_000 {
        throw options.wrong("classes", "has class \(largest); allowed: below 100000")
      }
      let exponential = try options.flag(
        "exponential", default: false, "rows are the exponentials of the draws: positive data")
      let (count, heldOut) = try counts(options)
      return MixtureData(
        law, classes: classes.map { zip($0, weights).filter { $1 > 0 }.map(\.0) }, exponential: exponential,
        count: count, heldOut: heldOut)
    },
    Kind("tree", "two trees of narrow branches, a class each, whose score is known exactly (Karras et al. 2024)") {
      options, _ in
      let (count, heldOut) = try counts(options)
      return try MixtureData.tree(count: count, heldOut: heldOut)
    },
    Kind("uniform-box", "draws from the uniform law on a box, whose score is known exactly") { options, _ in
      let low = try options.numbers("low", "where each column begins")
      let high = try options.numbers("high", "where each column ends")
      let box = try options.located("kind", prefix: "uniform-box: ") {
        options.isDescribing ? try UniformBox(low: [0], high: [1]) : try UniformBox(low: low, high: high)
      }
      let (count, heldOut) = try counts(options)
      return BoxData(box, count: count, heldOut: heldOut)
    },
    plane(.twoMoons, noise: 0.05, "two half circles"),
    plane(.swissRoll, noise: 0.05, "a spiral"),
    plane(
      .checkerboard, noise: 0,
      "the even squares of a 4 × 4 board on [−2, 2]², whose score is known exactly where no noise is added"),
    scenes, csv, npy,
    Kind(
      "images", "the .png files of a folder and of those in it, sorted by the bytes of their paths, cropped to squares"
    ) { options, _ in
      let path = try options.file("path", allowed: "a folder", "the folder, relative to the config")
      var read = ImageFolder.Options(
        size: try options.integer(
          "size", default: 32, atLeast: 1, atMost: 4096, "height and width of a row, in pixels"))
      read.channels = try options.choice("channels", default: 3, among: [1, 3], "3: RGB, or 1: gray")
      read.background = try options.choice(
        "background", default: ImageFolder.Background.white, "what transparent pixels are composed on")
      read.labelsFolders =
        try options.choice(
          "label", default: FolderLabel.none, "the class of an image: none, or the folder within `path` it lies in")
        == .folder
      read.flip = try options.flag("flip", default: true, flipping)
      read.crops = try options.integer(
        "crops", default: 2000, atLeast: 1, atMost: 10_000_000,
        "rows of the training images for tables and metrics, if images are larger")
      (read.heldOut, read.heldOutCrops) = try options.heldOutImages()
      return try ImageFolder(path: path, read)
    },
    captionedImages,
    Kind("idx", "images of an IDX file, as MNIST's, plain or gzipped") { options, _ in
      let path = try options.file("path", allowed: "a file", "images, relative to the config")
      let labels = try options.optionalFile("labels", "a label for every image")
      let heldOut = try options.heldOut()
      let heldOutLabels = try options.optionalFile("held_out_labels", "a label for each image of a held_out file")
      let flip = try options.flag("flip", default: false, flipping)
      return try IDXImages(path: path, labels: labels, heldOut: heldOut, heldOutLabels: heldOutLabels, flip: flip)
    },
    Kind("cifar10", "CIFAR-10's binary files; test_batch.bin is held out, or, without it, a share") { options, _ in
      let path = try options.file(
        "path", allowed: "a folder", "of data_batch_1.bin to data_batch_5.bin, relative to the config")
      let flip = try options.flag("flip", default: true, flipping)
      let isGiven = options.has("held_out")
      let heldOut = try options.heldOut()
      return try CIFAR10(path: path, flip: flip, heldOut: isGiven ? heldOut : nil)
    },
    noData,
  ])

  private static func plane(_ shape: PlaneData.Shape, noise: Double, _ about: String) -> Kind<any DataSource> {
    Kind(shape.rawValue, about) { options, _ in
      let noise = try options.number("noise", default: noise, in: .nonNegative, "deviation of the noise on every point")
      let (count, heldOut) = try counts(options)
      return PlaneData(shape, noise: noise, count: count, heldOut: heldOut)
    }
  }

  private enum FolderLabel: String, CaseIterable { case none, folder }

  static let flipping = "mirror half of the training rows left to right"

  private static func counts(_ options: Options) throws -> (Int, Int) {
    (
      try options.integer("count", default: 10_000, atLeast: 1, atMost: 100_000_000, "rows to train on"),
      try options.integer("held_out", default: 5_000, atLeast: 2, atMost: 100_000_000, "rows to judge by")
    )
  }
}
