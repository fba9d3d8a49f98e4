// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Networks
import Processes
import Scores
import Tensors
import Training

extension Session {
  /// A network that another experiment trained, rebuilt from the config that its checkpoint carries.
  static func score(
    fromCheckpoint path: String, plan: ExperimentPlan, data: Batch, _ catalogue: Catalogue
  ) throws -> any Score {
    let file = try Safetensors(reading: path)
    let text = try Checkpoint.config(of: file, path: path)
    let source = try ConfigSource(text: text, path: "the config in \(path)")
    let root = Options(source.root, path: "", source: source)
    if text.contains("kind: diffusers\n") {
      throw InputError(
        "its network is a diffusers folder's; `score-sde export` it, and name that folder instead", at: path)
    }
    let recipe = try root.section("score", required: true, "").kind(of: catalogue.scores, in: catalogue)
    guard case .network(let prediction, _, let network) = recipe else {
      throw InputError("a checkpoint whose score is not a network", at: path)
    }
    let seed = try root.integer("seed", default: 1, atLeast: 0, "")
    // The classes that it was trained on, whatever this experiment's data has.
    let classes = file.tensors["model.class_embedding.weight"]?.shape.first ?? plan.data.classes
    // Of the same process: how it was trained matters where there is no kernel.
    let training = try root.section("training", "")
    let objective = try training.choice("objective", default: TrainingPlan.Objective.denoising, "")
    let problem = LearningProblem(plan.process, objective: objective, seed: plan.seed)
    guard objective == .denoising ? problem.process is any LinearSDE : problem.process.makeKernel() != nil else {
      throw InputError("its network was trained without a perturbation kernel, and cannot be taken over", at: path)
    }
    let trained = try root.section("process", required: true, "").kind(of: catalogue.processes, in: catalogue)
    let own = LearningProblem(trained, objective: objective, seed: plan.seed)
    let shape = problem.shape(of: plan.data)
    let built: any ScoreNetwork
    do {
      built = try network.build(
        for: DataShape(
          dimension: shape.dimension, image: shape.image, classes: classes, outputDimension: shape.outputDimension),
        seed: UInt64(seed))
    } catch let error as InputError where error.location.isEmpty {
      throw InputError(error.message, at: path)
    }
    // What a network of σ/m alone says of the data holds under every scalar process.
    let isPortable = prediction == .edm && built.label == .logNoise
    guard isPortable && own.isScalar && problem.isScalar || own.perturbs(as: problem) else {
      throw InputError(
        "its network was trained under another process; allowed: the same one, or any scalar one for prediction edm with "
          + "fourier features", at: path)
    }
    if case .all(let label) = plan.sampling.classes, label >= built.classCount {
      throw InputError("sampling.class is \(label); the network knows \(built.classCount) classes", at: path)
    }
    let checkpoint = try Checkpoint(file, layout: built.layout, path: path)
    return problem.outer(
      try problem.score(
        built, parameters: checkpoint.state.averages, prediction, dataDeviation: checkpoint.dataDeviation,
        classes: plan.sampling.classes, data: data))
  }
}
