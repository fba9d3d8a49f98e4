// SPDX-License-Identifier: GPL-3.0-or-later

// One hot path, timed on request: prints `ready` after a warm-up, then for each line `go` runs one repetition and
// prints {"seconds": s} per unit, with its errors where peers are compared in them. Experiments/Benchmarks/compare.py
// drives it beside its peers.
import Foundation

// `--threads N` and `--batch N` are for the U-Nets; their peak memory goes to standard error at the end.
func usage() -> Never {
  print("usage: score-sde-bench \(Benchmark.names.joined(separator: "|")) [--threads N] [--batch N]")
  exit(64)
}

var words = Array(CommandLine.arguments.dropFirst())
@MainActor func option(_ name: String) -> Int? {
  guard let place = words.firstIndex(of: name) else { return nil }
  guard place + 1 < words.count, let value = Int(words[place + 1]), value > 0 else { usage() }
  words.removeSubrange(place...place + 1)
  return value
}
let size = Benchmark.Size(threads: option("--threads"), batch: option("--batch"))
guard words.count == 1, let benchmark = try Benchmark.make(words[0], size) else { usage() }
try benchmark.run()
print("ready")
fflush(nil)
while let line = readLine() {
  guard line == "go" else { continue }
  let start = ContinuousClock().now
  try benchmark.run()
  let elapsed = start.duration(to: ContinuousClock().now).components
  let seconds = Double(elapsed.seconds) + 1e-18 * Double(elapsed.attoseconds)
  let errors = benchmark.errors.map { ", \"error\": \($0.mean), \"largest_error\": \($0.largest)" } ?? ""
  print("{\"seconds\": \(seconds / Double(benchmark.units))\(errors)}")
  fflush(nil)
}
if words[0].hasPrefix("unet") {
  var usage = rusage()
  getrusage(__rusage_who_t(RUSAGE_SELF.rawValue), &usage)
  FileHandle.standardError.write(Data("\(words[0]) peak \(usage.ru_maxrss / 1024) MiB\n".utf8))
}
