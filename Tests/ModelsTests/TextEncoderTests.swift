// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Tensors
import TestSupport
import Testing

/// transformers' own outputs and gradients, computed in double by Fixtures/make_text.py.
@Suite struct TextEncoderTests {
  /// To 1e-5 of each tensor's range: floats against doubles through up to 30 operations.
  @Test("output and gradients are transformers'", arguments: ["first", "second"], [false, true])
  func agrees(name: String, composing: Bool) throws {
    let folder = try TokenizerTests.fixture("Text/\(name)")
    let read = try TextEncoderFolder(folder)
    #expect(read.notes.isEmpty)
    let io = try Safetensors(reading: folder + "/io.safetensors")
    let ids = try #require(io.tensors["ids"])
    let (rows, count) = (ids.shape[0], ids.shape[1])
    let expected = try #require(io.tensors["output"]).values
    let tape = Tape(read.encoder.layout)
    var gradients = [Float](repeating: .nan, count: read.encoder.layout.count)
    let directions = values(read.encoder.layout.count, seed: 5)
    var moved: [Float]?
    try read.parameters.withUnsafeBufferPointer { parameters in
      tape.begin(parameters: parameters.baseAddress!, recording: true, composing: composing)
      let output = read.encoder(tape.filled(rows, count, try ids.values), on: tape)
      #expect(difference(output.array, expected) < 1e-5 * largest(expected))
      let adjoint = tape.filled(rows, output.columns, try #require(io.tensors["adjoint"]).values)
      if composing {
        // Forwards along random directions of all parameters: ⟨adjoint, J v⟩ = ⟨Jᵀ adjoint, v⟩, below.
        let entries = read.encoder.layout.entries
        moved =
          tape.tangent(
            of: output,
            along: entries.indices.map { index in
              let part = Array(directions[entries[index].offset..<entries[index].offset + entries[index].count])
              return (tape.parameter(index), tape.filled(entries[index].rows, entries[index].columns, part))
            }
          )?.array
      }
      gradients.withUnsafeMutableBufferPointer {
        tape.backward(from: output, adjoint: adjoint, gradients: $0.baseAddress!)
      }
      // Without recording, which reuses memory: twice, as a warm tape does.
      for _ in 0..<2 {
        tape.begin(parameters: parameters.baseAddress!, recording: false)
        let output = read.encoder(tape.filled(rows, count, try ids.values), on: tape)
        #expect(difference(output.array, expected) < 1e-5 * largest(expected))
      }
    }
    if composing {
      let forwards = dot(try #require(moved), try #require(io.tensors["adjoint"]).values)
      let backwards = dot(gradients, directions)
      // Sums of some thousand products in floats.
      #expect(abs(forwards - backwards) < 1e-4 * max(abs(forwards), abs(backwards), 10))
    }
    var compared = 0
    try read.encoder.layout.forEachTensor(of: gradients) { part, found in
      let expected = try #require(io.tensors["grad." + part.name]).values
      // A bias of keys has no effect on a softmax: its gradient is 0, and found to rounding of the others.
      let size = max(largest(expected), 0.03)
      #expect(difference(found, expected) < 1e-4 * size, "\(part.name)")
      compared += 1
    }
    #expect(compared == io.tensors.count - 3)
  }

  @Test("half precision, older names and a buffer of positions are read") func older() throws {
    let folder = try TokenizerTests.fixture("Text/older")
    let read = try TextEncoderFolder(folder)
    #expect(read.notes.count == 2, "\(read.notes)")
    #expect(read.notes.contains { $0.contains("takes the variant fp16") })
    #expect(read.notes.contains { $0.contains("'embeddings.position_ids' of type I64 is a buffer") })
    let io = try Safetensors(reading: folder + "/io.safetensors")
    let ids = try #require(io.tensors["ids"])
    let expected = try #require(io.tensors["output"]).values
    let tape = Tape(read.encoder.layout)
    try read.parameters.withUnsafeBufferPointer {
      tape.begin(parameters: $0.baseAddress!, recording: false)
      let output = read.encoder(tape.filled(ids.shape[0], ids.shape[1], try ids.values), on: tape)
      #expect(difference(output.array, expected) < 1e-5 * largest(expected))
    }
  }

  @Test("a token sees itself and those before it, and no later one") func causal() throws {
    let encoder = try TextEncoder(TextEncoderArchitecture(tokens: 30, length: 8, width: 12, layers: 2, heads: 3))
    let parameters = encoder.initialParameters(seed: 1)
    let tape = Tape(encoder.layout)
    func output(_ ids: [Float]) -> [Float] {
      parameters.withUnsafeBufferPointer {
        tape.begin(parameters: $0.baseAddress!, recording: false)
        return encoder(tape.filled(1, ids.count, ids), on: tape).array
      }
    }
    let (a, b) = (output([1, 2, 3, 4, 5, 6]), output([1, 2, 3, 9, 5, 6]))
    #expect(a.prefix(36) == b.prefix(36))
    #expect((3..<6).allSatisfy { token in (0..<12).contains { a[12 * token + $0] != b[12 * token + $0] } })
    // A shorter text is the beginning of a longer one; places are those of its tokens.
    #expect(difference(output([1, 2, 3]), Array(a.prefix(36))) < 1e-6)
  }

  @Test("what is written is read again to the last bit") func writes() throws {
    let folder = TemporaryFolder()
    var architecture = TextEncoderArchitecture(tokens: 540, length: 12, width: 8, layers: 1, heads: 2, inner: 20)
    architecture.activation = .exact
    let encoder = try TextEncoder(architecture)
    let parameters = encoder.initialParameters(seed: 3)
    try folder.write(
      TextEncoderFolder.config(of: encoder, tokenizer: TokenizerTests.tokenizer("older")), to: "config.json")
    var bytes = Data()
    try TextEncoderFolder.weights(of: encoder, parameters: parameters).encode { bytes += $0 }
    try folder.write(bytes, to: "model.safetensors")
    let read = try TextEncoderFolder(folder.path)
    #expect(read.encoder.architecture == architecture && read.parameters == parameters && read.notes.isEmpty)
  }

  @Test("what is wrong with a folder is one line") func refused() throws {
    func expect(_ text: String, at file: String, _ spoil: (TemporaryFolder) throws -> Void) throws {
      let folder = TemporaryFolder()
      for name in ["config.json", "model.safetensors"] {
        try folder.write(Data(contentsOf: URL(fileURLWithPath: TokenizerTests.fixture("Text/first/\(name)"))), to: name)
      }
      try spoil(folder)
      let error = #expect(throws: InputError.self) { _ = try TextEncoderFolder(folder.path) }
      #expect(error?.message.contains(text) == true, "\(String(describing: error))")
      #expect(error?.location == "\(folder.path)/\(file)")
      #expect(error?.description.contains("\n") == false)
    }
    func configure(_ key: String, _ value: Any) -> (TemporaryFolder) throws -> Void {
      { folder in
        let url = URL(fileURLWithPath: "\(folder.path)/config.json")
        var object = try #require(JSONSerialization.jsonObject(with: Data(contentsOf: url)) as? [String: Any])
        object[key] = value
        try JSONSerialization.data(withJSONObject: object).write(to: url)
      }
    }
    func edit(_ change: @escaping (inout Safetensors.Table) throws -> Void) -> (TemporaryFolder) throws -> Void {
      { folder in
        var file = try Safetensors(reading: "\(folder.path)/model.safetensors")
        try change(&file.tensors)
        try folder.write(file.encoded(), to: "model.safetensors")
      }
    }
    try expect("no such file", at: "config.json") { try $0.remove("config.json") }
    try expect("no such file", at: "model.safetensors") { try $0.remove("model.safetensors") }
    try expect("'hidden_act' is 'relu'; allowed: quick_gelu, gelu", at: "config.json", configure("hidden_act", "relu"))
    try expect("allowed: CLIPTextModel", at: "config.json", configure("architectures", ["CLIPTextModelWithProjection"]))
    try expect("'surprise' is 1, which is unknown", at: "config.json", configure("surprise", 1))
    try expect("not 5 equal attention heads", at: "config.json", configure("num_attention_heads", 5))
    try expect("has shape", at: "model.safetensors", configure("vocab_size", 41))
    try expect("no tensor 'final_layer_norm.bias'", at: "model.safetensors", edit { $0["final_layer_norm.bias"] = nil })
    try expect(
      "no place for", at: "model.safetensors", edit { $0["text_projection.weight"] = .init(shape: [1], values: [0]) })
    try expect(
      "not finite", at: "model.safetensors",
      edit { $0["final_layer_norm.bias"] = .init(shape: [16], values: Array(repeating: .nan, count: 16)) })
  }
}
