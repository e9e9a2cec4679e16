@main
enum Sheaf {
    static func main() {
        print("sheaf")
    }
}
