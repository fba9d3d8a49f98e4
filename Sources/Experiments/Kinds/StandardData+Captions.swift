// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

// Images with texts.
extension Catalogue {
  static let scenes = Kind<any DataSource>(
    "scenes", "32 × 32 pictures of coloured digits with captions: \"two red sevens above a green three\""
  ) { options, _ in
    Scenes(
      count: try options.integer(
        "count", default: 20_000, atLeast: 1, atMost: 10_000_000,
        "captions to train on, which every training step paints anew"),
      heldOut: try options.integer(
        "held_out", default: 1_000, atLeast: 2, atMost: 1_000_000, "rows to judge by, of the held-out digits"),
      keepsBack: try options.flag(
        "keep_back", default: true,
        "train without some combinations of colour and digit, and of place and counts, which every second held-out row has"
      ))
  }

  static let captionedImages = Kind<any DataSource>(
    "captioned-images",
    "the .png files of a folder that its captions.csv lists, with what they show, cropped to squares"
  ) { options, _ in
    let path = try options.file(
      "path", allowed: "a folder", "with captions.csv, whose columns are file and caption; relative to the config")
    var read = ImageFolder.Options(
      size: try options.integer("size", default: 32, atLeast: 1, atMost: 4096, "height and width of a row, in pixels"))
    read.channels = try options.choice("channels", default: 3, among: [1, 3], "3: RGB, or 1: gray")
    read.background = try options.choice(
      "background", default: ImageFolder.Background.white, "what transparent pixels are composed on")
    read.flip = try options.flag(
      "flip", default: false, flipping + "; a caption may tell left from right")
    read.heldOut = try options.heldOut()
    return try CaptionedImages(path: path, read)
  }
}
