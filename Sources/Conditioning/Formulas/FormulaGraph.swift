// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Glibc

/// The operations of the C kernel.
typealias FormulaOperation = ck_formula_operation

/// The computation of formulas: nodes that come after what they depend on, each of them once.
struct FormulaGraph: Sendable {
  enum Node: Hashable, Sendable {
    case constant(bits: UInt64)
    /// A value of a variable, both by their places.
    case variable(Int, Int)
    case operation(UInt32, Int, Int, Int)
  }

  private(set) var nodes: [Node] = []
  private var places: [Node: Int] = [:]

  /// More are refused: a block of rows would not fit into memory.
  static let most = 200_000

  private mutating func place(of node: Node) -> Int {
    if let place = places[node] { return place }
    places[node] = nodes.count
    nodes.append(node)
    return nodes.count - 1
  }

  mutating func constant(_ value: Double) -> Int { place(of: .constant(bits: value.bitPattern)) }
  mutating func variable(_ variable: Int, _ value: Int) -> Int { place(of: .variable(variable, value)) }

  /// The number that a node is; nil where it depends on variables.
  func number(_ node: Int) -> Double? {
    if case .constant(let bits) = nodes[node] { Double(bitPattern: bits) } else { nil }
  }

  /// A node of an operation on others. What is constant is computed at once, and sums with 0 and products with 1 are
  /// left out.
  mutating func apply(_ operation: FormulaOperation, _ a: Int, _ b: Int = 0, _ c: Int = 0) -> Int {
    let arity = Self.arity(operation)
    let operands = [a, b, c].prefix(arity)
    let numbers = operands.map(number)
    if !numbers.contains(where: { $0 == nil }) {
      return constant(Self.value(operation, numbers.compactMap { $0 }))
    }
    switch operation {
    case CK_ADD:
      if numbers[0] == 0 { return b }
      if numbers[1] == 0 { return a }
    case CK_SUBTRACT:
      if numbers[1] == 0 { return a }
      if numbers[0] == 0 { return apply(CK_NEGATE, b) }
    case CK_MULTIPLY:
      if numbers[0] == 1 { return b }
      if numbers[1] == 1 { return a }
      if a == b { return apply(CK_SQUARE, a) }
    case CK_DIVIDE:
      if numbers[1] == 1 { return a }
      // A division takes several times as long as a product; only where it gives the same number.
      if let by = numbers[1], by != 0, by.significandWidth == 0, (1 / by).isFinite {
        return apply(CK_MULTIPLY, a, constant(1 / by))
      }
    case CK_POWER:
      if let power = numbers[1], let node = self.power(a, power) { return node }
    case CK_SELECT:
      if let condition = numbers[0] { return condition != 0 ? b : c }
      if b == c { return b }
    default: break
    }
    return place(of: .operation(operation.rawValue, a, arity > 1 ? b : 0, arity > 2 ? c : 0))
  }

  /// a^p by products and roots, for small whole p and halves.
  private mutating func power(_ a: Int, _ p: Double) -> Int? {
    switch p {
    case 0: return constant(1)
    case 1: return a
    case 0.5: return apply(CK_SQRT, a)
    case 2...16 where p == p.rounded():
      let half = power(a, (p / 2).rounded(.down)) ?? a
      let square = apply(CK_SQUARE, half)
      return Int(p) % 2 == 0 ? square : apply(CK_MULTIPLY, square, a)
    case -16 ... -1 where p == p.rounded():
      guard let positive = power(a, -p) else { return nil }
      return apply(CK_DIVIDE, constant(1), positive)
    default: return nil
    }
  }

  static func arity(_ operation: FormulaOperation) -> Int {
    operation == CK_SELECT ? 3 : operation.rawValue >= CK_ADD.rawValue ? 2 : 1
  }

  /// An operation on numbers, by the kernel that evaluates it later.
  private static func value(_ operation: FormulaOperation, _ numbers: [Double]) -> Double {
    let lanes = Int(CK_FORMULA_LANES)
    var registers = [Double](repeating: 0, count: 4 * lanes)
    for (i, number) in numbers.enumerated() {
      for lane in 0..<lanes { registers[(i + 1) * lanes + lane] = number }
    }
    var step = ck_formula_step(operation: operation.rawValue, out: 0, a: 1, b: 2, c: 3)
    registers.withUnsafeMutableBufferPointer { ck_formula_forward(&step, 1, $0.baseAddress!) }
    return registers[0]
  }

  /// The nodes that some depend on, and they themselves, in order.
  func reachable(from outputs: [Int]) -> [Int] {
    var isNeeded = [Bool](repeating: false, count: nodes.count)
    for output in outputs { isNeeded[output] = true }
    for place in nodes.indices.reversed() where isNeeded[place] {
      for operand in operands(of: place) { isNeeded[operand] = true }
    }
    return nodes.indices.filter { isNeeded[$0] }
  }

  /// What a node is computed of.
  func operands(of place: Int) -> [Int] {
    guard case .operation(let raw, let a, let b, let c) = nodes[place] else { return [] }
    return Array([a, b, c].prefix(Self.arity(FormulaOperation(rawValue: raw))))
  }
}
