import Foundation
import Generation
import Models
import Tensors
import Tokenization

guard CommandLine.arguments.count == 3 else {
  print("usage: stream-text MODEL TEXT")
  exit(64)
}
do {
  let folder = URL(filePath: CommandLine.arguments[1])
  let model = try ModelLoader.load(folder, execution: .fused(Workers()))
  let tokenizer = try Tokenizer(folder: folder)
  var generator = Generator(model)
  var text = try TextStream(tokenizer)
  let prompt = tokenizer.encode(CommandLine.arguments[2])
  _ = try generator.run(prompt, limit: 40, into: &text) { piece in
    FileHandle.standardOutput.write(Data(piece.utf8))
  }
  print()
} catch {
  print("stream-text: error: \(error)")
  exit(1)
}
