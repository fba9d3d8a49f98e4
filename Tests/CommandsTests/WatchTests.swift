// SPDX-License-Identifier: GPL-3.0-or-later
import Experiments
import Foundation
import Testing

/// What people see of a run, in a terminal and without one.
@Suite("Watching", .serialized) struct WatchTests {
  private let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString

  /// A training that takes longer than any test.
  private func train(_ more: [String] = [], errors: Any) throws -> Process {
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    return try start(
      [
        "train", "Experiments/vp-moons.yaml", "--output", folder + "/r", "--threads", "1", "--set",
        "training.steps=200000", "--set", "training.batch=16", "--set", "training.preview={steps: 1000, count: 20}",
      ] + more, models: folder + "/models", errors: errors)
  }

  private func watch(
    _ arguments: [String], output: Any, input: Any? = nil, environment: [String: String] = [:]
  ) throws -> (process: Process, errors: Pipe) {
    let (process, errors) = (Process(), Pipe())
    process.environment = ["LANG": "C.UTF-8", "TERM": "xterm-256color", "PATH": "/usr/bin:/bin"].merging(environment) {
      $1
    }
    process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
    process.arguments = ["--default-signal=INT,TERM,HUP", program.path, "watch"] + arguments
    (process.standardOutput, process.standardError) = (output, errors)
    process.standardInput = input ?? FileHandle.nullDevice
    try process.run()
    return (process, errors)
  }

  private func end(_ process: Process, by signal: Int32 = SIGKILL) {
    kill(process.processIdentifier, signal)
    process.waitUntilExit()
  }

  private func file(_ name: String) -> String {
    (try? String(contentsOfFile: "\(folder)/r/\(name)", encoding: .utf8)) ?? ""
  }

  private func wait(_ seconds: Double = 20, until isTrue: () -> Bool) {
    let end = Date(timeIntervalSinceNow: seconds)
    while !isTrue(), Date() < end { usleep(20_000) }
  }

  @Test("progress fits windows of 80 and 40 columns, also one that shrinks, and never scrolls", .timeLimit(.minutes(1)))
  func bar() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let terminal = try #require(PseudoTerminal(columns: 80, rows: 24))
    let process = try train(errors: terminal.handle)
    defer { end(process) }
    var seen = ""
    wait {
      seen += terminal.read(); return PseudoTerminal.pieces(seen).count > 4
    }
    let wide = PseudoTerminal.pieces(seen)
    // A drawing of the wide window may still be on its way.
    terminal.resize(columns: 40, rows: 24)
    usleep(300_000)
    _ = terminal.read()
    seen = ""
    wait {
      seen += terminal.read(); return PseudoTerminal.pieces(seen).count > 4
    }
    let narrow = PseudoTerminal.pieces(seen)
    for (lines, columns) in [(wide, 80), (narrow, 40)] {
      #expect(lines.count > 4)
      for line in lines { #expect(line.displayWidth < columns, "\(line)") }
      #expect(lines.allSatisfy { $0.contains("/200000") }, "\(lines)")
      #expect(lines.last?.contains("left") == true, "\(lines)")
    }
    #expect(wide.last?.contains("train vp-moons") == true && wide.last?.contains("loss 0.") == true, "\(wide)")
    #expect(!seen.contains("\n"))
  }

  /// One training is looked at in all ways, as its first line comes only after five seconds.
  @Test("without a terminal lines come; files are live; watch follows them and ends in order", .timeLimit(.minutes(1)))
  func live() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    let log = Pipe()
    let training = try train(errors: log)
    defer { end(training) }
    let begin = Date()
    wait { file("training.csv").split(separator: "\n").count > 1 }
    let first = file("training.csv")
    #expect(first.hasPrefix("step,loss,learning_rate,gradient_norm,seconds\n"))
    wait { FileManager.default.fileExists(atPath: folder + "/r/previews/001000.png") }

    // A terminal: it is drawn again and again, fits, and q ends it.
    let terminal = try #require(PseudoTerminal(columns: 70, rows: 30))
    let (view, _) = try watch([folder + "/r", "--interval", "0.2"], output: terminal.handle, input: terminal.handle)
    var seen = ""
    wait {
      seen += terminal.read(); return seen.components(separatedBy: "\u{1B}[H").count > 3
    }
    #expect(!terminal.echoes)
    terminal.type("q")
    view.waitUntilExit()
    seen += terminal.read()
    #expect(view.terminationStatus == 0 && terminal.echoes)
    #expect(seen.contains("\u{1B}[?1049h") && seen.hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))
    for line in PseudoTerminal.pieces(seen) { #expect(line.displayWidth <= 70, "\(line)") }
    for part in ["vp-moons (vp): training", "/200000", "learning rate", "left", "loss", "samples at step", "▀"] {
      #expect(seen.contains(part), "\(part)")
    }
    // The cursor stays above the last line of the window.
    for screen in seen.components(separatedBy: "\u{1B}[H") {
      #expect(screen.components(separatedBy: "\r\n").count <= 30)
    }

    // Ctrl-C ends it, too, and leaves the terminal as it was.
    let (stopped, errors) = try watch([folder + "/r"], output: terminal.handle, input: terminal.handle)
    wait { !terminal.echoes }
    kill(stopped.processIdentifier, SIGINT)
    stopped.waitUntilExit()
    #expect(stopped.terminationStatus == 130 && terminal.echoes)
    #expect(terminal.read().hasSuffix("\u{1B}[?25h\u{1B}[?1049l"))
    let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    #expect(complaint.split(separator: "\n").count == 1 && complaint.contains("SIGINT"), "\(complaint)")

    // Without one: what there is now, once, in the columns asked for.
    for (columns, locale) in [(80, "C.UTF-8"), (40, "C.UTF-8"), (50, "C")] {
      let output = Pipe()
      let (once, _) = try watch(
        [folder + "/r"], output: output, environment: ["COLUMNS": "\(columns)", "LANG": locale])
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      once.waitUntilExit()
      #expect(once.terminationStatus == 0 && text.contains("training") && !text.contains("\u{1B}"))
      for line in text.components(separatedBy: "\n") { #expect(line.displayWidth <= columns, "\(line)") }
      if locale == "C" { #expect(text.utf8.allSatisfy { $0 < 128 }, "\(text)") }
    }

    // A line came, though the training is not over, and the table grew by whole rows.
    while Date().timeIntervalSince(begin) < 6.5 { usleep(50_000) }
    wait { file("training.csv").count > first.count }
    #expect(file("training.csv").hasPrefix(first) && file("training.csv").hasSuffix("\n"))
    end(training, by: SIGINT)
    #expect(training.terminationStatus == 130)
    let lines = String(decoding: log.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    let progress = lines.split(separator: "\n").filter { $0.contains("/200000") && $0.contains("loss") }
    #expect(progress.count == 1, "\(lines)")
    #expect(
      progress.first?.wholeMatch(of: /score-sde: train vp-moons: step \d+\/200000, loss [\d.e-]+, .* left/) != nil,
      "\(lines)")

    // Nobody trains any more: it says so, and ends.
    let output = Pipe()
    let (last, _) = try watch([folder + "/r"], output: output)
    let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
    last.waitUntilExit()
    #expect(last.terminationStatus == 0 && text.contains("vp-moons (vp): ended with a failure: stopped"), "\(text)")
  }

  @Test("finished runs, lists of runs, and folders that are none") func folders() throws {
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for name in ["a", "b"] {
      let run = try start(
        [
          "run", "Experiments/vp-mixture-exact.yaml", "--output", "\(folder)/sweep/runs/\(name)", "--quiet", "--set",
          "sampling.count=20", "--set", "evaluation.metrics=[]",
        ], models: folder + "/models")
      run.waitUntilExit()
      #expect(run.terminationStatus == 0)
    }
    func show(_ path: String) throws -> (code: Int32, output: String, errors: String) {
      let output = Pipe()
      let (process, errors) = try watch([path, "--once"], output: output)
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      let complaint = String(decoding: errors.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      return (process.terminationStatus, text, complaint)
    }
    let run = try show(folder + "/sweep/runs/a/")
    #expect(run.code == 0 && run.output.contains(": finished\n") && run.output.contains("solver"), "\(run)")
    // As a sweep has it.
    try "1\n".write(toFile: folder + "/sweep/manifest.json", atomically: true, encoding: .utf8)
    let list = try show(folder + "/sweep")
    #expect(list.output.contains("2 runs, 0 running, 2 finished"), "\(list)")
    let empty = folder + "/empty"
    try FileManager.default.createDirectory(atPath: empty, withIntermediateDirectories: true)
    for path in [folder + "/nowhere", empty, program.path] {
      let none = try show(path)
      #expect(none.code == 2 && none.output.isEmpty, "\(none)")
      #expect(none.errors.split(separator: "\n").count == 1 && none.errors.contains(path), "\(none)")
    }
    // A run that was killed: its lock is there, and its process is not.
    try "999999999\n".write(toFile: folder + "/sweep/runs/b/.lock", atomically: true, encoding: .utf8)
    #expect(try show(folder + "/sweep/runs/b").output.contains("not running, and not finished"))
  }
}

/// What the program says of itself.
@Suite("Help") struct HelpTests {
  @Test("a program of another name says its own", arguments: ["my-score-sde", "score-sde"]) func name(name: String)
    throws
  {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    try FileManager.default.createDirectory(atPath: folder, withIntermediateDirectories: true)
    defer { try? FileManager.default.removeItem(atPath: folder) }
    try FileManager.default.createSymbolicLink(atPath: "\(folder)/\(name)", withDestinationPath: program.path)
    for (arguments, usage) in [(["--help"], "\(name) <subcommand>"), (["train", "--help"], "\(name) train <config>")] {
      let (process, output) = (Process(), Pipe())
      process.executableURL = URL(fileURLWithPath: "\(folder)/\(name)")
      process.arguments = arguments
      process.standardOutput = output
      try process.run()
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(text.contains("USAGE: \(usage)"), "\(text)")
    }
  }

  @Test("make NAME with fresh results says that nothing was done, and what ARGS did") func fresh() throws {
    let folder = NSTemporaryDirectory() + "score-sde-" + UUID().uuidString
    defer { try? FileManager.default.removeItem(atPath: folder) }
    for name in ["Experiments", "Results/x"] {
      try FileManager.default.createDirectory(atPath: "\(folder)/\(name)", withIntermediateDirectories: true)
    }
    try FileManager.default.copyItem(atPath: repository.path + "/Makefile", toPath: folder + "/Makefile")
    try "".write(toFile: folder + "/Experiments/x.yaml", atomically: true, encoding: .utf8)
    try "".write(toFile: folder + "/Results/x/manifest.json", atomically: true, encoding: .utf8)
    func date(_ name: String, _ seconds: Double) throws {
      try FileManager.default.setAttributes(
        [.modificationDate: Date(timeIntervalSinceNow: seconds)], ofItemAtPath: "\(folder)/\(name)")
    }
    func make(_ arguments: String...) throws -> String {
      let (process, output) = (Process(), Pipe())
      process.executableURL = URL(fileURLWithPath: "/usr/bin/env")
      // The program is no part of this: `echo` stands for it.
      process.arguments = ["make", "-s", "-o", "build", "program=echo", "x"] + arguments
      process.currentDirectoryURL = URL(fileURLWithPath: folder)
      (process.standardOutput, process.standardError) = (output, output)
      try process.run()
      let text = String(decoding: output.fileHandleForReading.readDataToEndOfFile(), as: UTF8.self)
      process.waitUntilExit()
      #expect(process.terminationStatus == 0, "\(text)")
      return text
    }
    try date("Experiments/x.yaml", -100)
    #expect(
      try make("ARGS=--quiet")
        == "Results/x is newer than Experiments/x.yaml: nothing was done, and ARGS had no effect. "
        + "`make -B x ARGS=...` runs it again.\n")
    #expect(
      try make() == "Results/x is newer than Experiments/x.yaml: nothing was done. `make -B x` runs it again.\n")
    try date("Results/x/manifest.json", -200)
    let ran = try make("ARGS=--quiet")
    #expect(ran.hasPrefix("run Experiments/x.yaml --output ") && ran.hasSuffix("/Results/x/ --quiet\n"), "\(ran)")
  }
}
