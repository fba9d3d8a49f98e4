// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Experiments
import Foundation
import Pairs
import Testing

@Suite("Pictures from a folder of diffusers") struct GenerationTests {
  /// Rounding of single precision in the network, by another order of sums than PyTorch's, through six steps.
  private static let tolerance = 1e-4

  @Test("the picture that diffusers makes", arguments: try PipelineFixture.load().cases.keys.sorted())
  func parity(name: String) throws {
    let fixture = try PipelineFixture.load()
    let options = try #require(fixture.cases[name])
    let expected = try NumberArray(fixture.file("\(name).npy"))
    let output = try TemporaryFolder()
    let request = try fixture.request(options, output: output.file("image.npy"))
    let files = try Generation(request, .standard) { _ in }.run()
    #expect(files == [output.file("image.npy")])
    let image = try NumberArray(files[0])
    #expect(image.shape == expected.shape)
    var largest = 0.0
    for (a, b) in pairs(image.values, expected.values) { largest = max(largest, abs(a - b)) }
    #expect(largest < Self.tolerance, "\(name): \(largest)")
  }

  @Test("the same bytes whatever the threads, in numbered PNG files") func threads() throws {
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    var bytes: [[Data]] = []
    for threads in [1, 3] {
      var request = GenerationRequest(
        folder: fixture.file("model"), prompts: ["a lower tower", "red"], output: output.file("\(threads).png"))
      (request.steps, request.count, request.threads, request.quiet) = (2, 2, threads, true)
      request.solver = "euler-ancestral"
      let files = try Generation(request, .standard) { _ in }.run()
      #expect(files == (1...4).map { output.file("\(threads)-\($0).png") })
      bytes.append(try files.map { try Data(contentsOf: URL(fileURLWithPath: $0)) })
    }
    #expect(bytes[0] == bytes[1])
    #expect(Set(bytes[0]).count == 4)
  }

  @Test(
    "solvers of ours draw from the folder too", arguments: ["dpm-solver-3", "probability-flow", "reverse-diffusion"])
  func ours(solver: String) throws {
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    var request = GenerationRequest(
      folder: fixture.file("model"), prompts: ["red"], output: output.file("image.npy"))
    (request.steps, request.solver, request.quiet) = (10, solver, true)
    let image = try NumberArray(try Generation(request, .standard) { _ in }.run()[0])
    #expect(image.values.allSatisfy { $0 >= 0 && $0 <= 1 })
    #expect(Set(image.values).count > 100)
  }

  /// What is wrong with a request, and what the error says.
  static let wrong: [(options: [String: String], says: [String])] = [
    (["size": "17x16", "prompt": "a"], ["--size", "multiples of 2"]),
    (["latents": "latents.npy", "prompt": "a"], ["latents.npy", "2 × 4 × 8 × 8", "allowed: 1 × 4 × 8 × 8"]),
    (["steps": "0", "prompt": "a"], ["--steps", "1 to"]),
    (["steps": "1000", "prompt": "a"], ["--steps", "ask for level 1000", "allowed: levels 0 to 999"]),
    (["solver": "pmdn", "prompt": "a"], ["--solver", "unknown name 'pmdn'", "pndm"]),
    (["strength": "0.5", "prompt": "a"], ["--strength", "needs --image"]),
    (["image": "image.png", "strength": "0.01", "prompt": "a"], ["--strength", "none of 50 steps"]),
    (["mask": "mask.png", "prompt": "a"], ["--mask", "needs --image"]),
    (["image": "image.png", "size": "24x24", "prompt": "a"], ["image.png", "16 × 16"]),
    (["eta": "0.5", "prompt": "a"], ["--eta", "DDIM"]),
    (["solver": "scheduler", "prompt": "a"], ["--solver", "unknown name 'scheduler'"]),
    (["solver": "flow-map", "prompt": "a"], ["--solver flow-map", "needs a flow map"]),
    (["size": "16384x16", "prompt": "a"], ["--size", "a width of 16384 pixels", "allowed: 1 to 8192"]),
    ([:], ["--prompt", "is missing"]),
  ]

  @Test("one line for what is wrong", arguments: GenerationTests.wrong.indices)
  func refusals(index: Int) throws {
    let (options, says) = Self.wrong[index]
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    let error = #expect(throws: InputError.self) {
      let request = try fixture.request(options, output: output.file("image.png"))
      _ = try Generation(request, .standard) { _ in }.run()
    }
    let text = error?.description ?? ""
    for part in says { #expect(text.contains(part), "\(text)") }
    #expect(!text.contains("\n"))
    #expect(try FileManager.default.contentsOfDirectory(atPath: output.path).isEmpty)
  }

  /// Changes of the folder's files, and what the error says.
  static let spoiled: [(file: String, from: String, to: String, says: [String])] = [
    ("model_index.json", "\"UNet2DConditionModel\"", "\"UNet3D\"", ["model_index.json", "'unet'", "UNet3D"]),
    ("model_index.json", "\"StableDiffusionPipeline\"", "\"StableDiffusionXLPipeline\"", ["_class_name", "XL"]),
    ("model_index.json", "\"vae\"", "\"vea\"", ["'vae' is missing"]),
    ("model_index.json", "\"PNDMScheduler\"", "\"NoScheduler\"", ["_class_name", "NoScheduler"]),
    ("scheduler/scheduler_config.json", "\"leading\"", "\"middle\"", ["timestep_spacing", "middle", "leading"]),
    ("unet/config.json", "\"cross_attention_dim\": 8", "\"cross_attention_dim\": 12", ["unet"]),
  ]

  @Test("a folder that is damaged", arguments: GenerationTests.spoiled.indices)
  func damage(index: Int) throws {
    let (file, from, to, says) = Self.spoiled[index]
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: fixture.file("model"), toPath: output.file("model"))
    let path = output.file("model/\(file)")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(text.contains(from))
    try text.replacingOccurrences(of: from, with: to).write(toFile: path, atomically: true, encoding: .utf8)
    let error = #expect(throws: InputError.self) {
      let request = GenerationRequest(
        folder: output.file("model"), prompts: ["a"], output: output.file("image.png"))
      _ = try Generation(request, .standard) { _ in }
    }
    let description = error?.description ?? ""
    for part in says { #expect(description.contains(part), "\(description)") }
  }

  @Test("a component that is not there", arguments: ["vae", "text_encoder", "tokenizer", "unet", "scheduler"])
  func missing(component: String) throws {
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    try FileManager.default.copyItem(atPath: fixture.file("model"), toPath: output.file("model"))
    try FileManager.default.removeItem(atPath: output.file("model/\(component)"))
    let error = #expect(throws: InputError.self) {
      let request = GenerationRequest(
        folder: output.file("model"), prompts: ["a"], output: output.file("image.png"))
      _ = try Generation(request, .standard) { _ in }
    }
    #expect(error?.description.contains("\(component): no such folder") == true, "\(error?.description ?? "")")
  }

  @Test("a prompt that is too long is cut, with a warning") func longPrompt() throws {
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    let told = Told()
    let request = GenerationRequest(
      folder: fixture.file("model"), prompts: [String(repeating: "red ", count: 200)], output: output.file("a.png"))
    _ = try Generation(request, .standard) { told.lines.append($0) }
    #expect(told.lines.count == 1)
    #expect(told.lines.first?.contains("the last 125 are cut off") == true, "\(told.lines)")
  }

  @Test("a shift of latents is passed over, as StableDiffusionPipeline does, and told") func shift() throws {
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    let told = Told()
    try FileManager.default.copyItem(atPath: fixture.file("model"), toPath: output.file("model"))
    let path = output.file("model/vae/config.json")
    let text = try String(contentsOfFile: path, encoding: .utf8)
    #expect(!text.contains("\"shift_factor\": 0.5"))
    let others = text.split(separator: "\n").filter { !$0.contains("shift_factor") }.joined(separator: "\n")
    try others.replacing("{", with: "{\"shift_factor\": 0.5,", maxReplacements: 1).write(
      toFile: path, atomically: true, encoding: .utf8)
    var values: [[Double]] = []
    for folder in [fixture.file("model"), output.file("model")] {
      var request = GenerationRequest(folder: folder, prompts: ["red"], output: output.file("image.npy"))
      (request.steps, request.quiet, request.image) = (2, true, fixture.file("image.png"))
      values.append(try NumberArray(try Generation(request, .standard) { told.lines.append($0) }.run()[0]).values)
    }
    #expect(values[0] == values[1])
    #expect(told.lines.filter { $0.contains("shift_factor is taken as 0") }.count == 1, "\(told.lines)")
  }

  @Test("a mask of another size is told as the image's, width first") func maskSize() throws {
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    var picture = Picture(width: 8, height: 6)
    picture.set(0, 0, (255, 255, 255))
    try picture.png().write(to: URL(fileURLWithPath: output.file("mask.png")))
    var request = GenerationRequest(folder: fixture.file("model"), prompts: ["red"], output: output.file("a.png"))
    (request.image, request.mask) = (fixture.file("image.png"), output.file("mask.png"))
    let error = #expect(throws: InputError.self) { _ = try Generation(request, .standard) { _ in } }
    #expect(error?.message == "is 8 × 6 pixels; allowed: 16 × 16, as the image", "\(error?.description ?? "")")
  }

  @Test("a negative prompt without guidance is told to have no effect") func uselessNegative() throws {
    let fixture = try PipelineFixture.load()
    let output = try TemporaryFolder()
    for (guidance, lines) in [(1.0, 1), (1.5, 0)] {
      let told = Told()
      let options = ["prompt": "red", "negative": "low", "guidance": String(guidance)]
      _ = try Generation(fixture.request(options, output: output.file("a.png")), .standard) { told.lines.append($0) }
      #expect(told.lines.count == lines && told.lines.allSatisfy { $0.hasPrefix("--negative: has no effect") })
    }
  }

  @Test("prompts of a file: a line each, and no other separator of Unicode ends one") func promptLines() {
    let text = "a red tower\r\n\n  low\u{2028}tower\u{B}x\u{85}y \rblue\n"
    #expect(GenerationRequest.prompts(in: text) == ["a red tower", "low\u{2028}tower\u{B}x\u{85}y", "blue"])
    #expect(GenerationRequest.prompts(in: "\n \t\n") == [])
  }

  private final class Told { var lines: [String] = [] }
}

/// A folder that goes with the test.
final class TemporaryFolder {
  let path: String

  init() throws {
    path = FileManager.default.temporaryDirectory.appendingPathComponent("generate-\(UUID().uuidString)").path
    try FileManager.default.createDirectory(atPath: path, withIntermediateDirectories: true)
  }

  func file(_ name: String) -> String { "\(path)/\(name)" }

  deinit { try? FileManager.default.removeItem(atPath: path) }
}

/// Fixtures/Pipeline
struct PipelineFixture: Sendable {
  let path: String
  /// The options of each picture, by name.
  let cases: [String: [String: String]]

  func file(_ name: String) -> String { "\(path)/\(name)" }

  func request(_ options: [String: String], output: String) throws -> GenerationRequest {
    var request = GenerationRequest(
      folder: file("model"), prompts: options["prompt"].map { [$0] } ?? [], output: output)
    request.quiet = true
    request.negative = options["negative"] ?? ""
    request.guidance = options["guidance"].flatMap(Double.init) ?? 7.5
    request.steps = options["steps"].flatMap { Int($0) } ?? 50
    request.count = options["count"].flatMap { Int($0) } ?? 1
    request.seed = options["seed"].flatMap { UInt64($0) } ?? 0
    request.eta = options["eta"].flatMap(Double.init) ?? 0
    request.solver = options["solver"]
    request.strength = options["strength"].flatMap(Double.init)
    (request.latents, request.image) = (options["latents"].map(file), options["image"].map(file))
    request.mask = options["mask"].map(file)
    if let size = options["size"] {
      let sides = size.split(separator: "x").compactMap { Int($0) }
      request.size = (height: sides[1], width: sides[0])
    }
    return request
  }

  private static let loaded = Result {
    let url = try #require(Bundle.module.url(forResource: "Fixtures", withExtension: nil))
      .appendingPathComponent("Pipeline")
    let cases = try JSONDecoder().decode(
      [String: [String: String]].self, from: Data(contentsOf: url.appendingPathComponent("cases.json")))
    return PipelineFixture(path: url.path, cases: cases)
  }

  static func load() throws -> PipelineFixture { try loaded.get() }
}
