// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Testing

/// What of a guidance would have no effect, or could not be, is refused where the config is read: `validate` says what
/// a run would.
@Suite("Guidances that do not fit together") struct GuidanceListTests {
  private static let network = """
    name: lists
    seed: 2
    data:
      {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.3, 0.4], classes: [0, 1],
       count: 400, held_out: 300}
    process: {kind: vp}
    score: {kind: network, network: {kind: mlp, hidden: [16], features: 8, class_conditional: true}}
    training: {steps: 80, batch: 64, condition_dropout: 0.2}
    sampling:
      count: 40
      condition: {class: 1}
      observation: {operator: {kind: mask, indices: [0]}, noise: 0.3, value: [0.5]}
      guidance: [{kind: classifier-free}, dps]
      solvers: [{name: s, kind: ancestral, steps: 8}]
    evaluation: {metrics: []}
    """

  /// The line of `guidance:` and that of `solvers:`.
  private static let (guidance, solvers) = (
    "test.yaml:13: sampling.guidance: ", "test.yaml:14: sampling.solvers.0.kind: "
  )

  private static func list(_ text: String) -> [String] { ["sampling.guidance=[\(text)]"] }

  static let refusals: [(changes: [String], says: String)] = [
    (list("dps, mmps"), "number 1 looks at the observation as one before it does, which would count twice"),
    (list("exact, exact"), "number 1 takes another score in place of what those before it make"),
    (list("{kind: classifier-free}, exact"), "number 1 takes another score"),
    (list("{kind: classifier-free}, {kind: monte-carlo}"), "number 1 takes another score"),
    (list("{kind: classifier-free}, {kind: other-score}"), "number 1 takes another score"),
    (
      list("smc, {kind: classifier-free}"), "number 1 has no effect: the solvers of the one before it do not look at it"
    ),
    (list("{kind: monte-carlo, moves: draws}, {kind: classifier-free}"), "number 1 has no effect"),
    (
      list("{kind: classifier-free, rescale: 0.7}, dps"),
      "number 1 needs products with the score's Jacobian, which that of the guidances before it does not have"
    ),
    (list("{kind: adaptive-projected}, mmps"), "number 1 needs products"),
    (list("{kind: classifier}, {kind: smc}"), "number 1 needs products"),
    (list("{kind: classifier-free}, {kind: autoguidance, checkpoint: a, interval: [200, 300]}"), "above σ/m at T, 152"),
    (["training.condition_dropout=0"], "classifier-free needs a network that also knows the score without a condition"),
    (
      list("{kind: adaptive-projected}") + ["training.condition_dropout=0", "sampling.observation=null"],
      "adaptive-projected needs a network that also knows"
    ),
    (
      list("{kind: classifier}") + ["training.condition_dropout=0", "sampling.observation=null"],
      "classifier needs a network that also knows the score without a condition; train it with "
        + "training.condition_dropout above 0, as 0.1, or without class_conditional"
    ),
    (["sampling.condition=nothing"], "leads by the samples' condition, and sampling.condition is nothing"),
    (
      ["sampling.guidance=ddnm", "sampling.solvers.0={name: s, kind: ddim, steps: 8}"],
      "sampling.solvers.0.kind: ddim: the guidance needs steps that add noise"
    ),
    (
      ["sampling.guidance=daps", "sampling.solvers.0={name: s, kind: heun, steps: 8}"],
      "sampling.solvers.0.kind: heun: the guidance has steps of its own; allowed beside it: ancestral"
    ),
  ]

  @Test("a config with them is not read", arguments: refusals.indices) func refused(index: Int) {
    let (changes, says) = Self.refusals[index]
    let error = #expect(throws: InputError.self) { try plan(Self.network, overrides: changes) }
    #expect(error?.description.contains(says) == true, "\(changes): \(error?.description ?? "")")
    #expect(error?.description.contains("allowed") == true || error?.description.contains("train it") == true)
    #expect(error?.description.contains("\n") == false)
  }

  @Test("lists that do fit are read: one that looks at the observation, before or after others") func allowed() throws {
    for text in [
      "{kind: classifier-free}, dps", "dps, {kind: classifier-free}", "{kind: classifier-free}, ddrm",
      "{kind: other-score, score: empirical}, mmps", "{kind: classifier-free, rescale: 0.7}, ddrm",
    ] {
      let list = Self.list(text)
      _ = try plan(Self.network, overrides: list)
    }
  }

  @Test("what only the data say has its line, too") func lines() throws {
    let text = Self.network.replacing("value: [0.5]", with: "held_out: [300]")
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    let error = #expect(throws: InputError.self) {
      try makeExperiment(plan(text), folder: folder).run()
    }
    #expect(
      error?.description
        == "test.yaml:12: sampling.observation.held_out: asks for held-out row 300 of 300; allowed: 0 to 299",
      "\(error?.description ?? "")")
    #expect(!FileManager.default.fileExists(atPath: folder))
  }

  /// A network that predicts noise is not for guidance by its Jacobian; 80 steps of training make that plain.
  @Test("samples that run away are counted in a note") func strays() throws {
    try withFolder { folder in
      func notes(_ changes: [String]) throws -> [String] {
        let changes = ["sampling.guidance=mmps", "sampling.solvers.0.steps=40", "sampling.count=100"] + changes
        let plan = try plan(Self.network, overrides: changes)
        _ = try makeExperiment(plan, folder: folder + "/r").run([.train, .sample])
        let manifest = try JSONSerialization.jsonObject(with: Data(contents(folder + "/r/manifest.json").utf8))
        return ((manifest as? [String: Any])?["notes"] as? [String] ?? []).filter { $0.contains("ran away") }
      }
      let found = try notes([])
      #expect(
        found.count == 1 && found[0].contains("of 100 samples ran away from the data, beyond 20 times"), "\(found)")
      #expect(try notes(["score.prediction=edm"]).isEmpty)
    }
  }

  @Test("a network that predicts noise is warned of beside guidance by its Jacobian, and no other") func predictions()
    throws
  {
    func warned(_ changes: [String]) throws -> [String] {
      try plan(Self.network, overrides: changes).foreseen().filter { $0.contains("Jacobian of x̂₀") }
    }
    for (changes, says) in [
      ([], "predicts noise count σ/m = 152 times at T"), (["score.prediction=score"], "predicts score"),
      (["sampling.guidance=none", "sampling.solvers.0={name: s, kind: ancestral, steps: 8, guidance: smc}"], "noise"),
    ] as [([String], String)] {
      let lines = try warned(changes)
      #expect(lines.count == 1 && lines[0].contains(says) && lines[0].contains(": sampling: "), "\(changes): \(lines)")
    }
    for changes in [
      ["score.prediction=edm"], ["score.prediction=velocity"], ["score.prediction=data"], ["sampling.guidance=ddrm"],
      ["sampling.guidance={kind: smc, variant: mcg-diff}"],
    ] {
      #expect(try warned(changes).isEmpty, "\(changes)")
    }
    let exact = Self.network.replacing(
      "{kind: network, network: {kind: mlp, hidden: [16], features: 8, class_conditional: true}}", with: "{kind: exact}"
    )
    .replacing("training: {steps: 80, batch: 64, condition_dropout: 0.2}\n", with: "")
    #expect(try plan(exact).foreseen().isEmpty)
  }

  @Test("a stray sample is beyond 20 radii") func reach() throws {
    let rows = Batch(rows: [[1, 1], [3, 1], [2, 1]])
    let stray = try #require(StraySamples(beside: rows))
    #expect(
      stray.count(in: Batch(rows: [[2, 1], [21.9, 1], [2, -18.9], [22.1, 1], [.nan, 0], [-.infinity, 0]])) == 3)
    #expect(stray.note(on: rows, of: "s") == nil)
    #expect(StraySamples(beside: Batch(rows: [[1, 1], [1, 1]])) == nil)
  }
}
