// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Pairs
import Tensors
import TestSupport
import Testing

@Suite("Adapters of low rank") struct LowRankTests {
  private static let weights: [String: [Int]] = [
    "down_blocks.0.attentions.1.attn1.to_q.weight": [4, 3], "mid.attn2.to_out.0.weight": [2, 4],
    "mid.proj_in.weight": [3, 4, 1, 1], "conv.weight": [2, 3, 3, 3], "mid.attn2.to_out.0.bias": [2],
  ]

  private static let modules = weights.keys.filter { $0.hasSuffix(".weight") }.map { String($0.dropLast(7)) }.sorted()

  /// A and B of a module, of rank 2, in the shapes of its kind.
  private static func matrices(_ module: String) -> (a: Safetensors.Entry, b: Safetensors.Entry) {
    let shape = weights[module + ".weight"] ?? []
    let seed = UInt64(module.count)
    let (a, b) = ([2] + shape.dropFirst(), [shape[0], 2] + shape.dropFirst(2).map { _ in 1 })
    return (
      .init(shape: a, values: values(a.reduce(1, *), seed: seed)),
      .init(shape: b, values: values(b.reduce(1, *), seed: seed + 100))
    )
  }

  private static func read(_ file: Safetensors, _ body: (LowRankFile) throws -> Void) throws {
    let path = NSTemporaryDirectory() + "score-sde-\(UUID().uuidString).safetensors"
    defer { try? FileManager.default.removeItem(atPath: path) }
    try file.encoded().write(to: URL(fileURLWithPath: path))
    try body(LowRankFile(path))
  }

  private static func names(_ form: String, _ module: String) -> (a: String, b: String, alpha: String?) {
    let plain = module.replacing(".", with: "_")
    switch form {
    case "peft": return ("unet.\(module).lora_A.weight", "unet.\(module).lora_B.weight", nil)
    case "older": return ("unet.\(module).lora.down.weight", "unet.\(module).lora.up.weight", nil)
    case "alone": return ("base_model.model.\(module).lora_A.weight", "base_model.model.\(module).lora_B.weight", nil)
    default:
      return ("lora_unet_\(plain).lora_down.weight", "lora_unet_\(plain).lora_up.weight", "lora_unet_\(plain).alpha")
    }
  }

  @Test("all forms of keys are the same change, with the α of each", arguments: ["peft", "older", "alone", "kohya"])
  func forms(form: String) throws {
    for alpha in [nil, 2, 5] as [Float?] {
      var file = Safetensors()
      for module in Self.modules {
        let (a, b) = Self.matrices(module)
        let names = Self.names(form, module)
        (file.tensors[names.a], file.tensors[names.b]) = (a, b)
        if let alpha, let name = names.alpha { file.tensors[name] = .init(shape: [], values: [alpha]) }
      }
      if let alpha, form == "peft" { file.metadata["lora_adapter_metadata"] = "{\"unet.lora_alpha\": \(alpha)}" }
      if alpha != nil, ["older", "alone"].contains(form) { continue }
      try Self.read(file) { read in
        #expect(read.components == [.unet])
        let adapters = try read.adapters(of: .unet, weights: Self.weights)
        #expect(Set(adapters.keys) == Set(Self.modules.map { $0 + ".weight" }))
        for module in Self.modules {
          let adapter = try #require(adapters[module + ".weight"])
          let (a, b) = Self.matrices(module)
          #expect(try adapter.down == a.values && adapter.up == b.values && adapter.rank == 2)
          #expect(adapter.scale == (alpha ?? 2) / 2)
        }
      }
    }
  }

  @Test("attention processors of old had layers of their own") func processors() throws {
    var file = Safetensors()
    let (a, b) = Self.matrices("mid.attn2.to_out.0")
    file.tensors["unet.mid.attn2.processor.to_out_lora.down.weight"] = a
    file.tensors["unet.mid.attn2.processor.to_out_lora.up.weight"] = b
    let (c, d) = Self.matrices("down_blocks.0.attentions.1.attn1.to_q")
    file.tensors["down_blocks.0.attentions.1.attn1.processor.to_q_lora.down.weight"] = c
    file.tensors["down_blocks.0.attentions.1.attn1.processor.to_q_lora.up.weight"] = d
    try Self.read(file) {
      let keys = Set(try $0.adapters(of: .unet, weights: Self.weights).keys)
      #expect(
        keys == [
          "mid.attn2.to_out.0.weight", "down_blocks.0.attentions.1.attn1.to_q.weight",
        ])
    }
  }

  @Test("text encoders have adapters too, with or without text_model before their modules") func text() throws {
    let weights = ["encoder.layers.0.self_attn.q_proj.weight": [3, 3]]
    let entry = Safetensors.Entry(shape: [1, 3], values: [1, 2, 3])
    let other = Safetensors.Entry(shape: [3, 1], values: [1, 2, 3])
    for (a, b) in [
      (
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_A.weight",
        "text_encoder.text_model.encoder.layers.0.self_attn.q_proj.lora_B.weight"
      ),
      (
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_down.weight",
        "lora_te_text_model_encoder_layers_0_self_attn_q_proj.lora_up.weight"
      ),
    ] {
      try Self.read(Safetensors(tensors: [a: entry, b: other])) { file in
        #expect(file.components == [.textEncoder])
        for prefix in ["", "text_model."] {
          let own = Dictionary(uniqueKeysWithValues: weights.map { (prefix + $0, $1) })
          let count = try file.adapters(of: .textEncoder, weights: own).count
          #expect(count == 1)
        }
      }
    }
  }

  @Test("a text encoder's weights become W + w (α/r) B A") func textSum() throws {
    let encoder = try TextEncoder(TextEncoderArchitecture(tokens: 5, length: 4, width: 4, layers: 1, heads: 2))
    let parameters = encoder.initialParameters(seed: 1)
    let module = "lora_te_text_model_encoder_layers_0_self_attn_out_proj"
    var tensors = Safetensors()
    tensors.tensors["\(module).lora_down.weight"] = .init(shape: [1, 4], values: [1, 2, 3, 4])
    tensors.tensors["\(module).lora_up.weight"] = .init(shape: [4, 1], values: [1, -2, 3, 5])
    tensors.tensors["\(module).alpha"] = .init(shape: [], values: [3])
    try Self.read(tensors) { file in
      let changed = try file.added(to: parameters, of: encoder, times: 0.5)
      let sum = pairs(changed, parameters).reduce(0.0) { $0 + Double($1.0) - Double($1.1) }
      // w α Σ B Σ A, to the rounding of 16 sums.
      #expect(abs(sum - 0.5 * 3 * 7 * 10) < 1e-4)
    }
  }

  @Test("what is no adapter of the network is one line that says so") func wrong() throws {
    let module = "down_blocks.0.attentions.1.attn1.to_q"
    let (a, b) = Self.matrices(module)
    let (down, up) = ("unet.\(module).lora_A.weight", "unet.\(module).lora_B.weight")
    func entry(_ shape: [Int], _ value: Float = 1) -> Safetensors.Entry {
      .init(shape: shape, values: Array(repeating: value, count: shape.reduce(1, *)))
    }
    let cases: [(Safetensors, String)] = [
      (Safetensors(), "holds no adapters"),
      (Safetensors(tensors: ["unet.x.hada_w1_a": a]), "holds 'unet.x.hada_w1_a'"),
      (Safetensors(tensors: [down: a]), "has no matrix that writes"),
      (Safetensors(tensors: [up: b]), "has no matrix that reads"),
      (Safetensors(tensors: [down: entry([3, 3]), up: b]), "are not of one rank"),
      (Safetensors(tensors: [down: entry([2, 4]), up: b]), "has shape [4, 3]"),
      (Safetensors(tensors: [down: entry([2, 3], .nan), up: b]), "not finite"),
      (Safetensors(tensors: [down: a, up: b, "unet.other.lora_A.weight": a]), "changes 'other', which the unet"),
      (Safetensors(tensors: [down: a, up: b], metadata: ["lora_adapter_metadata": "no"]), "no JSON object"),
      (
        Safetensors(tensors: [down: a, up: b], metadata: ["lora_adapter_metadata": "{\"unet.use_dora\": true}"]),
        "use_dora"
      ),
    ]
    for (file, says) in cases {
      let error = #expect(throws: InputError.self) {
        try Self.read(file) { _ = try $0.adapters(of: .unet, weights: Self.weights) }
      }
      let message = error?.description ?? ""
      #expect(message.contains(says) && message.contains(".safetensors") && !message.contains("\n"), "\(message)")
    }
  }

  // MARK: The network

  private static let inner = MLP(
    dimension: 3, hidden: [9, 8], features: TimeFeatures(.sinusoidal, count: 4, scale: 1, seed: 1))

  private static func output(_ network: any Network, _ parameters: [Float], _ x: [Float]) -> [Float] {
    let tape = network.makeTape()
    return parameters.withUnsafeBufferPointer {
      tape.begin(parameters: $0.baseAddress!, recording: false)
      return network.forward(
        tape.filled(2, network.dimension, x), noiseLevel: tape.filled(2, 1, [0.3, 1.2]), on: tape
      ).array
    }
  }

  private static func unet() throws -> UNet {
    var a = UNetArchitecture(
      height: 4, width: 4, channels: 2, widths: [8, 16], blocks: 1, attention: [2], resampling: .convolution)
    a.groups = 4
    (a.middleAttentionGroups, a.condition) = (4, .nothing)
    return try UNet(a)
  }

  @Test("a network with adapters is the network with W + (α/r) B A, and begins as it was", arguments: [false, true])
  func network(isImage: Bool) throws {
    let inner: any Network = isImage ? try Self.unet() : Self.inner
    let base = inner.initialParameters(seed: 3)
    let network = try LowRankNetwork(inner, base: base, rank: 2, alpha: 3) { !$0.contains("norm") }
    let x = values(2 * inner.dimension, seed: 4)
    #expect(Self.output(network, network.initialParameters(seed: 5), x) == Self.output(inner, base, x))
    let parameters = values(network.layout.count, seed: 6).map { 0.3 * $0 }
    let (mine, merged) = (Self.output(network, parameters, x), Self.output(inner, network.merged(parameters), x))
    // Floats of sums in another order.
    #expect(difference(mine, merged) < 1e-4 * largest(merged), "\(difference(mine, merged))")
    #expect(difference(mine, Self.output(inner, base, x)) > 0.01 * largest(merged))
    // The checkpoint's names and shapes are diffusers' words.
    for part in network.layout.entries.flatMap(\.parts) {
      #expect(part.name.hasSuffix(".lora_A.weight") ? part.shape[0] == 2 : part.shape[1] == 2, "\(part)")
    }
  }

  @Test("gradients by adapters equal differences", arguments: [false, true]) func gradients(isImage: Bool) throws {
    let inner: any Network = isImage ? try Self.unet() : Self.inner
    let network = try LowRankNetwork(inner, base: inner.initialParameters(seed: 3), rank: 2, alpha: 3) {
      !$0.contains("norm")
    }
    let count = network.layout.count
    let (parameters, direction) = (
      values(count, seed: 6).map { 0.3 * $0 }, values(count, seed: 7).map { 0.05 * $0 }
    )
    let x = values(2 * inner.dimension, seed: 4)
    let tape = network.makeTape()
    func loss(_ parameters: [Float], gradients: UnsafeMutablePointer<Float>?) -> [Float] {
      parameters.withUnsafeBufferPointer {
        tape.begin(parameters: $0.baseAddress!, recording: true)
        let out = network.forward(
          tape.filled(2, inner.dimension, x), noiseLevel: tape.filled(2, 1, [0.3, 1.2]), on: tape)
        let loss = tape.weightedSquares(out, by: tape.filled(2, 1, [0.7, 1.3]))
        if let gradients { tape.backward(from: loss, gradients: gradients) }
        return loss.array
      }
    }
    var gradient = [Float](repeating: .nan, count: count)
    gradient.withUnsafeMutableBufferPointer { _ = loss(parameters, gradients: $0.baseAddress!) }
    let expected = slope { h in loss(zip(parameters, direction).map { $0 + h * $1 }, gradients: nil) }[0]
    let found = dot(gradient, direction)
    #expect(isClose(found, expected, scale: abs(expected)), "\(found) \(expected)")
    #expect(gradient.allSatisfy(\.isFinite) && largest(gradient) > 0)
  }
}
