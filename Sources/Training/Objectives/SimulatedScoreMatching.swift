// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Models
import Processes
import Tensors

/// What sliced and implicit score matching share. Paths of the forward SDE are simulated from the data, and of their
/// states at time t
///
///     w(t) (σ² (‖s‖² + 2 Σ_k vₖᵀ (∂s/∂x) vₖ)/D + 1)
///
/// is the loss (Hyvärinen 2005), with directions v whose products sum to the trace, exactly or in the mean. In the mean
/// it is that of denoising score matching, w ‖σ s + z‖²/D, where x_t has a kernel of deviation σ; else σ is
/// `PilotKernel`'s.
struct SimulatedScoreMatching: Sendable {
  /// Directions of the trace.
  enum Directions: Sendable, Equatable {
    /// One axis after the other: the exact trace.
    case axes
    /// So many of random signs, whose mean is taken.
    case signs(Int)
  }

  let model: ScoreModel
  let process: PreparedProcess
  let weighting: Weighting
  let directions: Directions
  /// From 0 to T; there are more steps where a row's time lies between.
  let simulation: ForwardSimulation

  final class Worker: ObjectiveWorker {
    private let objective: SimulatedScoreMatching
    private let seed: UInt64
    private let path, state, signs: RowStorage
    private let walker: ForwardSimulation.Walker

    init(_ objective: SimulatedScoreMatching, rows: Int, seed: UInt64) {
      self.objective = objective
      self.seed = seed
      let span = RowSpan(first: 0, count: rows, dimension: objective.model.network.dimension)
      (path, state, signs) = (RowStorage(span), RowStorage(span), RowStorage(span))
      walker = objective.simulation.makeWalker(for: span)
    }

    /// Each row's state at its own time: all walk through the same times, and each is copied as it comes by its own.
    private func simulate(_ shard: TrainingShard) -> Rows {
      let (nodes, x, out) = (objective.simulation.times, path.view(of: shard.rows), state.view(of: shard.rows))
      for i in 0..<x.size { x.values[i] = Double(shard.data[i]) }
      // Streams of the steps of one walk follow each other: 2²⁰ of them for every optimiser step.
      let stream = NoiseStream(seed: seed, purpose: .trainingNoise)
      var step = shard.step << 20
      walker.start(x, from: stream, step: step)
      let order = (0..<shard.rows.count).sorted { shard.times[$0] < shard.times[$1] }
      var (now, node) = (0.0, 0)
      // The same nodes for every shard.
      func walk(to time: Double) {
        while now < time {
          while node < nodes.count - 1, nodes[node] <= now { node += 1 }
          let end = node < nodes.count - 1 ? min(nodes[node], time) : time
          step += 1
          walker.advance(x, from: now, to: end, stream: stream, step: step)
          now = end
        }
      }
      for row in order {
        walk(to: shard.times[row])
        out.row(row).copy(x.row(row))
      }
      return out
    }

    func loss(of shard: TrainingShard, on tape: Tape) -> Tensor {
      let (model, count, dimension) = (objective.model, shard.rows.count, objective.model.network.dimension)
      let x = simulate(shard)
      func column() -> Tensor { tape.constant(rows: count, columns: 1) }
      func block() -> Tensor { tape.constant(rows: count, columns: dimension) }
      let (noiseLevel, square, slope, output) = (column(), column(), column(), column())
      let (input, skipped) = (block(), block())
      let (directions, mean) = objective.counts(dimension)
      let scale = 1 / Double(shard.batch * dimension)
      var inputs: [Double] = []
      // What does not depend on the network: w + 2 w σ² skip.
      var constant = 0.0
      for i in 0..<count {
        let t = shard.times[i]
        let moments = model.kernel.moments(at: t)
        let c = model.scalarCoefficients(moments)
        let process = objective.process
        let factor = objective.weighting.factor(
          moments, diffusion: { process.scalarDiffusion(at: t) }, model.dataDeviation)
        let weight = scale * factor * moments.variance
        noiseLevel.values[i] = Float(model.noiseLevel(moments, at: t))
        square.values[i] = Float(weight)
        slope.values[i] = Float(2 * weight * c.output / Double(mean))
        output.values[i] = Float(c.output)
        constant += scale * factor * Double(dimension) + 2 * weight * c.skip * Double(dimension)
        inputs.append(c.input)
        for j in 0..<dimension {
          input.values[i * dimension + j] = Float(c.input * x[i, j])
          skipped.values[i * dimension + j] = Float(c.skip * x[i, j])
        }
      }
      let variable = tape.variable(input)
      let f = model.network.forward(
        variable, noiseLevel: noiseLevel, second: nil, condition: shard.condition, on: tape)
      let s = tape.sum(1, tape.scaleRows(f, by: output), 1, skipped)
      var loss = tape.weightedSquares(s, by: square)
      for k in 0..<directions {
        let (direction, v) = (block(), block())
        fill(v, direction: k, shard)
        for i in 0..<v.count { direction.values[i] = Float(inputs[i / dimension]) * v.values[i] }
        guard let tangent = tape.tangent(of: f, along: (variable, direction)) else { continue }
        let dots = tape.scaleRows(tape.rowSums(tape.product(tangent, v)), by: slope)
        loss = tape.sum(1, loss, 1, tape.columnSums(dots))
      }
      let one = tape.constant(rows: 1, columns: 1)
      one.values[0] = Float(constant)
      return tape.sum(1, loss, 1, one)
    }

    private func fill(_ v: Tensor, direction k: Int, _ shard: TrainingShard) {
      let dimension = v.columns
      switch objective.directions {
      case .axes: for i in 0..<v.count { v.values[i] = i % dimension == k ? 1 : 0 }
      case .signs(let projections):
        let draws = signs.view(of: shard.rows)
        NoiseStream(seed: seed, purpose: .divergence).uniforms(into: draws, step: shard.step * projections + k)
        for i in 0..<v.count { v.values[i] = draws.values[i] < 0.5 ? -1 : 1 }
      }
    }
  }

  /// How many directions there are, and of how many the mean is taken.
  private func counts(_ dimension: Int) -> (directions: Int, mean: Int) {
    switch directions {
    case .axes: (dimension, 1)
    case .signs(let count): (count, count)
    }
  }
}
