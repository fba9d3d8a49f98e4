// SPDX-License-Identifier: GPL-3.0-or-later

extension Tape {
  /// Forward-mode differentiation: the tangent of `output` where each variable moves along its direction; nil where the
  /// output does not move. The pass is recorded like any other, so that its result can be differentiated again.
  public func tangent(of output: Tensor, along directions: [(variable: Tensor, direction: Tensor)]) -> Tensor? {
    precondition(recording && !output.isConstant, "nothing was recorded for this tensor")
    var tangents = [Tensor?](repeating: nil, count: output.node + 1)
    for (variable, direction) in directions {
      precondition(!variable.isConstant, "a direction for a constant")
      tangents[variable.node] = direction
    }
    for index in 0...output.node {
      let node = nodes[index]
      if let tangent = rule(node, { $0.isConstant ? nil : tangents[$0.node] }) { tangents[index] = tangent }
    }
    return tangents[output.node]
  }

  // The rule of each operation: its output's tangent from those of its inputs.
  private func rule(_ node: Node, _ d: (Tensor) -> Tensor?) -> Tensor? {
    switch node.operation {
    case .variable, .parameter:
      return nil
    case .matrixProduct(let a, let b, let transposeA, let transposeB):
      return add(
        d(a).map { matrixProduct($0, b, transposeA: transposeA, transposeB: transposeB) },
        d(b).map { matrixProduct(a, $0, transposeA: transposeA, transposeB: transposeB) })
    case .addBias(let x, let b):
      return add(d(x), d(b).map { repeatRow($0, rows: x.rows) })
    case .silu(let x, let order):
      return d(x).map { siluProduct($0, x, order: order + 1) }
    case .siluProduct(let g, let x, let order):
      return add(
        d(g).map { siluProduct($0, x, order: order) }, d(x).map { siluProduct(product($0, g), x, order: order + 1) })
    case .sum(let a, let x, let b, let y):
      return add(d(x).map { scale($0, by: a) }, d(y).map { scale($0, by: b) })
    case .product(let x, let y):
      return add(d(x).map { product($0, y) }, d(y).map { product(x, $0) })
    case .scaleRows(let x, let s):
      return d(x).map { scaleRows($0, by: s) }
    case .columnSums(let x):
      return d(x).map { columnSums($0) }
    case .rowSums(let x):
      return d(x).map { rowSums($0) }
    case .repeatRow(let x):
      return d(x).map { repeatRow($0, rows: node.output.rows) }
    case .repeatColumn(let x):
      return d(x).map { repeatColumn($0, columns: node.output.columns) }
    case .concatenate(let x, let y):
      return add(
        d(x).map { pad($0, first: 0, total: node.output.columns) },
        d(y).map { pad($0, first: x.columns, total: node.output.columns) })
    case .columns(let x, let first):
      return d(x).map { columns($0, first: first, count: node.output.columns) }
    case .pad(let x, let first):
      return d(x).map { pad($0, first: first, total: node.output.columns) }
    case .sinusoids(let t, let frequencies, let order):
      return d(t).map {
        product(
          repeatColumn($0, columns: node.output.columns), sinusoids(t, frequencies: frequencies, order: order + 1))
      }
    case .weightedSquares(let x, let s):
      return d(x).map { scale(columnSums(rowSums(scaleRows(product(x, $0), by: s))), by: 2) }
    default:
      return imageRule(node, d)
    }
  }

  func add(_ x: Tensor?, _ y: Tensor?) -> Tensor? {
    switch (x, y) {
    case (let x?, let y?): sum(1, x, 1, y)
    case (let x, nil): x
    case (nil, let y): y
    }
  }
}
