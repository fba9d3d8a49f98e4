// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Experiments

/// What a sweep asks of Slurm.
struct SlurmArguments: ParsableArguments {
  @Flag(name: .customLong("slurm"), help: "Submits an array job, a task for each run that is not done.")
  var isAsked = false

  @Option(help: "With --slurm: the partition.")
  var partition: String?

  @Option(help: "With --slurm: the time limit of each run, as sbatch takes it: 90, 2:00:00, 1-12.")
  var time: String?

  @Option(
    name: .customLong("sbatch"), parsing: .unconditionalSingleValue,
    help: "With --slurm: a further option of sbatch, as --sbatch --mem=4G (repeatable).")
  var others: [String] = []

  @Flag(name: .customLong("write-only"), help: "With --slurm: writes DIR/slurm/sweep.sh, and submits nothing.")
  var isWriting = false

  func validate() throws {
    let given = [
      (partition != nil, "--partition"), (time != nil, "--time"), (!others.isEmpty, "--sbatch"),
      (isWriting, "--write-only"),
    ]
    if !isAsked, let (_, name) = given.first(where: \.0) {
      throw ValidationError("\(name) has no effect without --slurm")
    }
  }

  /// - Parameters:
  ///   - threads: cores of each task.
  ///   - limit: how many tasks may run at a time.
  /// - Throws: `InputError` for what is no option.
  func options(threads: Int?, limit: Int?) throws -> SlurmOptions {
    try SlurmOptions(partition: partition, time: time, threads: threads, limit: limit, others: others)
  }
}
