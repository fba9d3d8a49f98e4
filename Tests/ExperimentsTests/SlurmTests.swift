// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Synchronization
import Testing

/// Sweeps as array jobs, with programs in place of Slurm's that note what they are given.
@Suite("Slurm") struct SlurmTests {
  private static let config = """
    name: s
    data: {kind: gaussian-mixture, weights: [1, 1], means: [[-0.8], [0.8]], deviations: [0.2, 0.3], held_out: 20}
    process: {kind: vp}
    score: {kind: exact}
    sampling: {count: 20, solvers: [{name: em, kind: euler-maruyama, steps: 5}]}
    evaluation: {metrics: [sliced-wasserstein]}
    sweep: {seed: [1, 2, 3, 4, 5]}

    """

  /// A folder with `bin/sbatch`, which numbers jobs from 1 and appends its words to `calls`; `bin/squeue`, which shows
  /// `queue`; `bin/scancel`; and `bin/scontrol`, which knows arrays of four indices. `refusal` has what sbatch
  /// complains of; `meanwhile`, what another sweep does while sbatch reads the options.
  private func inFolder(_ body: (String, Slurm) throws -> Void) throws {
    try withFolder { folder in
      func program(_ name: String, _ text: String) throws {
        try "#!/bin/sh\nD='\(folder)'\n\(text)\n".write(
          toFile: "\(folder)/bin/\(name)", atomically: true, encoding: .utf8)
        try FileManager.default.setAttributes([.posixPermissions: 0o755], ofItemAtPath: "\(folder)/bin/\(name)")
      }
      try FileManager.default.createDirectory(atPath: folder + "/bin", withIntermediateDirectories: true)
      try program(
        "sbatch",
        """
        echo "$(/bin/pwd | /usr/bin/xargs /usr/bin/basename): $*" >> "$D/calls"
        if [ -e "$D/refusal" ]; then echo "sbatch: error: $(/bin/cat "$D/refusal")" >&2; exit 1; fi
        if [ "$1" = --test-only ]; then
          if [ -d "$D/meanwhile" ]; then
            /bin/cp "$D/meanwhile/jobs.csv" "$D/r/slurm/jobs.csv"; /bin/cp "$D/meanwhile/queue" "$D/queue"
          fi
          exit 0
        fi
        echo x >> "$D/count"; echo "$(/usr/bin/wc -l < "$D/count");main"
        if [ -e "$D/refuse-after" ]; then echo "too many jobs" > "$D/refusal"; fi
        """)
      try program("squeue", "/bin/cat \"$D/queue\" 2>/dev/null; exit 0")
      try program("scontrol", "echo 'MaxArraySize            = 4'")
      try program("scancel", "echo \"scancel $*\" >> \"$D/calls\"; [ ! -e \"$D/no-scancel\" ]")
      try body(folder, Slurm(path: folder + "/bin"))
    }
  }

  private func sweep(_ folder: String, _ overrides: [String] = []) throws -> Sweep {
    try Sweep(
      SweepConfig(text: Self.config, path: folder + "/s.yaml", overrides: overrides), folder: folder + "/r",
      store: ModelStore(folder + "/m"), jobs: 1, threads: 1, quiet: true)
  }

  private func calls(_ folder: String) -> [String] {
    defer { unlink(folder + "/calls") }
    return contents(folder + "/calls").split(separator: "\n").map(String.init)
  }

  private func write(_ text: String, _ path: String) throws {
    try text.write(toFile: path, atomically: true, encoding: .utf8)
  }

  @Test("numbers as ranges, and runs as arrays whose indices are theirs, less an offset that never changes")
  func arrays() {
    #expect(RunRanges([7, 3, 1, 2, 3]).array == "1-3,7" && RunRanges([7, 1, 2]).words == "001 to 002, 007")
    #expect(RunRanges([Int]()).array.isEmpty)
    let blocks = SlurmBlock.blocks(Array(990...1003) + [2500], largest: 1001)
    #expect(
      blocks == [
        SlurmBlock(offset: 0, indices: Array(990...1000)), SlurmBlock(offset: 1000, indices: [1, 2, 3]),
        SlurmBlock(offset: 2000, indices: [500]),
      ])
    // Whatever is done already, a run has the same job and index.
    #expect(SlurmBlock.blocks([1003], largest: 1001) == [SlurmBlock(offset: 1000, indices: [3])])
    #expect(
      SlurmBlock.blocks([1, 2], largest: 2) == [
        SlurmBlock(offset: 0, indices: [1]), SlurmBlock(offset: 1, indices: [1]),
      ])
    #expect(SlurmBlock.blocks([4000], largest: 4_000_001) == [SlurmBlock(offset: 0, indices: [4000])])
    #expect(blocks.map(\.log) == ["slurm/%3a.log", "slurm/1000+%3a.log", "slurm/2000+%3a.log"])
  }

  @Test("what is given takes the place of the usual; values are quoted as sbatch reads them") func options() throws {
    func lines(_ options: SlurmOptions) -> [String] { options.lines(name: "s") }
    let usual = [
      "--job-name=s", "--open-mode=append", "--requeue", "--signal=B:TERM@60", "--nodes=1", "--ntasks=1",
      "--cpus-per-task=1",
    ]
    #expect(try lines(SlurmOptions()) == usual)
    let options = try SlurmOptions(
      partition: "a,b", time: "1-12:00:00", limit: 3,
      others: ["--no-requeue", "--cpus-per-task=4", "--comment=a \"b\" # \\c", "--exclusive"])
    #expect(
      lines(options) == usual.filter { $0 != "--requeue" && !$0.hasPrefix("--cpus") } + [
        "--partition=a,b", "--time=1-12:00:00", "--no-requeue", "--cpus-per-task=4",
        #"--comment="a \"b\" # \\c""#, "--exclusive",
      ])
    #expect(SlurmBlock(offset: 0, indices: [1, 2]).array(options) == "1-2%3")
    // A minute before a limit of some is too early.
    for (time, warns) in [
      ("4:59", false), ("5", true), ("0:05:00", true), ("0-0:4", false), ("1-0", true), ("x", true),
    ] {
      #expect(try lines(SlurmOptions(time: time)).contains("--signal=B:TERM@60") == warns, "\(time)")
    }
    for wrong in ["", "--", "-p", "mem=4", "--mem\n#", "--a b", "--array=1", "--output=x", "--wrap=x", "--wait"] {
      #expect(throws: InputError.self, "\(wrong)") { try SlurmOptions(others: [wrong]) }
    }
    #expect(throws: InputError("stands beside --threads; allowed: one of them", at: "--sbatch --cpus-per-task=2")) {
      try SlurmOptions(threads: 2, others: ["--cpus-per-task=2"])
    }
    #expect(throws: InputError.self) { try SlurmOptions(time: "1", others: ["--time=2"]) }
    #expect(throws: InputError.self) { try SlurmOptions(partition: "a\nb") }
  }

  @Test("what another sweep submitted before this one had the folder is not submitted again") func twice() throws {
    try inFolder { folder, slurm in
      func submit() throws -> String { try sweep(folder).submit(SlurmOptions(), program: "/bin/program", by: slurm) }
      _ = try submit()
      let manager = FileManager.default
      try manager.createDirectory(atPath: folder + "/meanwhile", withIntermediateDirectories: false)
      try manager.moveItem(atPath: folder + "/r/slurm/jobs.csv", toPath: folder + "/meanwhile/jobs.csv")
      try write("1 1\n1 2\n1 3\n2 1\n", folder + "/meanwhile/queue")
      _ = calls(folder)
      let text = try submit()
      #expect(text.hasPrefix("sweep s: 0 of 5 runs are done; 4 in the queue, or being done now; submitted: 5 as job 3"))
      #expect(calls(folder).filter { $0.contains("--parsable") }.count == 1)
    }
  }

  @Test("a job that cannot be noted is cancelled, or named", arguments: [true, false])
  func notNoted(_ isCancelled: Bool) throws {
    try inFolder { folder, slurm in
      try FileManager.default.createDirectory(atPath: folder + "/r/slurm/jobs.csv", withIntermediateDirectories: true)
      if !isCancelled { try write("", folder + "/no-scancel") }
      do {
        _ = try sweep(folder).submit(SlurmOptions(), program: "/bin/program", by: slurm)
        Issue.record("no error")
      } catch let failure as ExperimentFailure {
        let words = isCancelled ? "was cancelled" : "is in the queue: `scancel 1`"
        #expect(failure.reasons.count == 1 && failure.reasons[0].contains("jobs.csv"))
        #expect(failure.reasons[0].hasSuffix("job 1, which could not be noted, \(words)"), "\(failure.reasons)")
      }
      #expect(calls(folder).last == "scancel 1")
    }
  }

  @Test("what is neither done nor in the queue is submitted, in jobs as large as Slurm allows") func submits() throws {
    try inFolder { folder, slurm in
      let options = try SlurmOptions(partition: "p")
      func submit() throws -> String { try sweep(folder).submit(options, program: "/bin/program", by: slurm) }
      _ = try Sweep.run(
        2, of: sweep(folder).config, folder: folder + "/r", store: ModelStore(folder + "/m"), threads: 1, quiet: true)
      var text = try submit()
      #expect(
        text.hasPrefix("sweep s: 1 of 5 runs are done; submitted: 1,3 as job 1; submitted: 4-5 as job 2\nwatch: "))
      let made = calls(folder)
      #expect(made.count == 3 && made[0].contains(": --test-only --array=1,3 --output=slurm/%3a.log /"), "\(made)")
      #expect(
        made.dropFirst() == [
          "r: --parsable --array=1,3 --output=slurm/%3a.log slurm/sweep.sh",
          "r: --parsable --array=1-2 --output=slurm/3+%3a.log slurm/sweep.sh 3",
        ])
      let script = contents(folder + "/r/slurm/sweep.sh")
      #expect(script.contains("#SBATCH --array=1,3\n") && script.contains("#SBATCH --partition=p\n"))
      #expect(script.contains("#   sbatch --array=1-2 --output=slurm/3+%3a.log slurm/sweep.sh 3\n"))
      #expect(contents(folder + "/r/sweep.csv").split(separator: "\n").count == 2)
      // Run 1 failed, 3 waits, 4 runs; 5 is gone from the queue, and somebody does it by hand.
      try write("1 3\n2 1\n99 2\n", folder + "/queue")
      try FileManager.default.createDirectory(atPath: folder + "/r/runs/005", withIntermediateDirectories: true)
      let lock = try FileLock(folder + "/r/runs/005/.lock", of: "it")
      text = try submit()
      #expect(
        text.hasPrefix("sweep s: 1 of 5 runs are done; 3 in the queue, or being done now; submitted: 1 as job 3\n"))
      #expect(calls(folder).last == "r: --parsable --array=1 --output=slurm/%3a.log slurm/sweep.sh")
      lock.release()
      // Tasks of another config wait for the same folder.
      let refused = #expect(throws: InputError.self) {
        try sweep(folder, ["sampling.count=21"]).submit(options, program: "/bin/program", by: slurm)
      }
      #expect(refused?.message.hasPrefix("job 1 of another config or other --set has tasks in the queue") == true)
      try write("", folder + "/queue")
      _ = try sweep(folder).run()
      #expect(try submit() == "sweep s: 5 of 5 runs are done; nothing to submit" && calls(folder).isEmpty)
      #expect(try Verification(of: folder + "/r").problems == [])
    }
  }

  @Test("sbatch's own words are told in one line: before anything is written, or with what was submitted")
  func refused()
    throws
  {
    try inFolder { folder, slurm in
      try write("invalid partition specified: p", folder + "/refusal")
      #expect(throws: InputError("sbatch: invalid partition specified: p", at: "--slurm")) {
        try sweep(folder).submit(SlurmOptions(), program: "/bin/program", by: slurm)
      }
      #expect(!FileManager.default.fileExists(atPath: folder + "/r"))
      unlink(folder + "/refusal")
      try write("", folder + "/refuse-after")
      let failure = #expect(throws: ExperimentFailure.self) {
        try sweep(folder).submit(SlurmOptions(), program: "/bin/program", by: slurm)
      }
      #expect(failure?.reasons == ["sbatch: too many jobs"] && failure?.summary.contains("1-3 as job 1") == true)
      #expect(contents(folder + "/r/slurm/jobs.csv").split(separator: "\n").count == 2)
      // What an array has in the queue is not submitted once more.
      unlink(folder + "/refusal")
      unlink(folder + "/refuse-after")
      try write("1 1\n1 2\n1 3\n", folder + "/queue")
      #expect(
        try sweep(folder).submit(SlurmOptions(), program: "/bin/program", by: slurm).contains("submitted: 4-5 as job 2")
      )
    }
  }

  @Test("who gathers is told of every run that is missing: why, and where its log is") func collects() throws {
    try inFolder { folder, _ in
      let sweep = try sweep(folder)
      func run(_ number: Int) throws {
        _ = try Sweep.run(
          number, of: sweep.config, folder: folder + "/r", store: ModelStore(folder + "/m"), threads: 1, quiet: true)
      }
      try run(1)
      try FileManager.default.createDirectory(atPath: folder + "/r/slurm", withIntermediateDirectories: true)
      // 2 was killed, and its lock is nobody's; 3 is refused; 4 is being done; 5 has not begun.
      try FileManager.default.createDirectory(atPath: folder + "/r/runs/002", withIntermediateDirectories: true)
      try write("4194304\nconfig.yaml\n", folder + "/r/runs/002/.lock")
      try write(
        "train s\nslurmstepd: error: *** JOB 3 CANCELLED DUE TO TIME LIMIT ***\n\n", folder + "/r/slurm/002.log")
      try write("score-sde: s.yaml:3: process: wrong\n", folder + "/r/slurm/2+001.log")
      try FileManager.default.createDirectory(atPath: folder + "/r/runs/004", withIntermediateDirectories: true)
      let lock = try FileLock(folder + "/r/runs/004/.lock", of: "it")
      var told: [String] = []
      let text = try sweep.run(isCollecting: true, tell: { told.append($0) })
      #expect(
        told == [
          "run 002 (seed=2): it was killed: slurmstepd: error: *** JOB 3 CANCELLED DUE TO TIME LIMIT ***; log: "
            + "\(folder)/r/slurm/002.log",
          "run 003 (seed=3): s.yaml:3: process: wrong; log: \(folder)/r/slurm/2+001.log",
          "run 004: being done by another process", "run 005: not begun",
        ], "\(told)")
      #expect(text.hasPrefix("sweep s: 1 of 5 runs are done"))
      lock.release()
      for number in 2...5 { try run(number) }
      #expect(try sweep.run(isCollecting: true).hasPrefix("sweep s: 5 of 5 runs are done"))
      let other = try Sweep(
        sweep.config, folder: folder + "/o", store: ModelStore(folder + "/m"), jobs: 2, threads: 1, quiet: true)
      _ = try other.run()
      #expect(contents(folder + "/o/sweep.csv") == contents(folder + "/r/sweep.csv"))
    }
  }

  @Test("a task waits for whoever does its run, no longer than it is told, and then finds it done") func waits() throws
  {
    try withFolder { folder in
      let config = SweepConfig(text: Self.config, path: "s.yaml")
      try FileManager.default.createDirectory(atPath: folder + "/r/runs/001", withIntermediateDirectories: true)
      let path = folder + "/r/runs/001/.lock"
      let lock = Mutex<FileLock?>(try FileLock(path, of: "it"))
      func run(_ patience: Int) throws -> String {
        try Sweep.run(
          1, of: config, folder: folder + "/r", store: ModelStore(folder + "/m"), threads: 1, patience: patience,
          quiet: true)
      }
      let begin = ContinuousClock().now
      #expect(throws: InUseError.self) { try run(0) }
      #expect(throws: InUseError.self) { try run(1) }
      #expect(begin.duration(to: ContinuousClock().now) >= .seconds(1))
      Thread.detachNewThread {
        usleep(300_000)
        lock.withLock { held in
          held?.release()
          held = nil
        }
      }
      #expect(try run(60).hasPrefix("run 001: seed=1\n"))
    }
  }
}
