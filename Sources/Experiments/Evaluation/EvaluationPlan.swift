// SPDX-License-Identifier: GPL-3.0-or-later
import Evaluation

/// How samples are judged.
public struct EvaluationPlan: Sendable {
  public let metrics: [(name: String, metric: any Metric)]
  /// Whether solvers are compared with exact solutions of their own problem.
  public let pathError: Bool

  /// - Parameter hasRows: whether there are rows to judge by.
  init(_ options: Options, hasRows: Bool = true, _ catalogue: Catalogue) throws {
    let names = try options.names(
      "metrics", default: catalogue.metrics.names, among: catalogue.metrics.names, "against held-out data")
    metrics = try names.compactMap { name in
      try catalogue.metrics[name].map { (name, try $0.decode(.describing(), catalogue)) }
    }
    if !hasRows && options.has("metrics") && !metrics.isEmpty {
      throw options.wrong("metrics", "has no effect; it needs data with rows to judge by: allowed: []")
    }
    pathError = try options.flag(
      "path_error", default: false,
      "a column more: RMS distance from the exact flow, or from the reverse SDE on the same Brownian paths")
  }

  /// The columns that evaluation adds to `solvers.csv`, named as metrics are.
  var columns: [String] { metrics.map(\.name) + (pathError ? ["path-error"] : []) }
}
