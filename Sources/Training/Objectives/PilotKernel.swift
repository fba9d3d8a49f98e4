// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Processes

/// The affine kernel nearest to a process that has none: m(t) and v(t) of the least-squares fit x_t ≈ m x_0 + √v z to simulated paths. It
/// only sets scales, of a network's input and output and of the loss; the score that is learned does not depend on it.
public struct PilotKernel: PerturbationKernel {
  private let duration: Double
  private let scales, variances: [Double]

  /// - Parameters:
  ///   - data: some rows of it, taken in turn.
  ///   - rows: how many paths.
  public init(of process: any SDE, data: Batch, seed: UInt64, rows: Int = 2048, cells: Int = 256) {
    duration = process.duration
    let start = Batch(rows: (0..<rows).map { Array(data.row($0 % data.count)) })
    let power = start.values.reduce(0) { $0 + $1 * $1 }
    var (x, scales, variances) = (start, [Double](), [Double]())
    let stream = NoiseStream(seed: seed, purpose: .forward)
    let walker = ForwardSimulation(of: process, steps: cells).makeWalker(
      for: RowSpan(first: 0, count: x.count, dimension: x.dimension))
    x.withRows { walker.start($0, from: stream, step: 1 << 30) }
    for k in 0...cells {
      let share = (Double(k) / Double(cells), Double(k - 1) / Double(cells))
      if k > 0 {
        x.withRows {
          walker.advance(
            $0, from: process.duration * share.1 * share.1, to: process.duration * share.0 * share.0, stream: stream,
            step: k)
        }
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
    let cells = scales.count - 1
    let position = min(max(t / duration, 0), 1).squareRoot() * Double(cells)
    let cell = min(Int(position), cells - 1)
    let (a, b) = (Double(cell) / Double(cells), Double(cell + 1) / Double(cells))
    let u = (min(max(t / duration, 0), 1) - a * a) / (b * b - a * a)
    return Moments(
      scale: scales[cell] + u * (scales[cell + 1] - scales[cell]),
      variance: variances[cell] + u * (variances[cell + 1] - variances[cell]))
  }
}
