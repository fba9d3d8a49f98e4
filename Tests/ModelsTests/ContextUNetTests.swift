// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

/// Networks with a context against diffusers' `UNet2DConditionModel`, computed in double by
/// Fixtures/make_context_unets.py.
@Suite("U-Nets with a context") struct ContextUNetTests {
  static let names = ["one", "two", "odd", "nine"]
  static let tokens = 5

  static func read(_ path: String, winograd: Bool = true, stored: Bool = false) throws -> DiffusersFolder {
    try DiffusersFolder(path, winograd: winograd, tokens: tokens, stored: stored)
  }

  /// A fixture's inputs and outputs on a tape.
  private struct Values {
    let io: Safetensors
    let tape: Tape

    func images(_ key: String) throws -> Tensor {
      let values = try #require(io.tensors[key]).rows
      return tape.filled(2, values.count / 2, values)
    }
    func context() throws -> Tensor {
      let values = try #require(io.tensors["context"]).values
      return tape.filled(2, values.count / 2, values)
    }
    func times() throws -> Tensor { tape.filled(2, 1, try #require(io.tensors["timesteps"]).values) }
  }

  private static func values(_ name: String, on tape: Tape) throws -> Values {
    Values(
      io: try Safetensors(reading: DiffusersTests.folder(name, in: "ContextUNets") + "/io.safetensors"), tape: tape)
  }

  static func output(_ network: any Network, _ parameters: [Float], _ name: String) throws -> [Float] {
    let tape = network.makeTape()
    let values = try values(name, on: tape)
    return try (parameters + [0]).withUnsafeBufferPointer { parameters in
      tape.begin(parameters: parameters.baseAddress!, recording: false)
      return network.forward(
        try values.images("input"), noiseLevel: try values.times(), second: nil, condition: try values.context(),
        on: tape
      ).array
    }
  }

  /// Output and gradients to 1e-5 of each tensor's range, and with Winograd's filtering, whose rounding is some times
  /// larger, to 1e-4: floats against doubles through about 40 layers. Gradients go there and back, and how their sums
  /// are ordered depends on the processor's vectors and on the matrix kernels: 1.3e-5 of the range was found with
  /// AVX-512, and 3.4e-5 with AVX2. They have ten times as much as the output.
  @Test(arguments: names, [(false, false), (true, false), (false, true)])
  func agrees(name: String, mode: (winograd: Bool, composing: Bool)) throws {
    let network = try Self.read(DiffusersTests.folder(name, in: "ContextUNets"), winograd: mode.winograd).network
    let tolerance: Float = mode.winograd ? 1e-4 : 1e-5
    let parameters = network.initialParameters(seed: 1)
    let tape = network.makeTape()
    let values = try Self.values(name, on: tape)
    var gradients = [Float](repeating: .nan, count: network.layout.count)
    try parameters.withUnsafeBufferPointer { parameters in
      tape.begin(parameters: parameters.baseAddress!, recording: true, composing: mode.composing)
      let (x, context) = (tape.variable(try values.images("input")), tape.variable(try values.context()))
      let output = network.forward(x, noiseLevel: try values.times(), second: nil, condition: context, on: tape)
      let expected = try #require(values.io.tensors["output"]).rows
      #expect(difference(output.array, expected) < tolerance * largest(expected))

      try gradients.withUnsafeMutableBufferPointer {
        tape.backward(from: output, adjoint: try values.images("adjoint"), gradients: $0.baseAddress!)
      }
      let slope = try #require(values.io.tensors["grad.input"]).rows
      #expect(difference(try #require(tape.gradient(of: x)).array, slope) < 10 * tolerance * largest(slope))
      let asked = try #require(values.io.tensors["grad.context"]).values
      #expect(difference(try #require(tape.gradient(of: context)).array, asked) < 10 * tolerance * largest(asked))
    }
    var checked = 0
    try network.layout.forEachTensor(of: gradients) { part, found in
      let isFinite = found.allSatisfy(\.isFinite)
      #expect(isFinite, "\(part.name)")
      guard let expected = values.io.tensors["grad." + part.name] else { return }
      let slopes = try expected.values
      #expect(difference(found, slopes) < 10 * tolerance * max(1e-1, largest(slopes)), "\(part.name)")
      checked += 1
    }
    #expect(checked > 25)
    let found = try Self.output(network, parameters, name)
    let expected = try #require(values.io.tensors["output"]).rows
    #expect(difference(found, expected) < tolerance * largest(expected))
  }

  @Test("tangents equal products with gradients") func tangents() throws {
    let network = try Self.read(DiffusersTests.folder("one", in: "ContextUNets")).network
    let parameters = network.initialParameters(seed: 1)
    let tape = network.makeTape()
    let values = try Self.values("one", on: tape)
    try parameters.withUnsafeBufferPointer { parameters in
      tape.begin(parameters: parameters.baseAddress!, recording: true, composing: true, constants: true)
      let (x, context) = (tape.variable(try values.images("input")), tape.variable(try values.context()))
      let output = network.forward(x, noiseLevel: try values.times(), second: nil, condition: context, on: tape)
      let directions = [
        tape.filled(2, x.columns, TestSupport.values(x.count, seed: 5)),
        tape.filled(2, context.columns, TestSupport.values(context.count, seed: 6)),
      ]
      let adjoint = try values.images("adjoint")
      let moved = try #require(tape.tangent(of: output, along: [(x, directions[0]), (context, directions[1])])).array
      tape.backward(from: output, adjoint: adjoint)
      let slopes = try [x, context].map { try #require(tape.gradient(of: $0)).array }
      let (forward, backward) = (
        dot(moved, adjoint.array), dot(slopes[0], directions[0].array) + dot(slopes[1], directions[1].array)
      )
      // Sums of some hundred products, each rounded.
      #expect(abs(forward - backward) < 1e-4 * max(1, abs(forward)))
    }
  }

  @Test("weights that stay as the file has them give the same numbers", arguments: ["F16", "BF16", "F32"])
  func stored(type: String) throws {
    let folder = try SpoiledFolder("one", in: "ContextUNets")
    if type != "F32" {
      let file = try Safetensors(reading: folder.weights)
      let tensors = try file.tensors.names.sorted().map { name in
        let entry = try #require(file.tensors[name])
        let bits = try entry.values.map {
          type == "F16" ? Float16($0).bitPattern.littleEndian : UInt16($0.bitPattern >> 16).littleEndian
        }
        return (name: name, type: type, shape: entry.shape, bytes: bits.withUnsafeBytes { Data($0) })
      }
      try safetensors(tensors).write(to: URL(fileURLWithPath: folder.weights))
    }
    let plain = try Self.read(folder.path)
    let parameters = plain.network.initialParameters(seed: 1)
    let expected = try Self.output(plain.network, parameters, "one")
    #expect(largest(expected) > 0.1)
    let widened = try #require(try Self.read(folder.path, stored: true).stored)
    #expect(widened.layout.count == 0 && widened.initialParameters(seed: 1).isEmpty)
    #expect(try Self.output(widened, [], "one") == expected)
    // Kept in 16 bits until they are used.
    let kept = try Safetensors(reading: folder.weights).stored(
      layout: plain.network.layout, prefix: "", widened: false)
    #expect(type == "F32" || kept.bytes < 3 * plain.network.layout.count)
    #expect(try Self.output(StoredNetwork(plain.network, parameters: kept), [], "one") == expected)
    #expect(try Self.read(folder.path, stored: true).fingerprint == Self.read(folder.path, stored: true).fingerprint)
  }

  @Test("what was made of contexts is kept, and serves those contexts alone") func kept() throws {
    let network = try Self.read(DiffusersTests.folder("one", in: "ContextUNets")).network
    let parameters = network.initialParameters(seed: 1)
    let contexts = (0..<6).map { TestSupport.values(2 * 5 * 6, seed: UInt64(80 + $0)) }
    let (fresh, keeping) = (network.makeTape(), network.makeTape(prepared: PreparedWeights()))
    func run(_ tape: Tape, _ parameters: [Float], _ context: [Float], recording: Bool = false) throws -> [Float] {
      let values = try Self.values("one", on: tape)
      return try parameters.withUnsafeBufferPointer { parameters in
        tape.begin(parameters: parameters.baseAddress!, recording: recording)
        return network.forward(
          try values.images("input"), noiseLevel: try values.times(), second: nil,
          condition: tape.filled(2, 30, context), on: tape
        ).array
      }
    }
    // More contexts than are kept, and some of them again.
    for place in [0, 1, 0, 2, 3, 4, 5, 0, 5, 5] {
      let expected = try run(fresh, parameters, contexts[place])
      #expect(try run(keeping, parameters, contexts[place]) == expected)
    }
    #expect(try run(fresh, parameters, contexts[0]) != run(fresh, parameters, contexts[1]))
    // A tape of weights that change keeps nothing.
    let other = parameters.map { 1.1 * $0 }
    let changed = try run(network.makeTape(), other, contexts[0])
    #expect(try run(fresh, other, contexts[0]) == changed)
    let recorded = try run(keeping, parameters, contexts[0], recording: true)
    #expect(difference(recorded, try run(keeping, parameters, contexts[0])) < 1e-5 * largest(recorded))
  }

  @Test("numbers that are not finite are found in weights of 16 bits") func notFinite() throws {
    let folder = try SpoiledFolder("one", in: "ContextUNets")
    let file = try Safetensors(reading: folder.weights)
    let tensors = try file.tensors.names.sorted().map { name in
      let entry = try #require(file.tensors[name])
      var bits = try entry.values.map { Float16($0).bitPattern.littleEndian }
      if name == "mid_block.attentions.0.transformer_blocks.0.attn1.to_k.weight" { bits[3] = 0x7c00 }
      return (name: name, type: "F16", shape: entry.shape, bytes: bits.withUnsafeBytes { Data($0) })
    }
    try safetensors(tensors).write(to: URL(fileURLWithPath: folder.weights))
    for stored in [false, true] {
      let error = #expect(throws: InputError.self) { _ = try Self.read(folder.path, stored: stored) }
      #expect(error?.message.contains("attn1.to_k.weight' holds a number that is not finite") == true)
    }
  }

  @Test("what is written is read again", arguments: names) func written(name: String) throws {
    let original = try Self.read(DiffusersTests.folder(name, in: "ContextUNets"))
    let parameters = original.network.initialParameters(seed: 1)
    let folder = try SpoiledFolder(name, in: "ContextUNets")
    let configs = try original.network.diffusersConfigs(levels: nil, prediction: .noise)
    #expect(configs.scheduler == nil)
    try folder.write(configs.model, to: "config.json")
    try original.network.diffusersWeights(parameters).write(to: folder.weights)
    let again = try Self.read(folder.path)
    #expect(again.network.architecture == original.network.architecture)
    #expect(again.network.initialParameters(seed: 1) == parameters)
  }

  @Test("another size of image and another number of tokens take the same weights") func resized() throws {
    let folder = try DiffusersTests.folder("one", in: "ContextUNets")
    let other = try DiffusersFolder(folder, size: (4, 16), tokens: 7).network
    #expect((other.architecture.height, other.architecture.width) == (4, 16))
    let layout = try Self.read(folder).network.layout
    #expect(other.dimension == 4 * 4 * 16 && other.layout == layout)
  }

  static let refused: [(String, String, String)] = [
    ("num_class_embeds", "10", "classes beside the text, which is not followed; allowed: null"),
    ("class_embed_type", #""timestep""#, "'class_embed_type' is 'timestep': an embedding of classes or times"),
    ("addition_embed_type", #""text_time""#, "a pooled text beside the time (Stable Diffusion XL)"),
    ("encoder_hid_dim_type", #""text_proj""#, "a projection of the text"),
    ("encoder_hid_dim", "32", "a projection of the text"),
    ("time_cond_proj_dim", "256", "guidance as an input (latent consistency models)"),
    ("timestep_post_act", #""silu""#, "an activation after the time embedding"),
    ("time_embedding_act_fn", #""silu""#, "an activation of the time embedding"),
    ("cross_attention_norm", #""layer_norm""#, "a normalisation of the text"),
    ("reverse_transformer_layers_per_block", "[1, 1]", "counts of blocks for the way up alone"),
    ("dual_cross_attention", "true", "'dual_cross_attention' is true; allowed: false"),
    ("resnet_skip_time_act", "true", "'resnet_skip_time_act' is true; allowed: false"),
    ("class_embeddings_concat", "true", "'class_embeddings_concat' is true; allowed: false"),
    ("conv_in_kernel", "1", "'conv_in_kernel' is 1; allowed: 3"),
    ("conv_out_kernel", "5", "'conv_out_kernel' is 5; allowed: 3"),
    ("resnet_out_scale_factor", "2", "'resnet_out_scale_factor' is 2.0; allowed: 1"),
    ("attention_type", #""gated""#, "'attention_type' is 'gated'; allowed: default"),
    ("act_fn", #""gelu""#, "'act_fn' is 'gelu'; allowed: silu, swish"),
    ("time_embedding_type", #""fourier""#, "'time_embedding_type' is 'fourier'; allowed: positional"),
    ("attention_head_dim", "3", "8 channels are not 3 equal heads"),
    ("attention_head_dim", "0", "heads of a transformer: 0"),
    ("attention_head_dim", "null", "'attention_head_dim' is null"),
    ("attention_head_dim", "[2]", "'attention_head_dim' has 1 entries; allowed: one, or 2"),
    ("transformer_layers_per_block", "[[1], [1]]", "'transformer_layers_per_block' holds something else"),
    ("transformer_layers_per_block", "0", "blocks of a transformer: 0"),
    ("cross_attention_dim", "[6, 8]", "'cross_attention_dim' is [6, 8]; allowed: the same for all"),
    ("cross_attention_dim", "0", "numbers of a token: 0"),
    ("layers_per_block", "[1, 2]", "'layers_per_block' is [1, 2]; allowed: the same for all"),
    ("norm_num_groups", "null", "'norm_num_groups' is not a number: null"),
    ("norm_num_groups", "3", "8 channels are not 3 equal groups"),
    ("only_cross_attention", #""yes""#, "'only_cross_attention' is neither true nor false"),
    ("only_cross_attention", "[true]", "'only_cross_attention' has 1 entries; allowed: one, or 2"),
    ("down_block_types", #"["SimpleCrossAttnDownBlock2D", "DownBlock2D"]"#, "holds 'SimpleCrossAttnDownBlock2D'"),
    ("up_block_types", #"["UpBlock2D", "AttnUpBlock2D"]"#, "holds 'AttnUpBlock2D'; allowed: UpBlock2D, CrossAttn"),
    ("mid_block_type", #""UNetMidBlock2DSimpleCrossAttn""#, "'mid_block_type' is 'UNetMidBlock2DSimpleCrossAttn'"),
    ("sample_size", "null", "'sample_size' is missing or no size"),
    ("sample_size", "0", "'sample_size' is missing or no size"),
    ("something", "1", "'something' is 1, which is unknown here; allowed: the entries of diffusers' UNet2DCondition"),
  ]

  @Test("entries that are not followed are refused by name", arguments: refused)
  func configIsRefused(key: String, value: String, says: String) throws {
    let folder = try SpoiledFolder("one", in: "ContextUNets")
    try folder.configure([key: value])
    folder.expectRefused(says, at: folder.config)
  }

  @Test("the number of heads has a name of its own in some files") func headsByTheirName() throws {
    let folder = try SpoiledFolder("one", in: "ContextUNets")
    try folder.configure(["num_attention_heads": "4"])
    let a = try Self.read(folder.path).network.architecture
    #expect(a.down[0].transformer?.heads == 4 && a.middleTransformer?.heads == 4)
  }

  @Test("an architecture that no transformer or no context fits is refused") func architectures() throws {
    let read = try Self.read(DiffusersTests.folder("one", in: "ContextUNets")).network.architecture
    func refuses(_ text: String, _ change: (inout UNetArchitecture) -> Void) {
      var a = read
      change(&a)
      let error = #expect(throws: InputError.self) { try UNet(a) }
      #expect(error?.message.contains(text) == true, "\(String(describing: error))")
    }
    refuses("transformers without a context") {
      $0.context = nil; $0.outputChannels = $0.inputChannels
    }
    refuses("attention and a transformer") { $0.down[0].attention = true }
    refuses("a context that no stage asks") {
      $0.down[0].transformer = nil
      $0.up[1].transformer = nil
      $0.middleTransformer = nil
    }
    refuses("beside a context") { $0.condition = .classes(3) }
    refuses("tokens of a context: 0") { $0.context?.tokens = 0 }
  }
}
