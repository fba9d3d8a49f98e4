// swift-tools-version: 6.2
// SPDX-License-Identifier: GPL-3.0-or-later
import PackageDescription

/// The fuzzer of `make fuzz`: a package of its own, as all of the program is built with sanitizers for it. The same
/// readers and mutations run in the tests (Tests/HostileInputTests).
let package = Package(
  name: "fuzz",
  dependencies: [.package(name: "score-sde", path: "../..")],
  targets: [
    .target(name: "HeapWatch"),
    .target(name: "HostileInput", dependencies: [.product(name: "ScoreSDE", package: "score-sde")]),
    .executableTarget(name: "fuzz", dependencies: ["HostileInput", "HeapWatch"]),
  ],
  swiftLanguageModes: [.v6]
)
