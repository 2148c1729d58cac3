import Diagnostics
import Synchronization
import Tensors
import Testing

@Suite struct WorkersTests {
  private struct Failure: Error, Equatable { var index: Int }

  @Test(arguments: [1, 2, 3, 16]) func everyIndexIsVisitedOnce(threads: Int) {
    let workers = Workers(count: threads)
    for count in [0, 1, 2, 7, 1000] {
      let visits = Mutex([Int](repeating: 0, count: count))
      workers.forEach(count) { index in visits.withLock { $0[index] += 1 } }
      #expect(visits.withLock { $0 } == Array(repeating: 1, count: count))
      #expect(workers.map(count) { $0 * $0 } == (0..<count).map { $0 * $0 })
    }
  }

  /// Loops in quick succession, within each other and from several threads at once.
  @Test func loopsOfAllKinds() async {
    let workers = Workers(count: 4)
    let total = Mutex(0)
    for _ in 0..<20_000 { workers.forEach(2) { index in total.withLock { $0 += index } } }
    #expect(total.withLock { $0 } == 20_000)
    await withTaskGroup(of: Int.self) { group in
      for _ in 0..<4 {
        group.addTask {
          (0..<500).reduce(0) { sum, _ in
            sum
              + workers.map(3) { outer in workers.map(3) { outer * $0 }.reduce(0, +) }.reduce(0, +)
          }
        }
      }
      for await sum in group { #expect(sum == 500 * 9) }
    }
  }

  @Test(arguments: [1, 2, 5]) func chunksCoverEverything(threads: Int) {
    let workers = Workers(count: threads)
    for (total, chunk) in [(0, 3), (10, 3), (9, 3), (5, 100), (4, 0)] {
      let visits = Mutex([Int](repeating: 0, count: total))
      workers.forEachChunk(of: total, by: chunk) { range in
        visits.withLock { visits in for index in range { visits[index] += 1 } }
      }
      #expect(visits.withLock { $0 } == Array(repeating: 1, count: total))
    }
  }

  @Test(arguments: [1, 2, 8]) func theFirstErrorIsThrown(threads: Int) {
    do throws(Failure) {
      try Workers(count: threads).forEach(100) { (index) throws(Failure) in
        if index == 3 || index == 60 { throw Failure(index: index) }
      }
      Issue.record("no error")
    } catch {
      #expect(error == Failure(index: 3))
    }
  }
}
