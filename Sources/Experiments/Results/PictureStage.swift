// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Plots
import Scores

/// Draws pictures of samples and of their ways, with the data beside them.
struct PictureStage {
  /// nil for points.
  let shape: ImageShape?
  let heldOut: any DataRows
  /// What the columns of the data are called; nil: x0, x1, ….
  var columns: [String]?
  /// The law of the data, where it is known.
  var law: DataLaw?
  /// The kinds of files of figures.
  var formats: [Figure.Format] = [.png]

  /// The endings of the files that figures of a solver have.
  static func endings(
    _ formats: [Figure.Format], isFollowed: Bool, isObserved: Bool, isEdited: Bool, isCaptioned: Bool
  ) -> [String] {
    formats.map { ".\($0.rawValue)" }
      + (isObserved ? formats.flatMap { ["-posterior.\($0.rawValue)", "-spread.\($0.rawValue)"] } : [])
      + (isCaptioned ? formats.map { "-captions.\($0.rawValue)" } : [])
      + (isEdited ? formats.map { "-edit.\($0.rawValue)" } : [])
      + (isFollowed ? formats.map { "-trajectories.\($0.rawValue)" } + ["-strip.png", "-animation.png"] : [])
  }

  func write(_ samples: Batch, solver: String, to folder: ResultsFolder) throws {
    try write(figure(samples, solver: solver), as: "samples/\(solver)", to: folder)
  }

  /// Samples beside held-out rows.
  func figure(_ samples: Batch, solver: String) throws -> Figure {
    guard let shape else {
      return try PointFigure(heldOut: heldOut, columns: columns, law: law, samples: samples)
        .figure(samples, solver: solver)
    }
    // As many images as a hundred thousand pixels hold, so that the file stays small.
    let most = min(100, max(1, 100_000 / (shape.width * shape.height)))
    func panel(_ rows: Batch, _ count: Int, _ name: String) -> Axes {
      let shown = min(rows.count, most)
      return Axes(
        picture: Picture.grid(rows, shape: shape, isCompact: true).raster,
        title: shown < count ? "\(name): \(shown) of \(count)" : "\(name): \(count)")
    }
    var panels: [Axes?] = [panel(samples.prefix(most), samples.count, "samples")]
    if heldOut.count > 0 { panels.insert(panel(heldOut.prefix(most), heldOut.count, "held-out data"), at: 0) }
    return Figure(title: solver, panels: [panels], width: panels.count == 1 ? 3.2 : 6.3, height: 3.6)
  }

  /// The figure of samples, as PNG.
  func png(of samples: Batch, title: String) throws -> Data { try figure(samples, solver: title).png() }

  /// Writes a figure in all formats.
  func write(_ figure: Figure, as name: String, to folder: ResultsFolder) throws {
    for format in formats { try folder.write(try figure.data(format), to: "\(name).\(format.rawValue)") }
  }

  /// What the frame of a picture is made for: held-out rows, enough of them, or where there are none the samples.
  private func frame(_ samples: Batch) -> Batch { heldOut.count > 0 ? heldOut.prefix(values: 1 << 20) : samples }

  /// A film strip and an animation of the rows that were followed; of points a figure of their ways too.
  func write(_ trajectories: Trajectories, solver: String, to folder: ResultsFolder) throws {
    let data = frame(trajectories.state(at: 1))
    let names = columns.flatMap { $0.count == trajectories.dimension ? $0 : nil }
    let columns = names ?? SampleFile.columns(trajectories.dimension)
    try folder.write(
      try trajectories.strip(shape: shape, data: data, names: columns, solver: solver),
      to: "samples/\(solver)-strip.png"
    )
    try folder.write(try trajectories.animation(shape: shape, data: data), to: "samples/\(solver)-animation.png")
    guard shape == nil else { return }
    try write(
      trajectories.figure(heldOut: heldOut, names: columns, solver: solver), as: "samples/\(solver)-trajectories",
      to: folder)
  }

  /// The arrows of a score.
  func write(_ field: FieldFigure, to folder: ResultsFolder) throws {
    try write(try field.figure(), as: "field", to: folder)
  }
}
