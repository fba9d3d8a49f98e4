// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Testing

@Suite struct OptimiserKernelTests {
  @Test(arguments: [0, 0.01] as [Float]) func adamEqualsAPlainLoop(_ decay: Float) {
    for n in 0...40 {
      var p = TensorKernelTests.normals(n, seed: 1) + [77]
      let g = TensorKernelTests.normals(n, seed: 2)
      var m = TensorKernelTests.normals(n, seed: 3) + [77]
      var v = TensorKernelTests.normals(n, seed: 4).map { $0 * $0 } + [77]
      var a = TensorKernelTests.normals(n, seed: 5) + [77]
      let old = (p, m, v, a)
      var step = ck_adam_step(
        gradient_scale: 0.7, rate: 0.01, beta1: 0.9, beta2: 0.99, epsilon: 1e-8, second_correction: 1.5, decay: decay,
        average: 0.8)
      ck_adam(&step, &p, g, &m, &v, &a, n)
      for i in 0..<n {
        let gradient = 0.7 * Double(g[i])
        let first = 0.9 * Double(old.1[i]) + 0.1 * gradient
        let second = 0.99 * Double(old.2[i]) + 0.01 * gradient * gradient
        let value =
          Double(old.0[i]) * (1 - Double(decay)) - 0.01 * first / (second.squareRoot() * 1.5 + 1e-8)
        let average = 0.8 * Double(old.3[i]) + 0.2 * value
        // 1 − β is rounded to a float: 6e-8/0.01 = 6e-6 of the new part of v. Elsewhere a few roundings of 6e-8; the
        // step has v's error over 2.
        #expect(TensorKernelTests.close(m[i], first))
        #expect(abs(Double(v[i]) - second) < 1e-5 * second + 1e-9)
        #expect(abs(Double(p[i]) - value) < 1e-6 * (1 + abs(value - Double(old.0[i])) * 10))
        #expect(abs(Double(a[i]) - average) < 2e-6 * (1 + abs(value - Double(old.0[i])) * 10))
      }
      #expect([p[p.count - 1], m[m.count - 1], v[v.count - 1], a[a.count - 1]] == [77, 77, 77, 77])
    }
  }

  /// ε stands beside the root, not in it: a gradient of its size takes half a step.
  @Test func adamsEpsilonIsAddedToTheRoot() {
    var (p, m, v, a): ([Float], [Float], [Float], [Float]) = ([1], [0], [0], [1])
    var step = ck_adam_step(
      gradient_scale: 1, rate: 0.1, beta1: 0, beta2: 0, epsilon: 1e-8, second_correction: 1, decay: 0, average: 0)
    ck_adam(&step, &p, [1e-8], &m, &v, &a, 1)
    // 1e-8/(1e-8 + 1e-8) of 0.1; p is a float near 1.
    #expect(abs(p[0] - 0.95) < 1e-6)
  }

  @Test(arguments: 1...40) func reductionAddsBuffersInOrder(_ n: Int) {
    let stride = n + 3
    for count in 1...4 {
      let buffers = TensorKernelTests.normals(count * stride, seed: 6)
      var out = [Float](repeating: 77, count: n + 1)
      let squares = buffers.withUnsafeBufferPointer { memory in
        // From the second value on, of buffers that begin one value before theirs.
        let starts: [UnsafePointer<Float>?] = (0..<count).map { memory.baseAddress! + $0 * stride - 1 }
        return ck_reduce(&out, starts, count, 1, n)
      }
      var expected = 0.0
      for i in 0..<n {
        var sum = buffers[i]
        for b in 1..<count { sum += buffers[b * stride + i] }
        #expect(out[i] == sum)
        expected += Double(sum) * Double(sum)
      }
      // Squares in float: 6e-8 each.
      #expect(abs(squares - expected) <= 1e-7 * expected && out[n] == 77)
    }
  }
}
