// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Testing

@Suite struct MatrixProductTests {
  @Test(arguments: [false, true], [false, true]) func everyTransposeEqualsPlainLoops(
    a transposeA: Bool, b transposeB: Bool
  ) {
    for (m, n, k) in [(1, 1, 1), (5, 7, 3), (17, 33, 9), (2, 64, 128), (64, 1, 5), (1, 40, 2)] {
      // Leading dimensions wider than the matrices, as in a view of some columns.
      let (lda, ldb, ldc) = ((transposeA ? m : k) + 2, (transposeB ? k : n) + 1, n + 3)
      let a = TensorKernelTests.normals((transposeA ? k : m) * lda, seed: 1)
      let b = TensorKernelTests.normals((transposeB ? n : k) * ldb, seed: 2)
      let before = TensorKernelTests.normals(m * ldc, seed: 3)
      for beta in [0, 1] as [Float] {
        var c = before
        ck_matrix_product(transposeA ? 1 : 0, transposeB ? 1 : 0, m, n, k, a, lda, b, ldb, beta, &c, ldc)
        for i in 0..<m {
          for j in 0..<ldc {
            if j >= n {
              #expect(c[i * ldc + j] == before[i * ldc + j])
              continue
            }
            var sum = Double(beta) * Double(before[i * ldc + j])
            var size = abs(sum)
            for l in 0..<k {
              let term =
                Double(transposeA ? a[l * lda + i] : a[i * lda + l])
                * Double(transposeB ? b[j * ldb + l] : b[l * ldb + j])
              sum += term
              size += abs(term)
            }
            // k roundings of 6e-8 of the sum of absolute terms at the very most; far fewer in truth.
            #expect(abs(Double(c[i * ldc + j]) - sum) <= 1e-6 * size + 1e-12)
          }
        }
      }
    }
  }

  @Test func zeroBetaIgnoresWhatWasThere() {
    var c: [Float] = [.nan]
    ck_matrix_product(0, 0, 1, 1, 2, [1, 2], 2, [3, 4], 1, 0, &c, 1)
    #expect(c == [11])
  }

  @Test func theKernelSetIsNamed() {
    #expect(["onednn", "cblas"].contains(String(cString: ck_kernel_set())))
  }
}
