// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Testing

@Suite struct TrainingSourceTests {
  @Test func rowsAreTheBatchRoundedToFloats() throws {
    let batch = NoiseStream(seed: 1, purpose: .data).normals(count: 7, dimension: 3)
    let source = Dataset(training: batch, heldOut: batch).source
    #expect(source.count == 7 && source.dimension == 3)
    for i in 0..<7 {
      #expect(source.row(i) == batch.row(i).map { Float($0) })
      #expect(source.row(i, SIMD3(0, 0.2, 0.9)) == source.row(i))
    }
  }

  /// 3 × 4 pixels of two channels, 0, 1, 2, …, behind another image, so that offsets count.
  static func images(flips: Bool) -> ImageSource {
    var source = ImageSource(shape: ImageShape(height: 2, width: 2, channels: 2), flips: flips)
    source.append([UInt8](200..<208))
    source.append([UInt8](0..<24), height: 3, width: 4)
    return source
  }

  static func bytes(_ row: [Float]) -> [Int] { row.map { Int((($0 + 1) * 127.5).rounded()) } }

  @Test func cropsCoverEveryOffsetEquallyAndNothingElse() {
    let source = Self.images(flips: false)
    #expect(Self.bytes(source.row(0, SIMD3(0.99, 0.99, 0))) == Array(200..<208))
    // 2 × 3 offsets, top 0...1 and left 0...2; 60 × 60 uniforms hit each as often.
    var counts: [[Int]: Int] = [:]
    for i in 0..<60 {
      for j in 0..<60 {
        counts[Self.bytes(source.row(1, SIMD3(Double(i) / 60, Double(j) / 60, 0))), default: 0] += 1
      }
    }
    let expected = (0..<2).flatMap { top in
      (0..<3).map { left in
        (0..<2).flatMap { y in (0..<4).map { 8 * (top + y) + 2 * left + $0 } }
      }
    }
    #expect(counts == Dictionary(uniqueKeysWithValues: expected.map { ($0, 600) }))
    // The largest uniform below 1.
    let last = SIMD3<Double>(repeating: 1.0.nextDown)
    #expect(Self.bytes(source.row(1, last)) == expected.last)
  }

  @Test func flipsMirrorColumnsAndKeepChannels() {
    let (plain, flipping) = (Self.images(flips: false), Self.images(flips: true))
    #expect(Self.bytes(flipping.row(0, SIMD3(0, 0, 0.49))) == [202, 203, 200, 201, 206, 207, 204, 205])
    #expect(flipping.row(0, SIMD3(0, 0, 0.5)) == plain.row(0, SIMD3(0, 0, 0.49)))
    #expect(Self.bytes(flipping.row(1, SIMD3(0.5, 0.4, 0))) == [12, 13, 10, 11, 20, 21, 18, 19])
  }

  @Test func rowsAndBatchesHoldTheSameValues() {
    var source = ImageSource(shape: ImageShape(height: 16, width: 16, channels: 1))
    source.append([UInt8](0...255))
    #expect(source.batch().values == (0...255).map { Double($0) / 127.5 - 1 })
    #expect(source.row(0) == source.batch().values.map { Float($0) })
    #expect(source.row(0).first == -1 && source.row(0).last == 1)
  }

  @Test func cropsOfABatchTakeImagesInTurnAndDependOnTheStreamOnly() {
    let source = Self.images(flips: true)
    let stream = NoiseStream(seed: 3, purpose: .data)
    let crops = source.crops(400, from: stream)
    #expect(crops == source.crops(400, from: stream) && crops.prefix(100) == source.crops(100, from: stream))
    #expect(crops != source.crops(400, from: NoiseStream(seed: 4, purpose: .data)))
    #expect((0..<200).allSatisfy { pixels(crops.row(2 * $0)) == Array(200..<208) })
    // 200 draws of 6 offsets miss one with a probability below 6 (5/6)²⁰⁰ = 1e-15.
    let found = Set((0..<200).map { pixels(crops.row(2 * $0 + 1)) })
    #expect(found.count == 6 && found.allSatisfy { $0[1] == $0[0] + 1 && $0[4] == $0[0] + 8 })
  }

  @Test func manyThreadsCopyWhatOneDoes() throws {
    let source = Self.images(flips: true)
    let places = NoiseStream(seed: 1, purpose: .data).uniforms(count: 4096, dimension: 3)
    @Sendable func uniforms(_ i: Int) -> SIMD3<Double> { SIMD3(places[i, 0], places[i, 1], places[i, 2]) }
    var copies = [Float](repeating: 0, count: 4096 * 8)
    try copies.withUnsafeMutableBufferPointer { buffer in
      let memory = SharedMemory(buffer.baseAddress!)
      try Shards(rows: 4096, size: 64).forEach(threads: 4) { _, range in
        for i in range {
          let variation = Variation(uniforms: uniforms(i), seed: 1, step: 0, row: i)
          source.copy(i % 2, variation: variation, into: memory.pointer + 8 * i)
        }
      }
    }
    #expect((0..<4096).allSatisfy { Array(copies[8 * $0..<8 * $0 + 8]) == source.row($0 % 2, uniforms($0)) })
  }
}
