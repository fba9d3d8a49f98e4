// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// The script of an array job, each task of which is one run of a sweep. It names everything from the root of the file
/// system but the folder of the sweep, in which it is submitted: that may be moved with all that is in it.
struct SlurmScript {
  /// The sweep's name.
  let name: String
  let options: SlurmOptions
  /// This program's file.
  let program: String
  /// The copy of the config, in the folder of the sweep.
  let config: String
  /// The folder where relative paths of the config begin.
  let paths: String
  /// Where trained networks are kept.
  let store: String
  /// Texts of `--set`.
  let overrides: [String]
  let isStrict: Bool
  /// Whether Slurm cannot write the logs: it takes % and \ for its own signs, wherever in the folder's path they stand.
  let writesLogs: Bool
  /// What is to be done.
  let blocks: [SlurmBlock]

  /// Where it lies in the folder of the sweep.
  static let file = "slurm/sweep.sh"
  /// How long a task waits where another process does its run, in seconds: longer than file systems and Slurm need to
  /// take a lock from a machine that is gone.
  static let patience = 300

  var text: String {
    let first = blocks.first ?? SlurmBlock(offset: 0, indices: [1])
    let lines = options.lines(name: name) + ["--array=\(first.array(options))", "--output=\(output(first))"]
    let sets = overrides.map { " \\\n  --set \($0.inShellQuotes)" }.joined()
    return """
      #!/bin/bash
      \(lines.map { "#SBATCH \($0)" }.joined(separator: "\n"))
      #
      # Each task is one run of the sweep \(name): its number is the first argument, or 0, plus the task's index.
      # A run that is done is not done again, and one that was stopped or killed goes on from its checkpoint.
      # `score-sde sweep --slurm` wrote and submitted this. By hand, in the folder of the sweep, which holds `slurm`:
      \(calls.map { "#   \($0)" }.joined(separator: "\n"))

      program=\(program.inShellQuotes)
      config=\(config.inShellQuotes)
      paths=\(paths.inShellQuotes)
      export SCORE_SDE_MODELS=\(store.inShellQuotes)

      if [ ! -f "$config" ]; then
        echo "score-sde: $PWD: there is no $config; allowed: to submit this script in the folder of the sweep" >&2
        exit 2
      fi
      if [ -z "$SLURM_ARRAY_TASK_ID" ]; then
        echo "score-sde: this script is the task of an array; allowed: sbatch \(Self.file), in the folder of the sweep" >&2
        exit 2
      fi
      number=$((${1:-0} + SLURM_ARRAY_TASK_ID))\(writesLogs ? Self.redirection : "")
      # The program takes this shell's place, so that Slurm's signals reach it: it then keeps a checkpoint and ends.
      exec "$program" sweep "$config" --run "$number" --output "$PWD" --paths "$paths" --wait \(Self.patience) \\
        --threads "${SLURM_CPUS_PER_TASK:-1}"\(isStrict ? " --strict" : "")\(sets)

      """
  }

  private static let redirection = """

    # Slurm could not name a file in this folder, as there is a % or a \\ in its path.
    exec >> "$(printf '%s%03d.log' "slurm/${1:+$1+}" "$SLURM_ARRAY_TASK_ID")" 2>&1
    """

  /// Where Slurm writes what tasks say.
  private func output(_ block: SlurmBlock) -> String { writesLogs ? "/dev/null" : block.log }

  /// What is given to sbatch, as its environment may say otherwise.
  func arguments(_ block: SlurmBlock) -> [String] {
    ["--array=\(block.array(options))", "--output=\(output(block))"]
  }

  /// What submits it by hand, in the folder of the sweep: a line for each job.
  var calls: [String] {
    blocks.enumerated().map { index, block in
      let words = (index == 0 ? [] : arguments(block)) + [Self.file] + block.last
      return (["sbatch"] + words).map(\.asShellWord).joined(separator: " ")
    }
  }
}

/// Runs that one array job does. An array has no more indices than Slurm allows, so that a large sweep has several
/// jobs: the number of a run is its index and the job's offset together, and always the same.
package struct SlurmBlock: Equatable {
  package let offset: Int
  /// Sorted.
  package let indices: [Int]

  package init(offset: Int, indices: [Int]) { (self.offset, self.indices) = (offset, indices) }

  /// - Parameters:
  ///   - numbers: of runs, from 1.
  ///   - largest: how many indices an array may have, from 0.
  package static func blocks(_ numbers: [Int], largest: Int) -> [SlurmBlock] {
    let most = max(1, largest - 1)
    // Round numbers are read more easily.
    let size = most >= 1000 ? most / 1000 * 1000 : most
    return Dictionary(grouping: numbers) { ($0 - 1) / size * size }.sorted { $0.key < $1.key }.map { offset, numbers in
      SlurmBlock(offset: offset, indices: numbers.map { $0 - offset }.sorted())
    }
  }

  package func array(_ options: SlurmOptions) -> String {
    RunRanges(indices).array + (options.limit.map { "%\($0)" } ?? "")
  }

  /// The name of the tasks' logs, in which Slurm puts the index.
  package var log: String { "slurm/\(offset == 0 ? "" : "\(offset)+")%3a.log" }

  /// What the script is given.
  var last: [String] { offset == 0 ? [] : [String(offset)] }
}

extension String {
  /// The text as one word of a shell, in quotes whatever is in it.
  var inShellQuotes: String { "'" + replacing("'", with: "'\\''") + "'" }

  /// The text as one word of a shell, in quotes where it needs them.
  package var asShellWord: String {
    let isPlain = allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-+_.,:/=%".contains($0)) }
    return isPlain && !isEmpty ? self : inShellQuotes
  }
}
