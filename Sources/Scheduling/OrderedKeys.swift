/// Different keys in ascending order: cheap to add at the end and to take from the front, a search and a move elsewhere.
struct OrderedKeys<Key: Comparable & Sendable>: Sendable {
    private var keys: [Key] = []
    /// Keys before it are gone; they are dropped when they are more than half.
    private var head = 0

    init() {}

    var isEmpty: Bool { head == keys.count }
    var count: Int { keys.count - head }
    var first: Key? { isEmpty ? nil : keys[head] }
    var elements: ArraySlice<Key> { keys[head...] }

    /// The keys that are not below `bound`.
    func elements(from bound: Key) -> ArraySlice<Key> { keys[position(of: bound)...] }

    func contains(_ key: Key) -> Bool {
        let at = position(of: key)
        return at < keys.count && keys[at] == key
    }

    /// - Returns: whether the key is new.
    @discardableResult mutating func insert(_ key: Key) -> Bool {
        guard let last = keys.last, head < keys.count else {
            removeAll()
            keys.append(key)
            return true
        }
        if last < key {
            keys.append(key)
            return true
        }
        let at = position(of: key)
        guard keys[at] != key else { return false }
        if at == head && head > 0 {
            head -= 1
            keys[head] = key
        } else {
            keys.insert(key, at: at)
        }
        return true
    }

    /// - Returns: whether the key was there.
    @discardableResult mutating func remove(_ key: Key) -> Bool {
        let at = position(of: key)
        guard at < keys.count && keys[at] == key else { return false }
        if at == head { dropFirst() } else { keys.remove(at: at) }
        return true
    }

    mutating func popFirst() -> Key? {
        guard let key = first else { return nil }
        dropFirst()
        return key
    }

    mutating func removeAll() {
        keys.removeAll(keepingCapacity: true)
        head = 0
    }

    private mutating func dropFirst() {
        head += 1
        guard head > 32 && head > keys.count / 2 else { return }
        keys.removeFirst(head)
        head = 0
    }

    /// Where the first key is that is not below `key`.
    private func position(of key: Key) -> Int {
        var (low, high) = (head, keys.count)
        while low < high {
            let middle = (low + high) / 2
            if keys[middle] < key { low = middle + 1 } else { high = middle }
        }
        return low
    }
}
