// SPDX-License-Identifier: GPL-3.0-or-later
import Yams

/// A value of a config on one line, as `{kind: vp, beta_max: 10}`, which every reader of YAML takes for the same.
struct FlowText {
  let text: String

  init(_ node: Node) { text = Self.text(of: node) }

  private static func text(of node: Node) -> String {
    switch node {
    case .mapping(let mapping):
      return "{" + mapping.map { "\(Options.quoted($0.scalar?.string ?? "")): \(text(of: $1))" }.joined(separator: ", ")
        + "}"
    case .sequence(let list): return "[" + list.map(text(of:)).joined(separator: ", ") + "]"
    default:
      guard let scalar = node.scalar else { return "null" }
      if scalar.style == .plain || scalar.style == .any, isPlain(scalar.string) { return scalar.string }
      return Options.quoted(scalar.string)
    }
  }

  /// Whether a text can stand without quotes between brackets and commas.
  private static func isPlain(_ text: String) -> Bool {
    guard let first = text.first, first != "-" || text.count > 1 else { return false }
    return text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "+-._/~".contains($0)) }
  }
}
