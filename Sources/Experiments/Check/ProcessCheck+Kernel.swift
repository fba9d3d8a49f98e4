// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Processes

extension ProcessCheck {
  /// Whether the kernel's moments solve the moment equations of f and G.
  func kernelAgainstDrift() -> [Finding] {
    let name = "kernel against f and G"
    /// - Parameter accuracy: that of a kernel that is integrated, which may be wrong by as much.
    func compared(_ worst: Double, _ accuracy: KernelAccuracy?) -> [Finding] {
      let own = accuracy.map {
        Finding(
          "error of the integrated kernel", $0.errorBound, allowed: 1e-3,
          "its bound, relative, with \($0.nodes) nodes; more nodes make it smaller")
      }
      return [
        Finding(
          name, worst, allowed: max(1e-6, accuracy?.errorBound ?? 0),
          "largest relative difference of its moments from the integrated moment equations")
      ] + (own.map { [$0] } ?? [])
    }
    var times = (1...9).map { duration * pow(Double($0) / 9, 2) }
    func affine(_ process: some AffineSDE, _ kernel: any PerturbationKernel) -> [Finding] {
      let quadrature = AdaptiveQuadrature()
      // Where m vanishes at T, rates are infinite there.
      if kernel.moments(at: duration).scale < 1e-6 { times[8] = 0.999 * duration }
      // From one time to the next: ln m grows by ∫ a, and v/m² by ∫ (g/m)².
      var worst = 0.0
      var (last, earlier) = (kernel.moments(at: 0), 0.0)
      for t in times {
        let now = kernel.moments(at: t)
        let growth = quadrature.integrate(earlier, t) { process.driftRate(at: $0) }
        let noise = quadrature.integrate(earlier, t) { u in
          pow(process.diffusion(at: u) / kernel.moments(at: u).scale, 2)
        }
        worst = larger(worst, abs(log(now.scale / last.scale) - growth))
        let ratio = now.variance / (now.scale * now.scale)
        // There may be no noise yet.
        let grown = last.variance / (last.scale * last.scale) + noise
        if grown != ratio { worst = larger(worst, abs(grown - ratio) / ratio) }
        (last, earlier) = (now, t)
      }
      return compared(worst, kernel.accuracy)
    }
    func linear(_ process: some LinearSDE, _ kernel: any PerturbationKernel) -> [Finding] {
      let quadrature = AdaptiveQuadrature()
      // Between some vectors u and w: uᵀΦw grows by ∫ uᵀ A Φ w, and uᵀCw by ∫ uᵀ (A C + C Aᵀ + G Gᵀ) w.
      func probe(_ k: Int) -> Matrix {
        Matrix((0..<process.blocks).map { i in [cos(Double(k) * (1 + 1.7 * Double(i)))] })
      }
      let pairs = (1...4).map { (u: probe($0).transpose, w: probe($0 + 4)) }
      func largest(_ matrix: Matrix) -> Double { self.largest(matrix.values) }
      var worst = 0.0
      var (last, earlier) = (kernel.moments(at: 0), 0.0)
      for t in times {
        let now = kernel.moments(at: t)
        func compare(_ now: Matrix, _ last: Matrix, rate: (Double) -> Matrix) {
          let size = Double(process.blocks) * max(largest(now), largest(last))
          for (u, w) in pairs {
            let grown = quadrature.integrate(earlier, t) { (u * rate($0) * w).values[0] }
            worst = larger(worst, abs((u * (now - last) * w).values[0] - grown) / size)
          }
        }
        compare(now.propagator, last.propagator) { process.driftMatrix(at: $0) * kernel.moments(at: $0).propagator }
        compare(now.covariance.matrix, last.covariance.matrix) { s in
          let flow = process.driftMatrix(at: s) * kernel.moments(at: s).covariance.matrix
          let g = process.diffusionMatrix(at: s)
          return flow + flow.transpose + g * g.transpose
        }
        (last, earlier) = (now, t)
      }
      return compared(worst, kernel.accuracy)
    }
    let inner = prepared.transformed?.process ?? prepared
    if let kernel = inner.kernel {
      if let process = inner.sde as? any AffineSDE { return affine(process, kernel) }
      if let process = inner.linear { return linear(process, kernel) }
    }
    return [Finding(name, nil, "the process has no kernel")]
  }
}
