// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// 1,797 handwritten digits of 8 × 8 pixels, scaled from 0...16 to [−1, 1] as v/8 − 1 (Alpaydin and Kaynak 1998; see
/// Resources/Digits). Row i is held out when i mod 6 = 5; the other 1,498 train.
public struct Digits: DataSource {
  /// All digits, split as said above.
  public init() {}

  public var dimension: Int { 64 }
  public var imageShape: ImageShape? { ImageShape(height: 8, width: 8, channels: 1) }
  public var levels: Quantisation? { Quantisation(levels: 17, low: -1, high: 1) }
  public var conditionShape: ConditionShape { .classes(10) }

  public func load(seed: UInt64) throws -> Dataset {
    guard let url = Bundle.module.url(forResource: "digits.csv", withExtension: "gz", subdirectory: "Digits") else {
      throw InputError("the digits are missing from the program's resources")
    }
    let table = try NumericTable(reading: url.path).values
    let rows = HeldOut.split(table.count)
    func pixels(_ rows: [Int]) -> Batch {
      Batch(values: rows.flatMap { table.row($0).prefix(dimension).map { $0 / 8 - 1 } }, dimension: dimension)
    }
    // The last column is the label.
    func labels(_ rows: [Int]) -> Conditions { .labels(rows.map { Int(table[$0, dimension]) }) }
    return Dataset(
      training: pixels(rows.training), heldOut: pixels(rows.heldOut),
      trainingConditions: labels(rows.training), heldOutConditions: labels(rows.heldOut))
  }
}
