// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Images, or random crops of them, as rows in double precision. They are held as bytes: a row is made when it is asked
/// for.
public struct ImageRows: DataRows {
  private let images: ImageSource
  /// How many rows there are.
  public let count: Int
  /// What the places of crops are drawn from; nil: the middle.
  private let stream: NoiseStream?

  init(_ images: ImageSource, count: Int, stream: NoiseStream?) {
    self.images = images
    self.count = count
    self.stream = stream
  }

  public var dimension: Int { images.dimension }

  public func write(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>) {
    for row in rows {
      let target = values + (row - rows.lowerBound) * dimension
      var places = SIMD3<Double>(repeating: 0.5)
      if let stream {
        withUnsafeTemporaryAllocation(of: Double.self, capacity: 2) { uniforms in
          guard let memory = uniforms.baseAddress else { return }
          stream.uniforms(into: Rows(memory: memory, first: row, count: 1, dimension: 2), step: 0)
          places = SIMD3(memory[0], memory[1], 1)
        }
      }
      images.write(row % images.count, at: places, into: target)
    }
  }
}

extension Dataset {
  /// Images that have the rows' shape: all of them are rows, and the trainer draws from `training` itself.
  init(
    training: ImageSource, heldOut: ImageSource, trainingConditions: Conditions = .nothing,
    heldOutConditions: Conditions = .nothing
  ) {
    self.init(
      training: training.rows, heldOut: heldOut.rows, trainingConditions: trainingConditions,
      heldOutConditions: heldOutConditions, source: training)
  }
}
