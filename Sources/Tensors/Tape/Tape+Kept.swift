// SPDX-License-Identifier: GPL-3.0-or-later

/// What layers make of a context alone, such as the keys and values of a text: kept from pass to pass, as a solver asks
/// a network for the same text in every step.
///
/// Only what is computed by weights that stay is kept, those for which kernels prepare forms; nothing in a pass that is
/// recorded.
final class KeptContext {
  private struct Key: Hashable {
    let parameter: Int
    let set: ObjectIdentifier?
  }

  private let context: [Float]
  private let rows: Int
  private var made: [Key: Tensor] = [:]

  init(_ context: Tensor) {
    self.context = Array(UnsafeBufferPointer(start: context.values, count: context.count))
    rows = context.rows
  }

  deinit { for tensor in made.values { tensor.values.deallocate() } }

  func isOf(_ other: Tensor) -> Bool {
    rows == other.rows && context.count == other.count
      && context.withUnsafeBytes { $0.elementsEqual(UnsafeRawBufferPointer(start: other.values, count: $0.count)) }
  }

  func tensor(_ parameter: Int, _ set: ParameterSet?, _ make: () -> Tensor) -> Tensor {
    let key = Key(parameter: parameter, set: set?.identity)
    if let known = made[key] { return known }
    let tensor = make()
    let memory = UnsafeMutablePointer<Float>.allocate(capacity: tensor.count)
    memory.initialize(from: tensor.values, count: tensor.count)
    let kept = Tensor(values: memory, rows: tensor.rows, columns: tensor.columns)
    made[key] = kept
    return kept
  }
}

extension Tape {
  /// How many contexts a tape knows at a time.
  private static let mostContexts = 4

  /// Names the context of the layers in `body`: where its numbers are those of an earlier pass, what `keep` made then
  /// serves again.
  public func withContext<Result>(_ context: Tensor, _ body: () throws -> Result) rethrows -> Result {
    let outer = knownContext
    defer { knownContext = outer }
    knownContext = nil
    if !recording, weightsStay {
      if let known = contexts.first(where: { $0.isOf(context) }) {
        knownContext = known
      } else {
        if contexts.count == Self.mostContexts { contexts.removeFirst() }
        let kept = KeptContext(context)
        contexts.append(kept)
        knownContext = kept
      }
    }
    return try body()
  }

  /// A function of the context that `withContext` named and of one parameter: computed, or that of an earlier pass.
  /// Its memory is given back by `recycleUnlessKept`.
  public func keep(by parameter: Int, _ make: () -> Tensor) -> Tensor {
    guard let knownContext else { return make() }
    return knownContext.tensor(parameter + firstParameter, frozen) {
      let made = make()
      recycle(made)
      return made
    }
  }

  /// Gives memory back that `keep` did not keep.
  public func recycleUnlessKept(_ tensor: Tensor) {
    if knownContext == nil { recycle(tensor) }
  }
}
