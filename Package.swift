// swift-tools-version: 6.2
// SPDX-License-Identifier: GPL-3.0-or-later
import Foundation
import PackageDescription

/// Which library does the matrix products: "onednn" or "cblas" (GSL's). `make` always says; a bare
/// `swift build` takes oneDNN where its header is installed.
let kernels =
  Context.environment["KERNELS"]
  ?? (FileManager.default.fileExists(atPath: "/usr/include/dnnl.h") ? "onednn" : "cblas")
precondition(["onednn", "cblas"].contains(kernels), "KERNELS is '\(kernels)'; allowed: onednn, cblas")
let usesOneDNN = kernels == "onednn"

/// Whether ranks go over MPI: MPI=1 of the environment, as `make MPI=1` says. Only CRanks depends on it.
let usesMPI = ["1"].contains(Context.environment["MPI"] ?? "0")
precondition(["", "0", "1"].contains(Context.environment["MPI"] ?? "0"), "MPI is neither 0 nor 1")
let machine = ["x86_64-linux-gnu", "aarch64-linux-gnu"]
let mpiHeader =
  (machine.flatMap { ["/usr/lib/\($0)/openmpi/include/mpi.h", "/usr/include/\($0)/mpi/mpi.h"] }
  + ["/usr/include/mpi.h", "/usr/local/include/mpi.h"]).first { FileManager.default.fileExists(atPath: $0) }
precondition(!usesMPI || mpiHeader != nil, "MPI=1 and no mpi.h: `make MPI=1 setup` installs libopenmpi-dev")

/// The commit, for manifest.json; `make` says it. Other than git's own characters would leave the quotes below.
let commit = Context.environment["SCORE_SDE_COMMIT"].flatMap { text in
  !text.isEmpty && text.allSatisfy { $0.isASCII && ($0.isLetter || $0.isNumber || "-.".contains($0)) } ? text : nil
}

/// A floor of the house: `name` imports the floors listed, all of them below it.
func floor(_ name: String, on below: [Target.Dependency], resources: [Resource]? = nil) -> Target {
  let readme = "\(Context.packageDirectory)/Sources/\(name)/README.md"
  return .target(
    name: name, dependencies: below, exclude: FileManager.default.fileExists(atPath: readme) ? ["README.md"] : [],
    resources: resources)
}

func tests(_ name: String, on targets: [Target.Dependency], resources: [Resource]? = nil) -> Target {
  .testTarget(name: name, dependencies: targets, resources: resources)
}

/// What ScoreSDE re-exports. Named beside it where it is imported: SwiftPM rebuilds only what names a module that
/// changed.
let floors = [
  "Experiments", "Plots", "Training", "Evaluation", "Conditioning", "Models", "Networks", "Tensors", "Solvers",
  "Datasets", "Scores", "Processes", "Core",
]

let package = Package(
  name: "score-sde",
  products: [
    .executable(name: "score-sde", targets: ["score-sde"]),
    .library(name: "ScoreSDE", targets: ["ScoreSDE", "Commands"] + floors),
  ],
  dependencies: [
    .package(url: "https://github.com/jpsim/Yams", from: "6.2.2"),
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.2"),
  ],
  targets: [
    // System libraries and C.
    .systemLibrary(name: "CGSL", pkgConfig: "gsl", providers: [.apt(["libgsl-dev"])]),
    .systemLibrary(name: "CPNG", pkgConfig: "libpng", providers: [.apt(["libpng-dev"])]),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CCairo", pkgConfig: "cairo", providers: [.apt(["libcairo2-dev"])]),
    .target(
      name: "CKernels",
      cSettings: [.define("SCORESDE_ONEDNN", to: usesOneDNN ? "1" : "0")],
      linkerSettings: [.linkedLibrary(usesOneDNN ? "dnnl" : "gslcblas")]),

    .target(name: "CSystem", cSettings: [.define("SCORESDE_COMMIT", to: "\"\(commit ?? "unknown")\"")]),

    .target(
      name: "CRanks",
      cSettings: usesMPI ? [.define("SCORESDE_MPI_HEADER", to: "\"\(mpiHeader ?? "")\"")] : [],
      linkerSettings: usesMPI ? [.linkedLibrary("mpi")] : []),

    // The floors, bottom to top.
    floor("Core", on: ["CKernels", "CGSL", "CSystem"]),
    floor("Processes", on: ["Core", "CKernels", "CGSL"]),
    floor("Scores", on: ["Processes", "Core", "CKernels"]),
    floor("Tensors", on: ["Core", "CKernels"]),
    floor("Networks", on: ["Tensors", "Core", "CKernels"]),
    floor("Models", on: ["Networks", "Tensors", "Scores", "Processes", "Core", "CKernels"]),
    floor("Solvers", on: ["Scores", "Processes", "Core", "CKernels", "CGSL"]),
    floor("Datasets", on: ["Scores", "Processes", "Core", "CPNG", "CZlib"], resources: [.copy("Resources/Digits")]),
    floor(
      "Training", on: ["Models", "Networks", "Tensors", "Datasets", "Scores", "Processes", "Core", "CKernels", "CGSL"]),
    floor("Conditioning", on: ["Solvers", "Scores", "Processes", "Core", "CKernels", "CGSL"]),
    floor("Evaluation", on: ["Networks", "Tensors", "Core", "CKernels", "CGSL"]),
    floor("Plots", on: ["CCairo", "CPNG"]),
    floor(
      "Experiments",
      on: [
        "Training", "Evaluation", "Plots", "Conditioning", "Models", "Networks", "Tensors", "Solvers", "Datasets",
        "Scores",
        "Processes",
        "Core", "CKernels", "CPNG", "CZlib", "CGSL", "CSystem", "Yams",
      ]),
    floor("ScoreSDE", on: floors.map { .byName(name: $0) }),
    floor(
      "Commands",
      on: [
        "Experiments", "Solvers", "Core", "CRanks", .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]),
    .executableTarget(name: "score-sde", dependencies: ["Commands"]),
    // Studies of the metrics themselves, for Docs/Metrics.md, and of particles, for Docs/Conditional.md.
    .executableTarget(
      name: "score-sde-studies",
      dependencies: [
        "Experiments", "Evaluation", "Conditioning", "Solvers", "Datasets", "Scores", "Processes", "Core",
      ]),
    .executableTarget(
      name: "score-sde-bench",
      dependencies: [
        "Training", "Evaluation", "Conditioning", "Models", "Networks", "Tensors", "Solvers", "Datasets", "Scores",
        "Processes", "Core", "CKernels",
      ]),

    // The worked example of Docs/Extending.md, which is a package of its own, under another name for its tests.
    .target(
      name: "ExtendingExample", dependencies: ["ScoreSDE", "Commands"] + floors.map { .byName(name: $0) },
      path: "Experiments/Extending/Sources/MyKinds"),
    tests("ExtendingTests", on: ["ExtendingExample", "Commands", "ScoreSDE"]),

    // Counts what a test's thread takes from the heap.
    .target(name: "AllocationCounter", path: "Tests/AllocationCounter"),
    // Compares collections of equal counts.
    .target(name: "Pairs", path: "Tests/Pairs"),
    .target(name: "TestSupport", dependencies: ["Networks", "Tensors", "Core"], path: "Tests/Support"),
    tests(
      "ConditioningTests",
      on: ["Conditioning", "Solvers", "Scores", "Processes", "Core", "AllocationCounter", "Pairs"],
      resources: [.copy("Fixtures")]),
    tests("CoreTests", on: ["Core", "CKernels", "TestSupport", "Pairs"]),
    tests("ProcessesTests", on: ["Scores", "Processes", "Core", "CGSL", "Pairs"], resources: [.copy("Fixtures")]),
    tests(
      "TensorsTests", on: ["Networks", "Tensors", "Core", "CKernels", "TestSupport", "Pairs"],
      resources: [.copy("Fixtures")]),
    tests(
      "NetworksTests",
      on: [
        "Models", "Networks", "Tensors", "Scores", "Processes", "Core", "CGSL", "TestSupport", "AllocationCounter",
        "Pairs",
      ],
      resources: [.copy("Fixtures")]),
    tests(
      "ModelsTests",
      on: ["Models", "Networks", "Tensors", "Scores", "Processes", "Core", "CGSL", "TestSupport", "Pairs"],
      resources: [.copy("Fixtures")]),
    tests(
      "SolversTests", on: ["Solvers", "Scores", "Processes", "Core", "CKernels", "CGSL", "AllocationCounter", "Pairs"],
      resources: [.copy("Fixtures")]),
    tests("DatasetsTests", on: ["Datasets", "Scores", "Processes", "Core", "CPNG", "CZlib", "Pairs"]),
    tests(
      "TrainingTests",
      on: [
        "Training", "Models", "Networks", "Tensors", "Datasets", "Scores", "Processes", "Core", "TestSupport",
        "AllocationCounter", "Pairs",
      ],
      resources: [.copy("Fixtures")]),
    tests("EvaluationTests", on: ["Evaluation", "Core", "CKernels", "Pairs"], resources: [.copy("Fixtures")]),
    tests("PlotsTests", on: ["Plots", "Pairs"]),
    tests(
      "ExperimentsTests",
      on: [
        "Experiments", "ScoreSDE", "Plots", "Training", "Models", "Networks", "Tensors", "Solvers", "Scores",
        "Processes", "Core", "CZlib", "Pairs",
      ], resources: [.copy("Fixtures")]),
    tests("CommandsTests", on: ["score-sde", "Commands", "Experiments", "Core"]),

    // What the readers make of hostile files: shared with the fuzzer, which is a package of its own.
    .target(
      name: "HostileInput", dependencies: ["ScoreSDE"] + floors.map { .byName(name: $0) },
      path: "Tests/Fuzz/Sources/HostileInput"),
    tests("HostileInputTests", on: ["HostileInput"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .gnu17
)
