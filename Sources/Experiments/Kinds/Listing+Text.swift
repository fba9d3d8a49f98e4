// SPDX-License-Identifier: GPL-3.0-or-later
import Core

// The listing for the terminal, within 80 columns.
extension Listing {
  private static let columns = 80

  /// Every kind in a line, and the names of the sections.
  public func overview() -> String {
    var lines: [String] = []
    for group in groups where !group.kinds.isEmpty {
      lines.append("\(group.title):")
      let width = group.kinds.map(\.name.displayWidth).max() ?? 0
      lines += group.kinds.map { "  \($0.name.padded(to: width))  \($0.about)".cut(to: Self.columns) }
    }
    let names = Set(sections.map(\.title)).sorted().joined(separator: ", ")
    return (lines + "sections: \(names)".wrapped(at: Self.columns)).joined(separator: "\n")
  }

  /// Every kind and every section with its options.
  public func text() -> String {
    (groups.filter { !$0.kinds.isEmpty }.map { text(of: $0, $0.kinds) } + sections.map(text)).joined(separator: "\n")
  }

  /// The options of what has a name: a kind, in every family that has one of that name; a family, as `solvers`; or a
  /// section, as `training`. Else where options of that name are.
  /// - Throws: `InputError` for a name that nothing has, with the nearest one.
  public func text(of name: String) throws -> String {
    var found: [String] = []
    for group in groups where !group.kinds.isEmpty {
      if Self.isTitle(group.title, name) {
        found.append(text(of: group, group.kinds))
      } else if let kind = group.kinds.first(where: { $0.name == name }) {
        found.append(text(of: group, [kind]))
      }
    }
    found += sections.filter { Self.isTitle($0.title, name) && !$0.options.isEmpty }.map(text)
    if found.isEmpty { found = places(of: name) }
    guard found.isEmpty else { return found.joined(separator: "\n") }
    let titles = Set(groups.map(\.title) + sections.map(\.title)).sorted()
    let names = titles + titles.map(Self.lastPart) + groups.flatMap { $0.kinds.map(\.name) }
    let keys = (groups.flatMap { $0.kinds.flatMap(\.options) } + sections.flatMap(\.options)).map(\.key)
    let hint =
      (nearest(to: name, among: names) ?? nearest(to: name, among: keys)).map { "did you mean '\($0)'? " } ?? ""
    throw InputError(
      "unknown name '\(name)'; \(hint)allowed: a kind, an option, or one of \(titles.joined(separator: ", "))",
      at: "list")
  }

  /// The kinds and sections that have an option of this name.
  private func places(of key: String) -> [String] {
    let kinds = groups.flatMap { group in
      group.kinds.compactMap { kind in
        kind.options.contains { $0.key == key } ? ("\(group.title): \(kind.name)", kind.options) : nil
      }
    }
    let all = kinds + sections.filter { $0.options.contains { $0.key == key } }.map { ("\($0.title):", $0.options) }
    return all.map { title, options in
      ([title] + options.filter { $0.key == key }.flatMap { lines(of: $0, indent: 2) }).joined(separator: "\n")
    }
  }

  /// Whether a family or a section is meant: by its whole name, or by its last part, in the singular or the plural.
  private static func isTitle(_ title: String, _ name: String) -> Bool {
    func stem(_ word: String) -> String {
      for ending in ["sses", "s"] where word.hasSuffix(ending) && !word.hasSuffix("ss") {
        return String(word.dropLast(ending == "sses" ? 2 : 1))
      }
      return word
    }
    return title == name || stem(lastPart(title)) == stem(name)
  }

  private static func lastPart(_ title: String) -> String { title.split(separator: ".").last.map(String.init) ?? title }

  private func text(of group: Group, _ kinds: [(name: String, about: String, options: [Declaration])]) -> String {
    let lines = kinds.flatMap { kind in
      entry("  \(kind.name)", kind.about, indent: 4) + kind.options.flatMap { self.lines(of: $0, indent: 6) }
    }
    return (["\(group.title): kind"] + lines).joined(separator: "\n")
  }

  private func text(_ section: (title: String, options: [Declaration])) -> String {
    (["\(section.title):"] + section.options.flatMap { lines(of: $0, indent: 2) }).joined(separator: "\n")
  }

  private func lines(of option: Declaration, indent: Int) -> [String] {
    let need = option.alternatives.isEmpty ? "required" : "one of \(option.alternatives.joined(separator: ", "))"
    let value = option.defaultText.map { " = \($0)" } ?? " (\(need))"
    let head = String(repeating: " ", count: indent) + option.key + value
    return entry(head, "\(option.about) [\(option.allowed)]", indent: indent + 4)
  }

  /// A name, and what it means: on its line where that fits, else below it and further in.
  private func entry(_ head: String, _ about: String, indent: Int) -> [String] {
    if head.displayWidth + 2 + about.displayWidth <= Self.columns { return ["\(head)  \(about)"] }
    // A long default is wrapped, too.
    let blanks = head.prefix { $0 == " " }.count
    let heads =
      head.displayWidth <= Self.columns
      ? [head]
      : String(head.dropFirst(blanks)).wrapped(at: Self.columns - indent).enumerated().map { index, line in
        String(repeating: " ", count: index == 0 ? blanks : indent) + line
      }
    return heads + about.wrapped(at: Self.columns - indent).map { String(repeating: " ", count: indent) + $0 }
  }
}
