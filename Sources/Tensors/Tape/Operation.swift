// SPDX-License-Identifier: GPL-3.0-or-later

/// What a tape can do. Each operation has a file of its own in `Operations`, which holds its forward function, its
/// backward rule and its tangent rule; the two switches below hand over to it, and the compiler lists them for an
/// operation that they lack.
enum Operation {
  /// A tensor from outside whose derivative is wanted.
  case variable
  /// A parameter of the network, by its index in the layout.
  case parameter(Int)

  case matrixProduct(MatrixProduct)
  case addBias(AddBias)
  case addRows(AddRows)
  case silu(SiLU)
  case knownSlope(KnownSlope)
  case siluProduct(SiLUProduct)
  case gelu(GELU)
  case geluProduct(GELUProduct)
  case geglu(GEGLU)
  case layerNorm(LayerNorm)
  case sum(Sum)
  case product(Product)
  case scaleRows(ScaleRows)
  case columnSums(ColumnSums)
  case rowSums(RowSums)
  case repeatRow(RepeatRow)
  case repeatColumn(RepeatColumn)
  case concatenate(Concatenate)
  case columns(Columns)
  case pad(Pad)
  case sinusoids(Sinusoids)
  case weightedSquares(WeightedSquares)
  case softmax(Softmax)
  case power(Power)
  case reshape(Reshape)
  case batchedProduct(BatchedProduct)
  case gatherRows(GatherRows)
  case scatterRows(ScatterRows)
  case tokenAttention(TokenAttention)

  // The following read blocked features; their shapes say how.
  case blocked(Blocked)
  case unblocked(Unblocked)
  case convolution(Convolution)
  case convolutionAdjoint(ConvolutionAdjoint)
  case convolutionWeights(ConvolutionWeights)
  case groupNorm(GroupNorm)
  case channelNorm(ChannelNorm)
  case attention(Attention)
  case upsampleNearest(UpsampleNearest)
  case sumPool(SumPool)
  case crop(Crop)
  case uncrop(Uncrop)
  case channelSums(ChannelSums)
  case spreadChannels(SpreadChannels)
  case featureMatrix(FeatureMatrix)
  case matrixFeatures(MatrixFeatures)
}

/// The rules of an operation. Both are written in taped operations, so that derivatives can be differentiated.
protocol TapeOperation {
  /// Adds to the adjoints of the inputs what they gain from that of the output.
  func backward(_ g: OutputGradient, on tape: Tape)

  /// The tangent of the output from those of the inputs; nil where no input moves.
  /// - Parameters:
  ///   - d: the tangent of an input; nil where it does not move.
  ///   - output: what the operation gave.
  ///   - tape: records the operations of the rule.
  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor?
}

/// The derivative of the result by an operation's output, on its way to the operation's inputs.
struct OutputGradient {
  let adjoint: Tape.Adjoint
  /// The operation's place on the tape.
  let node: Int
  /// What the operation gave.
  let output: Tensor

  var tensor: Tensor { adjoint.tensor }
  /// Whether nobody else reads the memory of `tensor`.
  var isOwned: Bool { adjoint.owned }
}

extension Operation {
  func backward(_ g: OutputGradient, on tape: Tape) {
    switch self {
    case .variable, .parameter: return
    case .matrixProduct(let operation): operation.backward(g, on: tape)
    case .addBias(let operation): operation.backward(g, on: tape)
    case .addRows(let operation): operation.backward(g, on: tape)
    case .silu(let operation): operation.backward(g, on: tape)
    case .knownSlope(let operation): operation.backward(g, on: tape)
    case .siluProduct(let operation): operation.backward(g, on: tape)
    case .gelu(let operation): operation.backward(g, on: tape)
    case .geluProduct(let operation): operation.backward(g, on: tape)
    case .geglu(let operation): operation.backward(g, on: tape)
    case .layerNorm(let operation): operation.backward(g, on: tape)
    case .sum(let operation): operation.backward(g, on: tape)
    case .product(let operation): operation.backward(g, on: tape)
    case .scaleRows(let operation): operation.backward(g, on: tape)
    case .columnSums(let operation): operation.backward(g, on: tape)
    case .rowSums(let operation): operation.backward(g, on: tape)
    case .repeatRow(let operation): operation.backward(g, on: tape)
    case .repeatColumn(let operation): operation.backward(g, on: tape)
    case .concatenate(let operation): operation.backward(g, on: tape)
    case .columns(let operation): operation.backward(g, on: tape)
    case .pad(let operation): operation.backward(g, on: tape)
    case .sinusoids(let operation): operation.backward(g, on: tape)
    case .weightedSquares(let operation): operation.backward(g, on: tape)
    case .softmax(let operation): operation.backward(g, on: tape)
    case .power(let operation): operation.backward(g, on: tape)
    case .reshape(let operation): operation.backward(g, on: tape)
    case .batchedProduct(let operation): operation.backward(g, on: tape)
    case .gatherRows(let operation): operation.backward(g, on: tape)
    case .scatterRows(let operation): operation.backward(g, on: tape)
    case .tokenAttention(let operation): operation.backward(g, on: tape)
    case .blocked(let operation): operation.backward(g, on: tape)
    case .unblocked(let operation): operation.backward(g, on: tape)
    case .convolution(let operation): operation.backward(g, on: tape)
    case .convolutionAdjoint(let operation): operation.backward(g, on: tape)
    case .convolutionWeights(let operation): operation.backward(g, on: tape)
    case .groupNorm(let operation): operation.backward(g, on: tape)
    case .channelNorm(let operation): operation.backward(g, on: tape)
    case .attention(let operation): operation.backward(g, on: tape)
    case .upsampleNearest(let operation): operation.backward(g, on: tape)
    case .sumPool(let operation): operation.backward(g, on: tape)
    case .crop(let operation): operation.backward(g, on: tape)
    case .uncrop(let operation): operation.backward(g, on: tape)
    case .channelSums(let operation): operation.backward(g, on: tape)
    case .spreadChannels(let operation): operation.backward(g, on: tape)
    case .featureMatrix(let operation): operation.backward(g, on: tape)
    case .matrixFeatures(let operation): operation.backward(g, on: tape)
    }
  }

  func tangent(_ d: (Tensor) -> Tensor?, _ output: Tensor, on tape: Tape) -> Tensor? {
    switch self {
    case .variable, .parameter: nil
    case .matrixProduct(let operation): operation.tangent(d, output, on: tape)
    case .addBias(let operation): operation.tangent(d, output, on: tape)
    case .addRows(let operation): operation.tangent(d, output, on: tape)
    case .silu(let operation): operation.tangent(d, output, on: tape)
    case .knownSlope(let operation): operation.tangent(d, output, on: tape)
    case .siluProduct(let operation): operation.tangent(d, output, on: tape)
    case .gelu(let operation): operation.tangent(d, output, on: tape)
    case .geluProduct(let operation): operation.tangent(d, output, on: tape)
    case .geglu(let operation): operation.tangent(d, output, on: tape)
    case .layerNorm(let operation): operation.tangent(d, output, on: tape)
    case .sum(let operation): operation.tangent(d, output, on: tape)
    case .product(let operation): operation.tangent(d, output, on: tape)
    case .scaleRows(let operation): operation.tangent(d, output, on: tape)
    case .columnSums(let operation): operation.tangent(d, output, on: tape)
    case .rowSums(let operation): operation.tangent(d, output, on: tape)
    case .repeatRow(let operation): operation.tangent(d, output, on: tape)
    case .repeatColumn(let operation): operation.tangent(d, output, on: tape)
    case .concatenate(let operation): operation.tangent(d, output, on: tape)
    case .columns(let operation): operation.tangent(d, output, on: tape)
    case .pad(let operation): operation.tangent(d, output, on: tape)
    case .sinusoids(let operation): operation.tangent(d, output, on: tape)
    case .weightedSquares(let operation): operation.tangent(d, output, on: tape)
    case .softmax(let operation): operation.tangent(d, output, on: tape)
    case .power(let operation): operation.tangent(d, output, on: tape)
    case .reshape(let operation): operation.tangent(d, output, on: tape)
    case .batchedProduct(let operation): operation.tangent(d, output, on: tape)
    case .gatherRows(let operation): operation.tangent(d, output, on: tape)
    case .scatterRows(let operation): operation.tangent(d, output, on: tape)
    case .tokenAttention(let operation): operation.tangent(d, output, on: tape)
    case .blocked(let operation): operation.tangent(d, output, on: tape)
    case .unblocked(let operation): operation.tangent(d, output, on: tape)
    case .convolution(let operation): operation.tangent(d, output, on: tape)
    case .convolutionAdjoint(let operation): operation.tangent(d, output, on: tape)
    case .convolutionWeights(let operation): operation.tangent(d, output, on: tape)
    case .groupNorm(let operation): operation.tangent(d, output, on: tape)
    case .channelNorm(let operation): operation.tangent(d, output, on: tape)
    case .attention(let operation): operation.tangent(d, output, on: tape)
    case .upsampleNearest(let operation): operation.tangent(d, output, on: tape)
    case .sumPool(let operation): operation.tangent(d, output, on: tape)
    case .crop(let operation): operation.tangent(d, output, on: tape)
    case .uncrop(let operation): operation.tangent(d, output, on: tape)
    case .channelSums(let operation): operation.tangent(d, output, on: tape)
    case .spreadChannels(let operation): operation.tangent(d, output, on: tape)
    case .featureMatrix(let operation): operation.tangent(d, output, on: tape)
    case .matrixFeatures(let operation): operation.tangent(d, output, on: tape)
    }
  }
}
