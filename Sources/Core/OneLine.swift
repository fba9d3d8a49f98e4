// SPDX-License-Identifier: GPL-3.0-or-later

extension String {
  /// The text on one line: control characters (line ends, escape sequences of terminals) stand as `\n` or `\u{1B}`, and
  /// of more than 3000 characters the middle is left out. What a file or a config holds may be in an error's message.
  package var inOneLine: String {
    let most = 3000
    func isControl(_ scalar: Unicode.Scalar) -> Bool {
      switch scalar.properties.generalCategory {
      case .control, .lineSeparator, .paragraphSeparator: true
      default: false
      }
    }
    if utf8.count <= most && !unicodeScalars.contains(where: isControl) { return self }
    var result = String.UnicodeScalarView()
    func append(_ scalars: some Sequence<Unicode.Scalar>) {
      for scalar in scalars {
        switch scalar {
        case "\n": result.append(contentsOf: "\\n".unicodeScalars)
        case "\t": result.append(contentsOf: "\\t".unicodeScalars)
        case "\r": result.append(contentsOf: "\\r".unicodeScalars)
        case _ where isControl(scalar):
          result.append(contentsOf: "\\u{\(String(scalar.value, radix: 16, uppercase: true))}".unicodeScalars)
        default: result.append(scalar)
        }
      }
    }
    if unicodeScalars.count <= most {
      append(unicodeScalars)
    } else {
      append(unicodeScalars.prefix(most - 500))
      append(" … ".unicodeScalars)
      append(unicodeScalars.suffix(500))
    }
    return String(result)
  }
}
