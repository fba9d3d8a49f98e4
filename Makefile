# SPDX-License-Identifier: GPL-3.0-or-later
# `make help` tells what there is.
SHELL := /bin/bash

# The matrix kernels: onednn, or cblas where libdnnl-dev is not wanted.
KERNELS ?= onednn
export KERNELS
# MPI=1: ranks over MPI, for mpirun. Only Sources/CRanks is compiled anew.
MPI ?= 0
export MPI
# For manifest.json.
export SCORE_SDE_COMMIT := $(shell git describe --always --dirty --abbrev=40 --exclude='*' 2>/dev/null)

ifeq ($(MPI),1)
more-packages := libopenmpi-dev
endif

ifeq ($(KERNELS),onednn)
scratch := .build
packages := libgsl-dev libpng-dev zlib1g-dev libcairo2-dev libdnnl-dev pkg-config $(more-packages)
else
scratch := .build/cblas
packages := libgsl-dev libpng-dev zlib1g-dev libcairo2-dev pkg-config $(more-packages)
endif

swift := swift
flags := -c release --scratch-path $(scratch)
program := $(scratch)/release/score-sde
venv := .venv
configs := $(wildcard Experiments/*.yaml)
# Configs that stand for many runs.
sweeps := $(notdir $(basename $(shell grep -l '^sweep:' $(configs))))
experiments := $(filter-out $(sweeps),$(notdir $(configs:.yaml=)))
# Options for every run, as ARGS="--quiet --threads 1".
ARGS ?=
FILTER ?=
comma := ,
empty :=
space := $(empty) $(empty)

.PHONY: $(experiments) $(sweeps) default help list watch setup build test all format lint bench report pages-check \
  notebooks notebooks-test readme-pictures mnist photos docs docs-api orders sanity-checks copy-test coverage \
  coverage-models trap-study particles sbi sbi-data processes extending interruptions check-results digits-classes-judge \
  inpaint-judge scenes-judge kills sweep-kills faults large-data load same-bytes slurm-test mutants fuzz fuzz-build \
  sanitize few-step-checkerboard-judge few-step-checkerboard-data-judge few-step-digits-judge few-step-seconds \
  couplings-judge tensorboard-check ranks ranks-build bench-ranks ranks-network variable-steps \
  pipeline-parity bench-posterior bench-text memory-text clip-vocabulary tokens-check clean

default: vp-digits

help:
	@echo 'make                 install what is missing, build, and run vp-digits'
	@echo 'make NAME            run Experiments/NAME.yaml, unless its results are newer than the config (-B: always)'
	@echo 'make sweep-NAME      run the sweep of Experiments/NAME.yaml (ARGS="--jobs 4"): $(sweeps)'
	@echo 'make all             run every experiment and every sweep'
	@echo 'make watch           show the run that is the newest in Results (DIR=FOLDER: another one) while it goes on'
	@echo 'make list            the experiments, and every kind a config can name (KIND=vp: with its options)'
	@echo 'make test            all tests (FILTER=CoreTests for some)'
	@echo 'make report          one page about all results: Results/report.html (ARGS=--watch: kept up to date)'
	@echo 'make notebooks       run the notebooks on the results, or on small ones; pages in Results/Notebooks (NOTEBOOKS=...)'
	@echo 'make notebooks-test  test what the notebooks are made of, and two of them on tiny runs'
	@echo 'make readme-pictures draw the pictures of the README anew, from mnist-unet and solvers of digits'
	@echo 'make mnist           fetch 5,000 images of MNIST into Experiments/Data/mnist; make mnist-unet learns them'
	@echo 'make inpaint-judge   ranks and C2ST of right halves of 100 digits; a table of Docs/Conditional.md'
	@echo 'make digits-classes-judge  let a classifier of scikit-learn read the samples of digits-classes'
	@echo 'make scenes-text     train an autoencoder of captioned scenes and a text model in its latents: pictures under captions'
	@echo 'make scenes-judge    let classifiers of scikit-learn read the samples of scenes-text (FOLDERS=...: of others)'
	@echo 'make photos          fetch the photographs of Experiments/Data into Experiments/Data/photos'
	@echo 'make pipeline-parity  compare pictures of `score-sde generate` with those of diffusers on 20 random folders'
	@echo 'make bench           time us against PyTorch, JAX and OpenVINO; Results/Benchmarks/*.csv'
	@echo 'make bench-posterior time DPS, PiGDM and SMC beside azula and deepinv; Results/Benchmarks/posterior.csv'
	@echo 'make bench-text      time text to image beside diffusers, OpenVINO and stable-diffusion.cpp'
	@echo 'make memory-text     the memory of text to image with a U-Net of 860 million parameters'
	@echo 'make clip-vocabulary fetch the vocabulary of CLIP, for texts, into Experiments/Data/clip-tokenizer'
	@echo 'make tokens-check    compare our tokens with those of transformers on 10,000 prompts'
	@echo 'make orders          measure the order of every solver; Results/solver-orders/orders-*.csv'
	@echo 'make check-results   run the comparisons of Docs/Comparisons.md, and compare with what is written there'
	@echo 'make sanity-checks   which metric passes which check; the tables of Docs/Metrics.md'
	@echo 'make copy-test       how often the test for copies finds them; a table of Docs/Metrics.md'
	@echo 'make coverage        how often the 95 % intervals of metrics cover; tables of Docs/Metrics.md'
	@echo 'make coverage-models that of figures of models alone: a minute'
	@echo 'make trap-study      posterior methods beside exact posteriors; the tables of Docs/Conditional.md'
	@echo 'make particles       posterior samples of a mixture beside exact ones; a table of Docs/Conditional.md'
	@echo 'make sbi             five tasks of simulation-based inference, judged; a table of Docs/Conditional.md'
	@echo 'make variable-steps  the best times of solvers on the exact problems beside log-snr and karras (PAGE=Docs/Solvers.md)'
	@echo 'make processes       check and train every process on one mixture; the table of Docs/Processes.md'
	@echo 'make extending       build Experiments/Extending, a package of kinds of its own, and run its experiment'
	@echo 'make interruptions   stop 100 trainings by Ctrl-C, and compare what they go on to with an undisturbed one'
	@echo 'make large-data      train on 3 GiB of images, and report the most memory that it took'
	@echo 'make kills           kill 1,000 runs by SIGKILL at random moments, and compare what they go on to'
	@echo 'make sweep-kills     kill a sweep of 24 runs twice, and compare its table with that of an undisturbed one'
	@echo 'make couplings-judge  path energies of five seeds beside the exact W₂² of the laws; a table of Docs/Couplings.md'
	@echo 'make few-step-methods   all objectives of few steps on one ring; a table of Docs/FewStep.md'
	@echo 'make few-step-seconds   what students of few steps take beside their teachers'
	@echo 'make few-step-digits-judge   forests of scikit-learn tell few steps of digits from held-out ones'
	@echo 'make few-step-checkerboard-judge   histograms of one step beside the law; -data-judge: of many, from data'
	@echo 'make slurm-test      run a sweep of 24 runs through a Slurm of its own, killing ten tasks (ARGS="--runs 4 --kills 1")'
	@echo 'make faults          let every write, fsync, rename and open of a run fail, and compare what comes after'
	@echo 'make same-bytes      compare what two programs write for every config; OLD=PROGRAM is the other one'
	@echo 'make ranks           compare what ranks under mpirun write with one process; kill and stop 20 of them (ARGS=--short)'
	@echo 'make bench-ranks     two ranks beside two threads, and beside DDP of PyTorch; Results/Benchmarks/ranks.csv'
	@echo 'make ranks-network   the cost model of Docs/Scale.md on slow networks of namespaces, as root (ARGS="--paper")'
	@echo 'make mutants         plant the faults of Tests/mutants.txt one at a time: do the tests find them?'
	@echo 'make fuzz            libFuzzer on every reader, under AddressSanitizer (RUNS=1000000 inputs of each FORMATS=...)'
	@echo 'make sanitize        tests under ThreadSanitizer, AddressSanitizer and UndefinedBehaviorSanitizer'
	@echo 'make pages-check     open a report in a headless browser: is it whole, sortable, and nothing cut or overlapping?'
	@echo 'make load            memory and time of a million rows, 100,000 likelihoods and 200 solvers, against bounds'
	@echo 'make docs            write the option tables of Docs/Experiments.md'
	@echo 'make docs-api        the API reference as pages (.build/API); fails where a public symbol has no comment'
	@echo 'make tensorboard-check   read event files with TensorBoard, and compare them with the tables they are made of'
	@echo 'make format, lint    swift format'
	@echo 'make clean           remove build products; Results stay'
	@echo 'MPI=1                with any of these: mpirun -n 2 $(program) train CONFIG shares one training (Docs/Scale.md)'
	@echo 'KERNELS=cblas        with any of these: GSL'"'"'s CBLAS in place of oneDNN'
	@echo 'Trained networks are kept in Results/.models, or in SCORE_SDE_MODELS=FOLDER'

# What apt does not know to be installed, with the one command that mends it.
setup:
	@missing=""; \
	for p in $(packages); do dpkg -s $$p >/dev/null 2>&1 || missing="$$missing $$p"; done; \
	if [ -n "$$missing" ]; then \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; \
	  elif sudo -n true 2>/dev/null; then sudo="sudo"; \
	  else echo "Please run: sudo apt-get update && sudo apt-get install -y$$missing" >&2; exit 1; fi; \
	  echo "Installing$$missing"; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends $$missing >/dev/null; \
	fi
	@command -v $(swift) >/dev/null || { echo "Swift 6.2 or later is needed: https://www.swift.org/install" >&2; exit 1; }

build: setup
	@$(swift) build $(flags) --product score-sde

# No test asks for what is internal: so tests and the program are built from the same products.
test: setup
	@$(swift) test $(flags) --disable-testable-imports $(if $(FILTER),--filter '$(FILTER)')

KIND ?=

list: build
	@$(if $(KIND),,echo 'Experiments: $(experiments)' | fold -s -w 80; echo 'Sweeps: $(sweeps)' | fold -s -w 80; echo;) $(program) list $(KIND)

fresh = Results/$(1) is newer than Experiments/$(1).yaml: nothing was done$(if $(strip $(ARGS)),$(comma) and ARGS had no \
  effect). `make -B $(1)$(if $(strip $(ARGS)), ARGS=...)` runs it again.

# An experiment is done when its manifest is newer than its config. `ran` has those that were not.
$(experiments): %: Results/%/manifest.json
	@$(if $(filter $*,$(ran)),:,echo '$(call fresh,$*)')

Results/%/manifest.json: Experiments/%.yaml | build
	$(eval ran += $*)
	@$(program) run $< --output $(dir $(abspath $@)) $(ARGS)

# Runs that are done are not done again.
sweep-%: Experiments/%.yaml | build
	@$(program) sweep $< --output $(abspath Results/$*) $(ARGS)

$(sweeps): %: sweep-%

# The folder of the run that began last.
DIR ?= $(patsubst %/,%,$(dir $(firstword $(shell ls -t Results/*/config.yaml Results/*/.lock Results/*/sweep.csv 2>/dev/null))))

watch: build
	@$(if $(DIR),,echo 'There is nothing in Results to watch; DIR=FOLDER names another folder' >&2; exit 2;) \
	  $(program) watch $(DIR) $(ARGS)

all: $(experiments) $(addprefix sweep-,$(sweeps))

$(venv)/ready: Experiments/Notebooks/requirements.txt
	@python3 -m venv --help >/dev/null 2>&1 && python3 -c 'import ensurepip' 2>/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi; \
	  $$sudo apt-get update -qq && $$sudo apt-get install -y -qq python3-venv >/dev/null; }
	@python3 -m venv $(venv) && $(venv)/bin/pip install -q -r $< && touch $@

NOTEBOOKS ?=
render := $(venv)/bin/python Experiments/Notebooks/render.py --program $(program)

notebooks: build $(venv)/ready
	@$(render) --results Results $(NOTEBOOKS) $(ARGS)

notebooks-test: build $(venv)/ready
	@$(venv)/bin/python -m unittest discover -q -s Experiments/Notebooks
	@$(venv)/bin/python -m unittest discover -q -s Experiments/Data
	@for c in Experiments/Notebooks/configs/*.yaml; do $(program) validate --strict $$c || exit 1; done
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && \
	  SCORE_SDE_MODELS=$$folder/.models $(render) --results $$folder --tiny first-look compare-solvers

Results/digits-solvers/manifest.json: Experiments/Notebooks/configs/digits-solvers.yaml | build
	@$(program) run $< --output $(dir $(abspath $@)) $(ARGS)

readme-pictures: mnist-unet Results/digits-solvers/manifest.json $(venv)/ready
	@SCORE_SDE_PROGRAM=$(program) $(venv)/bin/python Experiments/Notebooks/readme_pictures.py Docs/Images

mnist: Experiments/Data/mnist/images.idx.gz

Experiments/Data/mnist/images.idx.gz: | $(venv)/ready
	@$(venv)/bin/python Experiments/Data/fetch_mnist.py

Results/mnist-unet/manifest.json: | mnist

report: build
	@$(program) report $(ARGS)

# Chromium is for this check alone.
pages-check: build
	@command -v chromium >/dev/null || command -v chromium-browser >/dev/null || { \
	  if [ "$$(id -u)" = 0 ]; then sudo=""; else sudo="sudo"; fi; \
	  $$sudo apt-get update -qq && DEBIAN_FRONTEND=noninteractive $$sudo apt-get install -y -qq --no-install-recommends \
	    chromium >/dev/null; }
	@python3 Tests/pages.py --program $(program) $(ARGS)

# scikit-learn is for this judge alone.
$(venv)-judge/ready:
	@python3 -m venv $(venv)-judge && $(venv)-judge/bin/pip install -q scikit-learn==1.9.1 && touch $@

digits-classes-judge: digits-classes $(venv)-judge/ready
	@$(venv)-judge/bin/python Experiments/Data/judge_digits.py Results/digits-classes

# Latents are those of a trained autoencoder.
Results/scenes-text/manifest.json: Results/scenes-autoencoder/manifest.json

# Scenes that the judge learns from and is judged by.
scenes := Results/.scenes

$(scenes)/ready: Experiments/scenes-autoencoder.yaml | build
	@rm -rf $(scenes) && mkdir -p $(scenes)
	@$(program) data $< --rows training --count 6000 --format npy --to $(scenes)/training --quiet
	@$(program) data $< --rows held-out --format npy --to $(scenes)/held-out --quiet
	@touch $@

# FOLDERS="Results/a Results/b": other results.
FOLDERS ?= Results/scenes-text

scenes-judge: $(if $(filter Results/scenes-text,$(FOLDERS)),scenes-text) $(scenes)/ready $(venv)-judge/ready
	@$(venv)-judge/bin/python Experiments/Data/judge_scenes.py $(scenes) $(FOLDERS)

# 100 held-out images of digits, half masked: by the network, and of a mixture whose posterior is exact.
inpaint-judge: build $(venv)-judge/ready
	@$(venv)-judge/bin/python -m unittest discover -q -s Experiments/Data
	@$(program) run Experiments/inpaint-digits.yaml --output Results/inpaint-judge/digits --set sampling.count=1900 \
	  --set 'sampling.observation.held_out={first: 100}' $(ARGS)
	@$(program) run Experiments/inpaint-mixture.yaml --output Results/inpaint-judge/mixture $(ARGS)
	@$(venv)-judge/bin/python Experiments/Data/judge_inpainting.py Results/inpaint-judge/mixture \
	  Results/inpaint-judge/digits > Results/inpaint-judge/table.md
	@$(if $(ARGS),cat Results/inpaint-judge/table.md,python3 Experiments/insert_table.py inpaint Docs/Conditional.md \
	  < Results/inpaint-judge/table.md)

photos: Experiments/Data/photos/rocket.png

Experiments/Data/photos/rocket.png: | $(venv)/ready
	@$(venv)/bin/python Experiments/Data/fetch_photos.py

Results/photos-unet/manifest.json: | photos

$(venv)-bench/ready: Experiments/Benchmarks/requirements.txt
	@python3 -m venv $(venv)-bench && $(venv)-bench/bin/pip install -q -r $< && touch $@

$(venv)-text/ready: Tests/Text/requirements.txt
	@python3 -m venv $(venv)-text && $(venv)-text/bin/pip install -q -r $< && touch $@

$(venv)-export/ready: Tests/Text/requirements-export.txt
	@python3 -m venv $(venv)-export && $(venv)-export/bin/pip install -q -r $< && touch $@

$(scratch)/text-quarter/model_index.json: $(venv)-text/ready
	@$(venv)-text/bin/python Tests/Text/make_folder.py $(@D)

bench-text: build $(venv)-text/ready $(venv)-export/ready $(scratch)/text-quarter/model_index.json
	@$(venv)-text/bin/python Tests/Text/peers.py $(scratch)/text-quarter $(scratch)/release/score-sde \
	  --exporter $(venv)-export/bin/python $(ARGS)

$(scratch)/text-full/model_index.json: $(venv)-text/ready
	@$(venv)-text/bin/python Tests/Text/make_folder.py $(@D) --scale 1 --size 64

memory-text: build $(scratch)/text-full/model_index.json
	@python3 Tests/Text/memory.py $(scratch)/text-full $(scratch)/release/score-sde $(ARGS)

bench: setup $(venv)-bench/ready
	@$(swift) build $(flags) --product score-sde-bench
	@$(venv)-bench/bin/python Experiments/Benchmarks/compare.py --bench $(scratch)/release/score-sde-bench $(ARGS)
	@$(venv)-bench/bin/python Experiments/Benchmarks/scaling.py --bench $(scratch)/release/score-sde-bench

# Posterior sampling beside azula and deepinv, on the same networks.
posterior-peers := $(foreach m,dps pigdm smc,posterior-$(m)-mlp posterior-$(m)-unet)

bench-posterior: setup $(venv)-bench/ready
	@$(swift) build $(flags) --product score-sde-bench
	@$(venv)-bench/bin/python Experiments/Benchmarks/compare.py --bench $(scratch)/release/score-sde-bench \
	  --cases $(subst $(space),$(comma),$(posterior-peers)) --output Results/Benchmarks/posterior.csv $(ARGS)

# Studies of the metrics: tables of Docs/Metrics.md. With ARGS, which may ask for a part, on the terminal alone.
studies := $(scratch)/release/score-sde-studies

sanity-checks copy-test coverage coverage-models: setup
	@$(swift) build $(flags) --product score-sde-studies
	@mkdir -p Results/metrics
	@$(studies) $@ $(if $(ARGS),$(ARGS),$(if $(filter coverage%,$@),--csv Results/metrics/$@.csv) > Results/metrics/$@.md)
	@$(if $(ARGS),,python3 Experiments/insert_table.py $@ Docs/Metrics.md < Results/metrics/$@.md)

$(if $(ARGS),,coverage: coverage-models)

# Posterior methods beside exact posteriors: tables of Docs/Conditional.md.
trap-study: setup
	@$(swift) build $(flags) --product score-sde-studies
	@mkdir -p Results/conditional
	@$(studies) $@ $(if $(ARGS),$(ARGS),> Results/conditional/$@.md)
	@$(if $(ARGS),,python3 Experiments/insert_table.py $@ Docs/Conditional.md < Results/conditional/$@.md)

# Posterior samples of MCG-Diff's mixture: the table of Docs/Conditional.md.
particles: setup
	@$(swift) build $(flags) --product score-sde-studies
	@mkdir -p Results/particles
	@$(studies) particles $(if $(ARGS),$(ARGS),--csv Results/particles/particles.csv > Results/particles/particles.md)
	@$(if $(ARGS),,python3 Experiments/insert_table.py particles Docs/Conditional.md < Results/particles/particles.md)

# Simulation-based inference: five tasks with reference posteriors, judged by scikit-learn.
sbi := $(filter sbi-%,$(experiments))

$(venv)-sbi/ready: Experiments/sbi-requirements.txt
	@python3 -m venv $(venv)-sbi && $(venv)-sbi/bin/pip install -q -r $< && touch $@

sbi-data: Experiments/Data/sbi/sbi-slcp-observations.csv

Experiments/Data/sbi/sbi-slcp-observations.csv: | $(venv)-sbi/ready
	@$(venv)-sbi/bin/python Experiments/Data/fetch_sbi.py

sbi: $(sbi) sbi-data
	@$(venv)-sbi/bin/python Experiments/judge_sbi.py Results $(ARGS) > Results/sbi.md
	@python3 Experiments/insert_table.py sbi Docs/Conditional.md < Results/sbi.md

orders: build
	@mkdir -p Results/solver-orders
	@echo 'variance preserving'; $(program) converge Experiments/solver-orders.yaml \
	  --to Results/solver-orders/orders-vp.csv --rows 16384 --steps 32,64,128,256,512 $(ARGS)
	@echo 'variance exploding'; $(program) converge Experiments/solver-orders.yaml --set process.kind=ve \
	  --set process.sigma_max=10 --set sampling.epsilon=0.3 --to Results/solver-orders/orders-ve.csv --rows 4096 $(ARGS)

checked := vp-digits vp-digits-unet solvers-separated solvers-overlapping solvers-anisotropic

check-results: build
	@for n in $(checked); do $(program) run Experiments/$$n.yaml --output Results/check/$$n || exit 1; done
	@python3 Experiments/check_results.py Results/check $(ARGS)

# One config for each process, and a mixture whose scores and densities are known in place of its data.
processes := vp-moons subvp-moons ve-swiss-roll edm-swiss-roll iddpm-checkerboard cosine-checkerboard \
  rectified-flow-checkerboard interpolant-moons schedule-moons formula-swiss-roll ou-moons cld-moons gbm-mixture
mixture = {kind: gaussian-mixture, weights: [1, 2], means: [[-1, -0.6], [0.5, 0.3]], deviations: [0.3, 0.5], \
  exponential: $(if $(filter gbm-mixture,$(1)),true,false)}

processes: build
	@mkdir -p Results/processes
	@$(foreach n,$(processes),echo $n; \
	  $(program) check Experiments/$n.yaml --set 'data=$(call mixture,$n)' --to Results/processes/$n-check.csv --quiet \
	    || exit 1; \
	  $(program) train Experiments/$n.yaml --set 'data=$(call mixture,$n)' --output Results/processes/$n --quiet $(ARGS) \
	    || exit 1;)
	@python3 Experiments/process_table.py Results/processes Docs/Processes.md

variable-steps: sweep-variable-steps
	@python3 Experiments/variable_steps.py Results/variable-steps/sweep.csv $(PAGE)

# All objectives of few steps on one ring: the table of Docs/FewStep.md.
few-step-methods: sweep-few-step-methods
	@python3 Experiments/few_step_table.py Results/few-step-methods > Results/few-step-methods/table.md
	@python3 Experiments/insert_table.py few-step-methods Docs/FewStep.md < Results/few-step-methods/table.md
	@cat Results/few-step-methods/table.md

# What students of few steps take beside their teachers.
few-step-seconds: build
	@mkdir -p Results
	@python3 Experiments/few_step_seconds.py $(program) \
	  $(foreach n,-one-step -unet,Experiments/few-step-digits$(n).yaml) Experiments/few-step-digits.yaml \
	  > Results/few-step-seconds.md
	@python3 Experiments/insert_table.py few-step-seconds Docs/FewStep.md < Results/few-step-seconds.md
	@cat Results/few-step-seconds.md

couplings-judge: sweep-couplings $(venv)-judge/ready
	@$(venv)-judge/bin/python Experiments/Data/judge_couplings.py Results/couplings/sweep.csv > Results/couplings/table.md
	@python3 Experiments/insert_table.py couplings Docs/Couplings.md < Results/couplings/table.md
	@cat Results/couplings/table.md

few-step-checkerboard-judge few-step-checkerboard-data-judge: %-judge: %
	@python3 Experiments/Data/judge_checkerboard.py Results/$*

few-step-digits-judge: few-step-digits-one-step few-step-digits-unet $(venv)-judge/ready
	@$(venv)-judge/bin/python Experiments/Data/judge_few_step_digits.py \
	  $(addprefix Results/,vp-digits-unet few-step-digits-one-step few-step-digits-unet)

# Their teachers.
Results/few-step-digits-unet/manifest.json Results/few-step-digits-one-step/manifest.json: Results/vp-digits-unet/manifest.json
Results/few-step-digits/manifest.json: Results/vp-digits/manifest.json

extending: setup
	@$(swift) build -c release --package-path Experiments/Extending --scratch-path .build/extending
	@.build/extending/release/my-score-sde run Experiments/Extending/extending.yaml --output Results/extending $(ARGS)

large-data: build
	@python3 Tests/large_data.py $(program) $(ARGS)

# Tokens of texts beside those of transformers. CLIP's vocabulary is fetched, and not part of the package.
clip := Experiments/Data/clip-tokenizer

$(venv)-tokens/ready: Tests/Tokens/requirements.txt
	@python3 -m venv $(venv)-tokens && $(venv)-tokens/bin/pip install -q -r $< && touch $@

clip-vocabulary: $(clip)/vocab.json
$(clip)/vocab.json: | $(venv)-tokens/ready
	@$(venv)-tokens/bin/python Tests/Tokens/clip_vocabulary.py $(clip)

tokens-check: build $(venv)-tokens/ready $(clip)/vocab.json
	@$(venv)-tokens/bin/python Tests/Tokens/check_tokens.py $(program) $(clip) $(ARGS)

$(venv)-tensorboard/ready: Tests/TensorBoard/requirements.txt
	@python3 -m venv $(venv)-tensorboard && $(venv)-tensorboard/bin/pip install -q -r $< && touch $@

tensorboard-check: build $(venv)-tensorboard/ready
	@$(venv)-tensorboard/bin/python Tests/TensorBoard/reader.py --program $(program)

$(venv)-pipelines/ready: Tests/Pipelines/requirements.txt
	@python3 -m venv $(venv)-pipelines && $(venv)-pipelines/bin/pip install -q -r $< && touch $@

pipeline-parity: build $(venv)-pipelines/ready
	@$(venv)-pipelines/bin/python Tests/Pipelines/pipeline_parity.py --program $(program) $(ARGS)

interruptions: build
	@python3 Tests/interruptions.py --program $(program) $(ARGS)

kills: build
	@python3 Tests/kills.py --program $(program) $(ARGS)

sweep-kills: build
	@python3 Tests/sweep_kills.py --program $(program) $(ARGS)

# Debian's Slurm, for this check alone: the daemons read no file of the system, and end with it.
slurm-packages := slurm-wlm munge

slurm-test: override packages += $(slurm-packages)
slurm-test: build
	@python3 Tests/slurm.py --program $(program) $(ARGS)

faults: build
	@python3 Tests/faults.py --program $(program) $(ARGS)

same-bytes: build
	@python3 Tests/same_bytes.py --old $(OLD) --new $(program) $(ARGS)

# Only Sources/CRanks is compiled anew, so that both programs come from one folder.
ranks-build:
	@$(MAKE) --no-print-directory MPI=1 build

ranks: ranks-build
	@python3 Tests/ranks.py --program $(program) $(ARGS)

bench-ranks: ranks-build $(venv)-bench/ready
	@$(venv)-bench/bin/python Experiments/Benchmarks/ranks.py --program $(program) $(ARGS)

ranks-network: ranks-build
	@command -v ip >/dev/null || { apt-get update -qq && apt-get install -y -qq iproute2 >/dev/null; }
	@python3 Experiments/Benchmarks/ranks_network.py --program $(program) --output Results/Benchmarks $(ARGS)
	@$(if $(ARGS),,for n in ranks-constants ranks-paper ranks-network; do python3 Experiments/insert_table.py $$n \
	  Docs/Scale.md < Results/Benchmarks/$$n.md || exit 1; done)

mutants: setup
	@python3 Tests/mutants.py $(ARGS)

# Coverage is counted in what is Swift and in what is C; libFuzzer itself comes with the compiler.
fuzzer := $(shell clang -print-resource-dir 2>/dev/null)/lib/linux/libclang_rt.fuzzer_no_main-x86_64.a
fuzz-flags := --package-path Tests/Fuzz --scratch-path .build/fuzz -c release --sanitize address \
  -Xswiftc -sanitize-coverage=edge,indirect-calls,trace-cmp,inline-8bit-counters,pc-table \
  -Xcc -fsanitize-coverage=edge,indirect-calls,trace-cmp,inline-8bit-counters,pc-table \
  -Xlinker $(fuzzer) -Xlinker -lstdc++ -Xswiftc -use-ld=lld
RUNS ?= 1000000
FORMATS ?=

fuzz-build: setup
	@$(swift) build $(fuzz-flags) --product fuzz

fuzz: fuzz-build
	@python3 Tests/Fuzz/fuzz.py --program .build/fuzz/release/fuzz --runs $(RUNS) $(FORMATS) $(ARGS)

# GSL's CBLAS in place of oneDNN, whose threads no sanitizer sees into. C is checked for undefined behaviour beside
# addresses.
sanitized = $(swift) build -c release --build-tests --sanitize $(1) --scratch-path .build/$(1) $(2)
sanitized-tests = .build/$(1)/release/score-sdePackageTests.xctest --testing-library swift-testing
SHARDED := ShardsTests|DeterminismTests|TrainerTests|ParameterSetTests|LossByTimeTests|MetricTests|AtomicFileTests|SameBytes

sanitize: export KERNELS = cblas
sanitize: setup
	@$(call sanitized,thread)
	@TSAN_OPTIONS="suppressions=$(abspath Tests/thread.suppressions) halt_on_error=0 exitcode=66" \
	  $(call sanitized-tests,thread) --filter '$(or $(FILTER),$(SHARDED))'
	@$(call sanitized,address,-Xcc -fsanitize=undefined -Xcc -fno-sanitize-recover=undefined)
	@ASAN_OPTIONS="detect_leaks=0" $(call sanitized-tests,address) $(if $(FILTER),--filter '$(FILTER)')

load: build
	@python3 Tests/load.py --program $(program) $(ARGS)

docs: build
	@{ sed '/<!-- options -->/q' Docs/Experiments.md; echo; $(program) list --markdown; } > Docs/Experiments.md.part
	@mv Docs/Experiments.md.part Docs/Experiments.md

docs-api: setup
	@$(swift) build $(flags) --product score-sde
	@$(swift) build $(flags) --target ScoreSDE
	@python3 Tests/api_docs.py --build $(scratch) --output $(scratch)/API

format:
	@$(swift) format --in-place --recursive --parallel Package.swift Sources Tests Experiments/Extending/Package.swift \
	  Experiments/Extending/Sources

lint:
	@$(swift) format lint --strict --recursive --parallel Package.swift Sources Tests Experiments/Extending/Package.swift \
	  Experiments/Extending/Sources

clean:
	@rm -rf .build
