// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

extension SanityStudy {
  /// Two tables in Markdown: which metric passes which check, and the numbers of all.
  public static func markdown(_ outcomes: [Outcome]) -> String {
    var (checks, subjects): ([SanityCheck], [String]) = ([], [])
    for outcome in outcomes {
      if !checks.contains(where: { $0.name == outcome.check.name }) { checks.append(outcome.check) }
      if !subjects.contains(outcome.subject) { subjects.append(outcome.subject) }
    }
    func row(_ cells: [String]) -> String { "| " + cells.joined(separator: " | ") + " |\n" }
    func outcome(_ check: SanityCheck, _ subject: String) -> Outcome? {
      outcomes.first { $0.check.name == check.name && $0.subject == subject }
    }
    var text = row(["check"] + subjects) + row(["---"] + subjects.map { _ in ":-:" })
    for check in checks {
      text += row(
        [check.name]
          + subjects.map { subject in
            guard let outcome = outcome(check, subject) else { return "" }
            return outcome.passes ? "✓" : outcome.refusal == nil ? "✗" : "–"
          })
    }
    let counts = subjects.map { subject in
      let own = outcomes.filter { $0.subject == subject }
      return "\(own.count { $0.passes })/\(own.count)"
    }
    text += row(["**passed**"] + counts)
    text += "\n✓ passes, ✗ fails, – is not defined there; empty: the check is not about what the metric measures.\n\n"
    text += row(["check", "metric", "must", "mean ± standard error at each level", ""])
    text += row(["---", "---", "---", "---", "---"])
    for check in checks {
      for subject in subjects {
        guard let outcome = outcome(check, subject) else { continue }
        let numbers = zip(check.levels, zip(outcome.means, outcome.errors)).map { level, value in
          value.0.isFinite ? "\(short(level)): \(short(value.0)) ± \(short(value.1))" : "\(short(level)): –"
        }
        let verdict = outcome.refusal.map { "– \($0)" } ?? (outcome.passes ? "✓" : "✗")
        text += row([check.name, subject, words(outcome.expectation), numbers.joined(separator: ", "), verdict])
      }
    }
    return text
  }

  private static func short(_ value: Double) -> String { String(format: "%.3g", value) }

  private static func words(_ expectation: SanityCheck.Expectation) -> String {
    switch expectation {
    case .worsens: "worsen"
    case .stays: "stay"
    case .isBad: "be bad"
    }
  }
}
