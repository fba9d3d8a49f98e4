// SPDX-License-Identifier: GPL-3.0-or-later
import Conditioning
import Core
import Datasets
import Processes
import Solvers

/// SDEdit (Meng et al. 2022): rows of data with the noise of a time t, m(t) x + σ(t) z, from which solvers go on. The
/// larger t, the less of the rows is left.
struct SDEdit: StartRecipe {
  let noiseTime: Double
  let source: StartRows

  var time: Double? { noiseTime }

  func check(_ process: PreparedProcess, _ data: any DataSource, count: Int) throws {
    _ = try process.requireStartKernel()
    let rows = try source.check(data)
    guard count == 0 || count >= rows else {
      throw InputError("has \(rows) rows for \(count) samples; allowed: sampling.count of as many or more")
    }
  }

  func rows(of data: DataInCoordinates) throws -> Batch { try source.rows(of: data) }

  func beginning(_ rows: Batch, _ process: PreparedProcess, seed: UInt64, period: Int?) throws -> Beginning {
    let moments = try process.requireStartKernel().moments(at: noiseTime)
    let stream = NoiseStream(seed: seed, purpose: .edit)
    let (scale, deviation) = (moments.scale, moments.variance.squareRoot())
    return Beginning(at: noiseTime) { x in
      stream.normals(into: x, step: 0)
      for row in 0..<x.count {
        let number = x.first + row
        let source = rows.row((period.map { number % $0 } ?? number) % rows.count)
        for (j, value) in source.enumerated() { x[row, j] = scale * value + deviation * x[row, j] }
      }
    }
  }
}
