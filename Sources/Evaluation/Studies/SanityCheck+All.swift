// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc

extension SanityCheck {
  private static let worsens: [Purpose: Expectation] = [.fidelity: .worsens, .diversity: .worsens, .distance: .worsens]
  private static let stays: [Purpose: Expectation] = [
    .fidelity: .stays, .diversity: .stays, .distance: .stays, .memorisation: .stays,
  ]

  /// All checks.
  public static let all: [SanityCheck] = [
    SanityCheck(
      "rows", "equal normal laws in 2 dimensions, 250 to 1,000 rows of each", levels: [250, 500, 1000], stays
    ) { level, _, source in
      let n = Int(level)
      return Rows(samples: source.normals(n, 2), heldOut: source.normals(n, 2), training: source.normals(n, 2))
    },
    SanityCheck(
      "dimensions", "equal normal laws in 2 to 64 dimensions", levels: [2, 8, 64], stays
    ) { level, n, source in
      let d = Int(level)
      return Rows(samples: source.normals(n, d), heldOut: source.normals(n, d), training: source.normals(n, d))
    },
    SanityCheck(
      "shift", "normal samples whose mean moves away by 0 to 3 deviations, in 2 dimensions", levels: [0, 0.5, 1, 2, 3],
      worsens
    ) { level, n, source in normalRows(n, 2, &source).changed { shifted($0, by: level) } },
    SanityCheck(
      "shift, outlier in data", "one held-out row at distance 0 to 1,000; samples 2 deviations off",
      levels: [0, 10, 1000], stays
    ) { level, n, source in
      var rows = normalRows(n, 2, &source).changed { shifted($0, by: 2) }
      if level > 0 { (rows.heldOut[0, 0], rows.heldOut[0, 1]) = (level, 0) }
      return rows
    },
    SanityCheck(
      "shift, outlier in samples", "one sample at distance 0 to 1,000; samples 2 deviations off",
      levels: [0, 10, 1000], stays
    ) { level, n, source in
      var rows = normalRows(n, 2, &source).changed { shifted($0, by: 2) }
      if level > 0 { (rows.samples[0, 0], rows.samples[0, 1]) = (level, 0) }
      return rows
    },
    SanityCheck(
      "shift, heavy tails", "normal points times a Pareto factor of index 1.5; samples are moved by 0 to 3",
      levels: [0, 1, 3], worsens
    ) { level, n, source in
      Rows(samples: shifted(heavy(n, &source), by: level), heldOut: heavy(n, &source), training: heavy(n, &source))
    },
    SanityCheck(
      "wide samples", "normal samples with 1 to 3 times the deviation of data, in 8 dimensions", levels: [1, 1.5, 3],
      [.fidelity: .worsens, .diversity: .stays, .distance: .worsens]
    ) { level, n, source in normalRows(n, 8, &source).changed { scaled($0, by: level) } },
    SanityCheck(
      "narrow samples", "normal samples with 1 to ⅓ of the deviation of data, in 8 dimensions",
      levels: [1, 0.67, 0.33],
      [.fidelity: .stays, .diversity: .worsens, .distance: .worsens]
    ) { level, n, source in normalRows(n, 8, &source).changed { scaled($0, by: level) } },
    SanityCheck(
      "mode dropping, one by one", "8 modes on a ring; samples have 8 to 1 of them", levels: [8, 6, 4, 2, 1],
      [.fidelity: .stays, .diversity: .worsens, .distance: .worsens]
    ) { level, n, source in
      Rows(
        samples: ring(n, modes: Int(level), &source), heldOut: ring(n, modes: 8, &source),
        training: ring(n, modes: 8, &source))
    },
    SanityCheck(
      "mode dropping, all at once", "8 modes on a ring; 7 of them have 7/8 to none of the samples",
      levels: [0.875, 0.5, 0.25, 0], [.fidelity: .stays, .diversity: .worsens, .distance: .worsens]
    ) { level, n, source in
      Rows(
        samples: ring(n, modes: 8, share: level, &source), heldOut: ring(n, modes: 8, &source),
        training: ring(n, modes: 8, &source))
    },
    SanityCheck(
      "mode invention", "data has 4 of 8 modes on a ring; samples have 4 to 8", levels: [4, 5, 6, 8],
      [.fidelity: .worsens, .diversity: .stays, .distance: .worsens]
    ) { level, n, source in
      Rows(
        samples: ring(n, modes: Int(level), &source), heldOut: ring(n, modes: 4, &source),
        training: ring(n, modes: 4, &source))
    },
    SanityCheck(
      "mode collapse", "8 modes on a ring, whose spread among samples shrinks to a hundredth",
      levels: [1, 0.5, 0.1, 0.01],
      [.fidelity: .stays, .diversity: .worsens, .distance: .worsens]
    ) { level, n, source in
      Rows(
        samples: ring(n, modes: 8, spread: level, &source), heldOut: ring(n, modes: 8, &source),
        training: ring(n, modes: 8, &source))
    },
    SanityCheck(
      "noise", "normal noise of 0 to 1 added to samples on a circle", levels: [0, 0.1, 0.3, 1],
      [.fidelity: .worsens, .distance: .worsens]
    ) { level, n, source in
      var rows = Rows(samples: sphere(n, 2, &source), heldOut: sphere(n, 2, &source), training: sphere(n, 2, &source))
      let noise = source.normals(n, 2)
      for i in rows.samples.values.indices { rows.samples.values[i] += level * noise.values[i] }
      return rows
    },
    SanityCheck(
      "surfaces", "points on a sphere of radius 0.8 against one of radius 1, in 2 to 32 dimensions",
      levels: [2, 8, 32],
      [.fidelity: .isBad, .diversity: .isBad]
    ) { level, n, source in
      let d = Int(level)
      return Rows(
        samples: scaled(sphere(n, d, &source), by: 0.8), heldOut: sphere(n, d, &source), training: sphere(n, d, &source)
      )
    },
    SanityCheck(
      "cubes", "uniform points of a cube against one that is moved by 0 to 1 side, in 4 dimensions",
      levels: [0, 0.3, 0.6, 1],
      worsens
    ) { level, n, source in
      Rows(
        samples: shifted(source.uniforms(n, 4), by: level), heldOut: source.uniforms(n, 4),
        training: source.uniforms(n, 4))
    },
    SanityCheck(
      "one wrong dimension", "the first of 2 to 512 dimensions is 4 deviations off, the others are right",
      levels: [2, 32, 512], [.fidelity: .isBad, .diversity: .isBad]
    ) { level, n, source in normalRows(n, Int(level), &source).changed { shifted($0, by: 4) } },
    SanityCheck(
      "units", "samples 1 deviation off in the first dimension; the unit of the second is 1 to a thousandth",
      levels: [1, 0.1, 0.001], stays
    ) { level, n, source in
      var rows = normalRows(n, 2, &source).changed { shifted($0, by: 1) }
      for i in 0..<n {
        rows.samples[i, 1] /= level
        rows.heldOut[i, 1] /= level
        rows.training[i, 1] /= level
      }
      return rows
    },
    SanityCheck(
      "rounding", "normal data rounded to tenths; samples rounded too, or not", levels: [0, 1],
      [.fidelity: .worsens, .distance: .worsens]
    ) { level, n, source in
      var rows = normalRows(n, 1, &source)
      func round(_ batch: inout Batch) {
        for i in batch.values.indices { batch.values[i] = (10 * batch.values[i]).rounded() / 10 }
      }
      round(&rows.heldOut)
      round(&rows.training)
      if level == 0 { round(&rows.samples) }
      return rows
    },
    SanityCheck(
      "copies", "0 to all of the samples are training rows with noise of 0.01, in 8 dimensions",
      levels: [0, 0.05, 0.3, 1],
      [.memorisation: .worsens]
    ) { level, n, source in
      var rows = normalRows(n, 8, &source)
      let noise = source.normals(n, 8)
      for i in 0..<Int(level * Double(n)) {
        for j in 0..<8 { rows.samples[i, j] = rows.training[i, j] + 0.01 * noise[i, j] }
      }
      return rows
    },
  ]

  // MARK: Laws

  private static func normalRows(_ n: Int, _ d: Int, _ source: inout RowDraws) -> Rows {
    Rows(samples: source.normals(n, d), heldOut: source.normals(n, d), training: source.normals(n, d))
  }

  static func shifted(_ batch: Batch, by shift: Double) -> Batch {
    var batch = batch
    for i in 0..<batch.count { batch[i, 0] += shift }
    return batch
  }

  private static func scaled(_ batch: Batch, by factor: Double) -> Batch {
    Batch(values: batch.values.map { factor * $0 }, dimension: batch.dimension)
  }

  /// Normal points of 2 dimensions times a Pareto factor of index 1.5: without a variance.
  private static func heavy(_ n: Int, _ source: inout RowDraws) -> Batch {
    var batch = source.normals(n, 2)
    let uniforms = source.uniforms(n, 1)
    for i in 0..<n { for j in 0..<2 { batch[i, j] *= pow(1 - uniforms[i, 0], -1 / 1.5) } }
    return batch
  }

  /// Points on the unit sphere.
  private static func sphere(_ n: Int, _ d: Int, _ source: inout RowDraws) -> Batch {
    var batch = source.normals(n, d)
    for i in 0..<n {
      let norm = batch.row(i).reduce(0) { $0 + $1 * $1 }.squareRoot()
      for j in 0..<d { batch[i, j] /= norm }
    }
    return batch
  }

  /// Some of 8 modes on a ring of radius 3, of deviation 0.2: the first `modes`, equally likely; or the first with
  /// probability 1 − share and the others sharing the rest.
  private static func ring(
    _ n: Int, modes: Int, share: Double? = nil, spread: Double = 1, _ source: inout RowDraws
  ) -> Batch {
    var batch = source.normals(n, 2)
    let uniforms = source.uniforms(n, 2)
    for i in 0..<n {
      var mode = Int(uniforms[i, 0] * Double(modes))
      if let share { mode = uniforms[i, 1] < share ? 1 + Int(uniforms[i, 0] * 7) : 0 }
      let angle = Double(mode) * .pi / 4
      batch[i, 0] = 3 * cos(angle) + 0.2 * spread * batch[i, 0]
      batch[i, 1] = 3 * sin(angle) + 0.2 * spread * batch[i, 1]
    }
    return batch
  }
}

extension SanityCheck.Rows {
  /// With other samples.
  func changed(_ change: (Batch) -> Batch) -> Self {
    Self(samples: change(samples), heldOut: heldOut, training: training)
  }
}
