// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Training

/// A trained autoencoder in a file or folder: diffusers' `AutoencoderKL`, a pipeline that has one, the results folder
/// of an experiment that trained one, or its checkpoint.
struct AutoencoderFile {
  let autoencoder: Autoencoder
  /// What was chosen or left out, a line each.
  let notes: [String]

  /// - Parameters:
  ///   - path: the file or folder.
  ///   - subfolder: of diffusers' model in the folder; nil: the folder itself, or `vae`.
  ///   - variant: of diffusers' weights; nil: none, or the only one there.
  ///   - catalogue: reads the config that a checkpoint carries.
  /// - Throws: `InputError` at the file for what is missing, damaged or no autoencoder.
  init(_ path: String, subfolder: String?, variant: String?, _ catalogue: Catalogue) throws {
    var isFolder: ObjCBool = false
    guard FileManager.default.fileExists(atPath: path, isDirectory: &isFolder) else {
      throw InputError(
        "no such file or folder; allowed: a folder of diffusers' AutoencoderKL, or the results of an experiment that "
          + "trained an autoencoder", at: path)
    }
    let own = isFolder.boolValue ? "\(path)/checkpoint.safetensors" : path
    let isOurs = !isFolder.boolValue || FileManager.default.fileExists(atPath: own)
    guard isOurs else {
      let folder = try AutoencoderFolder(path, subfolder: subfolder, variant: variant)
      (autoencoder, notes) = (folder.autoencoder, folder.notes)
      return
    }
    for (name, value) in [("subfolder", subfolder), ("variant", variant)] where value != nil {
      throw InputError("\(name) has no effect; it needs a folder that diffusers saved", at: path)
    }
    (autoencoder, notes) = (try Self.read(own, catalogue), [])
  }

  private static func read(_ path: String, _ catalogue: Catalogue) throws -> Autoencoder {
    let file = try Safetensors(reading: path)
    let text = try Checkpoint.config(of: file, path: path)
    let source = try ConfigSource(text: text, path: "the config in \(path)")
    let root = Options(source.root, path: "", source: source)
    let section = try root.section("score", required: true, "")
    guard let recipe = try section.kind(of: catalogue.scores, in: catalogue) as? AutoencoderScoreRecipe else {
      throw InputError("is the checkpoint of a score, and no autoencoder", at: path)
    }
    guard let scale = AutoencoderScale(file.metadata) else {
      let steps = TrainingIdentity(text).steps.map { " of \($0)" } ?? ""
      throw InputError(
        "the training of this autoencoder stopped at step \(file.metadata["step"] ?? "?")\(steps); `train` goes on",
        at: path)
    }
    do {
      let network = try recipe.network(for: scale.image)
      let checkpoint = try Checkpoint(file, layout: network.layout, path: path)
      return Autoencoder(
        network, parameters: checkpoint.state.averages, scaling: scale.scaling, shift: scale.shift)
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: path)
    }
  }
}

/// What a finished training measures of its autoencoder's latents, and the pictures that these are of: texts of a
/// checkpoint.
struct AutoencoderScale: Equatable {
  let image: ImageShape
  let scaling, shift: Double

  private static let names = (image: "image", scaling: "scaling_factor", shift: "shift_factor")

  init(image: ImageShape, scaling: Double, shift: Double) {
    (self.image, self.scaling, self.shift) = (image, scaling, shift)
  }

  /// nil where a checkpoint's texts do not have it, as those of an unfinished training.
  init?(_ metadata: [String: String]) {
    let sizes = (metadata[Self.names.image] ?? "").split(separator: " ").compactMap { Int($0) }
    guard sizes.count == 3, sizes.allSatisfy({ $0 > 0 }),
      let scaling = metadata[Self.names.scaling].flatMap({ Double($0) }), scaling > 0, scaling.isFinite,
      let shift = metadata[Self.names.shift].flatMap({ Double($0) }), shift.isFinite
    else { return nil }
    self.init(
      image: ImageShape(height: sizes[0], width: sizes[1], channels: sizes[2]), scaling: scaling, shift: shift)
  }

  /// For a checkpoint.
  var metadata: [String: String] {
    [
      Self.names.image: "\(image.height) \(image.width) \(image.channels)", Self.names.scaling: scaling.description,
      Self.names.shift: shift.description,
    ]
  }

  /// How many training rows are looked at.
  private static let rows = 2048

  /// One over the deviation of all latents of training rows about their one mean, draws of their laws included.
  /// - Throws: `InputError` where it is not finite or 0; what a stop signal throws.
  init(_ network: AutoencoderNetwork, _ parameters: [Float], _ dataset: Dataset, threads: Int) throws {
    let a = network.architecture
    let autoencoder = Autoencoder(network, parameters: parameters, scaling: 1)
    let (mean, logVariance) = try autoencoder.encode(dataset.trainingRows.prefix(Self.rows), threads: threads)
    let count = Double(mean.values.count)
    let centre = mean.values.reduce(0, +) / count
    let between = mean.values.reduce(0) { $0 + ($1 - centre) * ($1 - centre) } / count
    let within = logVariance.values.reduce(0) { $0 + exp($1) } / count
    let deviation = (between + within).squareRoot()
    guard deviation > 0, deviation.isFinite else {
      throw InputError("the latents of the training rows have the deviation \(deviation); there is no scale for them")
    }
    self.init(
      image: ImageShape(height: a.height, width: a.width, channels: a.channels), scaling: 1 / deviation, shift: 0)
  }
}
