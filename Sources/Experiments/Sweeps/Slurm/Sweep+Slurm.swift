// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

extension Sweep {
  /// What `submit` does with the script.
  public enum Submission: Sendable {
    /// Writes it, and gives it to sbatch.
    case submit
    /// Writes it alone.
    case write
    /// Writes nothing: the script is returned.
    case show
  }

  /// Hands every run that is neither done nor in the queue to Slurm, as tasks of an array job whose indices are the
  /// numbers of the runs; several jobs where there are more runs than an array may have indices.
  ///
  /// Everything is asked for before anything is written: whether there is a Slurm, what is in the queue, and by
  /// `sbatch --test-only` whether it takes the options.
  /// - Parameters:
  ///   - options: what each task is given.
  ///   - submission: what is done with the script.
  ///   - program: the file of the program that tasks call.
  ///   - strict: whether a warning ends a task.
  ///   - slurm: the programs to call.
  /// - Returns: what to print.
  /// - Throws: `InputError` where nothing was written; `InUseError` where a sweep writes to the folder;
  ///   `ExperimentFailure` where sbatch refused a job of several; `WriteError`.
  public func submit(
    _ options: SlurmOptions, _ submission: Submission = .submit, program: String, strict: Bool = false,
    by slurm: Slurm = Slurm()
  ) throws -> String {
    let slurmFolder = SlurmFolder(path: folder)
    let mark = self.mark
    func script(_ blocks: [SlurmBlock]) -> SlurmScript {
      SlurmScript(
        name: name, options: options, program: program, config: "\(SlurmFolder.name)/\(copyName(mark))",
        paths: ConfigSource.absolute(paths), store: ConfigSource.absolute(store.folder),
        overrides: config.overrides, isStrict: strict,
        writesLogs: ConfigSource.absolute(folder).contains { "%\\".contains($0) }, blocks: blocks)
    }
    if submission == .submit { try slurm.require() }
    try requireOwnFolder()
    if submission == .submit { _ = try queued(slurmFolder, mark, slurm) }
    let largest = submission == .submit ? slurm.largestArray() : 1001
    // Folders of runs may still change places.
    let open = runs.filter { tables(of: $0) == nil }.map(\.number)
    let trial = script(SlurmBlock.blocks(open, largest: largest))
    if submission == .show { return trial.text }
    if submission == .submit && !open.isEmpty { try rehearse(trial, slurm) }

    let results = try ResultsFolder(creating: folder, holds: "runs")
    // Another sweep may have submitted before this one had the folder for itself.
    let queued = submission == .submit ? try queued(slurmFolder, mark, slurm) : []
    let text = try arrange(in: results)
    let progress = try SweepProgress(self, results)
    let isBusy = { (index: Int) in (try? ResultsFolder.requireUnused("\(folder)/\(runs[index].folder)")) == nil }
    let left = progress.open.filter { !queued.contains($0 + 1) && !isBusy($0) }.map { $0 + 1 }
    let blocks = SlurmBlock.blocks(left, largest: largest)
    let final = script(blocks)
    var (jobs, refusal): ([String], String?) = ([], nil)
    if !blocks.isEmpty {
      try slurmFolder.write(final, config: config.text)
      if submission == .submit {
        for block in blocks where refusal == nil {
          (jobs, refusal) = try submit(block, of: final, mark, slurm, after: jobs)
        }
      }
    }
    try close(results, progress, text, failures: refusal.map { [$0] } ?? [])
    let others = runs.count - progress.state.done.count - left.count
    let summary = words(
      done: progress.state.done.count, others: others, submission == .write ? nil : jobs, final)
    guard let refusal else { return summary }
    throw ExperimentFailure(reasons: [refusal], summary: summary)
  }

  /// Where relative paths of the config begin.
  private var paths: String {
    let folder = (try? config.source().folder) ?? ""
    return folder.isEmpty ? "." : folder
  }

  /// What tells the tasks of this sweep from those of another one in the same folder.
  private var mark: String {
    let parts = [config.text, ConfigSource.absolute(paths)] + config.overrides
    return String(SHA256.text(of: parts.map { "\($0.utf8.count):\($0)" }.joined()).prefix(8))
  }

  /// The name of the config's copy.
  private func copyName(_ mark: String) -> String { "\(name)-\(mark).yaml" }

  /// The numbers of the runs that earlier jobs of this folder have still to do.
  private func queued(_ folder: SlurmFolder, _ mark: String, _ slurm: Slurm) throws -> Set<Int> {
    let jobs = folder.jobs
    guard !jobs.isEmpty else { return [] }
    let queue = try slurm.queue()
    var numbers: Set<Int> = []
    for job in jobs {
      guard let tasks = queue[job.number], !tasks.isEmpty else { continue }
      guard job.mark == mark else {
        throw InputError(
          "job \(job.number) of another config or other --set has tasks in the queue for this folder; allowed: to wait "
            + "for it, `scancel \(job.number)`, or another --output", at: folder.path)
      }
      numbers.formUnion(tasks.map { $0 + job.offset })
    }
    return numbers
  }

  /// Lets sbatch read the options, and submits nothing.
  private func rehearse(_ script: SlurmScript, _ slurm: Slurm) throws {
    let path = NSTemporaryDirectory() + "score-sde-\(UUID().uuidString).sh"
    defer { unlink(path) }
    try AtomicFile.write(script.text, to: path)
    for block in script.blocks.prefix(1) {
      let answer = try slurm.call("sbatch", ["--test-only"] + script.arguments(block) + [path])
      guard answer.code == 0 else { throw InputError(answer.complaint(of: "sbatch"), at: "--slurm") }
    }
  }

  /// - Returns: the jobs with the new one, and what went wrong.
  private func submit(
    _ block: SlurmBlock, of script: SlurmScript, _ mark: String, _ slurm: Slurm, after jobs: [String]
  ) throws -> (jobs: [String], refusal: String?) {
    let arguments = ["--parsable"] + script.arguments(block) + [SlurmScript.file]
    let answer = try slurm.call(
      "sbatch", arguments + block.last, in: folder)
    let number = answer.output.split(whereSeparator: { $0.isNewline || $0 == ";" }).first.map(String.init)
    guard answer.code == 0, let number, Int(number) != nil else {
      return (jobs, answer.complaint(of: "sbatch"))
    }
    do {
      try SlurmFolder(path: folder).note(SlurmFolder.Job(number: number, offset: block.offset, mark: mark), block)
    } catch {
      // The next submission would not know of it, and do its runs once more.
      let isCancelled = (try? slurm.call("scancel", [number]).code) == 0
      return (
        jobs,
        "\(error); job \(number), which could not be noted, \(isCancelled ? "was cancelled" : "is in the queue: `scancel \(number)`")"
      )
    }
    return (jobs + [number], nil)
  }

  /// - Parameters:
  ///   - others: how many runs are in the queue, or done by somebody.
  ///   - jobs: those that were submitted; nil where none was to be.
  private func words(done: Int, others: Int, _ jobs: [String]?, _ script: SlurmScript) -> String {
    let blocks = script.blocks
    let count = blocks.reduce(0) { $0 + $1.indices.count }
    var head = "sweep \(name): \(done) of \(runs.count) runs are done"
    if others > 0 { head += "; \(others) in the queue, or being done now" }
    guard count > 0 else { return head + "; nothing to submit" }
    guard let jobs else {
      return head + "; \(count) to submit:\n  cd \(ConfigSource.absolute(folder).asShellWord)\n"
        + script.calls.map { "  \($0)" }.joined(separator: "\n")
    }
    for (job, block) in zip(jobs, blocks) {
      head += "; submitted: \(RunRanges(block.indices.map { $0 + block.offset }).array) as job \(job)"
    }
    guard let block = blocks.first, let first = block.indices.first, !jobs.isEmpty else { return head }
    let log = "\(folder)/\(block.log.replacing("%3a", with: SweepRun.name(first)))"
    return head + "\nwatch:   squeue --jobs=\(jobs.joined(separator: ",")); tail -f \(log.asShellWord)"
  }
}
