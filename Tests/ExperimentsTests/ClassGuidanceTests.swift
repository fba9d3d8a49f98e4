// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Pairs
import Scores
import Testing

/// Guidance by classes, as configs say it.
@Suite("Guidance by classes") struct ClassGuidanceTests {
  private static let mixture = """
    name: classes
    seed: 4
    data:
      {kind: gaussian-mixture, weights: [1, 2, 1, 0], means: [[-1, 0], [1, 1], [1, -1], [0, 0]],
       deviations: [0.15, 0.2, 0.2, 1], classes: [0, 1, 1, 5], count: 400, held_out: 300}
    process: {kind: vp}
    score: {kind: exact}
    sampling:
      count: 60
      solvers: [{name: s, kind: ddim, steps: 12}]
    evaluation: {metrics: []}
    """

  private static let network = """
    name: learned
    seed: 2
    data:
      {kind: gaussian-mixture, weights: [1, 1], means: [[-1, 0], [1, 0.5]], deviations: [0.3, 0.4], classes: [0, 1],
       count: 400, held_out: 300}
    process: {kind: vp}
    score: {kind: network, network: {kind: mlp, hidden: [16], features: 8, class_conditional: true}}
    training: {steps: 80, batch: 64, condition_dropout: 0.2}
    sampling:
      count: 40
      solvers: [{name: s, kind: ddim, steps: 8}]
    evaluation: {metrics: []}
    """

  /// The samples' file of a run.
  private func samples(
    _ text: String, _ overrides: [String], in folder: String, named name: String = UUID().uuidString,
    threads: Int? = nil
  ) throws -> String {
    let plan = try plan(text, overrides: overrides)
    _ = try makeExperiment(plan, folder: "\(folder)/\(name)", store: folder + "/models", threads: threads).run()
    return contents("\(folder)/\(name)/samples/s.csv")
  }

  // MARK: Mixtures with classes

  @Test("rows of a mixture have the classes of their components, and a class's samples are those of its components")
  func classes() throws {
    let plan = try plan(Self.mixture)
    #expect(plan.data.conditionShape == .classes(2) && plan.data.occurringClasses == nil)
    let dataset = try plan.data.load(seed: 4)
    for (rows, conditions) in [
      (dataset.training, dataset.trainingConditions), (dataset.heldOut, dataset.heldOutConditions),
    ] {
      let labels = try #require(conditions.listedClasses)
      // Means at −1 and 1 in the first column: five deviations from the middle and more.
      for (i, label) in labels.enumerated() { #expect((rows[i, 0] > 0) == (label == 1)) }
      // A quarter, give or take four deviations.
      let share = Double(labels.count { $0 == 0 }) / Double(labels.count)
      #expect(abs(share - 0.25) < 4 * (0.25 * 0.75 / Double(labels.count)).squareRoot())
    }
    // Without classes the same rows are drawn.
    let plain = Self.mixture.replacing(", classes: [0, 1, 1, 5]", with: "")
    let others = try Tests.plan(plain).data.load(seed: 4)
    #expect(others.training == dataset.training && others.trainingConditions == .nothing)
    try withFolder { folder in
      func firsts(_ condition: String) throws -> [Double] {
        try samples(Self.mixture, ["sampling.condition=\(condition)"], in: folder).split(separator: "\n").dropFirst()
          .map { Double($0.split(separator: ",")[0]) ?? .nan }
      }
      let (zero, one, turn) = try (firsts("{class: 0}"), firsts("{class: 1}"), firsts("auto"))
      #expect(zero.allSatisfy { $0 < 0 } && one.allSatisfy { $0 > 0 })
      #expect(turn.enumerated().allSatisfy { ($1 > 0) == ($0 % 2 == 1) })
      // Nothing known: the whole mixture, to the byte what data without classes give.
      let whole = try samples(Self.mixture, ["sampling.condition=nothing"], in: folder)
      #expect(try samples(plain, [], in: folder) == whole)
    }
  }

  @Test("figures of models compare with the law of each row's class") func judged() throws {
    try withFolder { folder in
      let text = Self.mixture.replacing("metrics: []", with: "metrics: [nll, kl, score-error]")
      _ = try makeExperiment(try plan(text), folder: folder + "/r").run()
      let rows = contents(folder + "/r/evaluation.csv").split(separator: "\n").map {
        $0.split(separator: ",", omittingEmptySubsequences: false)
      }
      func value(_ metric: String, _ column: String) throws -> Double {
        let place = try #require(rows[0].firstIndex { $0 == column })
        return try #require(rows.first { $0[2] == metric }.flatMap { Double($0[place]) })
      }
      // The model is the law itself: what is left is the flow's tolerance, and the prior.
      let (nll, exact) = try (value("nll", "value"), value("nll", "data"))
      let (kl, error) = try (value("kl", "value"), value("score_error", "value"))
      #expect(abs(nll - exact) < 0.01 && abs(kl) < 0.01 && error < 1e-20, "\(nll) \(exact) \(kl) \(error)")
      // −E ln p(x | c) is the entropy of the parts: below that of the whole mixture by that of the classes, 0.56.
      #expect(exact < 1)
    }
  }

  // MARK: Classifier-free guidance

  @Test("weight 1 gives the bytes without guidance, and others do not") func one() throws {
    try withFolder { folder in
      for text in [Self.mixture, Self.network] {
        let plain = try samples(text, ["sampling.condition={class: 1}"], in: folder)
        for kind in ["classifier-free", "adaptive-projected"] {
          let set = ["sampling.condition={class: 1}", "sampling.guidance.kind=\(kind)"]
          #expect(try samples(text, set + ["sampling.guidance.weight=1"], in: folder) == plain)
          let guided = try samples(text, set + ["sampling.guidance.weight=2"], in: folder)
          #expect(guided != plain)
          #expect(try samples(text, set + ["sampling.guidance.weight=2"], in: folder, threads: 1) == guided)
        }
        let none = try samples(text, ["sampling.condition=nothing"], in: folder)
        let zero = ["sampling.condition={class: 1}", "sampling.guidance={kind: classifier-free, weight: 0}"]
        // The network's rows stand in batches of other sizes: equal to single precision, and to what 8 steps make of
        // it.
        let (a, b) = (try numbers(samples(text, zero, in: folder)), numbers(none))
        #expect(pairs(a, b).allSatisfy { abs($0 - $1) < 1e-4 })
      }
    }
  }

  private func numbers(_ csv: String) -> [Double] {
    csv.split(separator: "\n").dropFirst().flatMap { $0.split(separator: ",").map { Double($0) ?? .nan } }
  }

  @Test("every option of guidance acts, and solvers have guidances of their own") func options() throws {
    try withFolder { folder in
      let solvers = [
        "{kind: classifier-free, weight: 3}", "{kind: classifier-free, weight: 3, interval: [0.2, 2]}",
        "{kind: classifier-free, weight: 3, rescale: 0.7}",
        "{kind: classifier-free, weight: 3, rescale: 0.7, rescale_of: data}",
        "{kind: adaptive-projected, weight: 3}", "{kind: adaptive-projected, weight: 3, eta: 0.5}",
        "{kind: adaptive-projected, weight: 3, norm_threshold: 0.1}",
        "{kind: adaptive-projected, weight: 3, momentum: -0.5}",
        "[{kind: classifier-free, weight: 2}, {kind: classifier-free, weight: 2}]", "none",
      ].enumerated().map { "{name: s\($0), kind: ddim, steps: 12, guidance: \($1)}" }
      let plan = try plan(
        Self.mixture,
        overrides: ["sampling.condition={class: 1}", "sampling.solvers=[\(solvers.joined(separator: ", "))]"])
      _ = try makeExperiment(plan, folder: folder + "/r").run()
      let found = (0..<10).map { contents("\(folder)/r/samples/s\($0).csv") }
      #expect(Set(found).count == 10 && !found.contains(""))
      // A step costs two evaluations where guidance acts, and the end one more.
      let nfe = contents(folder + "/r/solvers.csv").split(separator: "\n").dropFirst().map {
        Double($0.split(separator: ",", omittingEmptySubsequences: false)[6]) ?? .nan
      }
      #expect(nfe[0] == 26 && nfe[1] > 13 && nfe[1] < 26 && nfe[4] == 26 && nfe[8] == 52 && nfe[9] == 13)
    }
  }

  // MARK: Autoguidance

  @Test("autoguidance leads away from another network, which weight 0 gives and weight 1 forgets") func weaker() throws
  {
    try withFolder { folder in
      let weak = ["training.steps=5"]
      let weakSamples = try samples(Self.network, weak, in: folder, named: "weak")
      let plain = try samples(Self.network, [], in: folder)
      func guided(_ weight: Double, _ checkpoint: String) throws -> String {
        try samples(
          Self.network,
          ["sampling.guidance={kind: autoguidance, checkpoint: '\(checkpoint)', weight: \(weight)}"], in: folder)
      }
      let file = folder + "/weak/checkpoint.safetensors"
      #expect(try guided(0, file) == weakSamples)
      #expect(try guided(1, file) == plain)
      let two = try guided(2, file)
      #expect(two != plain && two != weakSamples)
      // A folder of results names its checkpoint.
      #expect(try guided(2, folder + "/weak") == two)
      // In the middle of both scores.
      #expect(try guided(0.5, file) != plain)
      // One that knows no classes may lead, too.
      let blind = ["training={steps: 5, batch: 64}", "score.network.class_conditional=false"]
      _ = try samples(Self.network, blind, in: folder, named: "blind")
      #expect(try guided(2, folder + "/blind") != two)
    }
  }

  // MARK: Classifier guidance

  @Test("a classifier is trained once and kept, guides a network without classes, and gives the same bytes again")
  func classifier() throws {
    try withFolder { folder in
      let blind = ["training={steps: 80, batch: 64}", "score.network.class_conditional=false"]
      func guided(_ weight: Double, threads: Int? = nil) throws -> String {
        try samples(
          Self.network,
          blind + [
            "sampling.condition={class: 1}",
            "sampling.guidance={kind: classifier, weight: \(weight), hidden: [16], steps: 300, batch: 64}",
          ], in: folder, threads: threads)
      }
      func classifiers() throws -> [String: Date] {
        let names = try FileManager.default.contentsOfDirectory(atPath: folder + "/models").filter {
          $0.hasSuffix("-300.safetensors")
        }
        return try Dictionary(
          uniqueKeysWithValues: names.map {
            let attributes = try FileManager.default.attributesOfItem(atPath: "\(folder)/models/\($0)")
            return ($0, attributes[.modificationDate] as? Date ?? .distantPast)
          })
      }
      let one = try guided(1)
      let kept = try classifiers()
      #expect(kept.count == 1)
      #expect(try guided(1, threads: 1) == one)
      let zero = try guided(0)
      #expect(try classifiers() == kept)
      #expect(zero == (try samples(Self.network, blind, in: folder)))
      // Class 1 lies right of 0: most of its samples do by a classifier of 300 steps, and about half of those that
      // nothing guides.
      func right(_ csv: String) -> Int { stride(from: 0, to: 80, by: 2).count { numbers(csv)[$0] > 0 } }
      #expect(right(one) > 31 && right(zero) < 30, "\(right(one)) \(right(zero))")
      // Trained anew it is the same; a damaged file is set aside.
      let file = "\(folder)/models/\(kept.keys.first ?? "")"
      try Data("no".utf8).write(to: URL(fileURLWithPath: file))
      #expect(try guided(1, threads: 1) == one)
      #expect(FileManager.default.fileExists(atPath: file + ".damaged"))
    }
  }

  // MARK: Bad input

  @Test(
    "what guidance cannot do is refused in one line before anything is written",
    arguments: [
      (["sampling.guidance={kind: classifier-free, weight: .inf}"], "weight"),
      (["sampling.guidance={kind: classifier-free, weight: .nan}"], "weight"),
      (["sampling.guidance={kind: classifier-free, interval: [2, 0.1]}"], "the lower one first"),
      (["sampling.guidance={kind: classifier-free, interval: [1]}"], "two noise levels"),
      (["sampling.guidance={kind: classifier-free, interval: [-1, 1]}"], "0 or more"),
      (["sampling.guidance={kind: classifier-free, rescale: 2}"], "rescale"),
      (["sampling.guidance={kind: classifier-free, rescale_of: data}"], "no effect"),
      (["sampling.guidance={kind: adaptive-projected, momentum: 1}"], "momentum"),
      (["sampling.guidance={kind: adaptive-projected, norm_threshold: 0}"], "norm_threshold"),
      (["sampling.guidance={kind: classifier-free}", "sampling.condition=nothing"], "condition is nothing"),
      (["sampling.condition={class: 7}"], "class 7"), (["data.classes=[0, 1]"], "one for each component"),
      (["data.classes=[0, 2, 2, 2]", "sampling.condition={class: 1}"], "class 1"),
      (["data.classes=null", "sampling.guidance={kind: classifier-free}"], "knows conditions"),
      (["data.classes=null", "sampling.guidance={kind: classifier}"], "classes"),
      (["data.classes=[1, 1, 1, 1]", "sampling.guidance={kind: classifier}"], "tell apart"),
      (["sampling.guidance={kind: autoguidance, checkpoint: nowhere}"], "nowhere/checkpoint.safetensors"),
      (["sampling.guidance={kind: autoguidance}"], "checkpoint"),
      (
        [
          "sampling.solvers.0={name: s, kind: probability-flow, integrator: msbdf}",
          "sampling.guidance={kind: classifier-free, rescale: 0.5}",
        ], "Jacobian"
      ),
    ])
  func refused(overrides: [String], says: String) throws {
    try withFolder { folder in
      let error = #expect(throws: InputError.self) {
        _ = try samples(Self.mixture, overrides, in: folder, named: "r")
      }
      let text = error?.description ?? ""
      #expect(text.contains(says) && !text.contains("\n"), "\(text)")
      #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
    }
  }

  @Test("a network without a score for nothing says how it learns one") func dropout() throws {
    try withFolder { folder in
      for kind in ["classifier-free", "adaptive-projected", "classifier"] {
        let error = #expect(throws: InputError.self) {
          _ = try samples(
            Self.network, ["training.condition_dropout=0", "sampling.guidance={kind: \(kind)}"], in: folder, named: "r")
        }
        #expect(error?.description.contains("condition_dropout") == true, "\(error?.description ?? "")")
        #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
      }
    }
  }
}

/// A name for the file's own function where a test's is nearer.
private enum Tests {
  static func plan(_ text: String) throws -> ExperimentPlan { try ExperimentPlan(ConfigSource(text: text, path: "t")) }
}
