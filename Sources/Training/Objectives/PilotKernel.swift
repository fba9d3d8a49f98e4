// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// The affine kernel nearest to a process that has none: m(t) and v(t) of the least-squares fit x_t ≈ m x_0 + √v z to
/// simulated paths. It only sets scales, of a network's input and output and of the loss; the score that is learned
/// does not depend on it.
public struct PilotKernel: PerturbationKernel {
  /// Rising from 0 to T.
  private let times: [Double]
  private let scales, variances: [Double]

  /// How many paths are simulated, and so how many rows of data are looked at.
  public static let standardRows = 2048

  /// - Parameters:
  ///   - process: the process that is simulated.
  ///   - data: some rows of it, taken in turn.
  ///   - seed: of the paths' noise.
  ///   - rows: how many paths.
  ///   - cells: how many steps a path has.
  public init(
    of process: PreparedProcess, data: Batch, seed: UInt64, rows: Int = PilotKernel.standardRows, cells: Int = 256
  ) {
    let start = Batch(rows: (0..<rows).map { Array(data.row($0 % data.count)) })
    let power = start.values.reduce(0) { $0 + $1 * $1 }
    var (x, scales, variances) = (start, [Double](), [Double]())
    let stream = NoiseStream(seed: seed, purpose: .forward)
    let simulation = ForwardSimulation(of: process, steps: cells)
    let walker = simulation.makeWalker(for: RowSpan(first: 0, count: x.count, dimension: x.dimension))
    times = simulation.times
    for k in times.indices {
      x.withRows { x in
        if k == 0 { walker.start(x, from: stream, step: 0) } else { walker.advance(x, toNode: k, from: stream) }
      }
      let product = zip(x.values, start.values).reduce(0) { $0 + $1.0 * $1.1 }
      let total = x.values.reduce(0) { $0 + $1 * $1 } / Double(x.values.count)
      let fit = power > 0 ? product / power : 1
      let variance = max(total - fit * fit * power / Double(x.values.count), 1e-12 * total)
      // What is left of the data may be nothing, or its opposite.
      scales.append(max(fit, 1e-3 * variance.squareRoot()))
      variances.append(variance)
    }
    (self.scales, self.variances) = (scales, variances)
  }

  /// Both linear in t between the nodes.
  public func moments(at t: Double) -> Moments {
    // The cell that t lies in, by bisection.
    var (cell, above) = (0, times.count - 1)
    while above - cell > 1 {
      let middle = (cell + above) / 2
      if times[middle] <= t { cell = middle } else { above = middle }
    }
    let u = min(max((t - times[cell]) / (times[cell + 1] - times[cell]), 0), 1)
    return Moments(
      scale: scales[cell] + u * (scales[cell + 1] - scales[cell]),
      variance: variances[cell] + u * (variances[cell + 1] - variances[cell]))
  }
}
