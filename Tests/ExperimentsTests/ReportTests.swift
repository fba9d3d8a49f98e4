// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Experiments
import Foundation
import Testing

@Suite("The report") struct ReportTests {
  /// Writes files below a folder.
  private func write(_ files: [String: String], to folder: String) throws {
    for (name, text) in files {
      let path = "\(folder)/\(name)"
      try FileManager.default.createDirectory(
        atPath: (path as NSString).deletingLastPathComponent, withIntermediateDirectories: true)
      try Data(text.utf8).write(to: URL(fileURLWithPath: path))
    }
  }

  private static let solvers = """
    experiment,process,solver,kind,count,steps,nfe,nfe_max,seconds,seed,overrides,mmd,mmd_low,mmd_high,density
    e,vp,em-30,euler-maruyama,100,30,31,31,0.5,1,,0.02,0.01,0.03,0.9
    e,vp,em-300,euler-maruyama,100,300,301,301,5,1,,-0.001,-0.002,0.015,0.8

    """
  private static let evaluation = """
    experiment,solver,metric,class,repeat,value,low,high,data,data_low,data_high,count,held_out,better
    e,em-30,mmd,,all,0.02,0.01,0.03,0.0001,-0.001,0.001,100,50,lower
    e,em-300,mmd,,all,-0.001,-0.002,0.015,0.0001,-0.001,0.001,100,50,lower
    e,em-30,mmd,3,all,0.04,0.01,0.07,,,,10,5,lower
    e,,nll,,all,1.5,1.4,1.6,,,,,50,lower

    """
  private static let training = "step,loss,learning_rate,gradient_norm,seconds\n1,1,0.1,2,0\n2,0.5,0.1,2,1\n"

  /// The page about what is in a folder.
  private func page(_ folder: String, _ others: [String] = []) throws -> (text: String, summary: Report.Summary) {
    let report = Report([folder] + others, to: folder + "/page.html")
    let summary = try report.write()
    return (contents(folder + "/page.html"), summary)
  }

  @Test("a page has tables with intervals, plots, pictures, notes and links, of nested folders too") func whole() throws
  {
    try withFolder { folder in
      _ = try makeExperiment(plan(tiny), folder: folder + "/a/b", store: folder + "/.models").run()
      try write(
        [
          "z/solvers.csv": Self.solvers, "z/evaluation.csv": Self.evaluation, "z/training.csv": Self.training,
          "z/config.yaml": "name: z\n",
          "s/sweep.csv":
            "run,seed,experiment,process,solver,mmd,mmd_low,mmd_high\n1,2,e,vp,em,1,0,2\n2,3,e,vp,em,1,0,2\n",
          "z/manifest.json":
            #"{"seed": 7, "notes": ["a note"], "failures": ["solver x: broke"], "seconds": {"train": 12.5}}"#,
        ], to: folder)
      let (text, summary) = try page(folder)
      #expect(summary.runs == 3 && summary.running == 0 && summary.troubled == 1 && summary.leftOut.isEmpty)
      for part in [
        "0.02 [0.01, 0.03]", "a note", "solver x: broke", "<dd>7</dd>", "12.5", "href=\"z/config.yaml\"",
        "href=\"a/b/config.yaml\"", "id=\"run-a_2fb\"", "alt=\"z: mmd of every solver", "alt=\"z: training loss",
        "alt=\"a/b: samples of em beside the data\"", "alt=\"s: mmd of every run", "1.5 [1.4, 1.6]",
        "lang=\"en\"", "<caption>", "prefers-color-scheme: dark", "@media print", "kind: two-moons",
      ] { #expect(text.contains(part), "\(part)") }
      // Nothing is asked for from elsewhere, and the page is finished.
      #expect(
        !text.contains("http:") && !text.contains("https:") && !text.contains("src=\"/")
          && !text.contains("http-equiv=\"refresh\""))
      #expect(
        text.matches(of: #/<img /#).count == text.matches(of: /<img alt="[^"]+"( width="\d+")? src="data:image/).count)
      // The best, and what its interval does not tell from it; of densities nobody says which is good.
      let own = try #require(text.components(separatedBy: "id=\"run-z\"").last)
      #expect(own.matches(of: /class="number best"/).count == 2)
      // Written again over itself: the page is no result.
      #expect(try page(folder).summary.runs == 3)
    }
  }

  @Test("a run that goes on makes the page load itself again") func live() throws {
    try withFolder { folder in
      try write(["r/training.csv": Self.training], to: folder)
      #expect(try !page(folder).text.contains("id=\"live\""))
      let held = try ResultsFolder(creating: folder + "/r")
      let (text, summary) = try page(folder)
      #expect(summary.running == 1 && text.contains("id=\"live\"") && text.contains("http-equiv=\"refresh\""))
      #expect(text.contains("<span class=\"state running\">running</span>"))
      withExtendedLifetime(held) {}
    }
  }

  @Test("a run that was killed is told from one that goes on") func stopped() throws {
    try withFolder { folder in
      try write(["r/.lock": "999999999\nsolvers.csv\n", "r/training.csv": Self.training], to: folder)
      #expect(try page(folder).text.contains("<span class=\"state stopped\">stopped</span>"))
    }
  }

  @Test("no text of a results folder becomes markup") func hostile() throws {
    try withFolder { folder in
      let evil = "\"><script>alert(1)</script><img src=x onerror=alert(1)>'&\u{202E}\u{0}\u{1B}[31m"
      let field = "\"" + evil.replacing("\"", with: "\"\"").replacing("\u{0}", with: "") + "\""
      let name = "x\"><script>alert(2)<"
      let json = try String(
        decoding: JSONSerialization.data(withJSONObject: [
          "notes": [evil], "failures": [evil], "seed": evil, "commit": evil,
        ]), as: UTF8.self)
      let solvers = Self.solvers.replacing("em-30,", with: "\(field),").replacing(",density", with: ",\(field)")
        .replacing("e,vp,", with: "\(field),\(field),")
      try write(
        [
          "\(name)/solvers.csv": solvers, "\(name)/evaluation.csv": Self.evaluation.replacing("em-30", with: field),
          "\(name)/config.yaml": evil, "\(name)/manifest.json": json, "\(name)/samples/\(name).png": "no picture",
          "\(name)/training.csv": Self.training.replacing("0.5", with: field),
          "\(name)/sweep.csv": "run,\(field),experiment,solver,mmd\n1,2,e,\(field),3\n2,4,e,\(field),3\n",
        ], to: folder)
      let (text, _) = try page(folder)
      // The page's own script, and no other.
      #expect(text.matches(of: /<script/).count == 1 && text.matches(of: /<\/script>/).count == 1)
      #expect(!text.contains("onerror=alert(1)>") && !text.contains("\u{202E}") && !text.contains("\u{1B}"))
      #expect(text.contains("&lt;script&gt;alert(1)"))
      let links = text.matches(of: /href="([^"]*)"/).map { String($0.output.1) }
      #expect(links.contains("x%22%3E%3Cscript%3Ealert%282%29%3C/config.yaml"), "\(links)")
      for link in links { #expect(link.hasPrefix("#run-") || link == "data:," || link.hasPrefix("x%22"), "\(link)") }
    }
  }

  @Test("damaged, cut and empty files are told, and the rest is shown") func damaged() throws {
    try withFolder { folder in
      try write(
        [
          "a/solvers.csv": "experiment,solver,mmd\ne,em,0.25\ne,em2\ne,\"em", "a/manifest.json": "{\"seed\": ",
          "a/evaluation.csv": "", "a/loss_by_time.csv": "a,a\n1,2\n", "a/training.csv": Self.training,
          "a/samples/em.png": "\u{89}PNG\r\n\u{1A}\nnothing", "b/manifest.json": "[]",
        ], to: folder)
      try Data([0xFF, 0xFE, 0x00]).write(to: URL(fileURLWithPath: folder + "/a/config.yaml"))
      let (text, summary) = try page(folder)
      #expect(summary.runs == 2 && summary.troubled == 2)
      for part in [
        "solvers.csv: 2 of 3 rows", "ends within quotes", "manifest.json: is no JSON object",
        "evaluation.csv: is empty",
        "loss_by_time.csv: has no header of different names", "config.yaml: is no UTF-8", "0.25", "training loss over",
        "em.png: is no picture",
      ] { #expect(text.contains(part), "\(part)") }
    }
  }

  /// Every file of a run cut anywhere and with bytes changed: a page, and never a crash.
  @Test("whatever the files hold, there is a page") func cut() throws {
    try withFolder { folder in
      let whole = folder + "/whole"
      _ = try makeExperiment(plan(tiny), folder: whole, store: folder + "/.models").run()
      try write(["evaluation.csv": Self.evaluation], to: whole)
      let names = [
        "solvers.csv", "evaluation.csv", "training.csv", "loss_by_time.csv", "manifest.json", "config.yaml",
        "samples/em.png",
      ]
      let files = try names.map { try Data(contentsOf: URL(fileURLWithPath: "\(whole)/\($0)")) }
      var numbers = NoiseStream(seed: 1, purpose: .data).uniforms(count: 4000, dimension: 1, step: 0).values[...]
      try FileManager.default.createDirectory(atPath: folder + "/p/r/samples", withIntermediateDirectories: true)
      for _ in 0..<25 {
        for (name, file) in zip(names, files) {
          var data = file.prefix(Int(numbers.removeFirst() * Double(file.count)))
          for _ in 0..<3 where !data.isEmpty {
            data[Int(numbers.removeFirst() * Double(data.count))] = UInt8(numbers.removeFirst() * 256)
          }
          try data.write(to: URL(fileURLWithPath: "\(folder)/p/r/\(name)"))
        }
        #expect(try page(folder + "/p").text.hasSuffix("</html>\n"))
      }
    }
  }

  @Test("folders without results, and pages that cannot be written, are refused") func refused() throws {
    try withFolder { folder in
      #expect(throws: InputError.self) { try Report([folder + "/none"]).write() }
      #expect(throws: InputError.self) { try Report([folder]).write() }
      try write(["r/training.csv": Self.training], to: folder)
      #expect(throws: InputError.self) { try Report([folder], to: folder + "/no/page.html").write() }
      #expect(throws: InputError.self) { try Report([folder], to: folder + "/r").write() }
      // A run's folder holds its own files only.
      #expect(
        Report([folder + "/r/"]).target == folder + "/r-report.html"
          && Report([folder]).target == folder + "/report.html")
      try FileManager.default.createSymbolicLink(atPath: folder + "/r/loop", withDestinationPath: folder)
      #expect(try page(folder).summary.runs == 1)
    }
  }
}
