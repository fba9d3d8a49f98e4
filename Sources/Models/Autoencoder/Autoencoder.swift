// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Glibc
import Networks
import Tensors

/// A trained autoencoder: pictures to latents and back.
///
/// A model of latents sees y = (z − shift) · scaling of the network's latents z, of about unit variance (Rombach et al.
/// 2022, section D.1). All latents here are such y. Rows are height × width × channel, channels fastest.
public struct Autoencoder: Sendable {
  /// The encoder and the decoder, without their parameters.
  public let network: AutoencoderNetwork
  /// The flat buffer of the network's layout.
  public let parameters: [Float]
  /// What latents are multiplied by, above 0, and what is taken off before.
  public let scaling, shift: Double
  private let tapes: TapePool

  /// - Parameters:
  ///   - network: the encoder and the decoder.
  ///   - parameters: a flat buffer of the network's layout.
  ///   - scaling: above 0; one over the deviation of the network's latents.
  ///   - shift: the mean of the network's latents, or 0.
  public init(_ network: AutoencoderNetwork, parameters: [Float], scaling: Double, shift: Double = 0) {
    precondition(parameters.count == network.layout.count, "parameters of another network")
    precondition(scaling > 0, "a factor above 0")
    (self.network, self.parameters) = (network, parameters)
    (self.scaling, self.shift) = (scaling, shift)
    tapes = TapePool(parameters: network.layout.count)
  }

  /// What the network is made of.
  public var architecture: AutoencoderArchitecture { network.architecture }

  /// The same for pictures of another size; the weights are shared.
  /// - Throws: `InputError` for a size that is no multiple of `architecture.factor`, or too large.
  public func sized(height: Int, width: Int) throws -> Autoencoder {
    let sized = architecture.sized(height: height, width: width)
    try sized.checkSize()
    return Autoencoder(
      try AutoencoderNetwork(sized, winograd: network.usesWinograd), parameters: parameters, scaling: scaling,
      shift: shift)
  }

  /// A checksum of the weights, of what the network is made of and of the scale, whatever the size of pictures.
  public var fingerprint: String {
    let a = architecture
    var checksum = Checksum()
    checksum.add(
      "\(a.channels) \(a.latentChannels) \(a.stages) \(a.blocks) \(a.groups) \(a.middleAttention) \(a.encoderProjection) \(a.decoderProjection)"
        .utf8)
    for value in parameters { checksum.add(word: UInt64(value.bitPattern)) }
    checksum.add(word: scaling.bitPattern)
    checksum.add(word: shift.bitPattern)
    return checksum.text
  }

  // MARK: Batches

  /// The law of the latents of pictures: independent normals.
  /// - Parameters:
  ///   - images: rows of `architecture.dimension` values in about [−1, 1].
  ///   - threads: how many workers share the rows; the result does not depend on it.
  /// - Returns: mean and log variance, rows × `architecture.latentDimension`.
  /// - Throws: what a stop signal throws.
  public func encode(
    _ images: Batch, threads: Int = Shards.processors
  ) throws -> (mean: Batch, logVariance: Batch) {
    var images = images
    let empty = Batch(count: images.count, dimension: architecture.latentDimension)
    var (mean, logVariance) = (empty, empty)
    try images.withRows { x in
      try mean.withRows { m in
        try logVariance.withRows { v in
          let (x, m, v) = (WholeRows(x), WholeRows(m), WholeRows(v))
          try shards(of: x.count).forEach(threads: threads) { _, range in
            encode(x.rows[range], mean: m.rows[range], logVariance: v.rows[range])
          }
        }
      }
    }
    return (mean, logVariance)
  }

  /// The pictures of latents, in about [−1, 1]; they are not cut to that.
  /// - Parameters:
  ///   - latents: rows of `architecture.latentDimension` values.
  ///   - threads: how many workers share the rows; the result does not depend on it.
  /// - Throws: what a stop signal throws.
  public func decode(_ latents: Batch, threads: Int = Shards.processors) throws -> Batch {
    var (latents, images) = (latents, Batch(count: latents.count, dimension: architecture.dimension))
    try latents.withRows { y in
      try images.withRows { x in
        let (y, x) = (WholeRows(y), WholeRows(x))
        try shards(of: y.count).forEach(threads: threads) { _, range in decode(y.rows[range], into: x.rows[range]) }
      }
    }
    return images
  }

  /// The pictures that the means of pictures' latents decode to.
  public func reconstructed(_ images: Batch, threads: Int = Shards.processors) throws -> Batch {
    try decode(encode(images, threads: threads).mean, threads: threads)
  }

  private func shards(of count: Int) -> Shards { Shards(rows: count, size: network.shardRows.upperBound) }

  /// All rows of a batch, for workers that each take a part.
  private struct WholeRows: @unchecked Sendable {
    let rows: Rows
    init(_ rows: Rows) { self.rows = rows }
    var count: Int { rows.count }
  }

  // MARK: Rows of one worker

  /// Writes means and log variances of the latents of pictures, some rows at a time.
  /// - Parameters:
  ///   - x: pictures, rows × `architecture.dimension`.
  ///   - mean: rows × `architecture.latentDimension`.
  ///   - logVariance: of the same shape.
  public func encode(_ x: Rows, mean: Rows, logVariance: Rows) {
    let (a, range) = (architecture, AutoencoderNetwork.logVarianceRange)
    precondition(x.dimension == a.dimension && mean.dimension == a.latentDimension, "pictures of another size")
    let spread = 2 * log(scaling)
    forEachPart(of: x) { part, input, tape in
      let (m, v) = network.encode(input, on: tape)
      let (means, variances) = (mean[part], logVariance[part])
      for i in 0..<m.count {
        means.values[i] = (Double(m.values[i]) - shift) * scaling
        // A value that is no number stays none.
        let cut = v.values[i].isNaN ? v.values[i] : min(max(v.values[i], range.lowerBound), range.upperBound)
        variances.values[i] = Double(cut) + spread
      }
    }
  }

  /// Writes the pictures of latents, some rows at a time.
  /// - Parameters:
  ///   - y: rows × `architecture.latentDimension`.
  ///   - x: rows × `architecture.dimension`.
  public func decode(_ y: Rows, into x: Rows) {
    precondition(
      y.dimension == architecture.latentDimension && x.dimension == architecture.dimension, "latents of another size")
    forEachPart(of: y, scale: 1 / scaling, shift: shift) { part, input, tape in
      let out = network.decode(input, on: tape)
      let target = x[part]
      for i in 0..<out.count { target.values[i] = Double(out.values[i]) }
    }
  }

  /// Hands rows to the tape, in floats, as many as the network takes at a time.
  private func forEachPart(
    of x: Rows, scale: Double = 1, shift: Double = 0,
    _ body: (_ part: Range<Int>, _ input: Tensor, _ tape: Tape) -> Void
  ) {
    let tape = tapes.take { network.makeTape(prepared: tapes.prepared) }
    defer { tapes.giveBack(tape) }
    let size = network.shardRows.upperBound
    parameters.withUnsafeBufferPointer { parameters in
      guard let base = parameters.baseAddress else { return }
      for start in stride(from: 0, to: x.count, by: size) {
        let part = start..<min(start + size, x.count)
        tape.begin(parameters: base, recording: false)
        let input = tape.constant(rows: part.count, columns: x.dimension)
        let rows = x[part]
        for i in 0..<rows.size { input.values[i] = Float(rows.values[i] * scale + shift) }
        body(part, input, tape)
      }
    }
  }
}
