// SPDX-License-Identifier: GPL-3.0-or-later

// The config with every default written out.
extension Options {
  /// A text as a scalar that every reader of YAML takes for this very text.
  static func quoted(_ text: String) -> String {
    let plain = text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-_./+".contains($0)) }
    if plain && text.first?.isLetter == true && !Spelling.isWord(text) { return text }
    let escaped = text.unicodeScalars.map { scalar in
      switch scalar {
      case "\\", "\"": return "\\\(scalar)"
      case "\n": return "\\n"
      case "\t": return "\\t"
      default:
        let kind = scalar.properties.generalCategory
        let isPlain =
          scalar == " "
          || ![.control, .format, .lineSeparator, .paragraphSeparator, .privateUse, .unassigned]
            .contains(kind)
        if isPlain { return String(scalar) }
        let digits = String(scalar.value, radix: 16)
        return "\\U" + String(repeating: "0", count: 8 - digits.count) + digits
      }
    }
    return "\"" + escaped.joined() + "\""
  }

  /// What a text of the resolved config is for.
  public enum Purpose: Sendable {
    /// A config that says the same from any folder: paths begin at the root, and options that are not given are null.
    case config
    /// What a trained network depends on. Paths are as they are written, or left out where checksums stand for them;
    /// practical options are left out.
    case identity(omittingFiles: Bool)

    var isIdentity: Bool { if case .identity = self { true } else { false } }
  }

  /// This mapping with every default written out, as YAML.
  /// - Parameters:
  ///   - indent: how many blanks each line begins with.
  ///   - keys: those to write; nil: all.
  ///   - purpose: how paths and missing options are written.
  public func resolvedYAML(indent: Int = 0, only keys: [String]? = nil, for purpose: Purpose = .config) -> String {
    let space = String(repeating: "  ", count: indent)
    func body(_ options: Options, _ indent: Int) -> String { options.resolvedYAML(indent: indent, for: purpose) }
    var text = ""
    for (key, value) in resolved where keys?.contains(key) ?? true && !(purpose.isIdentity && practical.contains(key)) {
      switch (value, purpose) {
      case (.file, .identity(omittingFiles: true)), (.absent, .identity): break
      case (.absent, .config): text += "\(space)\(key): null\n"
      case (.scalar(let scalar), _): text += "\(space)\(key): \(scalar)\n"
      case (.file(let path), .identity): text += "\(space)\(key): \(Self.quoted(path))\n"
      case (.file(let path), .config):
        text += "\(space)\(key): \(Self.quoted(source?.absolute(path, of: join(key)) ?? path))\n"
      case (.section(let options), _):
        text += options.resolved.isEmpty ? "\(space)\(key): {}\n" : "\(space)\(key):\n" + body(options, indent + 1)
      case (.list(let elements), _):
        text += elements.isEmpty ? "\(space)\(key): []\n" : "\(space)\(key):\n"
        for element in elements { text += "\(space)  - " + body(element, indent + 2).dropFirst(2 * (indent + 2)) }
      }
    }
    return text
  }
}
