// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels
import Core

/// A formula with the memory that it works in, owned by one worker. Nothing is allocated after it is made.
public final class FormulaEvaluator {
  private let formula: Formula
  private let forward: FormulaProgram
  private let values: UnsafeMutablePointer<Double>
  /// The program that keeps every register, with the adjoints; nil where no derivatives are wanted.
  private let backward: Backward?

  private typealias Backward = (
    program: FormulaProgram, values: UnsafeMutablePointer<Double>, adjoints: UnsafeMutablePointer<Double>
  )

  private static let lanes = Int(CK_FORMULA_LANES)

  init(_ formula: Formula, gradients: Bool) {
    self.formula = formula
    forward = FormulaProgram(formula, keepsAll: false)
    values = Self.registers(of: forward)
    if gradients {
      let program = FormulaProgram(formula, keepsAll: true)
      backward = (program, Self.registers(of: program), Self.registers(of: program))
    } else {
      backward = nil
    }
  }

  deinit {
    values.deallocate()
    backward?.values.deallocate()
    backward?.adjoints.deallocate()
  }

  /// Registers with the constants in place.
  private static func registers(of program: FormulaProgram) -> UnsafeMutablePointer<Double> {
    let count = max(1, program.registers) * lanes
    let memory = UnsafeMutableRawPointer.allocate(byteCount: count * 8, alignment: 64).bindMemory(
      to: Double.self, capacity: count)
    memory.initialize(repeating: 0, count: count)
    for (register, value) in program.constants { (memory + register * lanes).update(repeating: value, count: lanes) }
    return memory
  }

  /// Writes the formula's values of every row.
  /// - Parameters:
  ///   - inputs: rows of every variable, in their order; those of a single row go with all others.
  ///   - out: rows × `count` of the formula.
  public func evaluate(_ inputs: [Rows], into out: Rows) {
    precondition(out.dimension == formula.count)
    for start in stride(from: 0, to: out.count, by: Self.lanes) {
      let count = min(Self.lanes, out.count - start)
      load(inputs, start, count, forward, values)
      ck_formula_forward(forward.steps, forward.steps.count, values)
      store(forward.outputs, of: values, out, start, count)
    }
  }

  /// Writes the value of every row, of a formula that gives a single one.
  public func evaluate(_ inputs: [Rows], count: Int, into out: UnsafeMutablePointer<Double>) {
    precondition(formula.count == 1)
    let output = values + forward.outputs[0] * Self.lanes
    for start in stride(from: 0, to: count, by: Self.lanes) {
      let count = min(Self.lanes, count - start)
      load(inputs, start, count, forward, values)
      ck_formula_forward(forward.steps, forward.steps.count, values)
      (out + start).update(from: output, count: count)
    }
  }

  /// Writes (∂f/∂x)ᵀ v of every row, for the values x of one variable.
  /// - Parameters:
  ///   - inputs: as `evaluate` takes them.
  ///   - v: rows × `count` of the formula; nil: ones.
  ///   - variable: the place of x among the variables.
  ///   - out: rows × the variable's count; it overlaps no other.
  ///   - result: where the formula's values go, too; nil: nowhere.
  /// - Precondition: the evaluator was made with gradients.
  public func pullback(
    _ inputs: [Rows], _ v: Rows? = nil, of variable: Int, into out: Rows, values result: Rows? = nil
  ) {
    guard let (program, values, adjoints) = backward else { preconditionFailure("made without gradients") }
    let lanes = Self.lanes
    precondition(out.dimension == formula.variables[variable].count && v?.dimension ?? formula.count == formula.count)
    guard let input = program.inputs[variable] else {
      out.fill(0)
      if let result { evaluate(inputs, into: result) }
      return
    }
    for start in stride(from: 0, to: out.count, by: lanes) {
      let count = min(lanes, out.count - start)
      load(inputs, start, count, program, values)
      ck_formula_forward(program.steps, program.steps.count, values)
      adjoints.update(repeating: 0, count: program.registers * lanes)
      for (j, register) in program.outputs.enumerated() {
        let adjoint = adjoints + register * lanes
        for i in 0..<count { adjoint[i] += v.map { $0.values[(start + i) * $0.dimension + j] } ?? 1 }
      }
      ck_formula_backward(program.steps, program.steps.count, values, adjoints)
      store(input..<input + out.dimension, of: adjoints, out, start, count)
      if let result { store(program.outputs, of: values, result, start, count) }
    }
  }

  private func load(
    _ inputs: [Rows], _ start: Int, _ count: Int, _ program: FormulaProgram, _ values: UnsafeMutablePointer<Double>
  ) {
    precondition(inputs.count == formula.variables.count)
    for (place, rows) in inputs.enumerated() {
      guard let register = program.inputs[place] else { continue }
      precondition(rows.dimension == formula.variables[place].count && rows.count > 0)
      let isShared = rows.count == 1
      ck_formula_load(
        values + register * Self.lanes, rows.values + (isShared ? 0 : start * rows.dimension), isShared ? 1 : count,
        rows.dimension)
    }
  }

  private func store(
    _ registers: some Collection<Int>, of values: UnsafeMutablePointer<Double>, _ out: Rows, _ start: Int, _ count: Int
  ) {
    for (j, register) in registers.enumerated() {
      let source = values + register * Self.lanes
      for i in 0..<count { out.values[(start + i) * out.dimension + j] = source[i] }
    }
  }
}
