// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation

/// Draws pictures of samples and of their ways: a grid of images, or points over the held-out data.
struct PictureStage {
  /// nil for points.
  let shape: ImageShape?
  let heldOut: any DataRows

  func write(_ samples: Batch, solver: String, to folder: ResultsFolder) throws {
    try folder.write(try png(of: samples), to: "samples/\(solver).png")
  }

  /// The picture of samples, as PNG.
  func png(of samples: Batch) throws -> Data {
    let picture =
      if let shape { Picture.grid(samples, shape: shape) } else { Picture.scatter(samples, heldOut: frame(samples)) }
    return try picture.png()
  }

  /// What the frame of a picture is made for: held-out rows, enough of them, or where there are none the samples.
  private func frame(_ samples: Batch) -> Batch { heldOut.count > 0 ? heldOut.prefix(values: 1 << 24) : samples }

  /// A film strip and an animation of the rows that were followed.
  func write(_ trajectories: Trajectories, solver: String, to folder: ResultsFolder) throws {
    let data = frame(trajectories.state(at: 1))
    try folder.write(try trajectories.strip(shape: shape, data: data).png(), to: "samples/\(solver)-strip.png")
    try folder.write(try trajectories.animation(shape: shape, data: data), to: "samples/\(solver)-animation.png")
  }
}
