// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// One thing that a check looked at.
struct Finding {
  let name: String
  /// nil: it could not be looked at, for the reason in `note`.
  let value: Double?
  let allowed: Double?
  let note: String

  init(_ name: String, _ value: Double?, allowed: Double? = nil, _ note: String) {
    self.name = name
    self.value = value
    self.allowed = allowed
    self.note = note
  }

  var passed: Bool {
    guard let value else { return true }
    return value <= allowed ?? .infinity
  }
}

/// The findings of a check, for the terminal and as a CSV file.
struct FindingTable {
  let findings: [Finding]

  /// `check,found,allowed,passed,what`
  var csv: String {
    var table = CSVText(columns: ["check", "found", "allowed", "passed", "what"])
    for finding in findings {
      table.add([
        finding.name, finding.value?.description ?? "", finding.allowed?.description ?? "",
        finding.value == nil ? "" : finding.passed.description, finding.note,
      ])
    }
    return table.text
  }

  var text: String {
    let lines = findings.map { finding in
      let verdict = finding.value == nil ? "skipped" : finding.allowed == nil ? "" : finding.passed ? "ok" : "FAILS"
      return [finding.name, Self.number(finding.value), Self.number(finding.allowed), verdict, finding.note]
    }
    return TextTable([["check", "found", "allowed", "", "what"]] + lines, endsInProse: true).text
  }

  /// A line for each finding that is not as it should be.
  func failures(of name: String) -> [String] {
    findings.filter { !$0.passed }.map { finding in
      "\(name): \(finding.name): \(Self.number(finding.value)); allowed: at most \(Self.number(finding.allowed))"
    }
  }

  private static func number(_ value: Double?) -> String {
    value.map { $0.isNaN ? "nan" : String(format: "%.3g", $0) } ?? ""
  }
}
