// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Models
import Networks
import Processes
import Scores
import Solvers
import Tensors

extension Catalogue {
  static let standardScores = Kinds<any ScoreRecipe>([
    Kind("network", "a network, trained by this experiment") { options, catalogue in
      var prediction = try options.choice(
        "prediction", default: Prediction.noise,
        "what the network's output stands for; without: what the files of a diffusers network say, else noise")
      let deviation = try options.number(
        "sigma_data", or: "data", in: .positive,
        "σ_d of edm prediction and weighting; data: the standard deviation of all training values")
      let network = try options.kind("network", of: catalogue.networks, default: "mlp", in: catalogue, "the network")
      if let own = network.pretrained?.prediction, !options.has("prediction") {
        prediction = own
        options.settle("prediction", own.rawValue)
      }
      return NetworkScoreRecipe(prediction, dataDeviation: deviation, network)
    },
    Kind("exact", "the exact score of data that is a Gaussian mixture, or uniform on boxes") { _, _ in
      ExactScoreRecipe()
    },
    Kind("empirical", "the exact score of the training set itself, a mixture of points") { _, _ in
      EmpiricalScoreRecipe()
    },
    Kind("checkpoint", "a network trained by another experiment, on data of the same dimension") { options, _ in
      CheckpointScoreRecipe(
        path: try options.file(
          "path", example: "checkpoint.safetensors", "a checkpoint.safetensors, relative to the config"))
    },
    Kind(
      AutoencoderScoreRecipe.kind,
      "no score: a variational autoencoder of pictures is trained, for coordinates of another experiment"
    ) { options, _ in try AutoencoderScoreRecipe(options) },
  ])

  static let standardGrids = Kinds<any TimeGrid>([
    Kind("uniform", "equal steps of t") { _, _ in UniformGrid() },
    Kind("quadratic", "equal steps of √t") { _, _ in QuadraticGrid() },
    Kind("log-snr", "equal steps of ln(m/σ)") { _, _ in LogSignalToNoiseGrid() },
    Kind("karras", "equal steps of (σ/m)^{1/ρ}, from T to ε") { options, _ in
      // Below 1, σ̃ stays near its largest value, and the last step jumps over all others.
      KarrasGrid(rho: try options.number("rho", default: 7, in: .atLeast(1), "the larger, the more steps at low noise"))
    },
    Kind("list", "times of one's choice") { options, _ in
      let times = try options.numbers("times", example: [1, 0.001], "steps + 1 falling times, T first and ε last")
      do {
        return try ListedTimes(times)
      } catch let error as InputError {
        throw options.wrong("times", error.message)
      }
    },
    Kind("optimised", "the best times for the solver and its score, found once and kept beside the network") {
      options, _ in
      let search = try options.choice(
        "search", default: OptimisedGrid.Search.auto,
        "for the first times: errors of single steps, for solvers of the flow; alignment, for those that add noise")
      let rows = try options.integer("rows", default: 256, atLeast: 1, atMost: 1_000_000, "solved while looking")
      let candidates = try options.integer(
        "candidates", default: 64, atLeast: 1, atMost: 1000, "intervals among whose ends the first times choose")
      let trials = try options.only(if: search != .alignment, needs: "a search for solvers of the flow") {
        try options.integer(
          "trials", default: 300, atLeast: 0, atMost: 1_000_000,
          "grids tried after the first times for a smaller error at ε; 0: none")
      }
      return OptimisedGrid(search: search, rows: rows, candidates: candidates, trials: trials)
    },
  ])
}
