// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Plots

/// Pictures of samples beside what was seen of them: `SOLVER-posterior.png`, and of images `SOLVER-spread.png`.
struct PosteriorPictures {
  let observed: Observed
  let plan: ObservationPlan
  let stage: PictureStage

  init(_ observed: Observed, _ plan: ObservationPlan, _ stage: PictureStage) {
    (self.observed, self.plan, self.stage) = (observed, plan, stage)
  }

  func write(_ samples: Batch, solver: String, to folder: ResultsFolder) throws {
    guard let shape = stage.shape else {
      let figure = PosteriorFigure(
        observed: observed, model: plan.model, prior: stage.heldOut, columns: stage.columns)
      try stage.write(try figure.figure(samples, solver: solver), as: "samples/\(solver)-posterior", to: folder)
      return
    }
    let images = PosteriorImages(observed: observed, plan: plan, shape: shape)
    try stage.write(images.figure(samples, solver: solver), as: "samples/\(solver)-posterior", to: folder)
    if let spread = images.spread(samples, solver: solver) {
      try stage.write(spread, as: "samples/\(solver)-spread", to: folder)
    } else {
      for format in Figure.Format.allCases { folder.remove("samples/\(solver)-spread.\(format.rawValue)") }
    }
  }
}

extension Batch {
  /// The rows that have one of several observations: those of the numbers k, k + K, ….
  func rows(of observation: Int, among count: Int) -> Batch {
    let numbers = stride(from: observation, to: self.count, by: count)
    return Batch(values: numbers.flatMap { row($0) }, dimension: dimension)
  }
}
