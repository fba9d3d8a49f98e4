// SPDX-License-Identifier: GPL-3.0-or-later

/// `rows` × `columns` floats, row-major, in a tape's arena or in a parameter buffer: a plain value that owns nothing
/// and is valid until the tape is reset.
public struct Tensor {
  /// Where the first value lies.
  public let values: UnsafeMutablePointer<Float>
  /// How many rows there are.
  public let rows: Int
  /// How many values a row has.
  public let columns: Int
  /// The distance between rows; more than `columns` in a view of some columns.
  let stride: Int
  /// Its place on the tape; negative for a constant, through which no derivative flows.
  let node: Int

  init(values: UnsafeMutablePointer<Float>, rows: Int, columns: Int, stride: Int? = nil, node: Int = -1) {
    self.values = values
    self.rows = rows
    self.columns = columns
    self.stride = stride ?? columns
    self.node = node
  }

  /// How many values there are: `rows` × `columns`.
  public var count: Int { rows * columns }

  var isConstant: Bool { node < 0 }

  /// The value at a row and a column, both from 0.
  public subscript(row: Int, column: Int) -> Float {
    get { values[row * stride + column] }
    nonmutating set { values[row * stride + column] = newValue }
  }
}
