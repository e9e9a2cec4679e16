import Model
import Testing

@Suite struct `Bytes in base64` {
    /// RFC 4648, section 10.
    @Test(arguments: [
        ("", ""), ("f", "Zg=="), ("fo", "Zm8="), ("foo", "Zm9v"), ("foob", "Zm9vYg=="), ("fooba", "Zm9vYmE="),
        ("foobar", "Zm9vYmFy"),
    ])
    func `are those of the standard`(text: String, encoded: String) {
        #expect(Base64.standard.text(of: Array(text.utf8)) == encoded)
        #expect(Base64.url.text(of: Array(text.utf8)) == String(encoded.prefix { $0 != "=" }))
    }

    @Test func `have two letters of their own in addresses`() {
        #expect(Base64.standard.text(of: [0xFB, 0xFF, 0xFE]) == "+//+")
        #expect(Base64.url.text(of: [0xFB, 0xFF, 0xFE]) == "-__-")
        #expect(Base64.standard.letters.count == 64 && Set(Base64.url.letters).count == 64)
    }
}
