import ArgumentParser

struct Verify: ParsableCommand {
  static let configuration = CommandConfiguration(abstract: "Check a model for damage.")
}
