extension StringProtocol {
    /// Whether these bytes are in the text. Advice looks for many words in every line of every script, which the standard
    /// library's search by characters makes several times as slow.
    func contains(_ text: String) -> Bool {
        var text = text
        return text.withUTF8 { wanted in
            guard let first = unsafe wanted.first else { return true }
            var own = String(self)
            return own.withUTF8 { bytes in
                var place = 0
                while place + wanted.count <= bytes.count {
                    if unsafe bytes[place] == first {
                        var length = 1
                        while unsafe length < wanted.count && bytes[place + length] == wanted[length] { length += 1 }
                        if length == wanted.count { return true }
                    }
                    place += 1
                }
                return false
            }
        }
    }
}
