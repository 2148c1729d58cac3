import Tensors
import Testing

@Suite struct ConversionTests {
  private func floats(_ bits: [UInt16], _ type: ElementType) throws -> [Float] {
    let bytes = bits.flatMap { [UInt8($0 & 255), UInt8($0 >> 8)] }
    let tensor = TensorView(
      name: "t",
      elementType: type,
      shape: [bits.count],
      bytes: ByteView(copying: bytes),
      file: "f"
    )
    return try tensor.floats()
  }

  @Test func everyFiniteBFloat16IsExact() throws {
    let bits = (0...UInt16.max).filter { $0 & 0x7f80 != 0x7f80 }
    let values = try floats(bits, .bf16)
    #expect(zip(bits, values).allSatisfy { $1.bitPattern == UInt32($0) << 16 })
    #expect(zip(bits, values).allSatisfy { $1.bfloat16BitPattern == $0 })
  }

  #if arch(arm64) || os(Linux)
    @Test func everyFiniteFloat16IsExact() throws {
      let bits = (0...UInt16.max).filter { $0 & 0x7c00 != 0x7c00 }
      let values = try floats(bits, .f16)
      #expect(zip(bits, values).allSatisfy { $1 == Float(Float16(bitPattern: $0)) })
    }
  #endif

  @Test func roundingToBFloat16TiesToEven() {
    #expect(Float(1 + 1.0 / 256).roundedToBFloat16 == 1)
    #expect(Float(1 + 3.0 / 256).roundedToBFloat16 == 1 + 4.0 / 256)
    #expect(Float(1 + 1.1 / 256).roundedToBFloat16 == 1 + 2.0 / 256)
    #expect(Float.greatestFiniteMagnitude.roundedToBFloat16 == .infinity)
    #expect(Float.nan.roundedToBFloat16.isNaN)
  }
}
