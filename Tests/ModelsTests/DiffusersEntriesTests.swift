// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Testing

/// The entries of a UNet2DModel's config, from the signature of diffusers 0.42.1 (Fixtures/make_schedulers.py).
@Suite("Entries of UNet2DModel") struct DiffusersEntriesTests {
  /// The number of levels of a learned time embedding, which is refused.
  private static let withoutEffect = ["num_train_timesteps"]

  @Test("none is passed over") func everyEntry() throws {
    let defaults = try #require(try SchedulerTests.json("unet") as? [String: Any])
    #expect(defaults.count == 28)
    for key in defaults.keys.sorted() where !Self.withoutEffect.contains(key) {
      let folder = try SpoiledFolder()
      // No entry may be an object: a reader that refuses it has looked at it.
      try folder.configure([key: #"{"strange": 1}"#])
      let error = #expect(throws: InputError.self, "\(key)") { _ = try DiffusersFolder(folder.path) }
      #expect(error?.message.contains("'\(key)'") == true, "\(String(describing: error))")
      #expect(error?.location == folder.config)
    }
  }

  static let refused: [(String, String, String)] = [
    ("foo", "null", "'foo' is null, which is unknown here; allowed: the entries of diffusers' UNet2DModel"),
    ("class_embed_type", #""identity""#, "'class_embed_type' is not null but 'identity'; allowed: null"),
    ("norm_num_groups", "null", "'norm_num_groups' is not a number: null"),
    ("layers_per_block", "null", "'layers_per_block' is not a number: null"),
    ("down_block_types", "null", "'down_block_types' is not a list of texts"),
    ("down_block_types", #"["SkipDownBlock2D", "AttnSkipDownBlock2D"]"#, "holds 'SkipDownBlock2D'; allowed"),
    ("encoder_hid_dim", "8", "'encoder_hid_dim' is 8, which is unknown here"),
  ]

  @Test(arguments: refused) func isRefused(key: String, value: String, says: String) throws {
    let folder = try SpoiledFolder()
    try folder.configure([key: value])
    folder.expectRefused(says, at: folder.config)
  }

  @Test("entries without effect on the network are read over") func withoutEffect() throws {
    let folder = try SpoiledFolder()
    try folder.write(#"{"_class_name": "DDPMScheduler"}"#, to: "scheduler_config.json")
    let before = try DiffusersFolder(folder.path).network.architecture
    // As diffusers' EMAModel saves.
    try folder.configure([
      "decay": "0.9999", "min_decay": "0.0", "optimization_step": "500", "update_after_step": "0",
      "use_ema_warmup": "true", "inv_gamma": "1.0", "power": "0.75", "_name_or_path": #""x""#,
      "_diffusers_version": #""0.1""#, "num_train_timesteps": "1000", "downsample_type": "null",
      "down_block_types": #"["UNetResDownBlock2D", "UNetResAttnDownBlock2D"]"#,
    ])
    #expect(try DiffusersFolder(folder.path).network.architecture == before)
    try folder.expectNotes([])
  }
}
