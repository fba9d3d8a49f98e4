// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes
import Scores
import Synchronization
import Testing

@Suite("Prepared processes") struct PreparedProcessTests {
  /// A process that counts how often its kernel is made.
  private struct Counted: AffineSDE {
    final class Count: Sendable { let kernels = Atomic<Int>(0) }
    let count = Count()
    func driftRate(at t: Double) -> Double { -1 - t }
    func diffusion(at t: Double) -> Double { 1 + t }
    func makeKernel() -> any PerturbationKernel {
      count.kernels.add(1, ordering: .relaxed)
      return IntegratedKernel(of: self)
    }
  }

  @Test("the kernel is integrated once for prior, noise levels, exact scores and simulation") func once() throws {
    let process = Counted()
    let prepared = PreparedProcess(process)
    let mixture = try GaussianMixture(weights: [1], means: [[0, 1]], deviations: [0.5])
    let exact = try #require(prepared.exactScore(of: DataLaw(mixture)))
    _ = try exact.makeEvaluator(for: RowSpan(first: 0, count: 3, dimension: 2))
    _ = ForwardSimulation(of: prepared, steps: 10)
    let covariance = try #require(prepared.priorCovariance)
    #expect(process.count.kernels.load(ordering: .relaxed) == 1)
    // The prior is N(0, v(T)), of that very kernel.
    let kernel = try #require(prepared.scalarKernel)
    #expect(covariance.values[0] == kernel.moments(at: 1).variance)
    #expect(try #require(prepared.noise).moments(at: 0.5) == kernel.moments(at: 0.5))
  }

  @Test("a process in other coordinates has no kernel of its own, but noise levels and exact scores") func transformed()
    throws
  {
    let prepared = PreparedProcess(GeometricBrownianMotion(volatility: 1.5))
    #expect(prepared.kernel == nil && !prepared.hasAdditiveNoise)
    // ln x_t ~ N(ln x_0, ς² t).
    #expect(try #require(prepared.noise).moments(at: 0.25) == Moments(scale: 1, variance: 0.5625))
    let law = DataLaw(try GaussianMixture(weights: [1], means: [[0]], deviations: [0.5]), isExponential: true)
    #expect(prepared.exactScore(of: law) != nil && PreparedProcess(VPSDE()).exactScore(of: law) == nil)
  }

  @Test("matrices of one block are scalars; of more, scale and variance sum them up") func moments() {
    let one = Moments(propagator: Matrix([[0.5]]), covariance: Matrix([[0.3]]), dataBlocks: 1)
    #expect(one == Moments(scale: 0.5, variance: 0.3) && one.signal == .scalar(0.5) && one.covariance == .scalar(0.3))
    let two = Moments(
      propagator: Matrix([[3, 0], [4, 1]]), covariance: Matrix([[2, 1], [1, 7]]), dataBlocks: 1)
    // Over the data's single block: √3² and 2.
    #expect(two.scale == 3 && two.variance == 2)
    #expect(two.signal == .blocks(Matrix([[3], [4]])) && two.propagator == Matrix([[3, 0], [4, 1]]))
  }

  @Test("linear maps of rows: factors and matrices, their inverses and roots") func linearMaps() throws {
    var (x, y) = (Batch(rows: [[1, 2, 3, 4]]), Batch(count: 1, dimension: 4))
    let matrix = Matrix([[4, 2], [2, 5]])
    x.withRows { x in y.withRows { $0.add(LinearMap.blocks(matrix), x, times: 2) } }
    // Blocks (1, 2) and (3, 4): 2 (4 a + 2 b, 2 a + 5 b).
    #expect(y.values == [20, 32, 34, 48])
    x.withRows { x in y.withRows { $0.add(LinearMap.scalar(3), x, times: -1) } }
    #expect(y.values == [17, 26, 25, 36])
    #expect(LinearMap.scalar(4).inverse == .scalar(0.25) && LinearMap.scalar(4).root == .scalar(2))
    #expect(LinearMap.scalar(0).root == nil && LinearMap.scalar(2).matrix == Matrix([[2]]))
    let root = try #require(LinearMap.blocks(matrix).root).matrix
    #expect(root * root.transpose == matrix && LinearMap.blocks(root).transpose == .blocks(root.transpose))
  }
}
