// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets

/// Draws pictures of samples and of their ways: a grid of images, or points over the held-out data.
struct PictureStage {
  /// nil for points.
  let shape: ImageShape?
  let heldOut: any DataRows

  /// Enough of them for a picture.
  private var shown: Batch { heldOut.prefix(values: 1 << 24) }

  func write(_ samples: Batch, solver: String, to folder: ResultsFolder) throws {
    let picture =
      if let shape { Picture.grid(samples, shape: shape) } else { Picture.scatter(samples, heldOut: shown) }
    try folder.write(try picture.png(), to: "samples/\(solver).png")
  }

  /// A film strip and an animation of the rows that were followed.
  func write(_ trajectories: Trajectories, solver: String, to folder: ResultsFolder) throws {
    let shown = shown
    try folder.write(try trajectories.strip(shape: shape, data: shown).png(), to: "samples/\(solver)-strip.png")
    try folder.write(try trajectories.animation(shape: shape, data: shown), to: "samples/\(solver)-animation.png")
  }
}
