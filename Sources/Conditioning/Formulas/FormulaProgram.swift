// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// A graph as instructions over registers.
struct FormulaProgram {
  private(set) var steps: [ck_formula_step] = []
  /// Registers that hold the same number always.
  private(set) var constants: [(register: Int, value: Double)] = []
  /// For each variable the first of its registers, which lie side by side; nil where the formula does not name it.
  private(set) var inputs: [Int?]
  /// The registers of the results.
  private(set) var outputs: [Int] = []
  private(set) var registers = 0

  /// - Parameter keepsAll: whether every register is written once, as going backwards needs it; else a register is
  ///   used again once nothing reads it any more, so that a block stays in the cache.
  init(_ formula: Formula, keepsAll: Bool) {
    let graph = formula.graph
    let needed = graph.reachable(from: formula.outputs)
    inputs = [Int?](repeating: nil, count: formula.variables.count)
    for variable in formula.used.sorted() {
      inputs[variable] = registers
      registers += formula.variables[variable].count
    }
    var register = [Int](repeating: -1, count: graph.nodes.count)
    var lastUse = [Int](repeating: -1, count: graph.nodes.count)
    for node in needed {
      for operand in graph.operands(of: node) { lastUse[operand] = node }
      switch graph.nodes[node] {
      case .constant(let bits):
        register[node] = registers
        constants.append((registers, Double(bitPattern: bits)))
        registers += 1
      case .variable(let variable, let place):
        if inputs[variable] == nil {
          inputs[variable] = registers
          registers += formula.variables[variable].count
        }
        register[node] = inputs[variable]! + place
      case .operation: break
      }
    }
    for output in formula.outputs { lastUse[output] = Int.max }
    var free: [Int] = []
    for node in needed {
      guard case .operation(let operation, let a, let b, let c) = graph.nodes[node] else { continue }
      let operands = graph.operands(of: node)
      if !keepsAll {
        for operand in Set(operands) where lastUse[operand] == node {
          if case .operation = graph.nodes[operand] { free.append(register[operand]) }
        }
      }
      if let reused = free.popLast() {
        register[node] = reused
      } else {
        register[node] = registers
        registers += 1
      }
      func place(_ operand: Int, _ index: Int) -> UInt32 { index < operands.count ? UInt32(register[operand]) : 0 }
      steps.append(
        ck_formula_step(
          operation: operation, out: UInt32(register[node]), a: place(a, 0), b: place(b, 1), c: place(c, 2)))
    }
    outputs = formula.outputs.map { register[$0] }
  }
}
