// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Foundation
import Testing

/// Loops over blocked images against plain ones in double.
@Suite struct ImageKernelTests {
  @Test("blocked and back, every channel at its place and zeros between") func layout() {
    let places: [Int32] = [0, 1, 2, 16, 17, 33, 47]
    let (images, pixels, blocks) = (2, 5, 3)
    let x = TensorKernelTests.normals(images * pixels * places.count, seed: 1)
    var blocked = [Float](repeating: .nan, count: images * pixels * 16 * blocks)
    ck_to_blocked(&blocked, x, images, pixels, places.count, places, blocks)
    for n in 0..<images {
      for place in 0..<16 * blocks {
        for pixel in 0..<pixels {
          let value = blocked[((n * blocks + place / 16) * pixels + pixel) * 16 + place % 16]
          if let channel = places.firstIndex(of: Int32(place)) {
            #expect(value == x[(n * pixels + pixel) * places.count + channel])
          } else {
            #expect(value == 0)
          }
        }
      }
    }
    var back = [Float](repeating: .nan, count: x.count)
    ck_from_blocked(&back, blocked, images, pixels, places.count, places, blocks)
    #expect(back == x)
  }

  @Test(
    "channels of any blocks as a matrix, and back", arguments: [(0, 16), (3, 5), (14, 4), (5, 40), (31, 1), (16, 32)])
  func pixelsMatrix(_ range: (first: Int, width: Int)) {
    let pixels = 3
    let x = TensorKernelTests.normals(48 * pixels, seed: 1)
    var matrix = [Float](repeating: .nan, count: pixels * range.width)
    ck_pixels_matrix(&matrix, x, pixels, range.first, range.width)
    var expected = [Float](repeating: 7, count: x.count)
    for pixel in 0..<pixels {
      for c in 0..<range.width {
        let place = ((range.first + c) / 16 * pixels + pixel) * 16 + (range.first + c) % 16
        #expect(matrix[pixel * range.width + c] == x[place])
        expected[place] = x[place]
      }
    }
    var back = [Float](repeating: 7, count: x.count)
    ck_matrix_pixels(&back, matrix, pixels, range.first, range.width)
    #expect(back == expected)
  }

  @Test("softmax of every width, also of numbers whose exponentials are beyond floats", arguments: 1...40)
  func softmax(_ columns: Int) {
    let rows = 3
    for (scale, shift) in [(1, 0), (0.3, 0), (30, 1000), (30, -1000)] as [(Float, Float)] {
      let x = TensorKernelTests.normals(rows * columns, seed: 1).map { $0 + shift }
      var y = [Float](repeating: .nan, count: x.count + 1)
      y[x.count] = 77
      ck_softmax(&y, x, scale, rows, columns)
      #expect(y[x.count] == 77)
      for row in 0..<rows {
        let z = (0..<columns).map { Double(scale) * Double(x[row * columns + $0]) }
        let most = z.max() ?? 0
        let weights = z.map { exp($0 - most) }
        let sum = weights.reduce(0, +)
        for c in 0..<columns {
          // The exponent, up to 1000 · 30 as a float, is right to 30000 · 6e-8; its exponential to that, relatively.
          let expected = weights[c] / sum
          let tolerance = expected * (1e-6 + 4 * abs(Double(scale * shift)) * 6e-8) + 1e-30
          #expect(abs(Double(y[row * columns + c]) - expected) <= tolerance)
        }
      }
    }
  }

  /// Group normalisation in double: y, mean and variance of each group.
  private func plainNorm(
    _ x: [Float], pixels: Int, group: [Int32], groups: Int, epsilon: Double, shift: [Float], scale: [Float],
    offset: [Float]
  ) -> (y: [Double], mean: [Double], variance: [Double]) {
    func place(_ c: Int, _ p: Int) -> Int { (c / 16 * pixels + p) * 16 + c % 16 }
    var (mean, variance) = ([Double](repeating: 0, count: groups), [Double](repeating: 0, count: groups))
    var y = [Double](repeating: 0, count: x.count)
    for g in 0..<groups {
      let channels = group.indices.filter { group[$0] == Int32(g) }
      let values = channels.flatMap { c in (0..<pixels).map { Double(x[place(c, $0)]) + Double(shift[c]) } }
      mean[g] = values.reduce(0, +) / Double(values.count)
      variance[g] = values.reduce(0) { $0 + ($1 - mean[g]) * ($1 - mean[g]) } / Double(values.count)
      for c in channels {
        for p in 0..<pixels {
          let normal = (Double(x[place(c, p)]) + Double(shift[c]) - mean[g]) / (variance[g] + epsilon).squareRoot()
          y[place(c, p)] = Double(scale[c]) * normal + Double(offset[c])
        }
      }
    }
    return (y, mean, variance)
  }

  @Test(
    "group normalisation, also of values far from zero or all the same", arguments: [0, 30, 1000] as [Float],
    [0, 1] as [Float])
  func groupNorm(centre: Float, deviation: Float) {
    // 5 + 15 channels in two blocks; groups of 4, of which one lies in both.
    let channels = Array(0..<5) + Array(16..<31)
    var group = [Int32](repeating: -1, count: 32)
    for (index, place) in channels.enumerated() { group[place] = Int32(index / 4) }
    let (pixels, groups) = (7, 5)
    let x = TensorKernelTests.normals(32 * pixels, seed: 1).enumerated().map { i, value in
      group[i / (16 * pixels) * 16 + i % 16] < 0 ? 0 : centre + deviation * value
    }
    let (scale, offset) = (TensorKernelTests.normals(32, seed: 2), TensorKernelTests.normals(32, seed: 3))
    // Channels of one group may differ by their shifts alone.
    let shift = TensorKernelTests.normals(32, seed: 4)
    let epsilon: Float = 1e-3
    let expected = plainNorm(
      x, pixels: pixels, group: group, groups: groups, epsilon: Double(epsilon), shift: shift, scale: scale,
      offset: offset)
    for silu in [false, true] {
      var y = [Float](repeating: .nan, count: x.count)
      var statistics = [Float](repeating: .nan, count: 2 * groups)
      var scratch = [Double](repeating: .nan, count: 5 * 32)
      scratch.withUnsafeMutableBytes { scratch in
        group.withUnsafeBufferPointer { group in
          shift.withUnsafeBufferPointer { shift in
            scale.withUnsafeBufferPointer { scale in
              offset.withUnsafeBufferPointer { offset in
                var norm = ck_group_norm(
                  blocks: 2, pixels: pixels, groups: groups, group: group.baseAddress, group_channels: 4,
                  epsilon: epsilon, silu: silu ? 1 : 0, shift: shift.baseAddress, scale: scale.baseAddress,
                  offset: offset.baseAddress, shift_stride: 0, affine_stride: 0)
                ck_group_norm_forward(
                  &norm, 1, x, &y, &statistics, scratch.baseAddress?.assumingMemoryBound(to: Float.self))
              }
            }
          }
        }
      }
      for g in 0..<groups {
        let root = 1 / (expected.variance[g] + Double(epsilon)).squareRoot()
        #expect(abs(Double(statistics[2 * g]) - expected.mean[g]) <= 2e-7 * (1 + abs(expected.mean[g])))
        // A variance is no worse for the values' distance from zero than by the rounding of the channels' means.
        #expect(abs(Double(statistics[2 * g + 1]) / root - 1) <= 2e-6 * (1 + Double(centre) * 6e-2))
      }
      for i in y.indices {
        let c = i / (16 * pixels) * 16 + i % 16
        if group[c] < 0 {
          #expect(y[i] == 0)
          continue
        }
        let z = expected.y[i]
        // x · gain + base, each as large as the centre in units of the deviation, in floats.
        let gain = Double(statistics[2 * Int(group[c]) + 1]) * abs(Double(scale[c]))
        let rounding = 4e-7 * (4 + (abs(Double(centre)) + 4) * gain)
        #expect(abs(Double(y[i]) - (silu ? z / (1 + exp(-z)) : z)) <= 1.1 * rounding, "\(i)")
      }
    }
  }
}
