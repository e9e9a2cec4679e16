@main
enum Generator {
    static func main() {
        print("protoc-gen-sheaf")
    }
}
