// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Pairs
import Testing

/// Numbers of torch 2.15.0 on a processor: `torch.randn(n, generator=g)` one after the other, the first four and the
/// last three of each.
@Suite("PyTorch's random numbers") struct PyTorchRandomTests {
  /// Normals are rounded to single precision from other logarithms and cosines: two units in the last place of 4.
  private static let tolerance: Float = 1e-6

  @Test("normals of a seed, drawn one after the other in both ways") func draws() {
    var random = PyTorchRandom(seed: 0)
    let expected: [(count: Int, first: [Float], last: [Float])] = [
      (
        3, [1.5409960746765137, -0.293428897857666, -2.1787893772125244],
        [1.5409960746765137, -0.293428897857666, -2.1787893772125244]
      ),
      (
        16, [-0.35612836480140686, 0.4372227191925049, 0.4913049638271332, -0.20410172641277313],
        [-0.30896252393722534, 0.5025728344917297, -0.8594456315040588]
      ),
      (
        37, [0.46809640526771545, -0.1577124446630478, 1.4436601400375366, 0.26604941487312317],
        [-0.47983425855636597, -0.4996815323829651, -1.0669803619384766]
      ),
      (
        5, [0.5684312582015991, -1.162441372871399, -0.15925733745098114, -0.13295190036296844],
        [-0.15925733745098114, -0.13295190036296844, -0.04689599201083183]
      ),
      (
        256, [-0.4000341594219208, 1.0394619703292847, 0.3581531047821045, -0.003303872887045145],
        [-0.16269363462924957, -0.24771921336650848, 2.4197113513946533]
      ),
      (2, [-0.6117225289344788, -0.4226931631565094], [-0.6117225289344788, -0.4226931631565094]),
    ]
    for draw in expected {
      let values = random.normals(draw.count)
      #expect(values.count == draw.count)
      for (a, b) in pairs(Array(values.prefix(draw.first.count)), draw.first) {
        #expect(abs(a - b) <= Self.tolerance, "\(draw.count): \(a) beside \(b)")
      }
      for (a, b) in pairs(Array(values.suffix(draw.last.count)), draw.last) {
        #expect(abs(a - b) <= Self.tolerance, "\(draw.count): \(a) beside \(b)")
      }
    }
  }

  @Test("uniforms are exact, and of a seed the lowest 32 bits count") func seeds() {
    var random = PyTorchRandom(seed: 1 << 32 + 7)
    #expect(random.uniforms(3) == [0.5349225401878357, 0.19880318641662598, 0.6592116951942444])
    let normals = random.normals(20)
    for (a, b) in pairs(
      Array(normals.prefix(4)),
      [-1.3884038925170898, -0.16699601709842682, 0.2851499617099762, -0.641091525554657] as [Float])
    {
      #expect(abs(a - b) <= Self.tolerance)
    }
    var other = PyTorchRandom(seed: 7)
    #expect(other.uniforms(3) == [0.5349225401878357, 0.19880318641662598, 0.6592116951942444])
  }
}
