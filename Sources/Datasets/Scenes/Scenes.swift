// SPDX-License-Identifier: GPL-3.0-or-later
import Core

/// Captioned scenes of coloured handwritten digits, 32 × 32 pixels in RGB: "two red sevens above a green three".
///
/// Rows to train on have captions of their own and are painted from the digits that train; a training step takes a
/// caption and paints it anew, so that pictures are without limit. Rows to judge by are painted from the held-out
/// digits. Some combinations of what captions say are kept back from training (`SceneCaption.isKeptBack`); of the rows
/// to judge by, every second one has such a combination, the odd ones.
///
/// A picture depends on the seed, and on its row and step, alone.
public struct Scenes: DataSource {
  /// How many captions there are to train on.
  public let count: Int
  /// How many rows there are to judge by.
  public let heldOutCount: Int
  /// Whether combinations are kept back from training.
  public let keepsBack: Bool

  /// - Parameters:
  ///   - count: how many captions there are to train on, at least 1.
  ///   - heldOut: how many rows there are to judge by, at least 1.
  ///   - keepsBack: whether combinations are kept back from training.
  public init(count: Int = 20_000, heldOut: Int = 1_000, keepsBack: Bool = true) {
    precondition(count > 0 && heldOut > 0, "rows")
    (self.count, heldOutCount, self.keepsBack) = (count, heldOut, keepsBack)
  }

  public var dimension: Int { ScenePainter.dimension }
  public var imageShape: ImageShape? { ImageShape(height: ScenePainter.size, width: ScenePainter.size, channels: 3) }
  public var conditionShape: ConditionShape { .text }
  public var conditionColumns: ConditionColumns { .text("caption") }
  public var texts: [String] { SceneCaption.words + [SceneCaption.longest.text] }
  public var levels: Quantisation? { ImageSource.byteLevels }

  public func fewer(rows: Int) -> any DataSource {
    Scenes(count: min(count, rows), heldOut: min(heldOutCount, rows), keepsBack: keepsBack)
  }

  public func isSeen(_ condition: Condition) -> Bool? {
    guard keepsBack, case .text(let text) = condition, let caption = SceneCaption(text) else { return nil }
    return !caption.isKeptBack
  }

  public func load(seed: UInt64) throws -> Dataset {
    let digits = try Digits().load(seed: seed)
    func painter(_ rows: any DataRows, _ conditions: Conditions) -> ScenePainter {
      ScenePainter(digits: rows.batch(), labels: conditions.listedClasses ?? [])
    }
    let training = painter(digits.trainingRows, digits.trainingConditions)
    let heldOut = painter(digits.heldOutRows, digits.heldOutConditions)
    let stream = NoiseStream(seed: seed, purpose: .data)
    let judges = NoiseStream(seed: seed, purpose: .heldOutData)
    let captions = captions(count, stream) { _ in keepsBack ? .seen : .all }
    let judged = self.captions(heldOutCount, judges) { !keepsBack ? .all : $0 % 2 == 0 ? .seen : .keptBack }
    return Dataset(
      training: SceneRows(captions, training, stream), heldOut: SceneRows(judged, heldOut, judges),
      trainingConditions: .texts(captions.map(\.text)), heldOutConditions: .texts(judged.map(\.text)),
      source: SceneSource(captions, training))
  }

  /// Captions of rows 0, 1, …, of the stream's step 0; the pictures have step 1.
  private func captions(
    _ count: Int, _ stream: NoiseStream, _ choice: (Int) -> SceneCaption.Choice
  ) -> [SceneCaption] {
    let uniforms = stream.uniforms(count: count, dimension: SceneCaption.uniformsOfDraw)
    return uniforms.values.withUnsafeBufferPointer { values in
      guard let base = values.baseAddress else { return [] }
      return (0..<count).map { SceneCaption.draw(base + $0 * SceneCaption.uniformsOfDraw, choice($0)) }
    }
  }
}
