// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("Lists of kinds") struct ListingTests {
  private func lines(_ text: String) -> [String] { text.components(separatedBy: "\n") }

  @Test("every kind has one line, and no line has more than 80 columns") func overview() {
    let text = lines(Listing().overview())
    for line in text { #expect(line.displayWidth <= 80, "\(line)") }
    let catalogue = Catalogue.standard
    let names =
      catalogue.data.names + catalogue.coordinates.names + catalogue.processes.names + catalogue.schedules.names
      + catalogue.scores.names + catalogue.networks.names + catalogue.objectives.names + catalogue.integrators.names
      + catalogue.predictors.names + catalogue.solvers.names + catalogue.correctors.names + catalogue.grids.names
      + catalogue.metrics.names
    let kinds = text.filter { $0.hasPrefix("  ") && !$0.hasPrefix("   ") }
    #expect(kinds.count >= names.count)
    // A line begins with a kind, and goes on in no other.
    #expect(kinds.allSatisfy { $0.split(separator: " ").count > 1 } && text.count < kinds.count + 30)
    for name in names { #expect(kinds.contains { $0.hasPrefix("  \(name) ") }, "\(name)") }
  }

  @Test("the whole listing has 80 columns, and every word of the tables of the docs") func whole() {
    let text = Listing().text()
    for line in lines(text) { #expect(line.displayWidth <= 80, "\(line)") }
    func words(_ text: String) -> String { text.split(whereSeparator: \.isWhitespace).joined(separator: " ") }
    let all = words(text)
    for row in lines(Listing().markdown()) where row.hasPrefix("| `") {
      let cells = row.components(separatedBy: " | ")
      #expect(all.contains(words(String(cells[3].dropLast(2)))), "\(row)")
    }
  }

  @Test(
    "a kind, a family in the singular or plural, a section and an option are found by their names",
    arguments: [
      ("vp", ["process: kind", "beta_max = 20"]), ("karras", ["sampling.grid: kind", "rho = 7"]),
      ("solvers", ["euler-maruyama", "predictor-corrector", "denoise = true"]), ("solver", ["unipc"]),
      ("process", ["sub-vp"]), ("processes", ["sub-vp"]), ("metrics", ["mmd"]), ("training", ["preview = null"]),
      ("preview", ["solver = auto", "count = 64"]), ("training.preview", ["steps (required)"]), ("network", ["mlp"]),
      ("schedule", ["process.schedule: kind", "process: kind"]), ("beta_max", ["process: vp", "beta_max = 20"]),
    ])
  func details(name: String, parts: [String]) throws {
    let text = try Listing().text(of: name)
    for part in parts { #expect(text.contains(part), "\(text)") }
    for line in lines(text) { #expect(line.displayWidth <= 80, "\(line)") }
  }

  @Test("an unknown name gets one line with the nearest one")
  func unknown() {
    for (typed, meant) in [("ddmi", "ddim"), ("solvrs", "solvers"), ("beta_mox", "beta_max"), ("trainign", "training")]
    {
      let error = #expect(throws: InputError.self) { try Listing().text(of: typed) }
      let message = error?.description ?? ""
      #expect(message.contains("did you mean '\(meant)'?") && !message.contains("\n"), "\(message)")
    }
    let error = #expect(throws: InputError.self) { try Listing().text(of: "zzzzzzzz") }
    #expect(error?.message.contains("allowed: a kind, an option, or one of") == true)
  }
}
