// swift-tools-version: 6.1
import PackageDescription

let package = Package(
  name: "Examples",
  platforms: [.macOS(.v15)],
  dependencies: [
    // By its name, which its folder need not have.
    .package(name: "qmoe", path: "..")
  ],
  targets: [
    .executableTarget(
      name: "stream-text",
      dependencies: [.product(name: "QMoE", package: "qmoe")]
    )
  ],
  swiftLanguageModes: [.v6]
)
