// SPDX-License-Identifier: GPL-3.0-or-later
import Core
import Foundation
import Models
import Networks
import Processes
import Testing

/// What diffusers 0.42.1's own schedulers say of noise levels (Fixtures/make_schedulers.py), and what is refused.
@Suite("diffusers' schedulers") struct SchedulerTests {
  static func json(_ name: String) throws -> Any {
    let url = try #require(
      Bundle.module.url(forResource: name, withExtension: "json", subdirectory: "Fixtures/Schedulers"))
    return try JSONSerialization.jsonObject(with: Data(contentsOf: url))
  }

  @Test("noise levels of 20 classes, by default and as configured, are diffusers'") func levels() throws {
    let cases = try #require(try Self.json("levels") as? [[String: Any]])
    #expect(Set(cases.compactMap { $0["class"] as? String }).count == 20)
    for test in cases {
      let name = try #require(test["class"] as? String)
      let folder = try SpoiledFolder()
      try folder.write(try #require(test["config"] as? String), to: "scheduler_config.json")
      let read = try DiffusersFolder(folder.path)
      let found = read.schedule.alphaBars
      let places = try #require(test["places"] as? [Int])
      let expected = try #require(test["levels"] as? [Double])
      for (place, level) in zip(places, expected) {
        // diffusers multiplies floats, N at most 1000 of them: an error of about √N 2⁻²⁴ = 2e-6 of ᾱ.
        #expect(abs(found[place] - level) < 2e-6, "\(name) level \(place)")
      }
      #expect(found.count == places[places.count - 1] + 1 && read.prediction != nil)
      #expect(zip(found, found.dropFirst()).allSatisfy { $0 > $1 } && found[found.count - 1] > 0, "\(name)")
    }
  }

  @Test("every class of diffusers is followed or refused by name") func classes() throws {
    let classes = try #require(try Self.json("classes") as? [String])
    #expect(classes.count > 50)
    let folder = try SpoiledFolder()
    var followed = 0
    for name in classes + ["FlaxDDPMScheduler", "MyScheduler", ""] {
      try folder.write(#"{"_class_name": "\#(name)"}"#, to: "scheduler_config.json")
      do {
        _ = try DiffusersFolder(folder.path)
        followed += 1
      } catch let error as InputError {
        #expect(error.location == "\(folder.path)/scheduler_config.json")
        #expect(error.message.contains("'\(name)'"), "\(error)")
        #expect(error.message.contains("; allowed: "), "\(error)")
      }
    }
    #expect(followed == 20)
  }

  static let refused: [(String, String)] = [
    (#""_class_name": "CMStochasticIterativeScheduler""#, "distilled to few steps, which are no scores; allowed: D"),
    (#""_class_name": "KarrasVeScheduler""#, "told σ/2"),
    (#""_class_name": "UnCLIPScheduler""#, "learned variance"),
    (#""_class_name": "FlowMatchEulerDiscreteScheduler", "shift": 3.0"#, "of flows"),
    (#""_class_name": "ScoreSdeVeScheduler""#, "told a level's number; allowed: schedulers of DDPM's"),
    (#""_class_name": 3"#, "'_class_name' is not a text: 3"),
    (#""foo": 3"#, "'foo' is 3, which is unknown here; allowed: num_train_timesteps"),
    (#""snr_shift_scale": 3.0"#, "'snr_shift_scale' is 3.0, which is unknown here"),
    (#""beta_start": null"#, "'beta_start' is not a number: null"),
    (#""beta_start": 1e400"#, "'beta_start' is not a number: inf"),
    (#""beta_end": NaN"#, "'beta_end' is not a number: nan"),
    (#""beta_end": 1"#, "β_999 is 1.0; allowed"),
    (#""beta_schedule": "sigmoid""#, "'beta_schedule' is 'sigmoid'; allowed: linear, scaled_linear, squaredcos_cap"),
    (#""beta_schedule": null"#, "'beta_schedule' is not a text: null"),
    (#""prediction_type": "flow_prediction""#, "'prediction_type' is 'flow_prediction'; allowed: epsilon"),
    (#""prediction_type": null"#, "'prediction_type' is not a text: null"),
    (#""use_flow_sigmas": true"#, "'use_flow_sigmas' is true; allowed: false"),
    (#""timestep_type": "continuous""#, "'timestep_type' is 'continuous'; allowed: discrete"),
    (#""variance_type": "learned_range""#, "'variance_type' is 'learned_range'; allowed: fixed_small"),
    (#""rescale_betas_zero_snr": true"#, "with prediction_type epsilon: the last level is noise alone"),
    (#""rescale_betas_zero_snr": 1"#, "'rescale_betas_zero_snr' is neither true nor false: 1"),
    (#""_class_name": "PNDMScheduler", "prediction_type": "sample""#, "allowed: epsilon, v_prediction"),
    (
      #""_class_name": "PNDMScheduler", "rescale_betas_zero_snr": true, "prediction_type": "v_prediction""#,
      "PNDMScheduler has no such entry"
    ),
    (#""num_train_timesteps": 1, "rescale_betas_zero_snr": true, "prediction_type": "sample""#, "for one level"),
    (#""beta_start": 0.1, "beta_start": 0.2"#, "the key 'beta_start' is there twice"),
    (#""a": \#(String(repeating: "[", count: 100_000))"#, "nested deeper than 32"),
  ]

  @Test(arguments: refused) func isRefused(entries: String, says: String) throws {
    let folder = try SpoiledFolder()
    let kind = entries.contains("_class_name") ? "" : #""_class_name": "DDIMScheduler", "#
    try folder.write("{\(kind)\(entries)}", to: "scheduler_config.json")
    folder.expectRefused(says, at: "\(folder.path)/scheduler_config.json")
  }

  @Test("sampling entries are told in one line, others are without a word") func notes() throws {
    let folder = try SpoiledFolder()
    func expect(_ entries: String, _ texts: [String]) throws {
      try folder.write("{\(entries)}", to: "scheduler_config.json")
      try folder.expectNotes(texts)
    }
    try expect(#""_class_name": "DDPMScheduler", "clip_sample": false, "trained_betas": null"#, [])
    try expect(
      #""_class_name": "PNDMScheduler", "clip_sample": true, "timestep_spacing": "leading", "steps_offset": 1"#,
      ["clip_sample true, timestep_spacing 'leading', steps_offset 1: sampling settings, which are not followed"])
    // What only counts with thresholding is told with it, and an infinity of Python's is read.
    try expect(
      #""_class_name": "DPMSolverMultistepScheduler", "sample_max_value": 1.0, "lambda_min_clipped": -Infinity"#,
      ["scheduler_config.json: lambda_min_clipped -inf: sampling settings"])
    try expect(#""num_train_timesteps": 40"#, ["names no _class_name; taken for a DDPMScheduler"])
    try folder.remove("\(folder.path)/scheduler_config.json")
    try folder.expectNotes(["no scheduler_config.json; taken for DDPM's 1000 noise levels"])
  }

  @Test("predictions, and the first level as the smallest time") func predictions() throws {
    let folder = try SpoiledFolder()
    for (kind, type, prediction) in [
      ("DDPM", nil, .noise), ("DDPM", "v_prediction", .velocity), ("DDIM", "sample", .data),
      ("EulerDiscrete", "original_sample", .data), ("RePaint", nil, .noise),
    ] as [(String, String?, Prediction)] {
      let entry = type.map { #", "prediction_type": "\#($0)""# } ?? ""
      try folder.write(
        #"{"_class_name": "\#(kind)Scheduler", "num_train_timesteps": 50\#(entry)}"#, to: "scheduler_config.json")
      let read = try DiffusersFolder(folder.path)
      #expect(read.prediction == prediction && read.schedule.samplingEpsilon == 0.02)
    }
  }

  @Test("a pipeline's parts and classes") func pipelines() throws {
    let folder = try SpoiledFolder()
    for file in ["config.json", "diffusion_pytorch_model.safetensors"] { try folder.move(file, to: "unet/\(file)") }
    let parts = #""unet": ["diffusers", "UNet2DModel"], "scheduler": ["diffusers", "DDIMScheduler"]"#
    try folder.write(#"{"num_train_timesteps": 50}"#, to: "scheduler/scheduler_config.json")
    try folder.write(#"{"_class_name": "DDIMPipeline", \#(parts)}"#, to: "model_index.json")
    try folder.expectNotes([])
    try folder.write(#"{"_class_name": "DDPMScheduler"}"#, to: "scheduler/scheduler_config.json")
    folder.expectRefused("model_index.json says 'DDIMScheduler'", at: "\(folder.path)/scheduler/scheduler_config.json")
    try folder.write(#"{\#(parts), "vqvae": ["diffusers", "VQModel"]}"#, to: "model_index.json")
    folder.expectRefused(
      "'vqvae' is ['diffusers', 'VQModel']: a part that is not read", at: "\(folder.path)/model_index.json")
    try folder.write(#"{"_class_name": "DDIMScheduler"}"#, to: "scheduler/scheduler_config.json")
    // The network alone may be asked for; what it works with is told.
    let notes = try DiffusersFolder(folder.path + "/unet").notes
    #expect(notes.first?.contains("works with vqvae, which is not read") == true)
    try folder.write("{}", to: "unet/scheduler_config.json")
    try folder.write("{\(parts)}", to: "model_index.json")
    folder.expectRefused("differs from", at: "\(folder.path)/unet/scheduler_config.json")
  }
}
