// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Networks
import Processes

/// A variational autoencoder that the experiment trains: what `score: {kind: autoencoder}` decodes to. It stands where
/// a config says what is trained, and is no score: such an experiment has no process and draws no samples.
struct AutoencoderScoreRecipe: ScoreRecipe {
  static let kind = "autoencoder"

  /// The channels of each stage, from the finest down.
  let stages: [Int]
  let latentChannels, blocks: Int
  /// 0: the most up to 32 that fit.
  let groups: Int
  let attention, winograd: Bool

  init(_ options: Options) throws {
    stages = try options.integers(
      "channels", default: [32, 64, 64], atLeast: 1,
      "of each stage; every further stage halves the picture, and latents are as large as the last")
    latentChannels = try options.integer(
      "latent_channels", default: 4, atLeast: 1, atMost: 4096, "of a latent picture")
    blocks = try options.integer(
      "blocks", default: 1, atLeast: 1, atMost: 64, "residual blocks of a stage; the decoder's have one more")
    groups = try options.integer("groups", default: 0, atLeast: 0, "of normalisations; 0: the most up to 32 that fit")
    attention = try options.flag("attention", default: true, "between all positions of the last stage")
    winograd = try options.flag("winograd", default: true, "allow Winograd's filtering of 3 × 3 convolutions")
  }

  var network: NetworkScoreRecipe? {
    NetworkScoreRecipe(
      .noise,
      NetworkRecipe { data, _ in
        guard let image = data.image else {
          throw InputError("is for pictures; the data has rows of \(data.dimension) values")
        }
        return try network(for: image)
      })
  }

  /// The network for pictures of a shape.
  func network(for image: ImageShape) throws -> AutoencoderNetwork {
    let most = (1...32).last { count in stages.allSatisfy { $0 % count == 0 } } ?? 1
    var a = AutoencoderArchitecture(
      height: image.height, width: image.width, channels: image.channels, latentChannels: latentChannels,
      stages: stages, blocks: blocks, groups: groups == 0 ? most : groups)
    a.middleAttention = attention
    return try AutoencoderNetwork(a, winograd: winograd)
  }

  func resolve(in setting: ScoreSetting) throws -> ScoreSource {
    guard let learned = setting.learned else { throw InputError("there is no network", at: "score") }
    return learned
  }
}
