// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// One page about all results: tables, plots and pictures in a file that asks for nothing else. While runs go on it
/// loads itself again, so that it is enough to write the file anew.
public struct Report: Sendable {
  /// The folders that results are looked for in.
  public let folders: [String]
  /// The file.
  public let target: String

  /// The seconds after which an open page loads itself again while a run goes on.
  private static let secondsToReload = 5
  /// The most pictures and plots of a page; a run has its share of them, one at least as long as there are some left.
  private static let most = (pictures: 160, plots: 240)

  /// - Parameters:
  ///   - folders: results folders, or folders that have such at any depth.
  ///   - target: the HTML file to write; nil: `report.html` in the first folder; where that is itself the folder of a
  ///     run, `NAME-report.html` beside it, as a run's folder holds its own files only.
  public init(_ folders: [String] = ["Results"], to target: String? = nil) {
    self.folders = folders.isEmpty ? ["Results"] : folders
    let first =
      self.folders[0].count > 1 && self.folders[0].hasSuffix("/") ? String(self.folders[0].dropLast()) : self.folders[0]
    self.target = target ?? (ReportRun.isResults(first) ? "\(first)-report.html" : "\(first)/report.html")
  }

  /// What was written.
  public struct Summary: Sendable {
    /// How many runs the page has.
    public let runs: Int
    /// How many of them go on.
    public let running: Int
    /// How many have failures or damaged files.
    public let troubled: Int
    /// What it does not have, for people; empty where it has all.
    public let leftOut: String
    /// The length of the page.
    public let bytes: Int
  }

  /// Writes the page.
  /// - Throws: `InputError` for a folder that is not there or has no results, and for a place where the file cannot be;
  ///   `WriteError`
  public func write() throws -> Summary {
    try PointFiles(input: nil, output: target).requireWritable()
    let found = try ReportFinder(folders)
    guard !found.runs.isEmpty else {
      throw InputError("holds no results; `run` or `train` makes some", at: folders.joined(separator: ", "))
    }
    let runs = found.runs.map { ReportRun($0.path, name: $0.name) }
    let (html, leftOut) = page(runs, runsLeftOut: found.leftOut)
    try AtomicFile.write(html, to: target)
    return Summary(
      runs: runs.count, running: runs.count { $0.state == .running },
      troubled: runs.count { $0.state == .failed || !$0.problems.isEmpty }, leftOut: leftOut, bytes: html.utf8.count)
  }

  // MARK: The page

  private func page(_ runs: [ReportRun], runsLeftOut: Int) -> (html: String, leftOut: String) {
    let folder = parentFolder(of: target)
    let share = (
      pictures: max(1, min(24, Self.most.pictures / runs.count)), plots: max(1, min(12, Self.most.plots / runs.count))
    )
    var room = Self.most
    var sections = ""
    var pictures = 0
    for run in runs {
      let own = (pictures: min(share.pictures, room.pictures), plots: min(share.plots, room.plots))
      let (html, leftOut) = ReportSection(run: run, pageFolder: folder.isEmpty ? "." : folder, room: own).html()
      room = (room.pictures - min(own.pictures, run.pictures.count), max(0, room.plots - own.plots))
      sections += html
      pictures += leftOut
    }
    var left: [String] = []
    if pictures > 0 { left.append("\(pictures) pictures and plots, which their folders have") }
    if runsLeftOut > 0 { left.append("\(runsLeftOut) runs") }
    let leftOut = left.isEmpty ? "" : "Left out: " + left.joined(separator: "; ") + "."
    let running = runs.count { $0.state == .running }
    let html =
      head(running) + live(running) + contents(runs) + overview(runs, folder) + sections + """
        <footer><p>\(HTML.escaped(leftOut)) Written by score-sde \(HTML.escaped(version)), <code>score-sde report</code>.</p></footer>
        <script>
        \(ReportStyle.script)
        </script>
        </body>
        </html>

        """
    return (html, leftOut)
  }

  private func head(_ running: Int) -> String {
    let refresh =
      running > 0
      ? "<noscript><meta http-equiv=\"refresh\" content=\"\(Self.secondsToReload)\"></noscript>\n" : ""
    return """
      <!DOCTYPE html>
      <html lang="en">
      <head>
      <meta charset="utf-8">
      <meta name="viewport" content="width=device-width, initial-scale=1">
      <meta http-equiv="Content-Security-Policy" content="default-src 'none'; img-src data:; style-src 'unsafe-inline'; script-src 'unsafe-inline'">
      \(refresh)<title>Results of score-sde</title>
      <link rel="icon" href="data:,">
      <style>
      \(ReportStyle.css)
      </style>
      </head>
      <body>
      <h1>Results</h1>

      """
  }

  private func live(_ running: Int) -> String {
    let written = "<p>Written \(HTML.escaped(Manifest.now())).</p>\n"
    guard running > 0 else { return written }
    return written + """
      <p class="live" id="live" data-seconds="\(Self.secondsToReload)">\(running) of the runs below \(running == 1 ? "goes" : "go") on: \
      this page loads itself again every \(Self.secondsToReload) seconds. <code>score-sde report --watch</code> keeps writing it. \
      <button type="button" id="pause">pause</button></p>

      """
  }

  private func contents(_ runs: [ReportRun]) -> String {
    let items = runs.map { run in
      "<li><a href=\"#\(HTML.identifier(run.name))\">\(HTML.escaped(run.name))</a> \(ReportSection.state(run.state))</li>"
    }
    return "<nav aria-label=\"Contents\"><h2>Contents</h2>\n<ul>\n\(items.joined(separator: "\n"))\n</ul></nav>\n"
  }

  private func overview(_ runs: [ReportRun], _ folder: String) -> String {
    let rows = runs.map { run -> [HTML.Cell] in
      let link = "<a href=\"#\(HTML.identifier(run.name))\">\(HTML.escaped(run.name))</a>"
      // A run without a network has seconds of its stage all the same, about none.
      let seconds = run.training == nil ? "" : run.fact("seconds to train")
      return [
        HTML.Cell(html: link, sortedBy: run.name),
        HTML.Cell(html: ReportSection.state(run.state), sortedBy: run.state.rawValue),
        HTML.Cell(String(run.failures.count + run.problems.count)),
        HTML.Cell(run.said("experiment")), HTML.Cell(run.said("process")),
        HTML.Cell(run.solvers.map { String($0.rows.count) } ?? ""),
        HTML.Cell(run.fact("seed")), HTML.Cell(run.said("overrides")), HTML.Cell(seconds),
        HTML.Cell(run.fact("started")),
      ]
    }
    return "<h2>Overview</h2>\n"
      + HTML.table(
        "overview", caption: "All runs; faults: solvers that failed, and files that are damaged",
        [
          "run", "state", "faults", "experiment", "process", "solvers", "seed", "overrides", "seconds to train",
          "started",
        ], rows)
  }
}
