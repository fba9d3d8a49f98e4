// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Solvers
import Yams

/// The solver of a generation: a scheduler of diffusers, or one of ours by its name with default options.
struct SolverChoice {
  /// The scheduler; of one of our solvers that of the folder, which says levels and prediction.
  let recipe: SchedulerRecipe
  /// One of ours; nil: the scheduler.
  let ours: (any Solver)?

  /// - Parameters:
  ///   - request: its solver, steps and η.
  ///   - file: the folder's scheduler_config.json.
  ///   - schedulerClass: the class that model_index.json names.
  ///   - catalogue: the solvers that may be named.
  /// - Throws: `InputError` for an unknown name, and for a scheduler that is not followed.
  init(
    _ request: GenerationRequest, _ file: String, _ schedulerClass: String, _ catalogue: Catalogue
  ) throws {
    func recipe(_ method: String?) throws -> SchedulerRecipe {
      let recipe = try SchedulerRecipe(
        file, pipelineSays: schedulerClass, as: method, isStableDiffusion: true, eta: request.eta)
      if request.eta > 0, recipe.scheduler.method != .ddim(eta: request.eta) {
        throw InputError("has no effect; it needs DDIM, as --solver ddim", at: "--eta")
      }
      return recipe
    }
    guard let name = request.solver, SchedulerRecipe.names[name] == nil else {
      (self.recipe, ours) = (try recipe(request.solver), nil)
      return
    }
    // A scheduler has a name of its own here.
    guard name != "scheduler", let kind = catalogue.allSolvers[name] else {
      let names = SchedulerRecipe.names.keys.sorted() + catalogue.allSolvers.names
      var known: [String] = []
      for name in names where !known.contains(name) && name != "scheduler" { known.append(name) }
      let hint = nearest(to: name, among: known).map { "did you mean '\($0)'? " } ?? ""
      throw InputError("unknown name '\(name)'; \(hint)allowed: \(known.joined(separator: ", "))", at: "--solver")
    }
    guard request.eta == 0 else { throw InputError("has no effect; it needs DDIM, as --solver ddim", at: "--eta") }
    // Only the levels and the prediction count, which every scheduler has.
    self.recipe = try recipe("ddim")
    let known = Options.describing()
    _ = try kind.decode(known, catalogue)
    var entries = [(Node("kind"), Node(name))]
    if known.declarations.contains(where: { $0.key == "steps" }) {
      entries.append((Node("steps"), Node(String(request.steps))))
    }
    do {
      ours = try kind.decode(Options(.mapping(Node.Mapping(entries)), path: "", source: nil), catalogue)
    } catch let error as InputError {
      throw InputError(error.message, at: "--solver \(name)")
    }
  }
}
