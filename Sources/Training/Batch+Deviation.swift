// SPDX-License-Identifier: GPL-3.0-or-later
import Core

extension Batch {
  /// σ_d: the standard deviation of all values about their one mean, whatever their row and column (Karras et al. 2022;
  /// 0.5 for CIFAR-10).
  public var deviation: Double {
    if values.isEmpty { return 0 }
    let n = Double(values.count)
    let mean = values.reduce(0, +) / n
    return (values.reduce(0) { $0 + ($1 - mean) * ($1 - mean) } / n).squareRoot()
  }
}
