// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation

/// The repository's root.
let repository = URL(fileURLWithPath: #filePath).deletingLastPathComponent().deletingLastPathComponent()
  .deletingLastPathComponent()

/// A fresh folder that goes with the test.
func withFolder<R>(_ body: (String) throws -> R) throws -> R {
  let path = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
  try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  defer { try? FileManager.default.removeItem(atPath: path) }
  return try body(path)
}

/// A small experiment that trains a network in well under a second.
let tiny = """
  name: tiny
  seed: 3
  data: {kind: two-moons, count: 500, held_out: 200}
  process: {kind: vp}
  score: {kind: network, network: {kind: mlp, hidden: [16, 16], features: 8}}
  training: {steps: 60, batch: 64}
  sampling:
    count: 40
    solvers:
      - {name: em, kind: euler-maruyama, steps: 10}
      - {name: pc, kind: predictor-corrector, steps: 5, corrector: {kind: langevin, snr: 0.1}}
      - {name: ode, kind: probability-flow, rtol: 1.0e-3, atol: 1.0e-3}
  """

func plan(_ text: String, overrides: [String] = [], path: String = "test.yaml") throws -> ExperimentPlan {
  try ExperimentPlan(ConfigSource(text: text, path: path, overrides: overrides))
}

/// What lets a shipped config be read in a clone that has not fetched its data (`make photos`, `make mnist`), or
/// trained what they need: others.
func standingIn(for file: String) -> [String] {
  switch file {
  case "photos-unet.yaml": ["data={kind: digits}"]
  case "scenes-text.yaml": ["coordinates=[]", "score.network.attention=[16]"]
  case "few-step-digits.yaml": ["training.initial=null", "training.objective.teacher=none"]
  case "few-step-digits-one-step.yaml", "few-step-digits-unet.yaml":
    ["training.initial=null", "training.objective=easy-consistency"]
  case "mnist-unet.yaml": ["data={kind: digits}", "score.network.attention=[4]"]
  default: []
  }
}

func contents(_ path: String) -> String { (try? String(contentsOfFile: path, encoding: .utf8)) ?? "" }

/// An experiment that keeps its trained networks within its results folder, so that no test finds what another has
/// trained.
func makeExperiment(
  _ plan: ExperimentPlan, catalogue: Catalogue = .standard, folder: String, store: String? = nil, threads: Int? = nil,
  quiet: Bool = true
) -> Experiment {
  Experiment(
    plan, catalogue: catalogue, folder: folder, store: ModelStore(store ?? folder + "/.models"), threads: threads,
    quiet: quiet)
}
