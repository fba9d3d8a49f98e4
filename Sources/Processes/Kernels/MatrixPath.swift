// SPDX-License-Identifier: GPL-3.0-or-later
import CGSL
import Core
import Glibc

/// Φ and C of a linear process at nodes, by GSL's rk8pd from node to node.
struct MatrixPath: MomentPath {
  private let duration: Double
  private let blocks: StateBlocks
  /// Φ and C, and their derivatives, of each node.
  private let states, slopes: [[Double]]

  var nodes: Int { states.count - 1 }

  /// Doubles the nodes until the largest difference at the middle of a cell is below the tolerance.
  static func refined(_ process: some LinearSDE, tolerance: Double, maximum: Int) -> (path: MatrixPath, bound: Double) {
    var cells = 128
    while true {
      let fine = GradedNodes(duration: process.duration, cells: 2 * cells)
      let (states, slopes) = integrate(process, fine)
      let nodes = stride(from: 0, through: 2 * cells, by: 2)
      let path = MatrixPath(process, states: nodes.map { states[$0] }, slopes: nodes.map { slopes[$0] })
      let n = process.blocks * process.blocks
      var bound = 0.0
      for k in stride(from: 1, to: 2 * cells, by: 2) {
        let between = path.state(at: fine.time(k))
        for part in [0..<n, n..<2 * n] {
          let largest = part.reduce(0) { max($0, abs(states[k][$1])) }
          let error = part.reduce(0) { max($0, abs(states[k][$1] - between[$1])) }
          if part.contains(where: { states[k][$0].isNaN }) { bound = .infinity }
          if error > 0 { bound = max(bound, error / largest) }
        }
      }
      if bound <= tolerance || 2 * cells > maximum || !bound.isFinite { return (path, bound) }
      cells *= 2
    }
  }

  private init(_ process: some LinearSDE, states: [[Double]], slopes: [[Double]]) {
    duration = process.duration
    blocks = process.stateBlocks
    self.states = states
    self.slopes = slopes
  }

  /// Carries the process into C.
  private final class Equations {
    let process: any LinearSDE
    init(_ process: any LinearSDE) { self.process = process }

    func derivative(_ t: Double, _ state: [Double]) -> [Double] {
      let n = process.blocks
      let phi = Matrix(rows: n, columns: n, values: state[0..<n * n])
      let c = Matrix(rows: n, columns: n, values: state[n * n..<2 * n * n])
      let a = process.driftMatrix(at: t)
      let g = process.diffusionMatrix(at: t)
      let ac = a * c
      return (a * phi).values + (ac + ac.transpose + g * g.transpose).values
    }
  }

  private static func integrate(
    _ process: some LinearSDE, _ nodes: GradedNodes
  ) -> (states: [[Double]], slopes: [[Double]]) {
    let size = 2 * process.blocks * process.blocks
    let equations = Equations(process)
    var system = gsl_odeiv2_system(
      function: { t, y, derivative, parameters in
        let equations = Unmanaged<Equations>.fromOpaque(parameters!).takeUnretainedValue()
        let size = 2 * equations.process.blocks * equations.process.blocks
        let value = equations.derivative(t, Array(UnsafeBufferPointer(start: y!, count: size)))
        for i in 0..<size { derivative![i] = value[i] }
        return value.allSatisfy(\.isFinite) ? Int32(GSL_SUCCESS) : Int32(GSL_EBADFUNC)
      }, jacobian: nil, dimension: size, params: Unmanaged.passUnretained(equations).toOpaque())
    var state = Matrix.identity(process.blocks).values + process.initialCovariance.values
    var states = [state]
    var slopes = [equations.derivative(0, state)]
    withExtendedLifetime(equations) {
      withUnsafeMutablePointer(to: &system) { system in
        let h = nodes.time(1)
        guard
          let driver = gsl_odeiv2_driver_alloc_y_new(system, scoresde_odeiv2_rk8pd(), h, 1e-14, 1e-13)
        else { return }
        defer { gsl_odeiv2_driver_free(driver) }
        var t = 0.0
        for k in 1...nodes.cells {
          let status = gsl_odeiv2_driver_apply(driver, &t, nodes.time(k), &state)
          if status != GSL_SUCCESS { state = state.map { _ in .nan } }
          states.append(state)
          slopes.append(equations.derivative(nodes.time(k), state))
        }
      }
    }
    return (states, slopes)
  }

  private func state(at t: Double) -> [Double] {
    let (i, hermite) = GradedNodes(duration: duration, cells: states.count - 1).place(of: t)
    return states[i].indices.map { hermite(states[i][$0], states[i + 1][$0], slopes[i][$0], slopes[i + 1][$0]) }
  }

  func moments(at t: Double) -> Moments {
    let (state, n) = (state(at: t), blocks.count)
    return Moments(
      propagator: Matrix(rows: n, columns: n, values: state[0..<n * n]),
      covariance: Matrix(rows: n, columns: n, values: state[n * n..<2 * n * n]), dataBlocks: blocks.data)
  }
}
