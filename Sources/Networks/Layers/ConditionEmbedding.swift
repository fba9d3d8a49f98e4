// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Tensors

/// A row of `width` numbers for each row's condition: of a class e_c from a table, of numbers c silu(W c + b), of
/// both their sum, and of nothing a trained row of its own.
///
/// The row for nothing is the last parameter of a network, so that all others begin with the same random numbers
/// whether the network has it or not.
struct ConditionEmbedding: Sendable {
  private enum Kind: Sendable {
    /// The table's place in the layout.
    case classes(Int, count: Int)
    case numbers(LinearLayer, count: Int)
    case both(Int, LinearLayer, classes: Int, count: Int)
  }

  static let nothingName = "nothing_embedding.weight"

  private let kind: Kind
  private let width: Int
  /// The place of the row for nothing.
  private var nothing: Int?

  /// - Parameters:
  ///   - shape: which conditions there are.
  ///   - width: how many numbers a condition becomes.
  ///   - builder: receives the parameters.
  /// - Returns: nil for a network that is told nothing.
  init?(_ shape: ConditionShape, width: Int, _ builder: inout LayerBuilder) {
    switch shape {
    case .nothing: return nil
    case .classes(let count):
      kind = .classes(builder.embedding("class_embedding", count: count, width: width), count: count)
    case .numbers(let count):
      kind = .numbers(builder.linear("condition_embedding", from: count, to: width), count: count)
    case .both(let classes, let count):
      let table = builder.embedding("class_embedding", count: classes, width: width)
      kind = .both(
        table, builder.linear("condition_embedding", from: count, to: width), classes: classes, count: count)
    case .text: preconditionFailure("a text is turned into numbers before it reaches a network")
    }
    self.width = width
  }

  /// Adds the row for nothing, which begins as zeros; called after all other parameters were added.
  mutating func addNothing(_ builder: inout LayerBuilder) {
    nothing = builder.parameter(Self.nothingName, shape: [1, width], .zeros)
  }

  /// - Parameters:
  ///   - condition: rows × 1 indices, or rows × (numbers + 1); see `Network.forward`.
  ///   - tape: records the operations.
  /// - Returns: rows × width.
  func callAsFunction(_ condition: Tensor?, on tape: Tape) -> Tensor {
    guard let condition else { preconditionFailure("a network with conditions wants those of the rows") }
    switch kind {
    case .classes(let table, let count):
      precondition(condition.columns == 1, "a column of classes")
      let known = tape.gatherRows(tape.parameter(table), condition)
      return withNothing(known, tape) { condition.values[$0] == Float(count) }
    case .numbers(let layer, let count):
      precondition(condition.columns == count + 1, "\(count) numbers and whether they are known")
      return numbers(layer, count, condition, from: 0, beside: nil, tape)
    case .both(let table, let layer, let classes, let count):
      precondition(condition.columns == count + 2, "a class, \(count) numbers and whether they are known")
      let indices = tape.constant(rows: condition.rows, columns: 1)
      for row in 0..<condition.rows { indices.values[row] = condition[row, 0] }
      // The class of an absent condition is the index that gives zeros.
      precondition(
        (0..<condition.rows).allSatisfy {
          (indices.values[$0] == Float(classes)) == (condition[$0, count + 1] == 0)
        })
      return numbers(layer, count, condition, from: 1, beside: tape.gatherRows(tape.parameter(table), indices), tape)
    }
  }

  /// The embedding of numbers, with that of a class where there is one, and with the row for nothing where a condition
  /// is absent.
  private func numbers(
    _ layer: LinearLayer, _ count: Int, _ condition: Tensor, from first: Int, beside other: Tensor?, _ tape: Tape
  ) -> Tensor {
    let (numbers, present) = (
      tape.constant(rows: condition.rows, columns: count), tape.constant(rows: condition.rows, columns: 1)
    )
    for row in 0..<condition.rows {
      for j in 0..<count { numbers[row, j] = condition[row, first + j] }
      present.values[row] = condition[row, first + count]
    }
    var known = tape.silu(layer(numbers, on: tape))
    func isAbsent(_ row: Int) -> Bool { condition[row, first + count] == 0 }
    let isAnyAbsent = (0..<condition.rows).contains(where: isAbsent)
    if isAnyAbsent { known = tape.scaleRows(known, by: present) }
    if let other { known = tape.sum(1, known, 1, other) }
    return isAnyAbsent ? withNothing(known, tape, isAbsent) : known
  }

  /// The row for nothing added where a condition is absent.
  private func withNothing(_ known: Tensor, _ tape: Tape, _ isAbsent: (Int) -> Bool) -> Tensor {
    guard (0..<known.rows).contains(where: isAbsent) else { return known }
    guard let nothing else { preconditionFailure("a network that does not know nothing was told nothing") }
    let absent = tape.constant(rows: known.rows, columns: 1)
    for row in 0..<known.rows { absent.values[row] = isAbsent(row) ? 1 : 0 }
    return tape.sum(1, known, 1, tape.matrixProduct(absent, tape.parameter(nothing)))
  }
}
