// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Foundation
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

/// The score of a network that another experiment trained, rebuilt from the config that its checkpoint carries.
public struct CheckpointScoreRecipe: ScoreRecipe {
  /// The checkpoint's file.
  public let path: String

  /// The score of a checkpoint's network.
  public init(path: String) { self.path = path }

  /// What the network knows is known after the file has been read.
  public var conditionShape: ConditionShape? { nil }

  /// How far the network's training is, where it has not come to its end; nil for a finished one.
  func progress() throws -> String? {
    let file = try Safetensors(reading: path)
    guard let steps = TrainingIdentity(try Checkpoint.config(of: file, path: path)).steps,
      let step = file.metadata["step"].flatMap({ Int($0) }), step < steps
    else { return nil }
    return "the network is unfinished: step \(step) of \(steps), from \(path)"
  }

  public func fittedCoordinates() throws -> [[Double]]? {
    let file = try Safetensors(reading: path)
    guard let text = file.metadata["coordinates"] else { return nil }
    do {
      return try FittedNumbers.read(text)
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: path)
    }
  }

  public func map(in catalogue: Catalogue) -> FlowMapRange? {
    // What is wrong with the file is told where it is read as a whole.
    guard let file = try? Safetensors(reading: path), let text = try? Checkpoint.config(of: file, path: path),
      let source = try? ConfigSource(text: text, path: path),
      let training = try? Options(source.root, path: "", source: source).section("training", "")
    else { return nil }
    let hasDivergence = file.tensors["model.divergence.weight"] != nil
    return try? Self.map(training, ObjectiveRecipe(training, catalogue), hasDivergence: hasDivergence)
  }

  /// Between which times the network of a training maps; nil: it is a score alone.
  private static func map(
    _ training: Options, _ objective: ObjectiveRecipe, hasDivergence: Bool
  ) throws -> FlowMapRange? {
    guard objective.trains != .score else { return nil }
    return objective.map(to: try training.number("epsilon", in: .positive, ""), hasDivergence: hasDivergence)
  }

  /// A network that was trained, read by the conventions of a process.
  struct Learned {
    let problem: LearningProblem
    let model: ScoreModel
    let dropsConditions: Bool
    /// The classes that it was trained on; nil: all.
    let classes: [Int]?
  }

  public func resolve(in setting: ScoreSetting) throws -> ScoreSource {
    let learned = try learned(in: setting)
    let objective = learned.problem.objective
    guard
      objective.coupling != .pairs || objective.reflow != nil || learned.model.network.conditionShape == .nothing
    else {
      throw InputError(
        "its network was told conditions of pairs, and samples begin with rows whose conditions only its own experiment "
          + "knows; allowed: a config with its training, which is then used again", at: path)
    }
    return learned.problem.source(
      learned.model, dropsConditions: learned.dropsConditions, occurringClasses: learned.classes)
  }

  /// The network of the file.
  /// - Throws: `InputError` for a file that is not a checkpoint, and for one of another process or of other data.
  func learned(in setting: ScoreSetting) throws -> Learned {
    let file = try Safetensors(reading: path)
    let text = try Checkpoint.config(of: file, path: path)
    let source = try ConfigSource(text: text, path: "the config in \(path)")
    let root = Options(source.root, path: "", source: source)
    if root.has("pretrained") {
      throw InputError(
        "its network is a diffusers folder's; `score-sde export` it, and name that folder instead", at: path)
    }
    if root.kindName(of: "score") == AutoencoderScoreRecipe.kind {
      throw InputError(
        "is the checkpoint of an autoencoder, and no score; allowed: coordinates: [{kind: autoencoder, path: …}]",
        at: path)
    }
    let scores = try root.section("score", required: true, "")
    guard let recipe = try scores.kind(of: setting.catalogue.scores, in: setting.catalogue).network else {
      throw InputError("a checkpoint whose score is not a network", at: path)
    }
    let coordinates = try Self.coordinates(root, text, setting.catalogue)
    guard coordinates == setting.coordinates else {
      let own = coordinates.isEmpty ? "none" : Self.line(coordinates)
      let asked = setting.coordinates.isEmpty ? "none" : Self.line(setting.coordinates)
      throw InputError("its network was trained in other coordinates: \(own); the config says \(asked)", at: path)
    }
    let seed = try root.integer("seed", default: 1, atLeast: 0, "")
    // The network knows the classes that it was trained on, whatever this experiment's data has.
    let classes = file.tensors["model.class_embedding.weight"]?.shape.first
    let numbers = file.tensors["model.condition_embedding.weight"]?.shape.last
    let condition: ConditionShape =
      switch (classes, numbers) {
      case (let classes?, let numbers?): .both(classes: classes, numbers: numbers)
      case (let classes?, nil): .classes(classes)
      default: setting.data.conditionShape
      }
    // The same process is required: how the network was trained matters where there is no kernel.
    let training = try root.section("training", "")
    var objective = try ObjectiveRecipe(training, setting.catalogue)
    if root.has("source"), objective.coupling != nil, objective.traits.isEmpty { objective.traits = .flowAlone }
    let dropout = try training.number("condition_dropout", default: 0, "")
    let problem = LearningProblem(setting.process, objective: objective, seed: setting.seed)
    guard problem.hasKernel else {
      throw InputError("its network was trained without a perturbation kernel, and cannot be taken over", at: path)
    }
    let trained = try root.section("process", required: true, "").kind(
      of: setting.catalogue.processes, in: setting.catalogue)
    let own = LearningProblem(PreparedProcess(trained), objective: objective, seed: setting.seed)
    let shape = problem.shape(of: setting.data)
    let built: any Network
    do {
      let network = try recipe.recipe.build(
        for: DataShape(
          dimension: shape.dimension, image: shape.image, conditionShape: condition, texts: shape.texts,
          outputDimension: shape.outputDimension),
        seed: UInt64(seed))
      built = objective.trained(
        network, seed: UInt64(seed), to: try training.number("epsilon", default: 0, in: .nonNegative, ""),
        under: own.process)
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: path)
    }
    // A score whose only time input is σ/m can be used under any scalar process; ends of maps are times.
    let isPortable =
      recipe.prediction == .edm && built.noiseInput == .logNoiseToSignal && objective.trains == .score
    guard isPortable && own.isScalar && problem.isScalar || own.perturbs(as: problem) else {
      throw InputError(
        "its network was trained under another process; allowed: the same one, or any scalar one for a score, "
          + "and no map, of prediction edm with fourier features", at: path)
    }
    let checkpoint = try Checkpoint(file, layout: built.layout, path: path)
    let model = try problem.model(
      built, parameters: checkpoint.state.averages, recipe.prediction, dataDeviation: checkpoint.dataDeviation,
      data: setting.dataset.trainingRows
    ).with(map: try Self.map(training, objective, hasDivergence: built.hasDivergence))
    return Learned(problem: problem, model: model, dropsConditions: dropout > 0, classes: checkpoint.classes)
  }

  /// The key `coordinates` of a checkpoint's config, with every default written out.
  private static func coordinates(_ root: Options, _ text: String, _ catalogue: Catalogue) throws -> String {
    let lines = text.split(separator: "\n")
    let maps = lines.filter { $0.hasPrefix(ModelPlan.mapPrefix) }
    guard !maps.isEmpty else {
      _ = try root.kinds("coordinates", of: catalogue.coordinates, in: catalogue, "")
      return root.resolvedYAML(only: ["coordinates"], for: .identity(omittingFiles: false))
    }
    // A checksum stands for the files of its maps, which nobody needs to find again.
    let own = lines.drop { $0 != "coordinates:" }
    let block = own.prefix(1) + own.dropFirst().prefix { $0.hasPrefix(" ") }
    return (block + maps).map { "\($0)\n" }.joined()
  }

  /// YAML of several lines in one.
  private static func line(_ text: String) -> String {
    text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.joined(separator: " ")
  }
}
