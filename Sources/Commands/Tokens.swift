// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct Tokens: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Prints the numbers that a CLIP tokenizer makes of texts.",
    discussion: """
      The folder is one that transformers saved: tokenizer.json, or vocab.json and merges.txt. Every text is a line of \
      numbers in brackets: start, tokens, end, and padding up to the length. A file of texts ends in .json, a list of \
      texts, or has a text in every line.
      """)
  @Argument(help: "The tokenizer's folder.")
  var folder: String

  @Argument(help: "Texts.")
  var texts: [String] = []

  @Option(help: "A file of texts instead.")
  var file: String?

  @Option(help: "How many numbers a text becomes. (default: what the folder says, or 77)")
  var length: Int?

  @Flag(help: "All numbers between start and end, without cutting or padding.")
  var all = false

  func validate() throws {
    if let length, !(2...65_536).contains(length) { throw ValidationError("--length takes 2 to 65536") }
    if file == nil && texts.isEmpty { throw ValidationError("Missing expected argument '<texts>'") }
    if file != nil && !texts.isEmpty { throw ValidationError("texts stand beside --file; one of both is allowed") }
    if all && length != nil { throw ValidationError("--length has no effect beside --all") }
  }

  func run() throws {
    try reportingErrors {
      let table = try TokenTable(folder: folder, length: length)
      for note in table.notes { report("score-sde: note: \(note)") }
      let texts = try file.map { try TokenTable.texts(reading: $0) } ?? texts
      for text in texts {
        if !all, let note = table.note(on: text) { report("score-sde: warning: \(note)") }
        print("[\(table.ids(of: text, all: all).map(String.init).joined(separator: ", "))]")
      }
    }
  }
}
