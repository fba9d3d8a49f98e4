// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation

/// What is to be drawn from a folder of StableDiffusionPipeline.
public struct GenerationRequest: Sendable {
  /// The folder.
  public var folder: String
  /// What pictures are to show.
  public var prompts: [String]
  /// What they are led away from.
  public var negative = ""
  /// w of ε = ε_∅ + w (ε_c − ε_∅); up to 1 ε_c alone is evaluated.
  public var guidance = 7.5
  /// N, as the pipeline counts them.
  public var steps = 50
  /// A scheduler's or one of our solvers' names; nil: the scheduler of the folder.
  public var solver: String?
  /// η of DDIM.
  public var eta = 0.0
  /// Height and width in pixels; nil: those of the image, or what the U-Net was trained for.
  public var size: (height: Int, width: Int)?
  /// How many pictures each prompt gets.
  public var count = 1
  /// The seed of PyTorch's generator.
  public var seed: UInt64 = 0
  /// A file of unit noise in place of the generator's, prompts · count × channels × height × width.
  public var latents: String?
  /// A picture to begin with.
  public var image: String?
  /// How much of the noise levels it goes back to; nil: 0.8, and 1 beside a mask.
  public var strength: Double?
  /// Where the picture is painted anew: white.
  public var mask: String?
  /// Which variant of weights is read, as fp16; nil: none, or the only one there.
  public var variant: String?
  /// A safetensors file of adapters of low rank that are added to the weights; nil: none.
  public var adapters: String?
  /// How much of them is added.
  public var adapterWeight = 1.0
  /// The file to write.
  public var output: String
  /// What is written; nil: by the output's ending.
  public var format: Format?
  /// How many workers there are; pictures do not depend on it.
  public var threads = Shards.processors
  /// Whether nothing is told on the way.
  public var quiet = false

  /// The kinds of files.
  public enum Format: String, Sendable, CaseIterable {
    /// A picture a file.
    case png
    /// All pictures in one array of NumPy: count × height × width × 3 in [0, 1].
    case npy
  }

  /// Pictures of prompts.
  public init(folder: String, prompts: [String], output: String) {
    (self.folder, self.prompts, self.output) = (folder, prompts, output)
  }

  /// The prompts of a text: a line each, without blanks around it. Unicode's other separators may stand in one.
  public static func prompts(in text: String) -> [String] {
    text.split { ["\n", "\r\n", "\r"].contains($0) }.map {
      $0.trimmingCharacters(in: CharacterSet(charactersIn: " \t"))
    }
    .filter { !$0.isEmpty }
  }

  /// How many pictures there will be.
  public var pictures: Int { prompts.count * count }

  /// The prompt of each picture: those of a prompt follow each other, as diffusers orders them.
  var promptOfPicture: [String] { prompts.flatMap { Array(repeating: $0, count: count) } }

  /// What of its steps an image to image takes, as diffusers counts: N − ⌊N · strength⌋ are left out.
  func skippedSteps(strength: Double) -> Int { max(0, steps - min(steps, Int(Double(steps) * strength))) }

  /// Looks at everything that needs no files.
  /// - Throws: `InputError` with the option's name.
  public func check() throws {
    func wrong(_ option: String, _ message: String) -> InputError { InputError(message, at: "--\(option)") }
    guard !prompts.isEmpty else { throw wrong("prompt", "is missing; allowed: --prompt TEXT, or --prompts FILE") }
    guard guidance.isFinite, guidance >= 0 else { throw wrong("guidance", "is \(guidance); allowed: 0 or more") }
    guard (1...100_000).contains(steps) else { throw wrong("steps", "is \(steps); allowed: 1 to 100000") }
    guard (1...10_000).contains(count) else { throw wrong("count", "is \(count); allowed: 1 to 10000") }
    guard pictures <= 1_000_000 else { throw wrong("count", "asks for \(pictures) pictures; allowed: 1000000") }
    guard (0...1).contains(eta) else { throw wrong("eta", "is \(eta); allowed: 0 to 1") }
    guard threads >= 1 else { throw wrong("threads", "is \(threads); allowed: 1 or more") }
    if let strength {
      guard image != nil else { throw wrong("strength", "has no effect; it needs --image") }
      guard strength > 0, strength <= 1 else {
        throw wrong("strength", "is \(strength); allowed: above 0, at most 1")
      }
      guard skippedSteps(strength: strength) < steps else {
        throw wrong(
          "strength", "is \(strength), which leaves none of \(steps) steps; allowed: \(1 / Double(steps)) or more")
      }
    }
    if mask != nil, image == nil { throw wrong("mask", "needs --image, the picture that is painted on") }
    if let size {
      for (name, value) in [("height", size.height), ("width", size.width)] {
        guard (1...32_768).contains(value) else {
          throw wrong("size", "has a \(name) of \(value) pixels; allowed: 1 to 32768")
        }
      }
    }
    _ = try fileFormat()
  }

  /// What is written.
  func fileFormat() throws -> Format {
    let ending = (output as NSString).pathExtension.lowercased()
    if let format { return format }
    guard let format = Format(rawValue: ending) else {
      throw InputError("'\(output)' ends with no known format; allowed: .png, .npy, or --format", at: "--output")
    }
    return format
  }
}
