// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import ScoreSDE
import Testing

@Suite("YAML") struct YAMLTests {
  private func error(_ text: String, overrides: [String] = []) -> InputError? {
    #expect(throws: InputError.self) { try plan(text, overrides: overrides) }
  }

  // MARK: Spellings

  static let numbers: [(text: String, value: Double)] = [
    ("12", 12), ("12.5", 12.5), (".5", 0.5), ("5.", 5), ("+5", 5), ("1e1", 10), ("1E+1", 10), ("1_0.5", 10.5),
    ("0x10", 16), ("0o17", 15), ("0b101", 5), ("!!float 12", 12), ("1.25e-1", 0.125), ("5.e0", 5),
  ]

  @Test("numbers are read in YAML's spellings", arguments: numbers.indices)
  func number(index: Int) throws {
    let (text, value) = Self.numbers[index]
    #expect(try plan(tiny, overrides: ["process.beta_max=\(text)"]).resolved.contains("beta_max: \(written(value))\n"))
  }

  static let notNumbers = [
    "017", "1e400", "-.inf", ".nan", "1e-400", "1__0", "_1", "1_", "0x", "0xg", "1:30", "1,5", "ten", "0x1p3", "--1",
    "1e", ".", "+", "\"5\"", "'5'", "!!str 5", "[5]", "{a: 5}", "0b2", "1 2", "١٢", "1e5e5",
  ]

  @Test("what is no number, or not the same in every YAML, is refused", arguments: notNumbers)
  func notANumber(text: String) {
    let message = error(tiny, overrides: ["process.beta_max=\(text)"])?.description ?? ""
    #expect(message.contains("process.beta_max: ") && !message.contains("\n"), "\(text): \(message)")
  }

  @Test("an octal or decimal number is told as such") func octal() {
    #expect(error(tiny, overrides: ["seed=017"])?.message.contains("write 17 or 0o17") == true)
  }

  @Test("whole numbers too large for any are refused with what is allowed") func large() throws {
    for text in ["99999999999999999999", "1e15", "1000000000001", "0xffffffffffffffffff"] {
      let message = error(tiny, overrides: ["seed=\(text)"])?.message ?? ""
      #expect(
        message.contains("at most 1000000000000") || message.contains("not a whole number"), "\(text): \(message)")
    }
    #expect(try plan(tiny, overrides: ["training.batch=1_000"]).training?.batch == 1000)
    #expect(try plan(tiny, overrides: ["seed=-0"]).seed == 0)
    #expect(
      try plan(tiny, overrides: ["training.p_mean=-0.0", "training.noise_levels=log-normal"])
        .resolved.contains("p_mean: 0\n"))
  }

  @Test(
    "true and false are read in YAML's spellings, and written in one",
    arguments: ["true", "True", "TRUE", "yes", "Yes", "on", "ON"])
  func flags(text: String) throws {
    let no = ["true": "false", "yes": "no", "on": "off"][text.lowercased()] ?? ""
    let opposite =
      text.first?.isUppercase == true ? (text.last?.isUppercase == true ? no.uppercased() : no.capitalized) : no
    for (word, value) in [(text, "true"), (opposite, "false")] {
      let plan = try plan(tiny, overrides: ["sampling.solvers.0.denoise=\(word)"])
      #expect(plan.sampling.solvers[0].denoise == (value == "true"))
      #expect(plan.resolved.contains("denoise: \(value)\n"))
    }
    for word in ["tRue", "y", "1", "'true'", "truee"] {
      #expect(error(tiny, overrides: ["sampling.solvers.0.denoise=\(word)"]) != nil)
    }
  }

  @Test("null says what leaving the key out says; nothing at all is a slip") func nulls() throws {
    let usual = try plan(tiny).resolved
    for null in ["null", "~", "Null", "NULL"] {
      #expect(
        try plan(tiny, overrides: ["process.beta_max=\(null)", "sampling.trajectories=\(null)"]).resolved == usual)
      #expect(error(tiny, overrides: ["sampling.count=\(null)"])?.message.contains("null") == true)
    }
    #expect(error(tiny, overrides: ["process.beta_max="])?.message.contains("is empty") == true)
    #expect(error(tiny + "\nnothing: null\n")?.message.contains("unknown key") == true)
    // As a text it is one.
    let named = try plan(tiny, overrides: ["name=\"null\""])
    #expect(try named.name == "null" && plan(named.resolved).name == "null")
  }

  // MARK: Merge keys

  @Test("merge keys stand for what they name: own keys win, then earlier mappings") func merge() throws {
    let text = tiny.replacing(
      """
          - {name: em, kind: euler-maruyama, steps: 10}
      """,
      with: """
            - &base {name: em, kind: euler-maruyama, steps: 10, denoise: false}
            - &other {name: other, kind: ddim, steps: 7, eta: 0.5}
            - <<: *base
              name: merged
              steps: 20
            - {name: list, <<: [*other, *base]}
            - {<<: [{steps: 3}, *base], name: nested}
        """)
    let solvers = try plan(text).sampling.solvers
    func solver(_ name: String) -> SamplingPlan.NamedSolver? { solvers.first { $0.name == name } }
    #expect(solver("merged")?.kind == "euler-maruyama" && solver("merged")?.solver.steps == 20)
    #expect(solver("merged")?.denoise == false && solver("em")?.solver.steps == 10)
    #expect(solver("list")?.kind == "ddim" && solver("list")?.solver.steps == 7)
    #expect(solver("nested")?.solver.steps == 3 && solver("nested")?.kind == "euler-maruyama")
    // An error stands where the key was written, and --set reaches what was merged.
    let wrong = error(text.replacing("eta: 0.5", with: "eta: 5"))
    #expect(wrong?.location == "test.yaml:11: sampling.solvers.1.eta")
    #expect(try plan(text, overrides: ["sampling.solvers.2.denoise=true"]).sampling.solvers[2].denoise)
    // The resolved config has no merge keys, and says the same.
    let resolved = try plan(text).resolved
    #expect(try !resolved.contains("<<") && plan(resolved).resolved == resolved)
  }

  static let wrongMerges: [(String, String)] = [
    ("<<: 5", "merges mappings"), ("<<: [5]", "merges mappings"), ("<<: *nobody", "undefined alias"),
    ("<<: {seed: 5}\n<<: {seed: 6}", "twice"), ("\"<<\": {seed: 5}", "unknown key"), ("<<: null", "merges mappings"),
    ("<<: {sede: 5}", "did you mean 'seed'"),
  ]

  @Test("merge keys of what is no mapping are refused with their line", arguments: wrongMerges)
  func wrongMerge(line: String, says: String) {
    let message = error(tiny.replacing("seed: 3", with: line))?.description ?? ""
    #expect(message.hasPrefix("test.yaml:") && message.contains(says), "\(message)")
  }

  // MARK: Hostile text

  @Test("aliases that stand for a billion nodes are refused at once") func bombs() {
    let start = ContinuousClock().now
    var lines = "a0: &a0 [x, x, x, x, x, x, x, x, x, x]\n"
    for i in 1...40 {
      lines += "a\(i): &a\(i) [\((0..<10).map { _ in "*a\(i - 1)" }.joined(separator: ", "))]\n"
    }
    #expect(error(lines + tiny)?.message.contains("aliases stand for more") == true)
    #expect(error(lines + "? *a40\n: 1\n" + tiny)?.message.contains("aliases stand for more") == true)
    #expect(error(lines + "? [*a40]\n: 1\n" + tiny)?.message.contains("aliases stand for more") == true)
    #expect(error(lines + "{[*a40]: 1}\n")?.message.contains("aliases stand for more") == true)
    #expect(error(lines + "*a40 : 1\n" + tiny)?.message.contains("aliases stand for more") == true)
    #expect(error(lines + "k: {x, *a40}\n" + tiny)?.message.contains("aliases stand for more") == true)
    var maps = "m0: &m0 {x: 1, y: 2}\n"
    for i in 1...40 { maps += "m\(i): &m\(i) {l: *m\(i - 1), r: *m\(i - 1), <<: *m\(i - 1)}\n" }
    #expect(error(maps + tiny)?.message.contains("aliases stand for more") == true)
    #expect(start.duration(to: ContinuousClock().now) < .seconds(5))
  }

  @Test("deep nesting, long lines and odd characters are refused or read, and never crash") func deep() {
    for depth in [65, 500, 999, 5000, 100_000] {
      let flow = String(repeating: "[", count: depth) + String(repeating: "]", count: depth)
      #expect(error(tiny + "\nextra: " + flow)?.description.contains("\n") == false)
      #expect(error(String(repeating: "{a: ", count: depth)) != nil)
      #expect(error(String(repeating: "- ", count: depth) + "x") != nil)
      #expect(error(String(repeating: "? ", count: depth) + "x") != nil)
      #expect(error(tiny, overrides: [String(repeating: "a.", count: depth) + "a=1"]) != nil)
    }
    #expect(error(tiny + "\n" + String(repeating: "x", count: 3_000_000) + ": 1")?.description.count ?? 0 < 2000)
    #expect(error(tiny.replacing("name: tiny", with: "name: \(String(repeating: "x", count: 1_000_000))")) != nil)
    for odd in ["\u{0}", "\u{7}", "\u{1b}[31m", "\u{85}", "\u{2028}", "\u{fffe}", "\u{202e}"] {
      let message = error(tiny + "\nex\(odd)tra: 1")?.description ?? ""
      #expect(!message.isEmpty && message.unicodeScalars.allSatisfy { $0.properties.generalCategory != .control })
    }
    #expect(throws: Never.self) { try plan("\u{FEFF}" + tiny) }
    #expect(throws: Never.self) { try plan(tiny.replacing("\n", with: "\r\n")) }
    for text in ["!!python/object:os.system x", "--- a\n--- b", "%YAML 9.9\n---\na: b", "a: !foo b", "&a [*a]", "*a"] {
      #expect(error(text) != nil)
    }
  }

  @Test("keys that appear twice are refused, however they are written") func twice() {
    for line in ["seed: 4", "\"seed\": 4", "'seed': 4", "? seed\n: 4"] {
      #expect(error(tiny + "\n" + line)?.message.contains("'seed' appears twice") == true)
    }
    #expect(error(tiny.replacing("steps: 10}", with: "steps: 10, \"steps\": 11}"))?.message.contains("twice") == true)
  }

  // MARK: Suggestions

  @Test("only what is near is suggested") func near() {
    let metrics = ["sliced-wasserstein", "mmd", "energy-distance"]
    for far in ["fid", "kid", "x", "m", "swd", "energy", "precision", "", "sliced"] {
      #expect(nearest(to: far, among: metrics) == nil, "\(far)")
    }
    for (typed, meant) in [
      ("mdm", "mmd"), ("MMD", "mmd"), ("mmmd", "mmd"), ("energy-distanse", "energy-distance"),
      ("sliced_wassertein", "sliced-wasserstein"), ("stpes", "steps"), ("kidn", "kind"),
    ] {
      #expect(nearest(to: typed, among: metrics + ["steps", "kind"]) == meant, "\(typed)")
    }
    #expect(nearest(to: "b", among: ["t", "pi"]) == nil)
    let message = error(tiny + "\nevaluation: {metrics: [lpips]}")?.message ?? ""
    #expect(message.hasPrefix("unknown name 'lpips'; allowed: sliced-wasserstein, "), "\(message)")
  }
}
