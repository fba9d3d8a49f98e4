// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Testing

@Suite struct PhiloxTests {
  /// The known answers of philox4x32-10 in Random123's kat_vectors.
  static let answers: [(counter: [UInt32], key: [UInt32], words: [UInt32])] = [
    ([0, 0, 0, 0], [0, 0], [0x6627_e8d5, 0xe169_c58d, 0xbc57_ac4c, 0x9b00_dbd8]),
    (
      [0xffff_ffff, 0xffff_ffff, 0xffff_ffff, 0xffff_ffff], [0xffff_ffff, 0xffff_ffff],
      [0x408f_276d, 0x41c8_3b0e, 0xa20b_c7c6, 0x6d54_51fd]
    ),
    (
      [0x243f_6a88, 0x85a3_08d3, 0x1319_8a2e, 0x0370_7344], [0xa409_3822, 0x299f_31d0],
      [0xd16c_fe09, 0x94fd_cceb, 0x5001_e420, 0x2412_6ea1]
    ),
  ]

  @Test(arguments: 0..<3) func blocksAreThePublishedOnes(_ index: Int) {
    let answer = Self.answers[index]
    var words = [UInt32](repeating: 0, count: 4)
    ck_philox4x32_10(answer.counter, answer.key, &words)
    #expect(words == answer.words)
  }

  @Test func vectorisedUniformsAreTheScalarBlocks() {
    // A seed, row and step with high bits, so that every word of counter and key matters.
    let (seed, purpose, row, step): (UInt64, UInt32, UInt64, UInt64) = (
      0xdead_beef_1234_5678, 7, 4_000_000_000, 1 << 40 + 3
    )
    for dimension in [1, 2, 3, 8, 17, 40] {
      var values = [Double](repeating: 0, count: 5 * dimension)
      ck_uniforms(&values, 5, dimension, seed, purpose, row, step)
      for r in 0..<5 {
        for j in 0..<dimension {
          var words = [UInt32](repeating: 0, count: 4)
          let counter = [
            UInt32(j / 2), UInt32(truncatingIfNeeded: row + UInt64(r)), UInt32(truncatingIfNeeded: step),
            purpose << 24 | UInt32(step >> 32),
          ]
          ck_philox4x32_10(counter, [UInt32(truncatingIfNeeded: seed), UInt32(seed >> 32)], &words)
          // 52 bits: all of the first word, the upper 20 of the second.
          let (high, low) = j % 2 == 0 ? (words[0], words[1]) : (words[2], words[3])
          let expected = Double(UInt64(high) << 20 ^ UInt64(low) >> 12) / Double(UInt64(1) << 52)
          #expect(values[r * dimension + j] == expected)
        }
      }
    }
  }
}
