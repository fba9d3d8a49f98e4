// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Training

/// What a training says on standard error.
extension TrainingStage {
  func note(_ text: String) {
    if !quiet { StandardStreams.report("score-sde: \(name): \(text)\n") }
  }

  /// Names damaged files, whoever wants to hear it or not.
  func warn(_ damaged: [DamagedCheckpoint], _ consequence: String) {
    for file in damaged {
      StandardStreams.report("score-sde: warning: \(file.path): damaged: \(file.reason); \(consequence)\n")
    }
  }

  /// Tells of ranks and threads that no lane is left for.
  func noteIdle(_ trainer: Trainer) {
    let (lanes, ranks) = (trainer.lanes, Team.current.count)
    let words = "a step of \(trainer.plan.batch) rows has \(lanes) lane\(lanes == 1 ? "" : "s")"
    let more = lanes < Trainer.lanes ? "; a larger training.batch has up to \(Trainer.lanes)" : ""
    let busy = (lanes + ranks - 1) / ranks
    if ranks > lanes {
      note("\(words), and so as many of the \(ranks) ranks compute gradients\(more)")
    } else if threads > busy {
      let whose = ranks > 1 ? "a rank's \(threads)" : "the \(threads)"
      note("\(words), and so \(busy) of \(whose) threads compute gradients\(more)")
    }
  }

  /// Tells of steps that changed nothing, on standard error.
  func warn(_ log: TrainingLog) {
    let reason = log.firstSkipped.map { "; the first now: \($0)" } ?? ""
    let text = "\(log.skipped) of \(trainer.plan.steps) steps were skipped, as their numbers were not finite\(reason)"
    FileHandle.standardError.write(Data("score-sde: \(name): warning: \(text)\n".utf8))
  }
}
