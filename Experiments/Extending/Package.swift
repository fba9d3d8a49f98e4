// swift-tools-version: 6.2
// SPDX-License-Identifier: GPL-3.0-or-later
import PackageDescription

// A package of one's own on top of ScoreSDE. `path` leads to a clone of ScoreSDE, whatever its folder is called: `name`
// is what the products below ask for.
let package = Package(
  name: "my-score-sde",
  dependencies: [.package(name: "score-sde", path: "../..")],
  targets: [
    .target(name: "MyKinds", dependencies: [.product(name: "ScoreSDE", package: "score-sde")]),
    .executableTarget(
      name: "my-score-sde", dependencies: ["MyKinds", .product(name: "ScoreSDE", package: "score-sde")]),
  ]
)
