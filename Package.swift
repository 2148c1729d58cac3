// swift-tools-version: 6.1
import PackageDescription

// Targets stand in the order of the data flow, lowest first; imports point upwards in this list only.
// docs/architecture.md says what each one is for.

let blas: [Target.Dependency] = [
  .target(name: "COpenBLAS", condition: .when(platforms: [.linux]))
]

let mpi: [Target.Dependency] = [.target(name: "COpenMPI", condition: .when(traits: ["MPI"]))]

let package = Package(
  name: "qmoe",
  platforms: [.macOS(.v15)],
  products: [
    .executable(name: "qmoe", targets: ["qmoe"]),
    .executable(name: "qmoe-server", targets: ["qmoe-server"]),
    .library(
      name: "QMoE",
      targets: [
        "Diagnostics", "Tensors", "Tokenization", "ChatTemplates", "Corpus", "Models",
        "Compression", "Evaluation", "Generation",
      ]
    ),
  ],
  traits: [.trait(name: "MPI", description: "Work of several processes, over Open MPI")],
  dependencies: [
    .package(url: "https://github.com/apple/swift-argument-parser", from: "1.8.0"),
    .package(
      url: "https://github.com/hummingbird-project/hummingbird",
      from: "2.28.0",
      traits: ["FullFoundation"]
    ),
    .package(url: "https://github.com/apple/swift-log", from: "1.14.0"),
    .package(url: "https://github.com/apple/swift-nio", from: "2.101.0"),
  ],
  targets: [
    // MARK: - C: SIMD kernels and system libraries
    .target(name: "CKernels"),
    .target(name: "CFiles"),
    .target(
      name: "CMPI",
      dependencies: mpi,
      cSettings: [.define("QMOE_MPI", .when(traits: ["MPI"]))]
    ),
    .systemLibrary(
      name: "COpenBLAS",
      pkgConfig: "openblas",
      providers: [.apt(["libopenblas-dev"])]
    ),
    .systemLibrary(
      name: "COpenMPI",
      pkgConfig: "ompi-c",
      providers: [.apt(["libopenmpi-dev"]), .brew(["open-mpi"])]
    ),
    .systemLibrary(name: "CZlib", pkgConfig: "zlib", providers: [.apt(["zlib1g-dev"])]),
    .systemLibrary(name: "CEdit", pkgConfig: "libedit", providers: [.apt(["libedit-dev"])]),

    // MARK: - Foundations
    .target(name: "Diagnostics"),
    .target(name: "Ranks", dependencies: ["Diagnostics", "CMPI"]),
    .target(name: "Plots", dependencies: ["Diagnostics"]),
    .target(name: "Tensors", dependencies: ["Diagnostics", "CKernels", "CFiles", "CZlib"]),
    .target(name: "Kernels", dependencies: ["Diagnostics", "Tensors", "CKernels"]),
    .target(name: "LinearAlgebra", dependencies: blas),
    .target(name: "Tokenization", dependencies: ["Diagnostics"], exclude: ["README.md"]),
    .target(name: "ChatTemplates", dependencies: ["Diagnostics"]),
    .target(name: "Corpus", dependencies: ["Diagnostics", "Tensors", "Tokenization"]),

    // MARK: - Compressed weights
    .target(
      name: "Quantization",
      dependencies: ["Diagnostics", "Tensors", "Kernels", "LinearAlgebra"]
    ),
    .target(
      name: "TernaryCode",
      dependencies: ["Diagnostics", "Tensors", "Kernels", "Quantization", "CKernels"]
    ),
    .target(
      name: "CompressedFolder",
      dependencies: ["Diagnostics", "Tensors", "TernaryCode", "Quantization"]
    ),

    // MARK: - The model, and what is done with it
    .target(
      name: "Models",
      dependencies: [
        "Diagnostics", "Ranks", "Tensors", "Kernels", "LinearAlgebra", "CompressedFolder",
      ]
    ),
    .target(
      name: "Compression",
      dependencies: [
        "Diagnostics", "Ranks", "Tensors", "Quantization",
        "CompressedFolder", "Models", "Corpus",
      ]
    ),
    .target(
      name: "Evaluation",
      dependencies: ["Diagnostics", "Ranks", "Tensors", "Kernels", "Models", "Corpus"]
    ),
    .target(
      name: "Generation",
      dependencies: ["Diagnostics", "Tensors", "Models", "Tokenization", "ChatTemplates"]
    ),
    .target(
      name: "Serving",
      dependencies: [
        "Diagnostics", "Tensors", "Models", "Tokenization", "ChatTemplates", "Generation",
      ]
    ),
    .target(
      name: "KernelBenchmark",
      dependencies: [
        "Diagnostics", "Plots", "Tensors", "Kernels", "LinearAlgebra", "Quantization",
        "TernaryCode", "CompressedFolder", "Models", "CKernels",
      ]
    ),
    .target(
      name: "Sweeps",
      dependencies: [
        "Diagnostics", "Plots", "Tensors", "Quantization", "CompressedFolder", "Models", "Corpus",
        "Compression", "Evaluation",
      ]
    ),
    .target(
      name: "Synthesis",
      dependencies: ["Diagnostics", "Tensors", "CompressedFolder", "Compression"]
    ),
    .target(
      name: "ModelPicture",
      dependencies: ["Diagnostics", "Plots", "Tensors", "Quantization", "CompressedFolder"]
    ),
    .target(
      name: "EmbeddedModel",
      resources: [.copy("switch-mini-16"), .copy("qwen3moe-mini"), .copy("text")]
    ),

    // MARK: - The command lines
    .target(
      name: "CommandOptions",
      dependencies: [
        "Diagnostics", "Models", "Tokenization",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),
    .executableTarget(
      name: "qmoe-server",
      dependencies: [
        "Diagnostics", "Tensors", "Tokenization", "ChatTemplates", "Models", "Generation",
        "Serving", "ModelPicture", "CommandOptions",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
        .product(name: "Hummingbird", package: "hummingbird"),
        .product(name: "HummingbirdCore", package: "hummingbird"),
        .product(name: "Logging", package: "swift-log"),
        .product(name: "NIOCore", package: "swift-nio"),
      ],
      resources: [.embedInCode("Page/page.html")]
    ),
    .executableTarget(
      name: "qmoe",
      dependencies: [
        "Diagnostics", "Ranks", "Plots", "Tensors", "Tokenization", "Corpus", "Kernels",
        "Quantization", "CompressedFolder", "Models", "Compression", "Evaluation",
        "Generation",
        "KernelBenchmark", "Sweeps", "Synthesis", "ModelPicture", "EmbeddedModel", "ChatTemplates",
        "CEdit", "CommandOptions",
        .product(name: "ArgumentParser", package: "swift-argument-parser"),
      ]
    ),

    // MARK: - Tests
    .target(
      name: "TestSupport",
      dependencies: ["Diagnostics", "Tensors"],
      path: "Tests/TestSupport"
    ),
    .testTarget(name: "RanksTests", dependencies: ["Ranks"]),
    .testTarget(
      name: "PlotsTests",
      dependencies: ["Plots", "KernelBenchmark", "Diagnostics", "TestSupport"]
    ),
    .testTarget(name: "KernelsTests", dependencies: ["Kernels", "Tensors"]),
    .testTarget(name: "TensorsTests", dependencies: ["Tensors", "TestSupport"]),
    .testTarget(
      name: "TokenizationTests",
      dependencies: ["Tokenization", "Corpus", "TestSupport"]
    ),
    .testTarget(
      name: "ChatTemplatesTests",
      dependencies: ["ChatTemplates", "Tensors", "TestSupport"]
    ),
    .testTarget(
      name: "QuantizationTests",
      dependencies: ["Quantization", "Kernels", "Tensors", "TestSupport"]
    ),
    .testTarget(
      name: "TernaryCodeTests",
      dependencies: ["TernaryCode", "Quantization", "Kernels", "CKernels", "TestSupport"]
    ),
    .testTarget(
      name: "ModelsTests",
      dependencies: ["Models", "Corpus", "Evaluation", "Generation", "TestSupport"]
    ),
    .testTarget(
      name: "GenerationTests",
      dependencies: [
        "Generation", "Models", "Tokenization", "ChatTemplates", "Tensors", "TestSupport",
      ]
    ),
    .testTarget(
      name: "ServingTests",
      dependencies: [
        "Serving", "Generation", "Models", "Tokenization", "ChatTemplates", "Tensors",
        "TestSupport",
      ]
    ),
    .testTarget(
      name: "CompressionTests",
      dependencies: [
        "Compression", "CompressedFolder", "Corpus", "Evaluation", "Models", "Quantization",
        "Tensors", "Tokenization", "Generation", "TestSupport",
      ]
    ),
    .testTarget(
      name: "SweepsTests",
      dependencies: [
        "Sweeps", "Compression", "Quantization", "Corpus", "Evaluation", "Models",
        "Plots", "Tensors", "Diagnostics", "TestSupport",
      ]
    ),
    .testTarget(
      name: "ModelPictureTests",
      dependencies: [
        "ModelPicture", "Compression", "CompressedFolder", "Corpus", "Diagnostics", "Models",
        "Quantization", "Tensors", "TestSupport",
      ]
    ),
    .testTarget(name: "CommandLineTests", dependencies: ["qmoe", "qmoe-server", "TestSupport"]),
  ],
  swiftLanguageModes: [.v6],
  cLanguageStandard: .c17
)
