// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Solvers

/// Pictures of samples that a training draws while it runs: `training.preview`. No network depends on them.
public struct TrainingPreview: Sendable {
  /// Between two pictures; the last step has one in any case.
  public let steps: Int
  /// How many samples a picture shows.
  public let count: Int
  /// What draws the samples; nil: pictures are of an autoencoder, which draws none.
  public let solver: (any Solver)?

  /// - Parameters:
  ///   - isImage: whether the data are images, which need fewer samples for a picture than points do.
  ///   - process: what the solver is chosen for where the config names none.
  ///   - samples: whether samples are drawn; else held-out rows are shown beside what an autoencoder makes of them.
  ///   - map: between which times the network maps; nil: it is a score alone.
  init(
    _ options: Options, isImage: Bool, process: PreparedProcess, samples: Bool, map: FlowMapRange? = nil,
    _ catalogue: Catalogue
  ) throws {
    steps = try options.integer("steps", example: 500, atLeast: 1, "between two pictures; the last step has one, too")
    count = try options.integer(
      "count", default: isImage ? 64 : 1000, atLeast: 1, atMost: 100_000,
      "samples in a picture; by default 64 images or 1000 points")
    let given = try options.kind(
      "solver", of: catalogue.allSolvers, or: "auto", in: catalogue,
      "draws them; auto: ddim in 50 steps, euler-maruyama in 200 without a kernel of scalars, or flow-map in one step")
    if !samples, options.has("solver") {
      throw options.wrong("solver", "has no effect: an autoencoder draws no samples")
    }
    solver = samples ? try given ?? Self.quickSolver(for: process, map, catalogue) : nil
  }

  private static func quickSolver(
    for process: PreparedProcess, _ map: FlowMapRange?, _ catalogue: Catalogue
  ) throws -> any Solver {
    if let map, !map.isScore { return FlowMapSolver(steps: 1) }
    let grid = try catalogue.grids[process.sde.samplingSpacing.rawValue]?.decode(.describing(), catalogue)
    return process.scalarKernel == nil
      ? FixedSteps(EulerMaruyama(), steps: 200, grid: grid) : FixedSteps(DDIM(eta: 0), steps: 50, grid: grid)
  }

  /// Reads `training.preview`, which may be a number of steps alone.
  static func read(
    _ options: Options, isImage: Bool, process: PreparedProcess, samples: Bool,
    map: FlowMapRange? = nil, _ catalogue: Catalogue
  ) throws -> TrainingPreview? {
    options.practical.insert("preview")
    let section = try options.optionalSection(
      "preview", shortFor: "steps", "pictures of samples while the network is trained, every so many steps")
    guard let section else { return nil }
    let preview = try TrainingPreview(
      section, isImage: isImage, process: process, samples: samples, map: map, catalogue)
    try section.finish()
    return preview
  }

  /// Whether there is a picture of a step.
  func isDue(at step: Int, of total: Int) -> Bool {
    step > 0 && step <= total && (step % steps == 0 || step == total)
  }

  /// The picture's file, named by its step so that names sort as steps do.
  static func file(of step: Int, of total: Int) -> String {
    let (digits, width) = (String(step), max(6, String(total).count))
    return "\(folder)/" + String(repeating: "0", count: max(0, width - digits.count)) + digits + ".png"
  }

  static let folder = "previews"

  /// The step whose picture has this name; nil for another file.
  static func step(ofFile name: String) -> Int? {
    let parts = name.split(separator: "/")
    guard parts.count == 2, parts[0] == folder, parts[1].hasSuffix(".png") else { return nil }
    return Int(parts[1].dropLast(4))
  }

  /// Whether a training of so many steps has this file.
  func makes(_ name: String, of total: Int) -> Bool {
    guard let step = Self.step(ofFile: name) else { return false }
    return isDue(at: step, of: total) && name == Self.file(of: step, of: total)
  }
}
