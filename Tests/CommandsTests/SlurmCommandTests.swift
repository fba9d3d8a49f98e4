// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import Testing

/// `score-sde sweep --slurm` as a program, whose script a shell runs in place of Slurm. `make slurm-test` has a real
/// Slurm.
@Suite("Slurm command") struct SlurmCommandTests {
  private static let config = """
    name: s
    data: {kind: csv, path: rows.csv, held_out: {share: 0.25}}
    process: {kind: vp}
    score: {kind: network, network: {kind: mlp, hidden: [8], features: 4}}
    training: {steps: 30, batch: 16}
    sampling: {count: 20, solvers: [{name: em, kind: euler-maruyama, steps: 5}]}
    evaluation: {metrics: [sliced-wasserstein]}
    sweep: {process.beta_max: [15, 20], seed: [1, 2]}

    """

  /// A folder with blanks, quotes and signs in its name, a config, and the table that the config names.
  private func inFolder(_ body: (String) throws -> Void) throws {
    let top = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: top) }
    let folder = top + "/it's $HOME, `x` & \"y\" %a"
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    try Self.config.write(toFile: folder + "/s.yaml", atomically: true, encoding: .utf8)
    let rows = (0..<80).map { "\(sin(Double($0))),\(cos(2 * Double($0)))" }
    try (["x,y"] + rows).joined(separator: "\n").write(toFile: folder + "/rows.csv", atomically: true, encoding: .utf8)
    try body(folder)
  }

  private func run(
    _ arguments: [String], _ folder: String, _ variables: [String: String] = [:], program path: String = program.path
  ) throws -> (code: Int32, output: String, errors: String) {
    let (process, output, errors) = (Process(), Pipe(), Pipe())
    process.executableURL = URL(fileURLWithPath: path)
    process.arguments = arguments
    process.currentDirectoryURL = URL(fileURLWithPath: folder)
    let given = ProcessInfo.processInfo.environment.filter { $0.key != "SCORE_SDE_MODELS" }
    process.environment = given.merging(variables) { $1 }
    (process.standardOutput, process.standardError) = (output, errors)
    try process.run()
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let said = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    process.waitUntilExit()
    return (process.terminationStatus, text, said)
  }

  private func task(_ number: Int, in results: String) throws -> (code: Int32, output: String, errors: String) {
    let index = ["SLURM_ARRAY_TASK_ID": "\(number)", "SLURM_CPUS_PER_TASK": "1", "SCORE_SDE_MODELS": "/nowhere"]
    return try run(["slurm/sweep.sh"], results, index, program: "/bin/bash")
  }

  private func names(_ folder: String) -> [String] {
    ((try? FileManager.default.contentsOfDirectory(atPath: folder)) ?? []).sorted()
  }

  @Test("the script's tasks are the runs of the sweep: to the bytes, in a moved folder, with a changed config")
  func tasks() throws {
    try inFolder { folder in
      let sets = ["--set", "training.steps=20", "--set", "name=it"]
      let local = try run(["sweep", "s.yaml", "--output", "local", "--quiet"] + sets, folder)
      #expect(local.code == 0 && local.errors.isEmpty, "\(local.errors)")
      let models = names(folder + "/Results/.models")
      #expect(models.count == 4 * 3, "\(models)")
      try FileManager.default.removeItem(atPath: folder + "/Results")

      var answer = try run(
        ["sweep", "s.yaml", "--slurm", "--write-only", "--output", "far/away", "--sbatch", "--mem=1G"] + sets, folder)
      #expect(
        answer.code == 0 && answer.output.contains("0 of 4 runs are done; 4 to submit:\n  cd '")
          && answer.output.hasSuffix("sweep s.yaml --collect --output far/away --set training.steps=20 --set name=it\n"),
        "\(answer)")
      // The config changes, and the folder moves, before a task begins.
      try "name: other\n".write(toFile: folder + "/s.yaml", atomically: true, encoding: .utf8)
      let results = folder + "/moved"
      try FileManager.default.moveItem(atPath: folder + "/far/away", toPath: results)
      for number in [4, 1, 2] {
        answer = try task(number, in: results)
        #expect(answer.code == 0 && answer.errors.isEmpty, "\(answer)")
      }
      #expect(names(folder + "/Results/.models").count == 3 * 3, "the store is where it was at home")
      // Slurm cannot name files in this folder, so that the script does.
      #expect(names(results + "/slurm").filter { $0.hasSuffix(".log") } == ["001.log", "002.log", "004.log"])
      try Self.config.write(toFile: folder + "/s.yaml", atomically: true, encoding: .utf8)
      answer = try run(["sweep", "s.yaml", "--collect", "--output", "moved"] + sets, folder)
      #expect(answer.code == 0 && answer.errors == "score-sde: run 003: not begun\n", "\(answer)")
      #expect(try task(3, in: results).code == 0)
      #expect(try task(3, in: results).code == 0, "a run that is done")
      answer = try run(["sweep", "s.yaml", "--collect", "--quiet", "--output", "moved"] + sets, folder)
      #expect(answer == (0, "", ""))
      for name in ["sweep.csv", "config.yaml", "runs/003/config.yaml", "runs/003/samples/em.csv"]
        + (1...4).map({ "runs/00\($0)/checkpoint.safetensors" })
      {
        #expect(
          FileManager.default.contentsEqual(atPath: "\(folder)/local/\(name)", andPath: "\(results)/\(name)"), "\(name)"
        )
      }
      #expect(try run(["verify", "moved"], folder).code == 0)
      #expect(try task(5, in: results).code == 2)
      answer = try run(["slurm/sweep.sh"], results, program: "/bin/bash")
      #expect(answer.code == 2 && answer.errors.contains("is the task of an array"))
      answer = try run([results + "/slurm/sweep.sh"], folder, ["SLURM_ARRAY_TASK_ID": "1"], program: "/bin/bash")
      #expect(answer.code == 2 && answer.errors.contains("submit this script in the folder of the sweep"))
    }
  }

  @Test("without Slurm, and with options that cannot be, there is one line and nothing is written") func refusals()
    throws
  {
    try inFolder { folder in
      func refused(_ arguments: [String], _ code: Int32, _ part: String) throws {
        let answer = try run(["sweep", "s.yaml"] + arguments, folder, ["PATH": folder + "/none"])
        #expect(answer.code == code && answer.output.isEmpty && answer.errors.contains(part), "\(arguments): \(answer)")
        if code == 2 { #expect(answer.errors.split(separator: "\n").count == 1) }
        #expect(names(folder) == ["rows.csv", "s.yaml"])
      }
      try refused(
        ["--slurm"], 2, "score-sde: --slurm: no sbatch in PATH; allowed: a machine with Slurm (Debian: apt-get")
      try refused(
        ["--slurm", "--sbatch", "--array=1"], 2, "--sbatch --array=1: is what the sweep decides itself; allowed: --jobs"
      )
      try refused(["--slurm", "--sbatch", "mem=1"], 2, "--sbatch mem=1: is no option of sbatch; allowed: --NAME")
      try refused(["--slurm", "--time", "1\n2"], 2, "--time: is '1")
      try refused(["--slurm", "--set", "sweep=null"], 2, "has no key 'sweep'")
      try refused(["--partition", "p"], 64, "--partition has no effect without --slurm")
      try refused(["--slurm", "--collect"], 64, "--collect and --slurm exclude each other")
      try refused(["--slurm", "--write-only", "--dry-run"], 64, "exclude each other")
      let shown = try run(["sweep", "s.yaml", "--slurm", "--dry-run", "--threads", "3"], folder)
      #expect(shown.code == 0 && shown.output.hasPrefix("#!/bin/bash\n#SBATCH --job-name=s\n"))
      #expect(shown.output.contains("#SBATCH --cpus-per-task=3\n") && names(folder) == ["rows.csv", "s.yaml"])
      #expect(try run(["sweep", "s.yaml", "--list"], folder) == (0, "001\n002\n003\n004\n", ""))
    }
  }
}
