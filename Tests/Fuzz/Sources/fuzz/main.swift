// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import HeapWatch
import HostileInput

// fuzz FORMAT [libFuzzer's options and corpus folders]: reads what libFuzzer makes up, and ends at the first finding.

let names = HostileFormat.all.map(\.name)
guard CommandLine.arguments.count > 1,
  let chosen = HostileFormat.all.first(where: { $0.name == CommandLine.arguments[1] })
else {
  FileHandle.standardError.write(Data("fuzz FORMAT …; formats: \(names.joined(separator: ", "))\n".utf8))
  exit(2)
}

/// What one process keeps from input to input.
final class Session {
  let format: HostileFormat
  let folder: ScratchFolder
  let watches: Bool
  var (values, refused) = (0, 0)
  /// The most memory an input took beyond what was held before, and the longest time, with the input's size.
  var memory = (peak: 0, input: 0, values: 0)
  var seconds = (longest: 0.0, input: 0)

  init(_ format: HostileFormat) {
    self.format = format
    do {
      folder = try ScratchFolder()
    } catch {
      fatalError("\(error)")
    }
    watches = heap_watch_install() != 0
  }

  func run(_ bytes: UnsafeRawBufferPointer) {
    let clock = ContinuousClock()
    let start = clock.now
    heap_watch_begin()
    let outcome = format.read(bytes, in: folder)
    let peak = watches ? heap_watch_peak() : 0
    let elapsed = start.duration(to: clock.now) / .seconds(1)
    if elapsed > seconds.longest { seconds = (elapsed, bytes.count) }
    var held = 0
    switch outcome {
    case .values(let bytes): (values, held) = (values + 1, bytes)
    case .refused: refused += 1
    case .finding(let text): fail(text)
    }
    if peak > memory.peak { memory = (peak, bytes.count, held) }
    held = max(held, format.claims(bytes))
    if peak > 4 * max(bytes.count, held) + format.allowance {
      fail("\(peak) bytes of memory for a file of \(bytes.count) bytes that holds \(held) bytes of values")
    }
  }

  func fail(_ text: String) -> Never {
    FileHandle.standardError.write(Data("FINDING: \(text)\n".utf8))
    abort()
  }

  func report() {
    let line =
      "REPORT \(format.name) values=\(values) refused=\(refused) peak=\(memory.peak) peak_file=\(memory.input) "
      + "peak_values=\(memory.values) slowest=\(seconds.longest) slowest_file=\(seconds.input)\n"
    FileHandle.standardError.write(Data(line.utf8))
  }
}

nonisolated(unsafe) let session = Session(chosen)
atexit { session.report() }

@_cdecl("LLVMFuzzerCustomMutator")
public func customMutator(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ most: Int, _ seed: UInt32) -> Int {
  // Every other change is libFuzzer's own, which knows what the code compares with.
  if seed % 2 == 0 { return libFuzzerMutate(data, size, most) }
  var mutator = Mutator(seed: UInt64(seed))
  let changed = mutator.mutated(Array(UnsafeBufferPointer(start: data, count: size)), of: session.format).prefix(most)
  _ = UnsafeMutableBufferPointer(start: data, count: changed.count).update(fromContentsOf: changed)
  return changed.count
}

@_silgen_name("LLVMFuzzerMutate")
func libFuzzerMutate(_ data: UnsafeMutablePointer<UInt8>, _ size: Int, _ most: Int) -> Int

// libFuzzer sees its own arguments alone, and the longest input.
let arguments = [CommandLine.arguments[0], "-max_len=\(chosen.longest)"] + CommandLine.arguments.dropFirst(2)
var pointers: [UnsafeMutablePointer<CChar>?] = arguments.map { strdup($0) } + [nil]
var count = Int32(arguments.count)
let code = pointers.withUnsafeMutableBufferPointer { buffer in
  var base: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>? = buffer.baseAddress
  return withUnsafeMutablePointer(to: &base) { pointer in
    pointer.withMemoryRebound(to: UnsafeMutablePointer<UnsafeMutablePointer<CChar>?>?.self, capacity: 1) {
      fuzzer_run(&count, $0) { data, size in
        session.run(UnsafeRawBufferPointer(start: data, count: size))
        return 0
      }
    }
  }
}
exit(code)
