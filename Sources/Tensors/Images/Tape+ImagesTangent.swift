// SPDX-License-Identifier: GPL-3.0-or-later

extension Tape {
  /// The tangent rules of image operations.
  func imageRule(_ node: Node, _ d: (Tensor) -> Tensor?) -> Tensor? {
    switch node.operation {
    case .blocked(let x, let shape): d(x).map { blocked($0, shape) }
    case .unblocked(let x, let shape): d(x).map { unblocked($0, shape) }
    case .convolution(let x, let w, let bias, let shape):
      add(
        add(
          d(x).map { convolution($0, w, bias: nil, shape) }, d(w).map { convolution(x, $0, bias: nil, shape) }),
        bias.flatMap(d).map { spreadChannels(repeatRow($0, rows: x.rows), shape.output) })
    case .convolutionAdjoint(let y, let w, let shape):
      add(d(y).map { convolutionAdjoint($0, w, shape) }, d(w).map { convolutionAdjoint(y, $0, shape) })
    case .convolutionWeights(let x, let y, let shape):
      add(d(x).map { convolutionWeights($0, y, shape) }, d(y).map { convolutionWeights(x, $0, shape) })
    case .repeatPixels(let x, let shape, let factor): d(x).map { repeatPixels($0, shape, factor: factor) }
    case .sumPixels(let x, let shape, let factor): d(x).map { sumPixels($0, shape, factor: factor) }
    case .channelSums(let x, let shape): d(x).map { channelSums($0, shape) }
    case .spreadChannels(let x, let shape): d(x).map { spreadChannels($0, shape) }
    case .pixelsMatrix(let x, let columns): d(x).map { pixelsMatrix($0, columns) }
    case .matrixPixels(let x, let columns): d(x).map { matrixPixels($0, columns) }
    case .batchedProduct(let a, let b, let transposeA, let transposeB, let shape):
      add(
        d(a).map { batchedProduct($0, b, transposeA: transposeA, transposeB: transposeB, shape) },
        d(b).map { batchedProduct(a, $0, transposeA: transposeA, transposeB: transposeB, shape) })
    case .softmax(_, let scale):
      softmaxTangent(node, d, scale)
    case .power(let x, let p): d(x).map { self.scale(product($0, power(x, p - 1)), by: p) }
    case .reshape(let x): d(x).map { reshape($0, rows: node.output.rows) }
    case .gatherRows(let table, let indices): d(table).map { gatherRows($0, indices) }
    case .scatterRows(let x, let indices): d(x).map { scatterRows($0, indices, rows: node.output.rows) }
    case .groupNorm, .attention:
      preconditionFailure("a tape that is to differentiate forwards begins as a composing one")
    default: preconditionFailure("an operation without a tangent rule")
    }
  }

  private func softmaxTangent(_ node: Node, _ d: (Tensor) -> Tensor?, _ scale: Float) -> Tensor? {
    guard case .softmax(let x, _) = node.operation, let direction = d(x) else { return nil }
    let y = node.output
    let share = product(direction, y)
    return self.scale(sum(1, share, -1, product(repeatColumn(rowSums(share), columns: y.columns), y)), by: scale)
  }
}
