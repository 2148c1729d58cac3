import ArgumentParser

@main
struct QMoE: ParsableCommand {
  static let configuration = CommandConfiguration(
    commandName: "qmoe",
    abstract: "Compresses Mixture-of-Experts language models to less than one bit per expert weight."
  )
}
