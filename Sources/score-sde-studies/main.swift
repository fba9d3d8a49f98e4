// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Evaluation
import Experiments
import Foundation

// Studies of the metrics themselves, and of posterior methods; `make sanity-checks`, `make copy-test`, `make coverage`,
// `make coverage-models`, `make trap-study` and `make particles` call this.

/// What `--help` prints.
let help = """
  usage: score-sde-studies STUDY [OPTIONS]

  Studies of the metrics themselves, and of posterior methods. Each prints a Markdown table, and on standard
  error how far it is.

  studies:
    sanity-checks       which metric passes which check, and every figure; 8 draws of each level
    copy-test           size and power of the test for copies of training rows, in 500 repeats
    coverage            in percent, how often the 95 % intervals of metrics hold the expected value; bold where the
                        share's own interval leaves out all of 93 to 97
    coverage-models     the same of kl, nll, bits-per-dimension and score-error; takes --metrics, --repeats,
                        --rows and --csv
    trap-study          posterior methods beside exact posteriors; takes --seeds, --rows and --steps
                        (default: 20, 1000, 500)
    particles           particles on MCG-Diff's mixture; takes --seeds, --dimension, --threads and --csv

  options of coverage:
    --metrics A,B       these metrics only, by their names in `score-sde list metrics` (default: all of the table)
    --laws A,B          these pairs of laws only: \(problems.map(\.key).joined(separator: ", "))
                        (default: all)
    --repeats N         how many intervals, and how many values the expected one is the mean of; from 2 (default: 500,
                        and 100 for c2st)
    --rows N            how many samples and held-out rows; from 2 (default: 500)
    --averaged N        each value is the mean of so many sets of samples, as with `evaluation.repeats`; from 2
                        (default: one set)
    --seed N            keys all random numbers; from 0 (default: 7, the table's; constants were chosen with 1)
    --csv FILE          writes all figures, with lengths of intervals and misses on either side

  options of trap-study:
    --seeds N           how many observations; from 2 (default: 20)
    --rows N            how many samples of each method; from 2 (default: 1000)
    --steps N           how many steps; from 2 (default: 500)

  options of particles:
    --seeds N           how many problems of each size (default: 20)
    --dimension D       problems with so many columns only (default: 8, 80 and 800)
    --threads N         how many workers draw (default: one for each processor)
    --csv FILE          writes a row for each problem and method

    -h, --help          prints this
  """

/// What is printed beside the results, on the terminal.
func report(_ text: String) { FileHandle.standardError.write(Data((text + "\n").utf8)) }

/// All metrics of the catalogue that judge rows without classes.
func subjects() throws -> [SanityStudy.Subject] {
  let catalogue = Catalogue.standard
  return try catalogue.metrics.all.compactMap { kind in
    // These need classes, an autoencoder, or the truth behind every observation.
    if ["class-accuracy", "psnr", "rank-calibration", "truth-error"].contains(kind.name) { return nil }
    let metric = try kind.decode(.describing(), catalogue)
    return SanityStudy.Subject(kind.name, metric, SanityStudy.Subject.purpose(of: kind.name))
  }
}

/// The rows of the digits, training and held-out.
func digits() throws -> Batch {
  let data = try Digits().load(seed: 1)
  return Batch(values: data.training.values + data.heldOut.values, dimension: data.training.dimension)
}

/// Runs the study that the words name.
/// - Throws: `InputError` for words that mean nothing.
func run(_ words: [String]) throws {
  if words.contains(where: { ["-h", "--help"].contains($0) }) { return print(help) }
  let names = ["sanity-checks", "copy-test", "coverage", "coverage-models", "trap-study", "particles"]
  guard let name = words.first, names.contains(name) else {
    let found = words.first.map { "the study is '\($0)'" } ?? "no study is named"
    throw InputError("\(found); allowed: \(names.joined(separator: ", ")); --help says more")
  }
  let options = Array(words.dropFirst())
  if name == "coverage" { return try coverage(options) }
  if name == "coverage-models" { return try coverageOfModels(options) }
  if name == "trap-study" { return try accuracyTrap(options) }
  if name == "particles" { return try ParticleStudy.run(options) }
  guard options.isEmpty else { throw InputError("\(name) has no options; found: '\(options[0])'") }
  name == "copy-test" ? try copyTest() : print(SanityStudy.markdown(try SanityStudy(try subjects()).run { report($0) }))
}

/// The table of the copy test.
func copyTest() throws {
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
}

do {
  try run(Array(CommandLine.arguments.dropFirst()))
} catch {
  report("score-sde-studies: \(error)")
  exit(error is InputError ? 2 : 1)
}
