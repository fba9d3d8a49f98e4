// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Datasets
import Models
import Networks

/// The models of a pipeline for pictures of one size.
struct PipelineModels {
  /// Pictures to latents and back.
  let autoencoder: Autoencoder
  /// The U-Net behind the text encoder.
  let network: TextNetwork
  /// The shape of a latent.
  let latent: ImageShape
  /// The picture that an image to image begins with.
  let source: SourcePicture?
  /// How many channels the U-Net sees: those of the latents, or with a mask and the latents of the rest.
  let inputChannels: Int
  /// What was chosen or left out, a line each.
  let notes: [String]
  private let inner: any Network

  /// The shape of a picture.
  var picture: ImageShape {
    let a = autoencoder.architecture
    return ImageShape(height: a.height, width: a.width, channels: a.channels)
  }

  /// - Throws: `InputError` at the file for what is missing, damaged or of an unknown kind, and for sizes that the
  ///   models do not have.
  init(_ folder: PipelineFolder, _ request: GenerationRequest) throws {
    let coder = try AutoencoderFolder(folder.autoencoder, subfolder: ".", variant: request.variant)
    let factor = coder.autoencoder.architecture.factor
    guard coder.autoencoder.architecture.channels == 3 else {
      throw InputError(
        "has pictures of \(coder.autoencoder.architecture.channels) channels; allowed: 3", at: folder.autoencoder)
    }
    source = try request.image.map {
      try SourcePicture(image: $0, mask: request.mask, size: request.size, factor: factor)
    }
    if let size = request.size, size.height % factor != 0 || size.width % factor != 0 {
      throw InputError("is \(size.width) × \(size.height) pixels; allowed: multiples of \(factor)", at: "--size")
    }
    let pixels = source.map { ($0.height, $0.width) } ?? request.size.map { ($0.height, $0.width) }
    if let (height, width) = pixels {
      do {
        try coder.autoencoder.architecture.sized(height: height, width: width).checkSize()
      } catch let error as InputError {
        throw InputError(error.message, at: request.image ?? "--size")
      }
    }
    let tokens = try TokenizerFolder(folder.tokenizer)
    let text = try TextEncoderFolder(folder.textEncoder, variant: request.variant)
    let adapters = try request.adapters.map { try LowRankFile($0) }
    let unet = try DiffusersFolder(
      folder.unet, subfolder: ".", variant: request.variant,
      size: pixels.map { (height: $0.0 / factor, width: $0.1 / factor) }, tokens: tokens.tokenizer.length, stored: true,
      adapters: adapters.map { ($0, request.adapterWeight) })
    let values =
      try adapters?.added(to: text.parameters, of: text.encoder, times: request.adapterWeight) ?? text.parameters
    let a = unet.network.architecture
    guard let context = a.context else {
      throw InputError("is a U-Net without a context, which no text can be told", at: folder.unet)
    }
    guard context.width == text.encoder.architecture.width else {
      throw InputError(
        "takes \(context.width) numbers a token; the text encoder has \(text.encoder.architecture.width)",
        at: folder.unet)
    }
    let channels = coder.autoencoder.architecture.latentChannels
    guard a.outputChannels == channels, a.inputChannels == channels || a.inputChannels == 2 * channels + 1 else {
      throw InputError(
        "has \(a.inputChannels) channels in and \(a.outputChannels) out; allowed beside the autoencoder: "
          + "\(channels) or \(2 * channels + 1) in, \(channels) out", at: folder.unet)
    }
    inputChannels = a.inputChannels
    latent = ImageShape(height: a.height, width: a.width, channels: channels)
    var coderNotes = coder.notes
    var plain = coder.autoencoder
    if plain.shift != 0 {
      // The pipeline multiplies latents by scaling_factor, and does no more.
      plain = Autoencoder(plain.network, parameters: plain.parameters, scaling: plain.scaling)
      coderNotes.append(
        "\(folder.autoencoder)/config.json: shift_factor is taken as 0, as StableDiffusionPipeline does")
    }
    autoencoder = try plain.sized(height: a.height * factor, width: a.width * factor)
    if let stored = unet.stored { inner = stored } else { inner = unet.network }
    do {
      network = try TextNetwork(
        inner, encoder: text.encoder, tokenizer: tokens.tokenizer, values: values, isTrained: false)
    } catch let error as InputError {
      throw InputError(error.message, at: folder.tokenizer)
    }
    // The U-Net's reader tells of the parts and of the scheduler's entries, which are read here.
    notes =
      (source?.notes ?? []) + coderNotes + tokens.notes + text.notes
      + unet.notes.filter { !$0.contains("which is not read") && !$0.contains("which are not followed") }
  }

  /// The network that sees a mask and the latents of the rest beside x.
  func network(beside channels: [Float]) throws -> TextNetwork {
    try TextNetwork(
      ChannelsBeside(inner, beside: channels, pixels: latent.height * latent.width), encoder: network.encoder,
      tokenizer: network.tokenizer, values: network.encoderParameters([]), isTrained: false)
  }
}
