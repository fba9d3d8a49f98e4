// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

struct DataCommand: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "data", abstract: "Writes the rows of a config's data into a folder, and what is known of each.",
    discussion: """
      Images become PNG files, beside captions.csv where the data has texts: a folder that data of kind captioned-images \
      reads. Other rows, and images with --format npy, become one table, rows.csv or rows.npy.
      """)

  @Argument(help: "The experiment's YAML file.")
  var config: String

  @Option(name: .customLong("to"), help: "The folder to write.")
  var target: String

  @Option(help: "held-out or training.")
  var rows: DataExport.Part = .heldOut

  @Option(help: "How many rows to write, from the first. (default: all)")
  var count: Int?

  @Option(help: "png, csv or npy. (default: png for images, csv for rows of up to 256 values, else npy)")
  var format: DataExport.Format?

  @Option(name: .customLong("set"), help: "Overrides one key: --set data.count=100 (repeatable).")
  var overrides: [String] = []

  @Flag(help: "No summary.")
  var quiet = false

  func validate() throws {
    if let count, count < 1 { throw ValidationError("--count takes 1 or more") }
  }

  func run() throws {
    try reportingErrors {
      let plan = try ConfigArguments.plan(config, overrides, strict: false)
      let written = try DataExport(part: rows, format: format, count: count).write(plan, to: target)
      if !quiet { print(written) }
    }
  }
}

extension DataExport.Part: ExpressibleByArgument {}
extension DataExport.Format: ExpressibleByArgument {}
