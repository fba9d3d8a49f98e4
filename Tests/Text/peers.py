# SPDX-License-Identifier: GPL-3.0-or-later
"""Times text to image beside others, in one run: python peers.py FOLDER PROGRAM [--steps 10] [--rounds 3] [--threads 2]

FOLDER is one of StableDiffusionPipeline (make_folder.py writes one), PROGRAM is score-sde. Each round asks everybody in
turn for one picture of the same latents and prompt with guidance, by DDIM: diffusers as it stands, diffusers with its
U-Net compiled by torch.compile, OpenVINO's U-Net in diffusers' pipeline, OpenVINO GenAI and stable-diffusion.cpp where
they can read the folder (they say so where not), and PROGRAM. The time of STEPS steps is that of a picture of 2 STEPS
steps less that of one of STEPS, so that neither reading weights nor the decoder counts; the least of all rounds is told,
with the largest distance of the picture from diffusers' own. Needs torch, diffusers, transformers; openvino,
openvino-genai, stable-diffusion-cpp-python where they are to take part. GenAI reads what optimum-intel exports, which
wants other versions than these: --exporter is a Python that has it.
"""

import argparse
import json
import os
import subprocess
import sys
import tempfile
import time
import warnings
from pathlib import Path

warnings.filterwarnings("ignore")
os.environ["HF_HUB_OFFLINE"] = "1"

import numpy as np
import torch
from diffusers import DDIMScheduler, StableDiffusionPipeline

PROMPT, GUIDANCE = "a red tower", 7.5


class Diffusers:
    """diffusers' own pipeline; its U-Net may be replaced."""

    name = "diffusers"

    def __init__(self, arguments):
        self.pipeline = StableDiffusionPipeline.from_pretrained(arguments.folder, safety_checker=None)
        self.pipeline.scheduler = DDIMScheduler.from_config(self.pipeline.scheduler.config)
        self.pipeline.set_progress_bar_config(disable=True)
        self.latents = torch.from_numpy(np.load(arguments.latents))

    def picture(self, steps):
        size = 8 * self.latents.shape[-1]
        return self.pipeline(
            PROMPT, height=size, width=size, num_inference_steps=steps, guidance_scale=GUIDANCE,
            latents=self.latents.clone(), output_type="np").images[0]


class Compiled(Diffusers):
    name = "torch.compile"

    def __init__(self, arguments):
        super().__init__(arguments)
        self.pipeline.unet = torch.compile(self.pipeline.unet)


class OpenVINO(Diffusers):
    """The U-Net alone by OpenVINO, in 32-bit floats."""

    name = "OpenVINO"

    def __init__(self, arguments):
        import openvino
        super().__init__(arguments)
        unet = self.pipeline.unet
        size, width = self.latents.shape[-1], unet.config.cross_attention_dim

        class Plain(torch.nn.Module):
            def __init__(self):
                super().__init__()
                self.unet = unet

            def forward(self, sample, timestep, context):
                return self.unet(sample, timestep, encoder_hidden_states=context).sample

        example = (torch.zeros(2, 4, size, size), torch.tensor(1.0), torch.zeros(2, 77, width))
        with torch.no_grad():
            model = openvino.convert_model(Plain(), example_input=example)
        model.reshape({0: [2, 4, size, size], 1: [], 2: [2, 77, width]})
        compiled = openvino.Core().compile_model(
            model, "CPU", {"INFERENCE_NUM_THREADS": arguments.threads, "INFERENCE_PRECISION_HINT": "f32",
                           "PERFORMANCE_HINT": "LATENCY"})
        request = compiled.create_infer_request()

        def forward(sample, timestep, encoder_hidden_states=None, **_):
            result = request.infer([sample.numpy(), np.float32(timestep), encoder_hidden_states.numpy()])[0]
            return (torch.from_numpy(np.array(result)),)

        self.pipeline.unet.forward = forward


class GenAI:
    name = "OpenVINO GenAI"

    def __init__(self, arguments):
        import openvino_genai
        folder = Path(arguments.work) / "openvino"
        subprocess.run(
            [arguments.exporter, "-m", "optimum.commands.optimum_cli", "export", "openvino", "--model", arguments.folder,
             "--weight-format", "fp32", "--task", "text-to-image", str(folder)],
            check=True, capture_output=True, text=True)
        import openvino
        self.pipeline = openvino_genai.Text2ImagePipeline(
            str(folder), "CPU", INFERENCE_NUM_THREADS=arguments.threads, INFERENCE_PRECISION_HINT="f32")
        latents = np.load(arguments.latents)
        self.size = 8 * latents.shape[-1]

        class Fixed(openvino_genai.Generator):
            def __init__(self):
                openvino_genai.Generator.__init__(self)
                self.values = iter(latents.ravel().tolist())

            def next(self):
                return next(self.values)

            def randn_tensor(self, shape):
                return openvino.Tensor(latents)

        self.generator = Fixed

    def picture(self, steps):
        image = self.pipeline.generate(
            PROMPT, width=self.size, height=self.size, num_inference_steps=steps, guidance_scale=GUIDANCE,
            generator=self.generator())
        return np.array(image.data)[0].astype(np.float32) / 255


class StableDiffusionCpp:
    name = "stable-diffusion.cpp"

    def __init__(self, arguments):
        from stable_diffusion_cpp import StableDiffusion
        self.model = StableDiffusion(model_path=arguments.folder, n_threads=arguments.threads, verbose=False)
        self.size = 8 * np.load(arguments.latents).shape[-1]

    def picture(self, steps):
        image = self.model.generate_image(
            prompt=PROMPT, width=self.size, height=self.size, sample_steps=steps, cfg_scale=GUIDANCE,
            sample_method="ddim_trailing")[0]
        return np.asarray(image, dtype=np.float32) / 255


class Ours:
    name = "score-sde"

    def __init__(self, arguments):
        self.arguments = arguments
        self.output = f"{arguments.work}/ours.npy"
        size = 8 * np.load(arguments.latents).shape[-1]
        self.command = [
            arguments.program, "generate", arguments.folder, "--prompt", PROMPT, "--guidance", str(GUIDANCE), "--solver",
            "ddim", "--size", f"{size}x{size}", "--latents", arguments.latents, "--format", "npy", "--threads",
            str(arguments.threads), "--output", self.output]

    def picture(self, steps):
        run = subprocess.run([*self.command, "--steps", str(steps)], capture_output=True, text=True)
        if run.returncode:
            raise RuntimeError(run.stderr.strip().splitlines()[-1])
        return np.load(self.output)[0]


def main():
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("folder")
    parser.add_argument("program")
    parser.add_argument("--steps", type=int, default=10)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--threads", type=int, default=2)
    parser.add_argument("--exporter", default=sys.executable, help="a Python that has optimum-intel")
    parser.add_argument("--only", nargs="*", help="names of those that take part")
    arguments = parser.parse_args()
    torch.set_num_threads(arguments.threads)
    torch.set_grad_enabled(False)
    with tempfile.TemporaryDirectory() as arguments.work:
        size = json.loads((Path(arguments.folder) / "unet/config.json").read_text())["sample_size"]
        arguments.latents = f"{arguments.work}/latents.npy"
        np.save(arguments.latents, torch.randn(1, 4, size, size, generator=torch.manual_seed(0)).numpy())
        peers = []
        for kind in [Diffusers, Compiled, OpenVINO, GenAI, StableDiffusionCpp, Ours]:
            if arguments.only and kind.name not in arguments.only:
                continue
            try:
                peer = kind(arguments)
                peer.image = peer.picture(arguments.steps)
                peer.short, peer.long = [], []
                peers.append(peer)
            except Exception as error:
                text = str(error).strip().splitlines() or [type(error).__name__]
                print(f"{kind.name}: takes no part ({type(error).__name__}: {text[-1][:160]})", flush=True)
        for _ in range(arguments.rounds):
            for peer in peers:
                for times, steps in ((peer.short, arguments.steps), (peer.long, 2 * arguments.steps)):
                    start = time.perf_counter()
                    peer.picture(steps)
                    times.append(time.perf_counter() - start)
        print(f"who,seconds of {arguments.steps} steps,seconds of the whole call,largest distance from diffusers")
        for peer in peers:
            seconds = min(peer.long) - min(peer.short)
            distance = np.abs(np.asarray(peer.image, dtype=np.float64) - peers[0].image).max()
            print(f"{peer.name},{seconds:.3f},{min(peer.short):.3f},{distance:.2e}")


if __name__ == "__main__":
    main()
