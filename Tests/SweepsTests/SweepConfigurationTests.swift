import Compression
import Quantization
import Sweeps
import Testing

@Suite struct SweepConfigurationTests {
  @Test func namesTellTheOptions() throws {
    let plain = try #require(SweepConfiguration("gptq-ternary"))
    #expect(plain.options.method == .gptq && plain.options.grid == Grid(.ternary))
    #expect(plain.curve == "GPTQ" && plain.label == "ternary")
    let groups = try #require(SweepConfiguration("rtn-3-g64"))
    #expect(groups.options.method == .rtn)
    #expect(groups.options.grid == Grid(.uniform(bits: 3), groupSize: 64))
    #expect(groups.curve == "RTN, groups of 64" && groups.label == "3")
    let rates = try #require(SweepConfiguration("rd-0.25"))
    #expect(rates.options.method == .rd && rates.options.rateDistortion.lambda == 0.25)
    #expect(rates.options.denseBits == nil)
    let dense = try #require(SweepConfiguration("gptq-2-g64-d4"))
    #expect(dense.options.denseBits == 4 && dense.options.grid.groupSize == 64)
    #expect(dense.curve == "GPTQ, groups of 64, dense 4")
    #expect(SweepConfiguration("rd-1-d8")?.options.denseBits == 8)
  }

  @Test(arguments: [
    "", "gptq", "gptq-", "gptq-5", "gptq-2-", "gptq-2-64", "gptq-2-g0", "gptq-2-g-1",
    "gptq-2-g64-g64", "gptq-d4", "rd-d4", "rd-1-d5", "rd-1-d4-d4",
    "rd-", "rd-x", "rd--1", "rd-nan", "rd-1001", "rd-1-g64", "GPTQ-2", "-2",
    "gptq-2-g99999999999999999999",
  ])
  func otherNamesAreNone(name: String) {
    #expect(SweepConfiguration(name) == nil)
    if name != "gptq" {
      #expect(throws: SweepConfiguration.UnknownName(name: name)) {
        try SweepConfiguration.list("rtn-2," + name)
      }
    }
  }

  @Test func aListHasEachNameOnce() throws {
    #expect(
      try SweepConfiguration.list("rd-0.3,rtn-2,rd-0.3,rtn").map(\.name)
        == ["rd-0.3", "rtn-2", "rtn-ternary", "rtn-3", "rtn-4", "rtn-8"]
    )
    let names = SweepConfiguration.standard.map(\.name)
    #expect(try SweepConfiguration.list("rtn,gptq,rd").map(\.name) == names)
    #expect(Set(names).count == names.count && names.count > 12)
  }
}
