import Compression
import Diagnostics
import Foundation
import Models
import Ranks

/// Loads the model in `folder` on all ranks of `execution`: each has its part of the experts.
///
/// - Throws: `InputError` if one cannot load it, or would not compute with it what the others do.
func loadModel(
  _ folder: URL,
  execution: Execution,
  memory: ExpertCache.Memory? = nil
) throws(InputError) -> any LanguageModel {
  let ranks = execution.ranks
  let model = try ranks.agree { () throws(InputError) in
    try ModelLoader.load(folder, execution: execution, memory: memory)
  }
  if ranks.count > 1 {
    let size = try ranks.agree { () throws(InputError) in try folderByteCount(folder) }
    try ranks.requireSame(
      "qmoe \(programVersion), \(Execution.arithmetic), a model of \(size) bytes",
      at: folder.path
    )
  }
  return model
}
