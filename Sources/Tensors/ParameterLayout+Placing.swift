// SPDX-License-Identifier: GPL-3.0-or-later

extension ParameterLayout.Entry {
  /// Copies a tensor of a checkpoint to its places.
  /// - Parameters:
  ///   - values: of the part, in the checkpoint's order.
  ///   - part: which of the entry's tensors it is.
  ///   - target: where the entry begins; places without a channel are left as they are.
  package func place(_ values: UnsafePointer<Float>, part: Int, in target: UnsafeMutablePointer<Float>) {
    copy(values, part, target)
  }

  /// The same of numbers of 16 bits, whatever they stand for.
  package func place(_ values: UnsafePointer<UInt16>, part: Int, in target: UnsafeMutablePointer<UInt16>) {
    copy(values, part, target)
  }

  @inline(__always)
  private func copy<Value>(_ values: UnsafePointer<Value>, _ part: Int, _ target: UnsafeMutablePointer<Value>) {
    switch storage {
    case .plain:
      target.update(from: values, count: parts[0].count)
    case .vector(let places):
      copyRuns(of: places) { from, place, count in
        (target + part * places.padded + place).update(from: values + from, count: count)
      }
    case .rows(let places):
      let columns = columns
      copyRuns(of: places) { from, place, count in
        (target + place * columns).update(from: values + from * columns, count: count * columns)
      }
    case .convolution(let input, let output, let taps):
      let (inputs, outputs) = (input.places, output.places)
      var first = 0
      while first < outputs.count {
        // The outputs of one block, whose weights lie side by side.
        let row = part * output.padded + outputs[first]
        var last = first
        while last < outputs.count, outputs[last] / 16 == outputs[first] / 16 { last += 1 }
        for (channel, i) in inputs.enumerated() {
          let block = ((row / 16) * input.blocks + i / 16) * taps
          for tap in 0..<taps {
            let to = target + (block + tap) * 256 + i % 16 * 16 + row % 16
            var from = (first * inputs.count + channel) * taps + tap
            for lane in 0..<last - first {
              to[lane] = values[from]
              from += inputs.count * taps
            }
          }
        }
        first = last
      }
    }
  }

  @inline(__always)
  private func copyRuns(of places: ChannelPlaces, _ body: (_ from: Int, _ place: Int, _ count: Int) -> Void) {
    var (from, place) = (0, 0)
    for run in places.runs {
      body(from, place, run)
      from += run
      place += (run + 15) / 16 * 16
    }
  }
}
