// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Scenes of given captions, painted when they are asked for, as bytes v read as v/127.5 − 1.
struct SceneRows: DataRows {
  private let captions: [SceneCaption]
  private let painter: ScenePainter
  /// What the picture of row i is keyed by, beside i.
  private let stream: NoiseStream

  init(_ captions: [SceneCaption], _ painter: ScenePainter, _ stream: NoiseStream) {
    (self.captions, self.painter, self.stream) = (captions, painter, stream)
  }

  var count: Int { captions.count }
  var dimension: Int { ScenePainter.dimension }

  func write(_ rows: Range<Int>, into values: UnsafeMutablePointer<Double>) {
    for row in rows {
      painter.paint(
        captions[row], keyedBy: stream, row: row, step: 1, into: values + (row - rows.lowerBound) * dimension)
    }
  }
}

/// Captions to train on, with a new picture at every step.
struct SceneSource: TrainingSource {
  private let captions: [SceneCaption]
  private let painter: ScenePainter

  init(_ captions: [SceneCaption], _ painter: ScenePainter) { (self.captions, self.painter) = (captions, painter) }

  var count: Int { captions.count }
  var dimension: Int { ScenePainter.dimension }

  func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Float>) {
    paint(index, variation, into: row)
  }

  func copy(_ index: Int, variation: Variation, into row: UnsafeMutablePointer<Double>) {
    paint(index, variation, into: row)
  }

  private func paint<Value: BinaryFloatingPoint>(
    _ index: Int, _ variation: Variation, into row: UnsafeMutablePointer<Value>
  ) {
    let stream = NoiseStream(seed: variation.seed, purpose: .trainingScene)
    painter.paint(captions[index], keyedBy: stream, row: variation.row, step: variation.step, into: row)
  }
}

extension ScenePainter {
  /// Paints a scene with the uniforms of a row and a step.
  func paint<Value: BinaryFloatingPoint>(
    _ caption: SceneCaption, keyedBy stream: NoiseStream, row: Int, step: Int, into values: UnsafeMutablePointer<Value>
  ) {
    withUnsafeTemporaryAllocation(of: Double.self, capacity: Self.uniforms) { uniforms in
      withUnsafeTemporaryAllocation(of: UInt8.self, capacity: Self.dimension) { bytes in
        guard let u = uniforms.baseAddress, let bytes = bytes.baseAddress else { return }
        stream.uniforms(into: Rows(memory: u, first: row, count: 1, dimension: Self.uniforms), step: step)
        paint(caption, u, into: bytes)
        for i in 0..<Self.dimension { values[i] = Value(Double(bytes[i]) / 127.5 - 1) }
      }
    }
  }
}

extension Purpose {
  /// The pictures of captions in training, new ones at every step.
  static let trainingScene = Purpose(rawValue: 55)
}
