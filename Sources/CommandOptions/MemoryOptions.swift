import ArgumentParser
import Models

/// The option of commands that run a model.
package struct MemoryOptions: ParsableArguments {
  @Option(
    help: ArgumentHelp(
      "Memory for the model, such as 8GB: all but the experts, and as many of these as it leaves room for. "
        + "Others are read from the compressed folder when they are needed (default: all are mapped).",
      valueName: "size"
    )
  )
  package var memory: ByteSize?

  package init() {}

  /// What the model may take while so many threads run it; `nil` for all that there is.
  package func budget(threads: Int) -> ExpertCache.Memory? {
    memory.map { ExpertCache.Memory(byteCount: $0.bytes, threads: threads) }
  }
}
