// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Experiments
import Foundation

// Studies of metrics and of particles; `make sanity-checks`, `make copy-test`, `make coverage` and `make particles` call
// this.
//
//     score-sde-studies sanity-checks    Markdown tables: which metric passes which check
//     score-sde-studies copy-test        a Markdown table: size and power of the test for copies
//     score-sde-studies coverage [--repeats 500] [--rows 500] [--metrics A,B] [--csv FILE]
//                                        a Markdown table: how often intervals cover the expected value
//     score-sde-studies particles [--seeds 20] [--dimension D] [--threads N] [--csv FILE]
//                                        a Markdown table: particles on MCG-Diff's mixture

/// What is printed beside the results, on the terminal.
func report(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// All metrics of the catalogue that judge rows without classes.
func subjects() throws -> [SanityStudy.Subject] {
  let catalogue = Catalogue.standard
  return try catalogue.metrics.all.compactMap { kind in
    if kind.name == "class-accuracy" { return nil }
    let metric = try kind.decode(.describing(), catalogue)
    return SanityStudy.Subject(kind.name, metric, SanityStudy.Subject.purpose(of: kind.name))
  }
}

/// The rows of the digits, training and held-out.
func digits() throws -> Batch {
  let data = try Digits().load(seed: 1)
  return Batch(values: data.training.values + data.heldOut.values, dimension: data.training.dimension)
}

do {
  switch CommandLine.arguments.dropFirst().first {
  case "sanity-checks":
    print(SanityStudy.markdown(try SanityStudy(try subjects()).run { report($0) }))
  case "copy-test":
    let laws: [CopyStudy.Law] = [
      .normal(2, rows: 1000), .normal(2, rows: 2000), .normal(8, rows: 300), .normal(64, rows: 300),
      .table("digits", try digits()),
    ]
    print("| rows | columns | of each | size | power |\n|---|--:|--:|--:|--:|")
    for law in laws {
      report("\(law.name), \(law.dimension)")
      let result = try CopyStudy.run(law, repeats: 500)
      print("| \(law.name) | \(law.dimension) | \(law.rows) | \(result.size) | \(result.power) |")
    }
  case "particles": try ParticleStudy.run(Array(CommandLine.arguments.dropFirst(2)))
  case "coverage": try coverage(Array(CommandLine.arguments.dropFirst(2)))
  default:
    report("usage: score-sde-studies sanity-checks|copy-test|coverage|particles")
    exit(2)
  }
} catch {
  report("score-sde-studies: \(error)")
  exit(1)
}
