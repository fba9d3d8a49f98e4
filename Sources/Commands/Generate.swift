// SPDX-License-Identifier: GPL-3.0-or-later
import ArgumentParser
import Core
import Experiments
import Foundation

struct Generate: ParsableCommand {
  static let configuration = CommandConfiguration(
    abstract: "Draws pictures of texts from a folder of diffusers' StableDiffusionPipeline.",
    discussion: """
      With --image it is an image to image, with --mask an inpainting (white is painted anew). A seed gives the picture \
      that diffusers makes of it on a processor. --solver takes a scheduler of diffusers (ddim, ddpm, pndm, lms, euler, \
      euler-ancestral, heun, dpm-solver++-2m, dpm-solver++-2m-sde, unipc, deis), with the folder's own entries, or any \
      other solver of `list solvers` with its default options. Several pictures are numbered: tower-1.png, tower-2.png.
      """)
  @Argument(help: "The folder, with model_index.json.")
  var folder: String
  @Option(help: "What the picture is to show (repeatable).")
  var prompt: [String] = []
  @Option(help: "A file with a prompt in each line.")
  var prompts: String?
  @Option(help: "What pictures are led away from. (default: the empty text)")
  var negative: String?
  @Option(help: "The weight of the prompt; up to 1 the prompt alone is evaluated.")
  var guidance = 7.5
  @Option(help: "Steps, as the scheduler counts them.")
  var steps = 50
  @Option(help: "A scheduler or a solver. (default: the folder's scheduler)")
  var solver: String?
  @Option(help: "The noise of ddim: 0 none, 1 that of ancestral sampling.")
  var eta = 0.0
  @Option(help: "WIDTHxHEIGHT in pixels. (default: the image's, or what the U-Net was trained for)")
  var size: String?
  @Option(help: "Pictures of each prompt.")
  var count = 1
  @Option(help: "The seed of PyTorch's generator.")
  var seed: UInt64?
  @Option(help: "An .npy file of unit noise in the seed's place: pictures × channels × height × width.")
  var latents: String?
  @Option(help: "A PNG file to begin with.")
  var image: String?
  @Option(help: "How far back into noise the image goes, above 0, at most 1. (default: 0.8, with --mask 1)")
  var strength: Double?
  @Option(help: "A PNG file of the image's size: where it is white, the image is painted anew.")
  var mask: String?
  @Option(help: "A variant of the weights, as fp16. (default: none, or the only one there)")
  var variant: String?
  @Option(
    help: "A safetensors file of low-rank adapters, in diffusers' or kohya's keys, that are added to the weights.")
  var adapters: String?
  @Option(help: "How much of the adapters is added.")
  var adapterWeight = 1.0
  @Option(help: "The file to write: .png or .npy.")
  var output: String
  @Option(help: "png, or npy: count × height × width × 3 in [0, 1]. (default: by the output's ending)")
  var format: String?
  @Option(help: "Threads; pictures do not depend on it. (default: all processors)")
  var threads: Int?
  @Flag(help: "No progress, no list of files.")
  var quiet = false

  func run() throws {
    try reportingErrors {
      var request = GenerationRequest(folder: folder, prompts: try texts(), output: output)
      if let negative { request.negative = negative }
      (request.guidance, request.steps, request.solver, request.eta) = (guidance, steps, solver, eta)
      request.size = try pixels()
      (request.count, request.seed, request.latents) = (count, seed ?? 0, latents)
      (request.image, request.strength, request.mask) = (image, strength, mask)
      (request.variant, request.quiet) = (variant, quiet)
      guard adapters != nil || adapterWeight == 1 else {
        throw InputError("has no effect without --adapters", at: "--adapter-weight")
      }
      (request.adapters, request.adapterWeight) = (adapters, adapterWeight)
      if let format {
        guard let known = GenerationRequest.Format(rawValue: format) else {
          throw InputError("is '\(format)'; allowed: png, npy", at: "--format")
        }
        request.format = known
      }
      if let threads { request.threads = threads }
      let generation = try Generation(request, CommandTool.catalogue) { report("score-sde: warning: \($0)") }
      let files = try generation.run()
      if !quiet { for file in files { print(file) } }
    }
  }

  private func texts() throws -> [String] {
    guard let prompts else { return prompt }
    guard prompt.isEmpty else { throw InputError("stands beside --prompt; allowed: one of them", at: "--prompts") }
    guard let data = FileManager.default.contents(atPath: prompts) else {
      throw InputError("cannot be read", at: prompts)
    }
    guard let text = String(data: data, encoding: .utf8) else { throw InputError("is not UTF-8", at: prompts) }
    let found = GenerationRequest.prompts(in: text)
    guard !found.isEmpty else { throw InputError("holds no prompt; allowed: a prompt in each line", at: prompts) }
    return found
  }

  private func pixels() throws -> (height: Int, width: Int)? {
    guard let size else { return nil }
    let parts = size.lowercased().split(separator: "x", omittingEmptySubsequences: false).map { Int($0) }
    guard parts.count == 2, let width = parts[0], let height = parts[1] else {
      throw InputError("is '\(size)'; allowed: WIDTHxHEIGHT, as 512x512", at: "--size")
    }
    return (height, width)
  }
}
