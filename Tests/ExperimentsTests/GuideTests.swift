// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Foundation
import ScoreSDE
import Testing

/// What the guides say of files, commands and code.
@Suite("Guides") struct GuideTests {
  /// README.md, all of Docs, and the READMEs beside the code: paths from the root.
  private static let pages: [String] = {
    let floors = names(in: "Sources").map { "Sources/\($0)/README.md" }.filter(isThere)
    return ["README.md"] + names(in: "Docs").filter { $0.hasSuffix(".md") }.map { "Docs/" + $0 } + floors
  }()

  private static func names(in folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: path(folder))) ?? []).sorted()
  }

  private static func path(_ name: String) -> String { repository.appendingPathComponent(name).path }
  private static func isThere(_ name: String) -> Bool { FileManager.default.fileExists(atPath: path(name)) }
  private static func text(of page: String) -> String { contents(path(page)) }

  /// The text between a mark and the end of the fence after it.
  private static func block(_ mark: String, _ language: String, in page: String) throws -> String {
    let parts = text(of: page).components(separatedBy: "<!-- \(mark) -->\n```\(language)\n")
    try #require(parts.count == 2, "\(page): \(mark)")
    return parts[1].components(separatedBy: "\n```")[0]
  }

  // MARK: Links, paths and commands

  /// The anchors of a page as GitHub makes them of headings: lower case, blanks as hyphens, other marks left out.
  private static func anchors(of page: String) -> Set<String> {
    var anchors: Set<String> = []
    var isCode = false
    for line in text(of: page).split(separator: "\n") {
      if line.hasPrefix("```") { isCode.toggle() }
      guard !isCode, line.hasPrefix("#") else { continue }
      let title = line.drop { $0 == "#" }.trimmingCharacters(in: .whitespaces).lowercased()
      anchors.insert(
        String(title.filter { $0.isLetter || $0.isNumber || "-_ ".contains($0) }.map { $0 == " " ? "-" : $0 }))
    }
    return anchors
  }

  @Test("every link leads to a file, and to a heading of it where it names one", arguments: pages)
  func links(page: String) throws {
    let folder = (page as NSString).deletingLastPathComponent
    for match in Self.text(of: page).matches(of: #/\]\(([^)\s]+)\)/#) {
      let link = String(match.1)
      if link.hasPrefix("http") { continue }
      let parts = link.split(separator: "#", maxSplits: 1, omittingEmptySubsequences: false).map(String.init)
      let target =
        parts[0].isEmpty
        ? page
        : ((folder as NSString).appendingPathComponent(parts[0]) as NSString)
          .standardizingPath
      #expect(Self.isThere(target), "\(page): \(link)")
      if parts.count == 2 { #expect(Self.anchors(of: target).contains(parts[1]), "\(page): \(link)") }
    }
  }

  @Test("every file that is named is there", arguments: pages) func paths(page: String) {
    let named = #/(?:Sources|Tests|Experiments|Docs)\/[\w\/+.\-]*\.(?:swift|py|yaml|md|txt|ipynb|c|h)\b/#
    for match in Self.text(of: page).matches(of: named) {
      let name = String(match.0)
      // Docs/Mutants.md has paths from Sources.
      let isThere = Self.isThere(name) || Self.isThere("Sources/" + name) || name.contains("NAME")
      #expect(isThere, "\(page): \(name)")
    }
  }

  /// Code of a page: between single backticks, where lines may be wrapped, and lines between fences.
  private static func code(in page: String) -> [String] {
    let parts = text(of: page).components(separatedBy: "```")
    let spans = stride(from: 0, to: parts.count, by: 2).flatMap { i in
      parts[i].replacing("\n", with: " ").matches(of: #/`([^`]+)`/#).map { String($0.1) }
    }
    return spans + stride(from: 1, to: parts.count, by: 2).flatMap { parts[$0].components(separatedBy: "\n") }
  }

  @Test("every target of make and every command that is named exists", arguments: pages)
  func commands(page: String) {
    let makefile = Self.text(of: "Makefile")
    let targets = Set(
      makefile.matches(of: #/(?m)^([\w\- ]+):/#).flatMap { $0.1.split(separator: " ").map(String.init) }
        + Self.names(in: "Experiments").filter { $0.hasSuffix(".yaml") }.map { String($0.dropLast(5)) })
    let sources = Self.names(in: "Sources/Commands").map { Self.text(of: "Sources/Commands/" + $0) }.joined()
    let commands = Set(
      sources.matches(of: #/struct (\w+): ParsableCommand/#).map { $0.1.lowercased() }
        + sources.matches(of: #/commandName: "([\w\-]+)"/#).map { String($0.1) })
    #expect(targets.count > 40 && commands.count > 12)
    for code in Self.code(in: page) {
      if let match = code.prefixMatch(of: #/make ([a-z][\w\-]*)/#) {
        let target = String(match.1)
        #expect(targets.contains(target) || target.hasPrefix("sweep-"), "\(page): \(code)")
      }
      if let match = code.firstMatch(of: #/(?:^|\/|\$ )score-sde ([a-z][\w\-]*)/#) {
        #expect(commands.contains(String(match.1)), "\(page): \(code)")
      }
    }
  }

  /// All words of the Swift sources of a folder.
  private static func words(in folder: String) -> Set<Substring> {
    let files = FileManager.default.enumerator(atPath: path(folder))?.compactMap { $0 as? String } ?? []
    var words: Set<Substring> = []
    for file in files where file.hasSuffix(".swift") {
      words.formUnion(text(of: "\(folder)/\(file)").split { !$0.isLetter && !$0.isNumber && $0 != "_" })
    }
    return words
  }

  @Test("every type that is named is in the sources") func types() {
    let words = ["Sources", "Tests", "Experiments/Extending/Sources"].reduce(into: Set<Substring>()) {
      $0.formUnion(Self.words(in: $1))
    }
    #expect(words.count > 5000)
    for page in Self.pages {
      let text = Self.text(of: page).replacing("\n", with: " ")
      // Names of two humps at least.
      for match in text.matches(of: #/`([A-Z][a-z]+[A-Z]\w*)/#) {
        #expect(words.contains(match.1), "\(page): \(match.1)")
      }
    }
  }

  // MARK: Code and configs

  @Test("the quick start's training in code runs, and is this very code") func trainingExample() throws {
    // begin training example
    let data = try PlaneData(.twoMoons, noise: 0.05).load(seed: 1)
    let process = VPSDE()
    let network = MLP(
      dimension: 2, hidden: [64, 64], features: TimeFeatures(.sinusoidal, count: 32, scale: 1, seed: 1))
    let model = ScoreModel(
      network, parameters: network.initialParameters(seed: 1), prediction: .velocity, kernel: process.makeKernel(),
      duration: process.duration)
    let plan = TrainingPlan(steps: 2000)
    let times = TrainingTimes(plan, kernel: model.kernel, duration: model.duration)
    let objective = DenoisingScoreMatching(model, process: PreparedProcess(process), times: times)

    let trainer = Trainer(objective, data: data.source, plan: plan, seed: 1)
    var state = trainer.initialState()
    try trainer.run(&state) { step in
      if step.number % 500 == 0 { print(step.number, step.loss) }
      return true
    }

    let score = model.with(parameters: state.averages).score()
    let sampler = Sampler(process: process, score: score, dimension: 2, seed: 1)
    let samples = try sampler.draw(2000, with: FixedSteps(UniPC(), steps: 20, grid: LogSignalToNoiseGrid()))
    let distance = try EnergyDistance().evaluate(Comparison(samples: samples.batch, heldOut: data.heldOut, seed: 1))
    print("energy distance", distance)
    // end training example
    func lines(_ text: String) -> [String] {
      text.split(separator: "\n").map { $0.trimmingCharacters(in: .whitespaces) }.filter { !$0.isEmpty }
    }
    let code = contents(#filePath).components(separatedBy: "// begin training example\n")[1]
      .components(separatedBy: "// end training example")[0]
    let shown = try Self.block("training example", "swift", in: "Docs/QuickStart.md")
    #expect(lines(shown) == ["import ScoreSDE"] + lines(code))
    // It has learned something: the samples are ten times nearer to the data than those of the network as it began.
    let untrained = try Sampler(process: process, score: model.score(), dimension: 2, seed: 1)
      .draw(2000, with: FixedSteps(UniPC(), steps: 20, grid: LogSignalToNoiseGrid()))
    let before = try EnergyDistance().evaluate(Comparison(samples: untrained.batch, heldOut: data.heldOut, seed: 1))
    #expect(distance < 0.1 * before, "\(distance) against \(before)")
  }

  @Test("the quick start's config and its process of formulas run on a table of its columns") func quickStart() throws {
    let config = try Self.block("config", "yaml", in: "Docs/QuickStart.md")
    let shown = try Self.block("override", "sh", in: "Docs/QuickStart.md")
    let override = shown.components(separatedBy: "--set '")[1].components(separatedBy: "'")[0]
    let mixture = try GaussianMixture(weights: [2, 3], means: [[46, 15], [58, 9]], deviations: [3, 4])
    let flowers = mixture.draw(300, from: NoiseStream(seed: 1, purpose: .data))
    try withFolder { folder in
      let table = "length,width\n" + (0..<300).map { "\(flowers[$0, 0]),\(flowers[$0, 1])\n" }.joined()
      try Data(table.utf8).write(to: URL(fileURLWithPath: folder + "/flowers.csv"))
      for overrides in [[], [override]] {
        let plan = try plan(
          config, overrides: overrides + ["training.steps=40", "sampling.count=30"], path: folder + "/flowers.yaml")
        let results = folder + "/Results\(overrides.count)"
        _ = try makeExperiment(plan, folder: results).run()
        #expect(
          contents(results + "/solvers.csv").contains(overrides.isEmpty ? "flowers,vp,unipc" : "flowers,formula,em"))
      }
    }
  }

  @Test("Docs/Metrics.md has a row for every metric") func metrics() {
    // The first cell of each row of its tables.
    let cells = Self.text(of: "Docs/Metrics.md").matches(of: #/(?m)^\|([^|]*)\|/#).map(\.1)
    for name in Catalogue.standard.metrics.names {
      #expect(cells.contains { $0.contains("`\(name)`") }, "\(name)")
    }
  }
}
