// SPDX-License-Identifier: GPL-3.0-or-later
import CKernels

/// Records tensor operations and differentiates them, owned by one worker.
///
/// Memory comes from an arena that `begin` resets: in steady state a pass allocates nothing. Without recording, nothing
/// is kept and `recycle` gives buffers back at once.
public final class Tape {
  struct Node {
    let operation: Operation
    let output: Tensor
  }

  /// The derivative of the result by a node's output, while a backward pass runs.
  struct Adjoint {
    var tensor: Tensor
    /// Whether the memory is this adjoint's own, to be added to in place.
    var owned: Bool
  }

  package let arena = Arena()
  var nodes: ContiguousArray<Node> = []
  var adjoints: ContiguousArray<Adjoint?> = []
  /// The tangent of each node's output, while a forward pass of derivatives runs.
  var tangents: ContiguousArray<Tensor?> = []
  /// Whether operations are written down.
  public internal(set) var recording = false
  let layout: ParameterLayout
  /// Where parameter gradients go while a backward pass runs.
  var gradientBuffer: UnsafeMutablePointer<Float>?
  /// Whether gradients are added to what the buffer holds.
  var accumulating = false
  private var parameterValues: UnsafePointer<Float>?
  private var parametersAreConstant = false
  /// Whether fused operations are recorded as compositions of others, which can be differentiated more than once.
  private(set) var composing = false
  /// Whether the pass is differentiated once, so that functions may keep their derivatives in place of their inputs.
  private(set) var keepsSlopes = false
  /// Weights that stay, as kernels want them; nil where they change from pass to pass.
  private let prepared: PreparedWeights?
  /// The tape's convolutions by parameters; by other tensors.
  private let parameterWorkspace: OpaquePointer?
  let workspace: OpaquePointer
  private var stack: ContiguousArray<Tensor> = []
  /// Where dropout takes its noise from; nil outside training.
  var dropout: DropoutNoise?
  /// The parameters that are read in place of the tape's own, inside `with`.
  var frozen: ParameterSet?
  /// What is added to every index of a parameter, inside `shifted`.
  var firstParameter = 0
  /// What layers made of contexts, and the context that `withContext` named.
  var contexts: [KeptContext] = []
  var knownContext: KeptContext?
  /// The node of each parameter that was used.
  private var parameterNodes: [Int]

  /// - Parameters:
  ///   - layout: where each parameter lies in the buffer that `begin` takes.
  ///   - prepared: convolution weights as kernels want them, shared by tapes whose parameters are the same and stay.
  ///   - winograd: whether 3 × 3 convolutions may use Winograd's filtering.
  public init(_ layout: ParameterLayout, prepared: PreparedWeights? = nil, winograd: Bool = true) {
    self.layout = layout
    self.prepared = prepared
    parameterWorkspace = prepared.map { ck_workspace_make($0.handle, winograd ? 1 : 0) }
    workspace = ck_workspace_make(nil, winograd ? 1 : 0)
    parameterNodes = Array(repeating: -1, count: layout.entries.count)
  }

  deinit {
    ck_workspace_free(workspace)
    if let parameterWorkspace { ck_workspace_free(parameterWorkspace) }
  }

  /// Starts a pass: forgets everything recorded, and takes parameter values from a flat buffer that must stay valid.
  /// - Parameters:
  ///   - parameters: a flat buffer in the layout's order.
  ///   - recording: whether operations are written down, for derivatives.
  ///   - composing: record only operations whose derivatives can be differentiated; for `tangent` and for a taped
  ///     `backward`.
  ///   - constants: no derivatives by parameters are wanted.
  ///   - once: the pass is differentiated once, by a `backward` that is not taped: then less is computed. Not with
  ///     `composing`.
  public func begin(
    parameters: UnsafePointer<Float>, recording: Bool, composing: Bool = false, constants: Bool = false,
    once: Bool = false
  ) {
    precondition(!(composing && once), "composing is for passes that are differentiated more than once")
    parametersAreConstant = constants
    (self.composing, keepsSlopes) = (composing, once)
    dropout = nil
    arena.reset()
    stack.removeAll(keepingCapacity: true)
    frozen = nil
    firstParameter = 0
    nodes.removeAll(keepingCapacity: true)
    adjoints.removeAll(keepingCapacity: true)
    for i in parameterNodes.indices { parameterNodes[i] = -1 }
    parameterValues = parameters
    self.recording = recording
  }

  /// The parameter with the given index in the layout: of the tape's own parameters, or of the set that `with` names.
  public func parameter(_ index: Int) -> Tensor {
    let index = index + firstParameter
    if let frozen { return frozen.parameter(index, on: self) }
    let entry = layout.entries[index]
    guard let base = parameterValues else { preconditionFailure("a tape begins before it is used") }
    // Parameters are never written through a tensor.
    let values = UnsafeMutablePointer(mutating: base + entry.offset)
    let records = recording && !parametersAreConstant
    if parameterNodes[index] < 0 && records {
      parameterNodes[index] = nodes.count
      nodes.append(
        Node(
          operation: .parameter(index),
          output: Tensor(values: values, rows: entry.rows, columns: entry.columns, node: nodes.count)))
    }
    return Tensor(
      values: values, rows: entry.rows, columns: entry.columns, node: records ? parameterNodes[index] : -1)
  }

  /// Evaluates one of several networks whose parameters follow each other in the tape's layout: within `body`,
  /// `parameter(0)` is the parameter with the index `first`.
  public func shifted<Result>(by first: Int, _ body: () throws -> Result) rethrows -> Result {
    firstParameter += first
    defer { firstParameter -= first }
    return try body()
  }

  /// Within `body` parameters are constants: derivatives flow to what a network is given, and not to its weights.
  public func withConstantParameters<Result>(_ body: () throws -> Result) rethrows -> Result {
    let outer = parametersAreConstant
    parametersAreConstant = true
    defer { parametersAreConstant = outer }
    return try body()
  }

  /// Within `body` nothing is written down: what it computes are constants, as targets are that no gradient reaches.
  public func withoutRecording<Result>(_ body: () throws -> Result) rethrows -> Result {
    let outer = recording
    recording = false
    defer { recording = outer }
    return try body()
  }

  /// Uninitialised memory for values that no derivative flows through.
  public func constant(rows: Int, columns: Int) -> Tensor {
    Tensor(values: arena.take(rows * columns), rows: rows, columns: columns)
  }

  /// Marks a constant as something to differentiate by.
  public func variable(_ tensor: Tensor) -> Tensor {
    record(.variable, tensor)
  }

  /// Puts a tensor aside until `pop`, as skip connections do, without a new array in each pass.
  public func push(_ tensor: Tensor) { stack.append(tensor) }
  /// The tensor that was put aside last.
  public func pop() -> Tensor { stack.removeLast() }

  /// Gives the memory of an intermediate result back, where nothing was recorded.
  public func recycle(_ tensor: Tensor) {
    if !recording { arena.recycle(tensor.values, tensor.count) }
  }

  /// Memory for an operation's result.
  func result(_ rows: Int, _ columns: Int) -> Tensor {
    Tensor(values: arena.take(rows * columns), rows: rows, columns: columns)
  }

  /// Writes an operation down, where recording.
  func record(_ operation: Operation, _ output: Tensor) -> Tensor {
    guard recording else { return output }
    let output = Tensor(
      values: output.values, rows: output.rows, columns: output.columns, stride: output.stride, node: nodes.count)
    nodes.append(Node(operation: operation, output: output))
    return output
  }

  /// The workspace for convolutions by the given weights: prepared forms are kept of parameters only.
  func workspace(for weights: Tensor) -> OpaquePointer {
    if let frozen, frozen.contains(weights) { return frozen.workspace ?? workspace }
    guard let parameterWorkspace, let base = parameterValues else { return workspace }
    let values = UnsafePointer(weights.values)
    return base <= values && values < base + layout.count ? parameterWorkspace : workspace
  }

  /// Whether the parameters that are read are the same in every pass.
  var weightsStay: Bool { (frozen.map(\.workspace) ?? parameterWorkspace) != nil }

  /// Where the gradient of each used parameter ended after `backward`; nil for a parameter that was not used.
  func gradient(ofParameter index: Int) -> Tensor? {
    let node = parameterNodes[index]
    return node < 0 || node >= adjoints.count ? nil : adjoints[node]?.tensor
  }
}
