// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core
import Testing

/// The three directions of a convolution against plain loops in double.
@Suite("Convolution kernels") struct ConvolutionKernelTests {
  struct Shape: Sendable, CustomTestStringConvertible {
    let c: ck_convolution
    let images: Int
    var testDescription: String {
      "\(images) × \(c.in_blocks)→\(c.out_blocks) blocks, \(c.height) × \(c.width), kernel \(c.kernel)/\(c.stride)"
    }

    init(
      _ images: Int, _ input: Int32, _ output: Int32, _ height: Int32, _ width: Int32, kernel: Int32 = 3,
      stride: Int32 = 1, before: Int32 = 1, after: Int32 = 1
    ) {
      self.images = images
      c = ck_convolution(
        in_blocks: input, out_blocks: output, height: height, width: width,
        out_height: (height + before + after - kernel) / stride + 1,
        out_width: (width + before + after - kernel) / stride + 1, kernel: kernel, stride: stride, pad_top: before,
        pad_left: before)
    }
  }

  // Odd numbers of blocks end in a narrow panel; tiles and pixels that are no multiples of the register blocks; more
  // than one block of 96 tiles; borders of all kinds.
  static let shapes = [
    Shape(1, 1, 2, 7, 9), Shape(2, 2, 3, 8, 8), Shape(9, 2, 1, 4, 4), Shape(3, 3, 2, 5, 6), Shape(1, 2, 2, 44, 40),
    Shape(7, 2, 2, 16, 12), Shape(2, 1, 1, 6, 6), Shape(2, 2, 3, 7, 5, kernel: 1, before: 0, after: 0),
    Shape(3, 3, 1, 4, 4, kernel: 1, before: 0, after: 0), Shape(2, 2, 2, 7, 9, stride: 2),
    Shape(2, 1, 2, 8, 6, stride: 2, before: 0), Shape(1, 1, 2, 9, 7, kernel: 5, before: 2, after: 2),
  ]

  private static func random(_ count: Int, _ seed: UInt64) -> [Float] {
    NoiseStream(seed: seed, purpose: .data).normals(count: count, dimension: 1).values.map { Float($0) }
  }

  @Test("all directions equal plain loops, with Winograd's filtering and without", arguments: shapes, [true, false])
  func agrees(shape: Shape, winograd: Bool) {
    var c = shape.c
    let n = shape.images
    let (inputs, outputs) = (Int(c.in_blocks) * 16, Int(c.out_blocks) * 16)
    let (h, w, oh, ow, k) = (Int(c.height), Int(c.width), Int(c.out_height), Int(c.out_width), Int(c.kernel))
    let (stride, top) = (Int(c.stride), Int(c.pad_top))
    let x = Self.random(n * inputs * h * w, 1)
    let weights = Self.random(inputs * outputs * k * k, 2)
    let bias = Self.random(outputs, 3)
    let dy = Self.random(n * outputs * oh * ow, 4)
    let start = Self.random(weights.count + outputs, 5)

    // A few outputs of each direction, spread over all of them, in double.
    func xAt(_ i: Int, _ c: Int, _ r: Int, _ q: Int) -> Int { (((i * inputs + c) / 16 * h + r) * w + q) * 16 + c % 16 }
    func yAt(_ i: Int, _ c: Int, _ r: Int, _ q: Int) -> Int {
      (((i * outputs + c) / 16 * oh + r) * ow + q) * 16 + c % 16
    }
    func wAt(_ o: Int, _ c: Int, _ t: Int) -> Int {
      ((o / 16 * (inputs / 16) + c / 16) * k * k + t) * 256 + c % 16 * 16 + o % 16
    }
    func pixel(_ r: Int, _ t: Int) -> Int { r * stride - top + t }

    let workspace = ck_workspace_make(nil, winograd ? 1 : 0)
    let prepared = ck_prepared_weights_make(.max)
    let keeping = ck_workspace_make(prepared, winograd ? 1 : 0)
    defer {
      ck_workspace_free(workspace)
      ck_workspace_free(keeping)
      ck_prepared_weights_free(prepared)
    }
    if !winograd { #expect(ck_convolution_choice(workspace, &c, 0, Int32(n)) != 0) }
    if winograd && k == 3 && stride == 1 && n >= 7 { #expect(ck_convolution_choice(workspace, &c, 0, Int32(n)) == 0) }

    var y = [Float](repeating: .nan, count: dy.count)
    ck_convolve(workspace, &c, Int32(n), x, weights, bias, &y)
    var kept = y
    ck_convolve(keeping, &c, Int32(n), x, weights, bias, &kept)
    #expect(kept == y)
    var dx = [Float](repeating: .nan, count: x.count)
    ck_convolve_back_data(workspace, &c, Int32(n), dy, weights, &dx)
    var keptData = dx
    ck_convolve_back_data(keeping, &c, Int32(n), dy, weights, &keptData)
    #expect(keptData == dx)
    var (dw, db) = ([Float](repeating: .nan, count: weights.count), [Float](repeating: .nan, count: outputs))
    ck_convolve_back_weights(workspace, &c, Int32(n), x, dy, &dw, &db, 0)
    var (sumW, sumB) = (Array(start[..<weights.count]), Array(start[weights.count...]))
    ck_convolve_back_weights(workspace, &c, Int32(n), x, dy, &sumW, &sumB, 1)

    // Sums of K products of normals are √K in size and round to about 1e-7 √K; Winograd's intermediate values are up to
    // some tens of times larger. 3e-5 √K is 5 deviations of that and more.
    func close(_ a: Float, _ b: Double, terms: Int) -> Bool { abs(Double(a) - b) < 3e-5 * Double(terms).squareRoot() }
    for sample in 0..<400 {
      let pick = { (bound: Int, salt: Int) in (sample &* 7919 &+ salt &* 104_729 &+ sample * sample) % bound }
      do {
        let (i, o, r, q) = (pick(n, 1), pick(outputs, 2), pick(oh, 3), pick(ow, 4))
        var sum = Double(bias[o])
        for ch in 0..<inputs {
          for t in 0..<k * k {
            let (row, column) = (pixel(r, t / k), pixel(q, t % k))
            if row >= 0 && row < h && column >= 0 && column < w {
              sum += Double(x[xAt(i, ch, row, column)]) * Double(weights[wAt(o, ch, t)])
            }
          }
        }
        #expect(close(y[yAt(i, o, r, q)], sum, terms: inputs * k * k))
      }
      do {
        let (i, ch, row, column) = (pick(n, 1), pick(inputs, 2), pick(h, 3), pick(w, 4))
        var sum = 0.0
        for o in 0..<outputs {
          for t in 0..<k * k {
            let (r, q) = (row + top - t / k, column + top - t % k)
            if r >= 0 && q >= 0 && r % stride == 0 && q % stride == 0 && r / stride < oh && q / stride < ow {
              sum += Double(dy[yAt(i, o, r / stride, q / stride)]) * Double(weights[wAt(o, ch, t)])
            }
          }
        }
        #expect(close(dx[xAt(i, ch, row, column)], sum, terms: outputs * k * k))
      }
      do {
        let (o, ch, t) = (pick(outputs, 1), pick(inputs, 2), pick(k * k, 3))
        var (sum, total) = (0.0, 0.0)
        for i in 0..<n {
          for r in 0..<oh {
            for q in 0..<ow {
              let (row, column) = (pixel(r, t / k), pixel(q, t % k))
              total += Double(dy[yAt(i, o, r, q)])
              if row >= 0 && row < h && column >= 0 && column < w {
                sum += Double(x[xAt(i, ch, row, column)]) * Double(dy[yAt(i, o, r, q)])
              }
            }
          }
        }
        let terms = n * oh * ow
        #expect(close(dw[wAt(o, ch, t)], sum, terms: terms) && close(db[o], total, terms: terms))
        #expect(close(sumW[wAt(o, ch, t)], sum + Double(start[wAt(o, ch, t)]), terms: terms))
        #expect(close(sumB[o], total + Double(start[weights.count + o]), terms: terms))
      }
    }
  }

  @Test("an image's values do not depend on its neighbours") func neighbours() {
    var c = Self.shapes[1].c
    let size = 2 * 16 * 64
    let (first, weights) = (Self.random(size, 1), Self.random(2 * 3 * 256 * 9, 2))
    let workspace = ck_workspace_make(nil, 1)
    defer { ck_workspace_free(workspace) }
    var results: [[Float]] = []
    for seed in [7, 8] as [UInt64] {
      var y = [Float](repeating: 0, count: 2 * 3 * 16 * 64)
      ck_convolve(workspace, &c, 2, Self.random(size, seed) + first, weights, nil, &y)
      results.append(Array(y[(3 * 16 * 64)...]))
    }
    #expect(results[0] == results[1])
  }

  /// 352 × 368 channels, whose forms are larger than those that are made whole for a call; 18 and 130 tiles, more than
  /// share a panel.
  @Test("weights that find no room among the kept ones give the same numbers", arguments: [3, 22])
  func unkept(images: Int) {
    var c = ck_convolution(
      in_blocks: 22, out_blocks: 23, height: 6, width: 9, out_height: 6, out_width: 9, kernel: 3, stride: 1,
      pad_top: 1, pad_left: 1)
    let x = Self.random(images * 352 * 54, 1)
    let weights = Self.random(352 * 368 * 9, 2)
    let bias = Self.random(368, 3)
    let dy = Self.random(images * 368 * 54, 4)
    let found = [Int.max, 0].map { limit in
      let prepared = ck_prepared_weights_make(limit)
      let workspace = ck_workspace_make(prepared, 1)
      defer {
        ck_workspace_free(workspace)
        ck_prepared_weights_free(prepared)
      }
      #expect(ck_convolution_choice(workspace, &c, 0, Int32(images)) == 0)
      var y = [Float](repeating: .nan, count: dy.count)
      ck_convolve(workspace, &c, Int32(images), x, weights, bias, &y)
      var dx = [Float](repeating: .nan, count: x.count)
      ck_convolve_back_data(workspace, &c, Int32(images), dy, weights, &dx)
      return [y, dx]
    }
    #expect(found[0] == found[1])
    #expect(found[0].allSatisfy { $0.allSatisfy(\.isFinite) })
  }
}
