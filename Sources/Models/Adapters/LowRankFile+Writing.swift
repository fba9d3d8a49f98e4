// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Networks
import Tensors

extension LowRankFile {
  /// The file of trained adapters of a U-Net, for diffusers' `load_lora_weights`: `unet.MODULE.lora_A.weight` and
  /// `lora_B.weight`, with the rank and α in the metadata.
  public static func writer(of network: LowRankNetwork, parameters: [Float]) throws -> SafetensorsWriter {
    let modules = network.targets.map { String($0.dropLast(".weight".count)) }
    let config: [String: Any] = [
      "unet.r": network.rank, "unet.lora_alpha": network.alpha, "unet.target_modules": modules.sorted(),
      "unet.bias": "none", "unet.peft_type": "LORA",
    ]
    let metadata = try JSONSerialization.data(withJSONObject: config, options: [.sortedKeys])
    var file = SafetensorsWriter(metadata: [
      "format": "pt", "lora_adapter_metadata": String(decoding: metadata, as: UTF8.self),
    ])
    file.add(parameters, layout: network.layout, prefix: "unet.")
    return file
  }
}
