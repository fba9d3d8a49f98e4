// SPDX-License-Identifier: GPL-3.0-or-later

// One hot path, timed on request: prints `ready` after a warm-up, then for each line `go` runs one repetition and prints
// {"seconds": s} per unit. Experiments/Benchmarks/compare.py drives it beside its peers.
import Glibc

guard CommandLine.arguments.count == 2, let benchmark = try Benchmark.make(CommandLine.arguments[1]) else {
  print("usage: score-sde-bench \(Benchmark.names.joined(separator: "|"))")
  exit(64)
}
try benchmark.run()
print("ready")
fflush(nil)
while let line = readLine() {
  guard line == "go" else { continue }
  let start = ContinuousClock().now
  try benchmark.run()
  let elapsed = start.duration(to: ContinuousClock().now).components
  let seconds = Double(elapsed.seconds) + 1e-18 * Double(elapsed.attoseconds)
  print("{\"seconds\": \(seconds / Double(benchmark.units))}")
  fflush(nil)
}
