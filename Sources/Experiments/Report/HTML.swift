// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation

/// Pieces of HTML. Every text from outside goes through `escaped`, so that none can be markup.
enum HTML {
  /// A text as content or as an attribute's value: no character of it is markup, and control characters are shown.
  static func escaped(_ text: String) -> String {
    var result = ""
    result.reserveCapacity(text.utf8.count)
    for scalar in text.unicodeScalars {
      switch scalar {
      case "&": result += "&amp;"
      case "<": result += "&lt;"
      case ">": result += "&gt;"
      case "\"": result += "&quot;"
      case "'": result += "&#39;"
      case "\n", "\t": result.unicodeScalars.append(scalar)
      default:
        switch scalar.properties.generalCategory {
        case .control, .format, .surrogate, .privateUse, .unassigned: result += "\u{FFFD}"
        default: result.unicodeScalars.append(scalar)
        }
      }
    }
    return result
  }

  /// A name as an identifier, the same for the same name: letters and digits stay, others become their numbers.
  static func identifier(_ name: String) -> String {
    "run-"
      + name.unicodeScalars.map { scalar in
        scalar.isASCII && (scalar.properties.isAlphabetic || scalar.properties.numericType != nil)
          ? String(scalar) : "_\(String(scalar.value, radix: 16))"
      }.joined()
  }

  /// The address of a file as seen from a folder.
  static func link(to path: String, from folder: String) -> String {
    func parts(_ path: String) -> [String] {
      let whole = path.hasPrefix("/") ? path : FileManager.default.currentDirectoryPath + "/" + path
      return (whole as NSString).standardizingPath.split(separator: "/").map(String.init)
    }
    var (target, base) = (parts(path)[...], parts(folder)[...])
    while let first = target.first, first == base.first {
      target = target.dropFirst()
      base = base.dropFirst()
    }
    let allowed = CharacterSet.alphanumerics.intersection(CharacterSet(charactersIn: "\u{0}"..."\u{7F}"))
      .union(CharacterSet(charactersIn: "-._~"))
    let names = base.map { _ in ".." } + target.map { $0.addingPercentEncoding(withAllowedCharacters: allowed) ?? "" }
    // A name with a colon at the start would be a scheme; percent signs have taken its place.
    return names.joined(separator: "/")
  }

  /// A picture within the page.
  static func image(_ data: Data, type: String, alt: String, width: Int? = nil) -> String {
    let size = width.map { " width=\"\($0)\"" } ?? ""
    return "<img alt=\"\(escaped(alt))\"\(size) src=\"data:\(type);base64,\(data.base64EncodedString())\">"
  }

  static func list(_ items: [String], kind: String = "") -> String {
    items.isEmpty
      ? ""
      : "<ul\(kind.isEmpty ? "" : " class=\"\(kind)\"")>"
        + items.map { "<li>\(escaped($0))</li>" }.joined() + "</ul>\n"
  }

  /// A cell, with the value that it is sorted by.
  struct Cell {
    var text: String
    var value: Double?
    var isHTML = false
    var isBest = false

    init(_ text: String, value: Double? = nil) { (self.text, self.value) = (text, value ?? Double(text)) }

    /// Markup that is safe already.
    init(html: String, sortedBy text: String) { (self.text, value, isHTML) = (html, nil, true) }
  }

  /// A table that a click on a column's name sorts.
  /// - Parameters:
  ///   - identifier: unlike that of other tables; how it is sorted is kept under it.
  ///   - caption: what it shows.
  ///   - columns: their names.
  ///   - rows: each with a cell for every column.
  static func table(_ identifier: String, caption: String, _ columns: [String], _ rows: [[Cell]]) -> String {
    let head = columns.enumerated().map { index, name in
      let isNumber = rows.contains { $0[index].value != nil }
      return
        "<th scope=\"col\"\(isNumber ? " class=\"number\"" : "")><button type=\"button\">\(escaped(name))</button></th>"
    }.joined()
    let body = rows.map { cells in
      "<tr>"
        + cells.map { cell in
          let value = cell.value.map { " data-value=\"\($0)\"" } ?? ""
          let classes = [cell.value == nil ? "" : "number", cell.isBest ? "best" : ""].filter { !$0.isEmpty }
          let kind = classes.isEmpty ? "" : " class=\"\(classes.joined(separator: " "))\""
          return "<td\(kind)\(value)>\(cell.isHTML ? cell.text : escaped(cell.text))</td>"
        }.joined() + "</tr>"
    }.joined(separator: "\n")
    return """
      <div class="scroll" tabindex="0" role="region" aria-label="\(escaped(caption))">
      <table id="\(escaped(identifier))"><caption><span>\(escaped(caption))</span></caption>
      <thead><tr>\(head)</tr></thead>
      <tbody>
      \(body)
      </tbody></table></div>

      """
  }
}
