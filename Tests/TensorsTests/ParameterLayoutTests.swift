// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Networks
import Tensors
import TestSupport
import Testing

@Suite struct ParameterLayoutTests {
  /// Every way to store a parameter, with runs of channels that do not fill blocks, and several parts.
  static let layout: ParameterLayout = {
    var layout = ParameterLayout()
    let (input, output) = (ChannelPlaces([5, 20]), ChannelPlaces(18))
    func parts(_ names: [String], _ shape: [Int]) -> [ParameterLayout.Part] {
      names.map { .init(name: $0, shape: shape) }
    }
    _ = layout.add("plain", shape: [3, 4])
    _ = layout.add(parts(["q", "k", "v"], [18, 25]), .convolution(in: input, out: output, taps: 1))
    _ = layout.add(parts(["q.bias", "k.bias", "v.bias"], [18]), .vector(output))
    _ = layout.add(parts(["conv"], [18, 25, 3, 3]), .convolution(in: input, out: output, taps: 9))
    _ = layout.add(parts(["time"], [25, 7]), .rows(input))
    _ = layout.add("last", shape: [6])
    return layout
  }()

  @Test("packed and unpacked again, every tensor is itself; every value lies once in the buffer, zeros between")
  func roundTrip() {
    let layout = Self.layout
    var next: Float = 0
    var tensors: [String: [Float]] = [:]
    let buffer = layout.buffer { part in
      let values = (0..<part.count).map { _ in
        next += 1
        return next
      }
      tensors[part.name] = values
      return values
    }
    #expect(layout.parameterCount == Int(next) && layout.count == buffer.count && layout.count > layout.parameterCount)
    #expect(buffer.filter { $0 != 0 }.sorted() == (1...Int(next)).map { Float($0) })
    var names: [String] = []
    layout.forEachTensor(of: buffer) { part, values in
      names.append(part.name)
      #expect(values == tensors[part.name], "\(part.name)")
    }
    #expect(names == ["plain", "q", "k", "v", "q.bias", "k.bias", "v.bias", "conv", "time", "last"])
  }

  @Test("entries follow each other without gaps, each of its size") func extents() {
    var end = 0
    for entry in Self.layout.entries {
      #expect(entry.offset == end)
      end += entry.count
    }
    #expect(end == Self.layout.count)
    // 25 channels in runs of 5 and 20 lie in 3 blocks, 18 in 2; q, k and v side by side.
    #expect(Self.layout.entries.map(\.count) == [12, 3 * 48 * 32, 3 * 32, 48 * 32 * 9, 48 * 7, 6])
    #expect(Self.layout.entries[4].rows == 48 && Self.layout.entries[4].columns == 7)
  }

  @Test("a convolution's weight of output o, input i and tap t lies at [o/16][i/16][t][i % 16][o % 16]") func places() {
    let layout = Self.layout
    let entry = layout.entries[3]
    let input = ChannelPlaces([5, 20]).places
    #expect(input[4] == 4 && input[5] == 16 && input[24] == 35)
    for (o, i, t) in [(0, 0, 0), (17, 24, 8), (3, 5, 4), (16, 4, 1)] {
      let buffer = layout.buffer { part in
        (0..<part.count).map { part.name == "conv" && $0 == (o * 25 + i) * 9 + t ? 1 : 0 }
      }
      let place = ((o / 16 * 3 + input[i] / 16) * 9 + t) * 256 + input[i] % 16 * 16 + o % 16
      #expect(buffer.firstIndex(of: 1) == entry.offset + place)
    }
  }
}
